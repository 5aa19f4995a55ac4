"""Datasets of others become archives, of which a build makes what they held, or less where it is told to."""

import base64
import errno
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import weft
from jobs.cli import main
from jobs.dataset.check import problems
from jobs.dataset.imports.documents import NOWHERE, Picture, _once, _time
from jobs.dataset.imports.layouts import document_of
from jobs.dataset.imports.reading import _of_table, read_file
from schemas.drops import Drop
from schemas.storage import Store
from tests.jobs.site import article, photo, prose, write_archive
from tests.model.makers import page, pair, write_foreign_tar

SITE = "https://theirs.example"
TEXTS = [prose(1), prose(2), prose(3)]


def imported(source: Path, out: Path) -> int:
    return main(["import", str(source), "-o", str(out / "archives"), "--engine", "inline"])


def built(out: Path, *options: str) -> Path:
    call = ["build", "--engine", "inline", "--input", f"{out}/archives/warc/*.warc.gz", "--output", f"{out}/set"]
    assert main([*call, "--set", "partitions=1", "--set", "encoding.resize=none", *options]) == 0
    assert list(problems(Store(f"{out}/set"))) == []
    return out / "set"


def parallel(picture: Any) -> dict[str, Any]:
    return {
        "texts": [TEXTS[0], None, f"{TEXTS[1]}\n\n{TEXTS[2]}"],
        "images": [None, picture, None],
        "metadata": json.dumps([None, {"document_url": f"{SITE}/1", "src": f"{SITE}/1.jpg", "alt_text": "A"}, None]),
        "general_metadata": json.dumps({"url": f"{SITE}/1"}),
    }


