"""Evaluation sets in whole builds."""

import csv
import gzip
import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from crawlers.inputs import InputError
from jobs.phases.reference_files import BadReference, items_of
from tests.jobs.phases.test_duplicates import built, drops, kept, page, story
from tests.jobs.site import photo, prose

ITEM = "Which harbour town kept its copper signal lamps in a museum beside the old orchard station until last winter?"


def test_pages_and_images_of_evaluation_sets_go_by_name(tmp_path: Path) -> None:
    pages = {
        "https://one.com/": page([*story(1), f"A riddle: {ITEM}"], ["https://one.com/i.jpg"]),
        "https://two.com/": page(story(2), ["https://two.com/i.jpg"]),
        "https://three.com/": page(story(3), ["https://three.com/i.jpg", "https://three.com/own.jpg"]),
    }
    images = {
        "https://one.com/i.jpg": photo(1),
        "https://two.com/i.jpg": photo(2),
        "https://three.com/i.jpg": photo(7, 400, 300),
        "https://three.com/own.jpg": photo(3),
    }
    (tmp_path / "questions.jsonl").write_text(json.dumps({"id": 1}) + "\n" + json.dumps({"id": 2, "q": [ITEM]}) + "\n")
    small = Image.open(io.BytesIO(photo(7, 400, 300))).resize((200, 150))
    (tmp_path / "eval").mkdir()
    small.save(tmp_path / "eval/seven.png")
    with tarfile.open(tmp_path / "more.tar", "w") as tar:
        info = tarfile.TarInfo("eight.jpg")
        info.size = len(photo(8))
        tar.addfile(info, io.BytesIO(photo(8)))
    dataset = built(
        tmp_path,
        pages,
        images,
        f"decontamination.texts=[{tmp_path}/*.jsonl]",
        f"decontamination.images=[{tmp_path}/eval/*.png, {tmp_path}/more.tar]",
    )
    assert dataset.drops == {"page": {"evaluation_text": 1}, "image": {"evaluation_image": 1}}
    assert kept(tmp_path) == {"https://two.com/", "https://three.com/"}
    details = {row["reason"]: row["detail"] for row in drops(tmp_path / "out")}
    assert details["evaluation_text"].endswith(f"n-grams of {tmp_path}/questions.jsonl:2")
    assert f"{tmp_path}/eval/seven.png, " in details["evaluation_image"]


def test_every_form_of_file_gives_its_items(tmp_path: Path) -> None:
    items = [prose(seed, 1) for seed in range(3)]
    (tmp_path / "a.txt").write_text("".join(f"{item}\n" for item in items))
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"n": 1, "text": item}) + "\n" for item in items))
    (tmp_path / "a.json").write_text(json.dumps([{"deep": {"er": [item]}} for item in items]))
    for suffix, delimiter in (("csv", ","), ("tsv", "\t")):
        with (tmp_path / f"a.{suffix}").open("w", newline="") as file:
            csv.writer(file, delimiter=delimiter).writerows([item] for item in items)
    pq.write_table(pa.table({"n": [1, 2, 3], "text": items}), tmp_path / "a.parquet")
    for path in sorted(tmp_path.glob("a.*")):
        assert [text.strip() for text in items_of(str(path))] == items, path


@pytest.mark.parametrize(("name", "data"), [("a.jsonl", b"{broken"), ("a.parquet", b"PAR1"), ("a.bin", b"x")])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BadReference, match=name):
        list(items_of(str(tmp_path / name)))


def test_a_broken_evaluation_image_stops_the_build_and_a_missing_one_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "bad.jpg").write_bytes(photo(1)[:500])
    pages = {"https://one.com/": page(story(1), ["https://one.com/i.jpg"])}
    caplog.clear()
    with pytest.raises(BadReference, match=r"bad\.jpg: broken_image"):
        built(tmp_path, pages, {}, f"decontamination.images=[{tmp_path}/bad.jpg]")
    assert "attempt" not in caplog.text  # another would meet the same
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="nothing matches"):
        built(tmp_path / "other", pages, {}, f"decontamination.images=[{tmp_path}/none/*.jpg]")


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.jsonl", b"{broken", "malformed"),
        ("a.jsonl.gz", gzip.compress(b'{"q": "a"}')[:-12], "ended before"),
        ("a.txt.gz", b"no gzip", "Not a gzipped file"),
        ("a.json", b"[" * 5000, "recursion"),
        ("a.parquet", b"PAR1", "Parquet"),
        ("a.bin", b"x", "not .txt"),
        ("a.tar", b"no tar" * 200, ""),
    ],
)
def test_a_file_whose_head_cannot_be_read_is_refused_before_any_work(
    tmp_path: Path, name: str, data: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(data)
    kind = "images" if name.endswith(".tar") else "texts"
    with pytest.raises(InputError, match=rf"^cannot read the evaluation file .*/{name}: (?i:.*{said})") as caught:
        built(tmp_path, {"https://one.com/": page(story(1), [])}, {}, f"decontamination.{kind}=[{tmp_path}/{name}]")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
