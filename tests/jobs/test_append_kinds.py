"""Pairs and clips that are added to a dataset meet those that are there."""

import json
from pathlib import Path

import msgspec
import pytest

from jobs.build import append, build
from jobs.config import BuildConfig
from jobs.dataset.check import problems
from jobs.dataset.summary import shards_of
from schemas.pairs import Pair
from schemas.storage import Store
from tests.jobs.kinds.test_clips_whole import CAPTION, clips, config, files_of, made, write_files
from tests.jobs.kinds.test_pairs import ALT, INLINE, SMALL
from tests.jobs.site import photo, prose, write_archive

Shown = tuple[str, str, int]  # an image's name, its alt text, the seed of its picture


def archive(path: Path, page: str, date: str, images: list[Shown]) -> str:
    tags = "".join(f"<p>{prose(n)}</p><img src='/{name}' alt='{alt}'>" for n, (name, alt, _) in enumerate(images))
    html = f"<html><body><article>{tags}</article></body></html>".encode()
    records = [(f"https://a.example/{page}", html, "text/html")]
    records += [(f"https://a.example/{name}", photo(seed), "image/jpeg") for name, _, seed in dict.fromkeys(images)]
    return str(write_archive(path, records, f"2026-{date}T00:00:00Z"))


def live_pairs(folder: Path) -> set[tuple[str, str, str]]:
    """File name of the page, that of the image, and the caption."""
    found = set()
    for _, shard in shards_of(Store(str(folder)), "pairs"):
        for members in shard.members(shard.index().to_pylist()):
            data = next(data for name, data in members.items() if name.endswith(".json"))
            pair = msgspec.json.decode(data, type=Pair)
            found.add((pair.page_url.rpartition("/")[2], pair.url.rpartition("/")[2], pair.caption))
    return found


def rules(**changes: object) -> BuildConfig:
    return msgspec.structs.replace(SMALL, pairs=msgspec.structs.replace(ALT, **changes))


OLD: list[Shown] = [("same.jpg", "the same picture of a boat", 1), ("alone.jpg", "a lonely house on a hill", 2),
                    ("bytes.jpg", "a harbour seen from above", 3)]  # fmt: skip
NEW: list[Shown] = [("same.jpg", "the same picture of a boat", 1), ("moved.jpg", "a harbour seen from above", 3),
                    ("fresh.jpg", "a garden in the morning sun", 4)]  # fmt: skip


@pytest.mark.parametrize("without_keys", [False, True])
@pytest.mark.parametrize("newer", [True, False])
def test_of_equal_pairs_the_newer_stays(tmp_path: Path, newer: bool, without_keys: bool) -> None:
    """As in one build, whichever comes first: by address and caption, and by bytes and caption."""
    config = msgspec.structs.replace(SMALL, without_keys=without_keys)
    first = archive(tmp_path / "1.warc.gz", "old", "01-02", OLD)
    second = archive(tmp_path / "2.warc.gz", "new", "01-03" if newer else "01-01", NEW)
    build(str(tmp_path / "once"), [first, second], config, INLINE)
    build(str(tmp_path / "out"), [first], config, INLINE)
    dataset = append(str(tmp_path / "out"), [second], config, INLINE)
    assert live_pairs(tmp_path / "out") == live_pairs(tmp_path / "once")
    assert {page for page, image, _ in live_pairs(tmp_path / "out") if image == "same.jpg"} == {
        "new" if newer else "old"
    }
    assert dataset.kinds["pairs"].samples == 4
    assert dataset.drops["pair"] == {"duplicate_pair": 2}
    assert dataset.builds[1].superseded["pairs"].samples == (2 if newer else 0)
    assert list(problems(Store(str(tmp_path / "out")))) == []


