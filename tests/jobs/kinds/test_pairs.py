"""Whole builds of pairs, in this process."""

import io
import json
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
import webdataset
from PIL import Image

from jobs.build import build
from jobs.cli import main
from jobs.config import BuildConfig, load_config
from jobs.engine.engine import EngineSettings
from pipeline.captions import CaptionRules
from pipeline.pairs import PairRules
from schemas.dataset import Dataset
from schemas.drops import Counts
from tests.jobs.conftest import contents
from tests.jobs.site import photo, prose, write_archive
from tests.models import write_clip

INLINE = EngineSettings(engine="inline")
ALT = PairRules(caption=CaptionRules(sources=("alt",)))
SMALL = msgspec.structs.replace(BuildConfig(), kinds=("pairs",), partitions=3, buckets=2, pairs=ALT)


def built(folder: Path, archives: list[Path], config: BuildConfig = SMALL, deny: tuple[str, ...] = ()) -> Dataset:
    return build(str(folder), [str(path) for path in archives], config, INLINE, deny)


def pairs(folder: Path) -> list[dict]:
    """As webdataset reads them; what img2dataset's users expect of each."""
    shards = sorted(map(str, (folder / "pairs/shards").glob("*.tar")))
    stock = webdataset.WebDataset(shards, shardshuffle=False, empty_check=False).decode("pil")
    return list(stock.to_tuple("jpg", "txt", "json", "__key__"))


