"""What a corpus has too often, in whole builds: each rule by its reason, and the same outcome however work is cut."""

import itertools
import json
from collections import Counter
from pathlib import Path

import pytest

from jobs.build import build
from jobs.config import load_config
from jobs.phases.slices import Slice, cut
from schemas.dataset import Dataset
from tests.jobs.site import photo, prose, write_archive
from tests.jobs.test_build import INLINE, drops, samples


def page(paragraphs: list[str], images: list[str]) -> bytes:
    parts = [f"<p>{text}</p>" for text in paragraphs]
    shown = [f"<img src='{url}' alt='a picture'>" for url in images]
    rows = (
        [part for pair in zip(parts, shown, strict=False) for part in pair] + parts[len(shown) :] + shown[len(parts) :]
    )
    return f"<html><body><article><h1>Story</h1>{''.join(rows)}</article></body></html>".encode()


def story(seed: int, paragraphs: int = 4) -> list[str]:
    return [prose(1000 * seed + number) for number in range(paragraphs)]


def built(folder: Path, pages: dict[str, bytes], images: dict[str, bytes], *settings: str) -> Dataset:
    """A build of pages captured a day apart, the later page first, in one archive, and of their images in another."""
    captures = []
    for day, (url, html) in enumerate(pages.items(), 1):
        part = write_archive(folder / "part.warc.gz", [(url, html, "text/html")], f"2026-03-{day:02d}T00:00:00Z")
        captures.append(part.read_bytes())
    (folder / "part.warc.gz").unlink()
    archives = [folder / "pages.warc.gz", folder / "images.warc.gz"]
    archives[0].write_bytes(b"".join(reversed(captures)))
    write_archive(archives[1], [(url, body, "image/jpeg") for url, body in images.items()])
    config = load_config("default", ["partitions=2", "buckets=3", "max_slice_bytes=9000", *settings])
    return build(str(folder / "out"), [str(path) for path in archives], config, INLINE)


def kept(folder: Path) -> set[str]:
    return {sample["document"]["url"] for sample in samples(folder / "out")}


def test_of_near_duplicates_the_newest_stays_and_is_named(tmp_path: Path) -> None:
    text = story(1, 8)
    changed = [*text[:-1], text[-1] + " One more word here."]
    pages = {
        f"https://{name}.com/story": page(paragraphs, [f"https://{name}.com/{name}.jpg"])
        for name, paragraphs in (
            ("one", text),
            ("two", changed),
            ("three", [*changed[1:], "Another end."]),
            ("four", story(2)),
        )
    }
    images = {
        f"https://{name}.com/{name}.jpg": photo(seed) for seed, name in enumerate(("one", "two", "three", "four"))
    }
    dataset = built(tmp_path, pages, images)
    assert dataset.drops["page"] == {"near_duplicate": 2}
    assert kept(tmp_path) == {"https://three.com/story", "https://four.com/story"}
    assert {row["detail"] for row in drops(tmp_path / "out")} == {
        "same as https://three.com/story of 2026-03-03T00:00:00Z"
    }


def test_near_duplicates_stay_if_the_setting_says_so(tmp_path: Path) -> None:
    text = story(1)
    pages = {f"https://{name}.com/": page([*text, name], [f"https://{name}.com/i.jpg"]) for name in ("one", "two")}
    images = {f"https://{name}.com/i.jpg": photo(seed) for seed, name in enumerate(("one", "two"))}
    dataset = built(tmp_path, pages, images, "near_duplicates=false")
    assert dataset.kinds["interleaved"].samples == 2
    assert "similar" not in dataset.phases


NOTICE = "Subscribe to our letter and read the stories of the week with the best pictures of the town."


def test_paragraphs_that_a_domain_repeats_go_everywhere_on_it(tmp_path: Path) -> None:
    pages, images = {}, {}
    for number in range(4):
        host = "https://site.com" if number < 3 else "https://other.com"
        pages[f"{host}/{number}"] = page([*story(number), NOTICE], [f"{host}/{number}.jpg"])
        images[f"{host}/{number}.jpg"] = photo(number)
    dataset = built(tmp_path, pages, images)
    assert dataset.drops["paragraph"] == {"boilerplate": 3}
    texts = {
        sample["document"]["url"]: "".join(filter(None, sample["document"]["texts"]))
        for sample in samples(tmp_path / "out")
    }
    assert [url for url, text in texts.items() if NOTICE in text] == ["https://other.com/3"]


def test_a_page_of_boilerplate_is_judged_by_what_is_left(tmp_path: Path) -> None:
    shared = story(0)
    pages = {
        f"https://site.com/{n}": page([*shared, *story(n + 1, 9)], [f"https://site.com/{n}.jpg"]) for n in range(3)
    }
    pages["https://site.com/bare"] = page([*shared, "Nothing else is said on this page."], ["https://site.com/9.jpg"])
    images = {f"https://site.com/{n}.jpg": photo(n) for n in (0, 1, 2, 9)}
    dataset = built(tmp_path, pages, images)
    assert dataset.drops["page"] == {"few_words": 1}
    assert kept(tmp_path) == set(list(pages)[:3])