def test_a_pair_stays_where_the_newer_one_cannot_be_had(tmp_path: Path) -> None:
    """And goes where that one repeats a third by its bytes, which is written in its place."""
    first = archive(tmp_path / "1.warc.gz", "old", "01-01", OLD)
    gone = archive(tmp_path / "2.warc.gz", "new", "01-02", NEW)
    path = tmp_path / "3.warc.gz"
    html = "".join(f"<p>{prose(n)}</p><img src='/{name}' alt='{alt}'>" for n, (name, alt, _) in enumerate(OLD))
    page = ("https://a.example/later", f"<html><body><article>{html}</article></body></html>".encode(), "text/html")
    lost = str(write_archive(path, [page], "2026-01-03T00:00:00Z"))
    build(str(tmp_path / "out"), [first], SMALL, INLINE)
    Path(first).unlink()  # else its pictures were found there
    dataset = append(str(tmp_path / "out"), [lost], SMALL, INLINE)
    assert {page for page, _, _ in live_pairs(tmp_path / "out")} == {"old"}
    assert dataset.drops["pair"] == {"not_captured": 3}
    assert append(str(tmp_path / "out"), [gone], SMALL, INLINE).kinds["pairs"].samples == 4
    twice = [("alone.jpg", "a lonely house on a hill", 2), ("again.jpg", "a lonely house on a hill", 2)]
    both = archive(tmp_path / "4.warc.gz", "both", "01-04", twice)
    append(str(tmp_path / "out"), [both], SMALL, INLINE)
    assert len({image for _, image, caption in live_pairs(tmp_path / "out") if "lonely" in caption}) == 1
    assert {page for page, _, caption in live_pairs(tmp_path / "out") if "lonely" in caption} == {"both"}
    assert list(problems(Store(str(tmp_path / "out")))) == []


def test_counts_of_captions_and_words_are_of_what_is_there_too_and_decide_on_new_pairs(tmp_path: Path) -> None:
    often, rare = "a view of the valley", "zebra quagga okapi gnu"
    first = archive(tmp_path / "1.warc.gz", "old", "01-01", [(f"{n}.jpg", often, n) for n in range(2)])
    second = archive(tmp_path / "2.warc.gz", "new", "01-02", [("9.jpg", often, 9), ("8.jpg", "a bridge and a view", 8)])
    config = rules(max_images_per_text=2)
    build(str(tmp_path / "out"), [first], config, INLINE)
    dataset = append(str(tmp_path / "out"), [second], config, INLINE)
    assert {image for _, image, _ in live_pairs(tmp_path / "out")} == {"0.jpg", "1.jpg", "8.jpg"}
    assert dataset.drops["pair"] == {"frequent_text": 1}
    words = rules(max_tokens=8)
    third = archive(tmp_path / "3.warc.gz", "rare", "01-03", [("7.jpg", often, 7), ("6.jpg", rare, 6)])
    build(str(tmp_path / "words"), [first], words, INLINE)
    append(str(tmp_path / "words"), [third], words, INLINE)
    assert {image for _, image, _ in live_pairs(tmp_path / "words")} == {"0.jpg", "1.jpg", "7.jpg"}


@pytest.mark.parametrize("better", [True, False])
def test_of_references_to_a_video_the_one_with_most_text_stays(tmp_path: Path, better: bool) -> None:
    write_files(tmp_path, 2)
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    first.write_text(json.dumps({"path": "0.mp4", "text": CAPTION, "page_url": "https://old.example/"}))
    text = f"{CAPTION} with both of them" if better else CAPTION
    rows = [{"path": f"{n}.mp4", "text": text, "page_url": "https://new.example/"} for n in range(2)]
    second.write_text("\n".join(map(json.dumps, rows)))
    made(tmp_path / "out", str(first))
    settings = config(files_of(str(first)))
    dataset = append(str(tmp_path / "out"), [], settings, INLINE, videos=[str(second)])
    found = {(clip.url.rpartition("/")[2], clip.page_url) for clip in clips(tmp_path / "out")}
    assert found == {
        ("0.mp4", "https://new.example/" if better else "https://old.example/"),
        ("1.mp4", "https://new.example/"),
    }
    assert dataset.kinds["clips"].samples == 4
    assert dataset.builds[1].superseded["clips"].samples == (2 if better else 0)
    (tmp_path / "0.mp4").unlink()  # a third reference, with most text, to what is there no more
    third = tmp_path / "third.jsonl"
    third.write_text(json.dumps({"path": "0.mp4", "text": f"{CAPTION} with both of them, slowly"}))
    assert append(str(tmp_path / "out"), [], settings, INLINE, videos=[str(third)]).kinds == dataset.kinds
    assert list(problems(Store(str(tmp_path / "out")))) == []
    keys = [clip.key for clip in clips(tmp_path / "out")]
    assert len(set(keys)) == len(keys)