def write_table(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def write_lines(path: Path, rows: list[dict[str, Any]], packed: bool = False) -> Path:
    data = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    path.write_bytes(gzip.compress(data) if packed else data)
    return path


def obelics_with_bytes(folder: Path) -> Path:
    """As `weft export`, and whoever fetched the images of OBELICS, has it."""
    return write_table(folder / "a.parquet", [parallel({"bytes": photo(1), "path": "1.jpg"})])


def numbered_tar(folder: Path) -> Path:
    """MINT-1T and NeMo Curator: images are members, numbered by their position."""
    document = {**parallel("image-1"), "url": f"{SITE}/1"}
    members = [("k.json", json.dumps(document).encode()), ("k.1.jpg", photo(1))]
    return write_foreign_tar(folder / "a.tar", [("k", members)])


def omnicorpus(folder: Path) -> Path:
    """Parallel lists as JSON lines, what is known of images as objects; their bytes lie in an archive beside."""
    row = {**parallel(f"{SITE}/1.jpg"), "general_metadata": {"url": f"{SITE}/1"}}
    row["metadata"] = json.loads(row["metadata"])
    archive = folder / "archives/warc/theirs.warc.gz"
    archive.parent.mkdir(parents=True)
    write_archive(archive, [(f"{SITE}/1.jpg", photo(1), "image/jpeg")])
    return write_lines(folder / "a.jsonl", [row])


def mmc4(folder: Path) -> Path:
    info = {
        "image_name": "1.jpg",
        "raw_url": f"{SITE}/1.jpg",
        "matched_text_index": 1,
        "image_base64": base64.b64encode(photo(1)).decode(),
    }
    row = {"url": f"{SITE}/1", "text_list": [TEXTS[0], TEXTS[1], TEXTS[2]], "image_info": [info]}
    return write_lines(folder / "docs_shard_0_v2.jsonl.gz", [row], packed=True)


@pytest.mark.parametrize("make", [obelics_with_bytes, numbered_tar, omnicorpus, mmc4])
def test_interleaved_layouts_keep_their_texts_and_pictures_in_order(tmp_path: Path, make: Any) -> None:
    assert imported(make(tmp_path), tmp_path) == 0
    with weft.open(built(tmp_path)) as dataset:
        (sample,) = list(dataset)
    assert sample.url == f"{SITE}/1"
    words = " ".join(part for part in sample.texts if part).split()
    assert words == " ".join(TEXTS).split()
    assert sample.texts[0] == TEXTS[0]
    assert [picture.data for picture in sample.pictures] == [photo(1)]


def test_paragraphs_that_were_exported_as_mmc4_stay_apart(looked_at: Path, tmp_path: Path) -> None:
    assert main(["export", str(looked_at), "--to", "mmc4", "-o", str(tmp_path / "out"), "--engine", "inline"]) == 0
    assert imported(tmp_path / "out/interleaved", tmp_path) == 0
    with weft.open(looked_at, "interleaved") as before, weft.open(built(tmp_path)) as after:
        by_url = {sample.url: sample for sample in after}
        texts = [[text for text in sample.texts if text] for sample in before]
        again = [[text for text in by_url[sample.url].texts if text] for sample in before]
    assert any("\n\n" in text for of_one in texts for text in of_one)
    assert list(map("\n\n".join, again)) == list(map("\n\n".join, texts))


def test_what_was_exported_comes_back_with_equal_content(looked_at: Path, tmp_path: Path) -> None:
    assert main(["export", str(looked_at), "--to", "parquet", "-o", str(tmp_path / "out"), "--engine", "inline"]) == 0
    assert imported(tmp_path / "out/interleaved", tmp_path) == 0
    with weft.open(looked_at, "interleaved") as before, weft.open(built(tmp_path)) as after:
        by_url = {sample.url: sample for sample in after}
        assert len(by_url) == len(before)
        for sample in before:
            again = by_url[sample.url]
            assert again.texts == sample.texts
            assert [picture.data for picture in again.pictures] == [picture.data for picture in sample.pictures]
            assert [picture.alt for picture in again.pictures] == [picture.alt for picture in sample.pictures]
            assert again.title == sample.title


@pytest.mark.parametrize(
    "text",
    [
        "How it is done:\n\n```python\nif x < 2:\n\n    half = '<p>&amp;'\n\tx /= 2\n```\n\nThat is all.",
        "```\n    what begins with blanks\n  ends so\n```\n\nand\n\n```c++\nint x;\n```",
        "```text\n  a\n```\n\nand\n\n```js title=a.js\n  b\n```",
        "A fence that nothing closes:\n\n```python\nreads as a line.",
    ],
)
def test_code_between_fences_keeps_its_lines(text: str, tmp_path: Path) -> None:
    text = f"{TEXTS[0]}\n\n{text}"
    row = {"texts": [text, None], "images": [None, {"bytes": photo(1), "path": "1.jpg"}], "url": f"{SITE}/1"}
    assert imported(write_table(tmp_path / "a.parquet", [row]), tmp_path) == 0
    with weft.open(built(tmp_path)) as dataset:
        (sample,) = list(dataset)
    assert sample.texts[0] == text


@pytest.mark.parametrize("to", ["parquet", "energon", ""])
def test_addresses_and_times_come_back_however_weft_wrote_them(looked_at: Path, tmp_path: Path, to: str) -> None:
    if to:
        assert main(["export", str(looked_at), "--to", to, "-o", str(tmp_path / "out"), "--engine", "inline"]) == 0
    assert imported((tmp_path / "out" if to else looked_at) / "interleaved", tmp_path) == 0
    with weft.open(looked_at, "interleaved") as before, weft.open(built(tmp_path)) as after:
        assert sorted(map(_said_of, after), key=str) == sorted(map(_said_of, before), key=str)


def _said_of(sample: Any) -> Any:
    pictures = [(one.url, one.alt, one.title) for one in sample.pictures]
    return sample.url, sample.record.fetch_time, sample.record.licence, pictures


@pytest.mark.parametrize("to", ["parquet", "energon"])
def test_pairs_keep_the_page_they_stood_on_and_its_licence(looked_at: Path, tmp_path: Path, to: str) -> None:
    assert main(["export", str(looked_at), "--to", to, "-o", str(tmp_path / "out"), "--engine", "inline"]) == 0
    assert imported(tmp_path / "out/pairs", tmp_path) == 0
    found = built(tmp_path, "--kinds", "pairs", "--set", "pairs.image.min_side_px=8", "--set", "language.keep=[]")
    with weft.open(looked_at, "pairs") as before, weft.open(found, "pairs") as after:
        told = {one.url: (one.page_url, one.record.licence) for one in before}
        assert len(after)
        assert all(told[one.url] == (one.page_url, one.record.licence) for one in after)


@pytest.mark.parametrize("wrong", [5, "no JSON", "[1]", {"page_url": 5, "licence": ["a"], "fetch_time": "once"}])
def test_what_is_malformed_beside_a_pair_counts_as_absent(wrong: Any) -> None:
    document = document_of({"image": photo(1), "text": "a thing", "metadata": wrong, "image_urls": 5})
    assert (document.url, document.licence) == ("", "")


@pytest.mark.parametrize("wrong", [5, ["one too many"] * 2, [5], [None]])
def test_lists_of_images_that_are_malformed_count_as_absent(wrong: Any) -> None:
    document = document_of({**parallel(photo(1)), "metadata": None, "image_urls": wrong, "image_alts": wrong})
    (picture,) = [part for part in document.parts if isinstance(part, Picture)]
    assert picture == Picture("", photo(1))


def img2dataset(folder: Path) -> Path:
    return write_foreign_tar(folder / "00000.tar", [pair(1), pair(2)])


def hugging_face(folder: Path) -> Path:
    rows = [{"image": {"bytes": photo(n), "path": f"{n}.jpg"}, "text": f"a photo of thing {n}"} for n in (1, 2)]
    return write_table(folder / "train-00000-of-00001.parquet", rows)


def wit(folder: Path) -> Path:
    rows = [
        {
            "page_url": f"{SITE}/{n}",
            "image_url": f"{SITE}/{n}.jpg",
            "page_title": f"Page {n}",
            "context_page_description": prose(n),
            "caption_reference_description": f"a photo of thing {n}",
            "caption_alt_text_description": None,
            "image": photo(n),
        }
        for n in (1, 2)
    ]
    return write_table(folder / "wit.parquet", rows)


@pytest.mark.parametrize("make", [img2dataset, hugging_face, wit])
def test_layouts_of_images_with_texts_become_pairs(tmp_path: Path, make: Any) -> None:
    assert imported(make(tmp_path), tmp_path) == 0
    found = built(tmp_path, "--kinds", "pairs", "--set", "pairs.image.min_side_px=8", "--set", "language.keep=[]")
    with weft.open(found, "pairs") as dataset:
        assert len(dataset) == 2
        assert all(sample.caption for sample in dataset)


def test_images_that_are_only_named_are_fetched_by_the_build(tmp_path: Path) -> None:
    """OBELICS as it is published has addresses."""
    source = write_table(tmp_path / "a.parquet", [parallel(f"{SITE}/1.jpg")])
    assert imported(source, tmp_path) == 0
    write_archive(tmp_path / "archives/warc/theirs.warc.gz", [(f"{SITE}/1.jpg", photo(1), "image/jpeg")])
    with weft.open(built(tmp_path)) as dataset:
        (sample,) = list(dataset)
    assert [picture.data for picture in sample.pictures] == [photo(1)]


def test_an_import_of_other_files_into_the_same_archives_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        write_table(tmp_path / name / f"{name}.parquet", [parallel({"bytes": photo(1), "path": "1.jpg"})])
    assert imported(tmp_path / "a", tmp_path) == 0
    assert imported(tmp_path / "b", tmp_path) != 0
    assert "holds an import of other files, such as a.parquet" in capsys.readouterr().err


def test_filters_and_deduplication_are_at_hand(tmp_path: Path) -> None:
    rows = [parallel({"bytes": photo(1), "path": "1.jpg"}) for _ in range(3)]
    rows[1]["general_metadata"] = rows[1]["metadata"] = None  # has no address: its text is that of the first
    assert imported(write_table(tmp_path / "a.parquet", rows), tmp_path) == 0
    found = built(tmp_path)
    with weft.open(found) as dataset:
        assert len(dataset) == 1
        reasons = set(dataset.drops("kind = 'page'")["reason"])
    assert reasons == {"duplicate_url", "duplicate_text"}


def test_damage_costs_its_row_or_its_file_and_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = parallel({"bytes": photo(1), "path": "1.jpg"})
    write_table(tmp_path / "in/a.parquet", [good, {**good, "texts": ["one"]}, {**good, "images": [None] * 3}])
    (tmp_path / "in/b.parquet").write_bytes(b"PAR1 no table")
    (tmp_path / "in/c.jsonl").write_bytes(
        b'{"text_list": ["a"], "image_info": [{"matched_text_index": 7}]}\nnot json\n'
    )
    (tmp_path / "in/d.jsonl.gz").write_bytes(gzip.compress(json.dumps({"text": "alone"}).encode())[:-9])
    write_foreign_tar(tmp_path / "in/e.tar", [page(1), ("x", [("x.json", b"[1")])])
    assert imported(tmp_path / "in", tmp_path) == 0
    said = capsys.readouterr().out
    assert "2 of 9 samples" in said
    assert "broken_sample 6" in said


def test_rows_that_decoders_stumble_over_cost_themselves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A bad letter, nesting, fields of other types, a date that Python does not have, pages that do not unpack."""
    good = json.dumps(parallel(f"{SITE}/1.jpg")).encode()
    mmc4_of = '{"text_list": ["a"], "image_info": %s}'
    bad = [
        b'{"text": "caf\xe9"}',
        b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
        *((mmc4_of % info).encode() for info in ('["1.jpg"]', "5", '{"a": 1}')),
        b'{"texts": ["a", null], "images": [null, {"bytes": "no bytes"}]}',
    ]
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jsonl").write_bytes(b"\n".join([*bad, good]))
    times = pa.array([1 << 62, 0], pa.timestamp("us"))
    captions = pa.Array.from_buffers(pa.string(), 2, pa.array([b"late", b"caf\xe9"]).buffers())
    for name, column in (("b", times), ("c", captions)):
        table = pa.table({"text": ["one", "two"], "url": [f"{SITE}/1.jpg"] * 2, "more": column})
        pq.write_table(table, tmp_path / f"in/{name}.parquet")
    damaged = bytearray((tmp_path / "in/b.parquet").read_bytes())
    damaged[10:30] = bytes(20)
    (tmp_path / "in/d.parquet").write_bytes(damaged)
    packed = bytearray(gzip.compress(good))
    packed[30:50] = b"\xff" * 20
    (tmp_path / "in/e.jsonl.gz").write_bytes(packed)
    assert imported(tmp_path / "in", tmp_path) == 0
    said = capsys.readouterr().out
    assert "3 of 13 samples" in said
    assert "broken_sample 10" in said


def test_an_interrupted_import_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b", "c"):
        write_table(tmp_path / f"in/{name}.parquet", [parallel({"bytes": photo(1), "path": "1.jpg"})])
    put, puts = Store.put, []

    def failing(self: Store, name: str, data: bytes) -> None:
        puts.append(name)
        if name == "warc/imported-000001-000000.warc.gz" and puts.count(name) <= 3:
            raise OSError("the disk is full")
        put(self, name, data)

    monkeypatch.setattr(Store, "put", failing)
    assert imported(tmp_path / "in", tmp_path) == 1
    assert "1 of 3 files could not be done, first b.parquet" in capsys.readouterr().err
    puts.clear()
    monkeypatch.setattr(Store, "put", put)
    assert imported(tmp_path / "in", tmp_path) == 0
    assert "3 of 3 samples" in capsys.readouterr().out
    assert imported(tmp_path / "in", tmp_path) == 0


def test_a_table_beside_a_tar_of_its_name_is_an_index(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """img2dataset's has the rows, too, whose images could not be had."""
    img2dataset(tmp_path / "in")
    rows = [{"url": f"{SITE}/{n}.jpg", "caption": f"a thing {n}", "status": "failed_to_download"} for n in range(5)]
    write_table(tmp_path / "in/00000.parquet", rows)
    assert imported(tmp_path / "in", tmp_path) == 0
    assert "2 of 2 samples" in capsys.readouterr().out


def test_folders_inside_that_hold_something_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_table(tmp_path / "in/pairs/a.parquet", [parallel(photo(1))])
    write_foreign_tar(tmp_path / "in/interleaved/shards/a.tar", [pair(1)])
    (tmp_path / "in/empty").mkdir()
    assert imported(tmp_path / "in", tmp_path) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert f"there are such files in {tmp_path}/in/interleaved, {tmp_path}/in/pairs" in said
    assert "empty" not in said


def test_nothing_to_import_is_said_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    assert imported(tmp_path / "in", tmp_path) == 2
    assert "no .parquet, .jsonl" in capsys.readouterr().err


def test_a_web_page_cannot_say_that_all_of_it_is_content(tmp_path: Path) -> None:
    """Only a field of the record can, which whoever writes the archive chooses."""
    from crawlers.warc import read_captures
    from crawlers.warc_records import WarcSettings
    from schemas.drops import Tally

    archive = write_archive(tmp_path / "a.warc.gz", [(f"{SITE}/1", article(1, []).encode(), "text/html")])
    (capture,) = read_captures(
        io.BytesIO(archive.read_bytes()), "a", archive.stat().st_size, WarcSettings(), Tally(None)
    )
    assert not capture.whole


IMAGE = {"path": f"{SITE}/1.jpg"}


def test_what_is_known_of_images_by_their_position_has_a_list_as_long_as_theirs() -> None:
    row = {"texts": ["a", None], "images": [None, IMAGE], "image_alts": ["B"]}
    for metadata, alt in (
        ([{"alt_text": "A"}], "B"),
        ([None, {"alt_text": "A"}], "A"),
        ([None, {"alt_text": ""}], "B"),
    ):
        assert document_of({**row, "metadata": metadata}).parts == ("a", Picture(f"{SITE}/1.jpg", alt=alt))


def test_texts_of_spaces_are_none() -> None:
    assert document_of({"texts": [" ", None], "images": [None, IMAGE]}).parts == (Picture(f"{SITE}/1.jpg"),)


@pytest.mark.parametrize("wrong", [{"matched_text_index": -1}, {"matched_text_index": 1}, {"image_base64": "####"}])
def test_an_image_of_mmc4_that_contradicts_itself_costs_its_sample(wrong: dict[str, Any]) -> None:
    info = {"raw_url": f"{SITE}/1.jpg", "matched_text_index": 0}
    assert document_of({"text_list": ["a"], "image_info": [info]}).parts == (Picture(f"{SITE}/1.jpg"), "a")
    with pytest.raises(Drop) as dropped:
        document_of({"text_list": ["a"], "image_info": [{**info, **wrong}]})
    assert dropped.value.reason == "broken_sample"


def test_of_lines_empty_ones_are_none_and_others_are_objects(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('\n{"a": 1}\n \n[1]\n{"a": 2}\n\n')
    first, second, third = read_file(Store(str(tmp_path)), "a.jsonl")
    assert (first, third) == (({"a": 1}, {}), ({"a": 2}, {}))
    assert isinstance(second, Drop)


def test_a_storage_that_fails_is_no_damaged_table() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(errno.EIO, "the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(_of_table(Failing(bytes(100)), "a.parquet"))


def test_a_picture_is_written_once_where_there_is_one() -> None:
    picture = Picture(f"{SITE}/1.jpg", b"data")
    assert list(_once((picture, "text", picture, Picture(f"{SITE}/2.jpg")))) == [picture]
    assert Picture("https://", b"data").address.startswith(NOWHERE)


def test_no_page_was_fetched_before_there_were_any() -> None:
    assert _time("1960-05-05").year == 1970
    assert _time("2020-05-05T01:00:00+02:00").isoformat() == "2020-05-04T23:00:00+00:00"