@pytest.mark.parametrize("documents", [2, 3])
def test_images_that_too_many_pages_refer_to_go(tmp_path: Path, documents: int) -> None:
    stock = "https://cdn.com/shared.jpg"
    pages, images = {}, {stock: photo(99)}
    for number in range(4):
        url = f"https://site{number}.com/"
        pages[url] = page(story(number), [f"{url}own.jpg", *([stock] if number < documents else [])])
        images[f"{url}own.jpg"] = photo(number)
    dataset = built(tmp_path, pages, images, "corpus.max_image_documents=2")
    assert dataset.drops == ({} if documents == 2 else {"image": {"frequent_image": 3}})
    shown = Counter(url for sample in samples(tmp_path / "out") for url in sample["document"]["image_urls"])
    assert shown[stock] == (2 if documents == 2 else 0)


def test_of_pages_with_the_same_images_the_newest_stays(tmp_path: Path) -> None:
    pair = ["https://cdn.com/a.jpg", "https://cdn.com/b.jpg"]
    pages = {
        "https://one.com/": page(story(1), pair),
        "https://two.com/": page(story(2), pair[::-1]),
        "https://three.com/": page(story(3), pair[:1]),
        "https://four.com/": page(story(4), pair[:1]),
    }
    dataset = built(tmp_path, pages, {url: photo(seed) for seed, url in enumerate(pair)})
    assert dataset.drops["page"] == {"same_images": 1}
    assert kept(tmp_path) == set(pages) - {"https://one.com/"}


def test_images_that_stand_in_too_many_places_go_whatever_their_address(tmp_path: Path) -> None:
    """Twice the same bytes and once another size of them: the look tells what the bytes do not."""
    pages, images = {}, {}
    for number in range(4):
        url = f"https://site{number}.com/"
        pages[url] = page(story(number), [f"{url}own.jpg", *([f"{url}stock.jpg"] if number < 3 else [])])
        images[f"{url}own.jpg"] = photo(number)
        images[f"{url}stock.jpg"] = photo(77, *((320, 240) if number < 2 else (160, 120)))
    dataset = built(tmp_path, pages, images, "corpus.max_image_places=2")
    assert dataset.drops == {"image": {"frequent_content": 3}}
    details = [row["detail"].split(",")[0] for row in drops(tmp_path / "out")]
    assert details == ["by its phash"] * 3
    assert all(len(sample["document"]["image_urls"]) == 1 for sample in samples(tmp_path / "out"))


def test_a_page_that_showed_only_frequent_images_goes(tmp_path: Path) -> None:
    pages = {f"https://site{n}.com/": page(story(n), [f"https://site{n}.com/b.jpg"]) for n in range(3)}
    images = {f"https://site{n}.com/b.jpg": photo(5) for n in range(3)}
    dataset = built(tmp_path, pages, images, "corpus.max_image_places=2")
    assert dataset.drops == {"image": {"frequent_content": 3}, "page": {"no_image_left": 3}}
    assert dataset.kinds["interleaved"].samples == 0


def test_the_cuts_of_the_work_do_not_change_what_is_kept(tmp_path: Path) -> None:
    """Partitions, buckets and slices are about memory and speed; no count may depend on them."""
    pages, images = {}, {"https://cdn.com/shared.jpg": photo(99)}
    for number in range(12):
        host = f"https://site{number % 3}.com"
        texts = [*story(number % 9), NOTICE] + ([prose(5)] if number > 8 else [])
        own = [f"{host}/{number}.jpg"] + (["https://cdn.com/shared.jpg"] if number % 2 else [])
        pages[f"{host}/{number}"] = page(texts, own)
        images[own[0]] = photo(number % 4)
    outcomes = []
    for number, settings in enumerate(
        (
            ["partitions=1", "buckets=1", "max_slice_bytes=100000000"],
            ["partitions=5", "buckets=4", "max_slice_bytes=5000"],
            ["partitions=1", "buckets=7", "max_slice_bytes=3000"],
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        extra = ["corpus.max_image_documents=3", "corpus.max_image_places=2"]
        dataset = built(folder, pages, images, *settings, *extra)
        texts = sorted(
            json.dumps([sample["document"][name] for name in ("url", "texts", "image_urls")])
            for sample in samples(folder / "out")
        )
        rows = sorted(tuple(row.values()) for row in drops(folder / "out"))
        outcomes.append((texts, rows, dataset.drops))
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert {"near_duplicate"} <= set(outcomes[0][2]["page"])
    assert outcomes[0][2]["paragraph"]["boilerplate"] > 0
    assert {"frequent_image", "frequent_content"} <= set(outcomes[0][2]["image"])


def test_without_a_limit_no_partition_is_split() -> None:
    assert [one.partition for one in cut([10, 0, 1 << 60], 0)] == [0, 1, 2]


def test_a_giant_partition_is_cut_into_even_ranges_that_leave_nothing_out() -> None:
    slices = list(cut([10, 0, 95], 30))
    assert [piece.partition for piece in slices] == [0, 1, 2, 2, 2, 2]
    assert slices[0] == Slice(0)
    assert slices[0].is_whole
    giant = slices[2:]
    assert (giant[0].first, giant[-1].last) == (-(1 << 63), (1 << 63) - 1)
    assert all(before.last + 1 == after.first for before, after in itertools.pairwise(giant))
    assert not any(piece.is_whole for piece in giant)


def test_pages_of_a_giant_domain_are_spread_over_shards(tmp_path: Path) -> None:
    pages = {f"https://giant.com/{n}": page(story(n), [f"https://giant.com/{n}.jpg"]) for n in range(12)}
    images = {f"https://giant.com/{n}.jpg": photo(n) for n in range(12)}
    dataset = built(tmp_path, pages, images)
    assert dataset.kinds["interleaved"].samples == 12
    assert kept(tmp_path) == set(pages)
    assert dataset.kinds["interleaved"].shards >= 3