def drops(folder: Path, kind: str = "pair") -> list[tuple[str, str]]:
    rows = [row for path in sorted((folder / "drops").glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    return sorted((row["url"].rpartition("/")[2], row["reason"]) for row in rows if row["kind"] == kind)


def archive(folder: Path, images: list[tuple[str, str, int]], name: str = "a.warc.gz", short: bool = False) -> Path:
    """One page a list of (name, alt, seed of the picture)."""
    tags = "".join(
        f"<p>{'' if short else prose(n)}</p><img src='/{url}' alt='{alt}'>" for n, (url, alt, _) in enumerate(images)
    )
    records = [("https://a.example/page", f"<html><body><article>{tags}</article></body></html>".encode(), "text/html")]
    records += [(f"https://a.example/{url}", photo(seed), "image/jpeg") for url, _, seed in dict.fromkeys(images)]
    return write_archive(folder / name, records)


def with_rules(**changes: object) -> BuildConfig:
    return msgspec.structs.replace(SMALL, pairs=msgspec.structs.replace(ALT, **changes))


def test_webdataset_reads_every_pair_with_its_image_and_caption(tmp_path: Path, site: list[Path]) -> None:
    dataset = built(tmp_path / "out", site)
    read = pairs(tmp_path / "out")
    assert len(read) == dataset.kinds["pairs"].samples == 48
    assert len({key for *_, key in read}) == 48
    for image, text, document, key in read:
        assert document["key"] == key
        assert text == document["caption"] in ("picture 0", "picture 1")
        assert image.size == (document["width"], document["height"]) == (320, 240)
        number, side = document["url"].rpartition("/")[2].removesuffix(".jpg").split("-")
        assert document["page_url"].endswith(f"/page{number}.html")
        expected = Image.open(io.BytesIO(photo(2 * int(number) + (side == "b"))))
        assert image.tobytes() == expected.tobytes()
    assert json.loads((tmp_path / "out/pairs/shards/sizes.json").read_text()).keys() == {
        path.name for path in (tmp_path / "out/pairs/shards").glob("*.tar")
    }


def test_every_pair_seen_is_kept_or_let_go_in_each_phase(tmp_path: Path, site: list[Path]) -> None:
    dataset = built(tmp_path / "out", site)
    for name in ("extract", "pair-images", "pair-publish"):
        assert dataset.phases[name].unaccounted("pair") == 0
    assert dataset.drops["pair"] == {"duplicate_pair": 1, "no_caption": 4, "not_captured": 5}
    assert len(drops(tmp_path / "out")) == 10


def test_one_parse_gives_both_kinds_and_neither_changes_the_other(tmp_path: Path, site: list[Path]) -> None:
    both = msgspec.structs.replace(SMALL, kinds=("interleaved", "pairs"))
    built(tmp_path / "pairs", site)
    built(tmp_path / "pages", site, msgspec.structs.replace(SMALL, kinds=("interleaved",)))
    dataset = built(tmp_path / "both", site, both)
    assert set(dataset.kinds) == {"interleaved", "pairs"}
    alone = sorted(document["url"] for _, _, document, _ in pairs(tmp_path / "pairs"))
    assert sorted(document["url"] for _, _, document, _ in pairs(tmp_path / "both")) == alone
    pages = {name: counts for name, counts in dataset.phases.items() if not name.startswith("pair")}
    apart = json.loads((tmp_path / "pages/dataset.json").read_text())["phases"]
    assert {name: counts.kept["page"] for name, counts in pages.items() if "page" in counts.kept} == {
        name: counts["kept"]["page"] for name, counts in apart.items() if "page" in counts["kept"]
    }
    assert dataset.kinds["interleaved"].samples == 24


def test_a_page_that_is_too_short_for_a_document_gives_pairs_all_the_same(tmp_path: Path) -> None:
    path = archive(tmp_path, [("a.jpg", "A red barn by the sea", 1)], short=True)
    dataset = built(tmp_path / "out", [path], msgspec.structs.replace(SMALL, kinds=("interleaved", "pairs")))
    assert dataset.kinds["pairs"].samples == 1
    assert dataset.kinds["interleaved"].samples == 0


def test_a_rewrite_gives_the_same_bytes(tmp_path: Path, site: list[Path]) -> None:
    built(tmp_path / "one", site)
    built(tmp_path / "two", site)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_only_what_is_missing_is_done_again(tmp_path: Path, site: list[Path]) -> None:
    """Where what it was made of was kept: a phase that was complete would need it never again."""
    out, config = tmp_path / "out", msgspec.structs.replace(SMALL, keep_work=True)
    built(out, site, config)
    whole = contents(out)
    (out / "dataset.json").unlink()
    for phase in ("pair-images", "pair-publish"):
        (out / f"work/{phase}/000000.json").unlink()
    for path in (out / "pairs").glob("*/000000-*"):
        path.unlink()
    for index in (1, 2):  # their staged files are gone, but they are committed
        assert (out / f"work/pair-publish/{index:06d}.json").exists()
    built(out, site, config)
    assert contents(out) == whole


def test_the_same_image_and_caption_is_kept_once(tmp_path: Path) -> None:
    first = archive(tmp_path, [("a.jpg", "A barn", 1), ("copy.jpg", "a  BARN", 1), ("b.jpg", "A barn", 2)])
    again = archive(tmp_path, [("a.jpg", "A barn", 1)], "b.warc.gz")
    dataset = built(tmp_path / "out", [first, again])
    assert dataset.drops["pair"] == {"duplicate_pair": 2}  # one by its address, one by its bytes
    assert dataset.kinds["pairs"].samples == 2


def test_images_with_many_captions_and_captions_with_many_images_go(tmp_path: Path) -> None:
    pages = []
    for number in range(4):
        images = [("same.jpg", f"caption number {number}", 1), (f"{number}.jpg", "The same words", 10 + number)]
        pages.append(
            archive(
                tmp_path, [*images, (f"own{number}.jpg", f"My own words {number}", 20 + number)], f"{number}.warc.gz"
            )
        )
    out = tmp_path / "out"
    built(out, pages, with_rules(max_texts_per_image=3, max_images_per_text=3))
    assert drops(out) == sorted(
        [("same.jpg", "many_texts")] * 4 + [(f"{number}.jpg", "frequent_text") for number in range(4)]
    )
    exact = built(tmp_path / "exact", pages, with_rules(max_texts_per_image=4, max_images_per_text=4))
    assert exact.drops == {}


@pytest.mark.parametrize("buckets", [1, 3])
def test_captions_with_rare_words_go(tmp_path: Path, buckets: int) -> None:
    images = [(f"{number}.jpg", f"red barn {'zyzzyva' if number == 3 else 'sea'}", number) for number in range(6)]
    config = msgspec.structs.replace(with_rules(max_tokens=5), buckets=buckets)
    built(tmp_path / "out", [archive(tmp_path, images)], config)
    assert drops(tmp_path / "out") == [("3.jpg", "rare_words")]  # red, barn, red barn: 6; sea, barn sea: 5
    assert built(tmp_path / "all", [archive(tmp_path, images)], with_rules(max_tokens=7)).drops == {}


def test_evaluation_captions_and_images_go(tmp_path: Path) -> None:
    words = "nine red barns stand by the cold sea and wait for rain"
    (tmp_path / "eval.txt").write_text(words)
    (tmp_path / "eval.jpg").write_bytes(photo(2))
    path = archive(
        tmp_path, [("a.jpg", f"See how {words} today", 1), ("b.jpg", "A seen picture", 2), ("c.jpg", "Fine", 3)]
    )
    rules = msgspec.structs.replace(
        SMALL.decontamination, texts=(f"{tmp_path}/eval.txt",), images=(f"{tmp_path}/eval.jpg",)
    )
    built(tmp_path / "out", [path], msgspec.structs.replace(SMALL, decontamination=rules))
    assert drops(tmp_path / "out") == [("a.jpg", "evaluation_text"), ("b.jpg", "evaluation_image")]


def test_what_is_denied_is_not_made_and_is_removed_later(tmp_path: Path) -> None:
    path = archive(tmp_path, [("a.jpg", "A barn", 1), ("b.jpg", "A boat", 2)])
    first = built(tmp_path / "out", [path], deny=("https://a.example/a.jpg",))
    assert (first.kinds["pairs"].samples, drops(tmp_path / "out")) == (1, [("a.jpg", "denied")])
    later = built(tmp_path / "later", [path])
    assert later.kinds["pairs"].samples == 2
    later = built(tmp_path / "later", [path], deny=("https://a.example/b.jpg",))
    assert later.kinds["pairs"].samples == 1
    assert [text for _, text, _, _ in pairs(tmp_path / "later")] == ["A barn"]
    assert main(["inspect", str(tmp_path / "later"), "--check"]) == 0


def test_a_page_that_opts_out_gives_no_pairs(tmp_path: Path) -> None:
    page = b"<html><head><meta name=robots content=noai></head><body><img src=/a.jpg alt='A barn'></body></html>"
    records = [("https://a.example/", page, "text/html"), ("https://a.example/a.jpg", photo(1), "image/jpeg")]
    dataset = built(tmp_path / "out", [write_archive(tmp_path / "a.warc.gz", records)])
    assert dataset.drops == {"page": {"opt_out": 1}}
    assert dataset.phases["extract"].seen.get("pair", 0) == 0


def test_slices_of_a_giant_domain_hold_every_pair_once(tmp_path: Path, site: list[Path]) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    built(whole, site)
    built(cut, site, msgspec.structs.replace(SMALL, max_slice_bytes=2000))
    assert len(list((cut / "work/pair-images").glob("*.json"))) > 5
    urls = [sorted(document["url"] for _, _, document, _ in pairs(folder)) for folder in (whole, cut)]
    assert urls[0] == urls[1]


@pytest.mark.parametrize("preset", ["align", "ltip", "datacomp", "laion"])
def test_presets_build(tmp_path: Path, preset: str) -> None:
    long = "A red barn stands at the edge of the wide field near the old stone bridge"
    path = archive(tmp_path, [("a.jpg", long, 1), ("b.jpg", "barn", 2)])
    dataset = built(tmp_path / "out", [path], load_config(preset, ["pairs.min_image_bytes=0"]))
    assert dataset.kinds["pairs"].samples == 1
    assert sum(dataset.drops["pair"].values()) == 1


def test_clip_similarity_decides_where_a_model_is_named(tmp_path: Path) -> None:
    """LAION's rule, with a small model of random weights: what is below the limit goes, and all else says its score."""
    images = [(f"{number}.jpg", f"red barn number {number} by the sea", number) for number in range(8)]
    path = archive(tmp_path, images)
    overrides = [f"scorers.clip.path={write_clip(tmp_path / 'clip')}", "scorers.batch_size=3", "partitions=2"]

    def similarities(name: str, limit: float) -> dict[str, float]:
        config = load_config("laion", [*overrides, "pairs.min_image_bytes=0", f"pairs.min_similarity={limit}"])
        built(tmp_path / name, [path], config)
        return {document["url"]: document["scores"]["clip"] for _, _, document, _ in pairs(tmp_path / name)}

    scores = similarities("all", -1.0)
    assert len(scores) == len(images)
    limit = sorted(scores.values())[4]
    assert similarities("some", limit) == {url: score for url, score in scores.items() if score >= limit}
    lost = {url.rpartition("/")[2] for url, score in scores.items() if score < limit}
    assert drops(tmp_path / "some") == sorted((name, "unrelated") for name in lost)
    assert lost


def test_inspect_and_show_know_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    built(out, [archive(tmp_path, [("a.jpg", "A barn", 1)])])
    capsys.readouterr()
    assert main(["inspect", str(out), "--check"]) == 0
    assert "caption from" in capsys.readouterr().out
    for key in ("", "https://a.example/a.jpg", "https://a.example/page"):
        assert main(["show", str(out), *([key] if key else []), "--images", str(tmp_path / "images")]) == 0
        shown = capsys.readouterr().out
        assert shown.startswith("A barn")
        assert "alt: A barn" in shown
    assert len(list((tmp_path / "images").iterdir())) == 1
    assert main(["show", str(out), "--kind", "interleaved"]) == 1


def test_check_finds_a_caption_that_was_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    built(out, [archive(tmp_path, [("a.jpg", "A barn", 1)])])
    tar = next((out / "pairs/shards").glob("*.tar"))
    data = tar.read_bytes()
    place = data.rindex(b"A barn")
    tar.write_bytes(data[:place] + b"A born" + data[place + 6 :])
    assert main(["inspect", str(out), "--check"]) == 1
    assert ".txt: its bytes are not those that were written" in capsys.readouterr().err


def test_kinds_are_named_on_the_command_line(
    tmp_path: Path, site: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(path) for path in site]
    command = ["build", "--input", *paths, "--output", str(tmp_path / "out"), "--engine", "inline"]
    assert main([*command, "--kinds", "interleaved,pairs"]) == 0
    assert "pairs: 48 samples" in capsys.readouterr().out
    assert main([*command, "--kinds", "films"]) == 2
    assert "films" in capsys.readouterr().err


def test_counts_of_phases_add_up(tmp_path: Path, site: list[Path]) -> None:
    dataset = built(tmp_path / "out", site)
    assert sum(dataset.phases.values(), Counts()).drops == dataset.drops


def test_captions_that_differ_in_their_unicode_form_count_as_one(tmp_path: Path) -> None:
    """As texts of pages do: there is one key for both."""
    source = archive(tmp_path, [("1.jpg", "a café by the river", 1), ("1.jpg", "A  cafe\u0301 by the river", 1)])
    rules = with_rules(caption=CaptionRules(sources=("alt",), clean=False), everywhere=True)
    built(tmp_path / "out", [source], rules)
    assert drops(tmp_path / "out") == [("1.jpg", "duplicate_pair")]
