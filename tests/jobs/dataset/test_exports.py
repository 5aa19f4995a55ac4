"""Datasets in the forms of others are opened by the others' own packages, and hold the same texts and bytes."""

import base64
import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from jobs.cli import main
from jobs.dataset.exports import run as run_module
from schemas.storage import Store
from schemas.superseded import LiveShards
from tests.jobs.conftest import contents
from tests.jobs.dataset.test_append import finish
from tests.weft.makers import make_dataset


def exported(source: Path, to: str, out: Path, *options: str) -> int:
    return main(["export", str(source), "--to", to, "-o", str(out), "--engine", "inline", *options])


def members_of(source: Path, kind: str) -> Iterator[tuple[Any, list[bytes]]]:
    """The JSON of each sample, and the bytes of its pictures or video, in order."""
    shards = LiveShards(Store(str(source)), kind)
    for mark in shards.marks:
        shard = shards.open(mark.shard.name)
        for members in shard.members(shard.index().to_pylist()):
            bodies = [data for name, data in members.items() if not name.endswith((".json", ".txt"))]
            yield json.loads(next(data for name, data in members.items() if name.endswith(".json"))), bodies


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A finished dataset of pages in four shards and pairs in two."""
    folder = make_dataset(tmp_path / "made")
    finish(Store(str(folder)))
    return folder


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))


@pytest.mark.opens("datasets", "exported parquet of pages, streaming and not")
@pytest.mark.parametrize("streaming", [True, False])
def test_hugging_face_datasets_opens_parquet_with_its_pictures(
    looked_at: Path, tmp_path: Path, offline: None, streaming: bool
) -> None:
    datasets = pytest.importorskip("datasets")
    assert exported(looked_at, "parquet", tmp_path / "out") == 0
    files = str(tmp_path / "out/interleaved/*.parquet")
    cache = str(tmp_path / "cache")
    opened: Any = datasets.load_dataset(
        "parquet", data_files=files, split="train", streaming=streaming, cache_dir=cache
    )
    for row, (document, bodies) in zip(opened, members_of(looked_at, "interleaved"), strict=True):
        assert (row["key"], row["texts"]) == (document["key"], document["texts"])
        shown = [image.size for image in row["images"] if image is not None]
        assert shown == [tuple(size) for size in document["image_sizes"]]
        assert [image is None for image in row["images"]] == [text is not None for text in document["texts"]]
        told = json.loads(row["metadata"])
        assert [one["src"] for one in told if one] == document["image_urls"]
        assert json.loads(row["general_metadata"])["warc_file"] == document["warc_file"]
        assert len(bodies) == len(shown)


@pytest.mark.opens("datasets", "a folder of exported parquet, by configuration")
def test_the_folder_of_an_export_is_a_repository_of_configurations(
    looked_at: Path, tmp_path: Path, offline: None
) -> None:
    datasets = pytest.importorskip("datasets")
    assert exported(looked_at, "parquet", tmp_path / "out") == 0
    assert sorted(datasets.get_dataset_config_names(str(tmp_path / "out"))) == ["clips", "interleaved", "pairs"]
    pairs: Any = datasets.load_dataset(
        str(tmp_path / "out"), "pairs", split="train", streaming=True, cache_dir=str(tmp_path / "cache")
    )
    (first, *_), (told, _) = list(pairs), next(members_of(looked_at, "pairs"))
    assert (first["text"], first["image"].size) == (told["caption"], (told["width"], told["height"]))


def test_hugging_face_datasets_refuses_shards_of_pages_with_more_and_fewer_images(
    made: Path, tmp_path: Path, offline: None
) -> None:
    """As docs/exports.md says: once it opens them, the page has to say so."""
    datasets = pytest.importorskip("datasets")
    tars = sorted(map(str, (made / "interleaved/shards").glob("*.tar")))
    with pytest.raises(ValueError, match="don't share the same prefix or the same types"):
        list(
            datasets.load_dataset(
                "webdataset", data_files=tars, split="train", streaming=True, cache_dir=str(tmp_path / "cache")
            )
        )


def test_parquet_has_the_very_bytes(looked_at: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    assert exported(looked_at, "parquet", tmp_path / "out") == 0
    for kind, column in (("interleaved", "images"), ("pairs", "image"), ("clips", "video")):
        files = sorted((tmp_path / "out" / kind).glob("*.parquet"))
        values = [value for path in files for value in pq.read_table(path).column(column).to_pylist()]
        found = [[one["bytes"] for one in (value if isinstance(value, list) else [value]) if one] for value in values]
        assert found == [bodies for _, bodies in members_of(looked_at, kind)]


def test_mmc4_puts_each_image_before_the_text_it_stood_before(looked_at: Path, tmp_path: Path) -> None:
    from model.data.documents import Medium, to_document

    assert exported(looked_at, "mmc4", tmp_path / "out") == 0
    lines = [
        json.loads(line)
        for path in sorted((tmp_path / "out/interleaved").glob("*.jsonl.gz"))
        for line in gzip.decompress(path.read_bytes()).splitlines()
    ]
    for line, (document, bodies) in zip(lines, members_of(looked_at, "interleaved"), strict=True):
        assert [base64.b64decode(image["image_base64"]) for image in line["image_info"]] == bodies
        read = to_document("interleaved", document["key"], {"json": json.dumps(line).encode()})
        assert [part.data for part in read.parts if isinstance(part, Medium)] == bodies
        paragraphs = "\n\n".join(part for part in read.parts if isinstance(part, str))
        assert paragraphs == "\n\n".join(text for text in document["texts"] if text)


@pytest.mark.opens("megatron-energon", "what is exported for it")
@pytest.mark.filterwarnings("ignore:'pin_memory'")
def test_energon_opens_what_was_made_for_it(looked_at: Path, tmp_path: Path) -> None:
    energon = pytest.importorskip("megatron.energon")
    assert exported(looked_at, "energon", tmp_path / "out", "--kind", "pairs") == 0
    opened = energon.get_train_dataset(
        str(tmp_path / "out/pairs"),
        worker_config=energon.WorkerConfig(rank=0, world_size=1, num_workers=0),
        batch_size=1,
        repeat=False,
        shuffle_buffer_size=None,
        max_samples_per_sequence=None,
    )
    found = [batch.caption[0] for batch in energon.get_loader(opened)]
    assert sorted(found) == sorted(document["caption"] for document, _ in members_of(looked_at, "pairs"))


@pytest.mark.opens("pylance", "exported tables, pictures by key")
def test_lance_reads_a_picture_by_the_key_of_its_sample(looked_at: Path, tmp_path: Path) -> None:
    lance = pytest.importorskip("lance")
    assert exported(looked_at, "lance", tmp_path / "out") == 0
    samples = lance.dataset(str(tmp_path / "out/interleaved/samples.lance"))
    media = lance.dataset(str(tmp_path / "out/interleaved/media.lance"))
    assert [index.name for index in media.describe_indices()] == ["key_idx"]
    for document, bodies in members_of(looked_at, "interleaved"):
        (row,) = samples.to_table(filter=f"key = '{document['key']}'").to_pylist()
        assert json.loads(row["document"]) == document
        places = media.to_table(columns=["place"], filter=f"key = '{document['key']}'", with_row_id=True).to_pylist()
        blobs = media.take_blobs("data", ids=[place["_rowid"] for place in places])
        assert [blob.readall() for blob in blobs] == bodies


def test_an_interrupted_export_goes_on_and_ends_the_same(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert exported(made, "parquet", whole) == 0
    move, moved = Store.move, []

    def failing(self: Store, source: str, target: str) -> None:
        if target.endswith(".parquet"):
            moved.append(target)
            if len(moved) > 2:
                raise OSError("the disk is full")
        move(self, source, target)

    monkeypatch.setattr(Store, "move", failing)
    assert exported(made, "parquet", broken) == 1
    said = capsys.readouterr().err
    assert "files could not be done, first interleaved/000002-000.parquet: " in said
    assert not list(broken.rglob("*.tmp"))
    monkeypatch.undo()
    written: list[str] = []
    samples = run_module._samples

    def noted(source: Store, kind: str, name: str) -> Any:
        written.append(name)
        return samples(source, kind, name)

    monkeypatch.setattr(run_module, "_samples", noted)
    assert exported(made, "parquet", broken) == 0
    assert contents(broken) == contents(whole)
    assert len(written) == 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["mmc4", "--kind", "pairs"], "mmc4 holds interleaved"),
        (["parquet", "--kind", "clips"], "parquet holds interleaved and pairs and clips"),
    ],
)
def test_what_cannot_be_exported_is_said_in_a_line(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert exported(made, options[0], tmp_path / "out", *options[1:]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_another_export_in_the_same_output_is_refused(
    looked_at: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exported(looked_at, "mmc4", tmp_path / "out") == 0
    assert exported(looked_at, "parquet", tmp_path / "out") == 2
    assert "holds another export" in capsys.readouterr().err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    assert exported(looked_at, "parquet", tmp_path / "mine") == 2
    assert "is not empty" in capsys.readouterr().err


def test_files_of_a_dataset_from_which_something_was_removed_since_are_told(
    looked_at: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Shards that were written anew have other names: files of the old ones would stay, with what is denied."""
    source = Path(shutil.copytree(looked_at, tmp_path / "source"))
    assert exported(source, "parquet", tmp_path / "out") == 0
    urls = pq.read_table(tmp_path / "out/interleaved")["url"].to_pylist()
    (tmp_path / "deny.txt").write_text(f"{urls[0]}\n")
    assert main(["remove", str(source), "--deny", str(tmp_path / "deny.txt"), "--engine", "inline"]) == 0
    assert exported(source, "parquet", tmp_path / "out") == 2
    assert "or what it was then" in capsys.readouterr().err
    assert exported(source, "parquet", tmp_path / "anew") == 0
    assert pq.read_table(tmp_path / "anew/interleaved")["url"].to_pylist() == urls[1:]
