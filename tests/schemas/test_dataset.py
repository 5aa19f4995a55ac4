import json
import uuid
from typing import Any

import msgspec
import pytest
import yaml

from schemas.dataset import DATASET, Dataset, KindTotals, read_dataset, totals, write_reader_files
from schemas.drops import Counts
from schemas.shards import ShardInfo
from schemas.storage import Store

SHARDS = [
    ShardInfo("000000-000", 10, 25, 1000, "t", 4, "p"),
    ShardInfo("000002-000", 7, 9, 500, "t", 4, "p"),
]


def test_totals_add_up() -> None:
    assert totals(SHARDS) == KindTotals(shards=2, samples=17, images=34, bytes=1500)
    assert totals([]) == KindTotals(0, 0, 0, 0)


def test_a_dataset_is_read_back_as_it_was(store: Store) -> None:
    dataset = Dataset(
        kinds={"interleaved": totals(SHARDS)},
        phases={"extract": Counts({"page": 3}, {"page": 2}, {"page": {"no_text": 1}})},
        drops={"page": {"no_text": 1}},
        inputs=1,
        input_bytes=100,
        config={"seed": 0},
        config_hash="abc",
        weft_version="0.1",
    )
    store.put(DATASET, msgspec.json.encode(dataset))
    assert read_dataset(store) == dataset


def test_an_unfinished_dataset_is_file_not_found(store: Store) -> None:
    with pytest.raises(FileNotFoundError):
        read_dataset(store)


def test_sizes_are_what_open_clip_reads(store: Store) -> None:
    write_reader_files(store, "interleaved", SHARDS)
    assert json.loads(store.read("interleaved/shards/sizes.json")) == {"000000-000.tar": 10, "000002-000.tar": 7}


def test_energon_finds_its_files(store: Store) -> None:
    write_reader_files(store, "interleaved", SHARDS)
    meta = {name: store.read(f"interleaved/.nv-meta/{name}") for name in store.list("interleaved/.nv-meta")}
    assert set(meta) == {".info.json", "dataset.yaml", "index.uuid", "sample_loader.py", "split.yaml"}
    counts = json.loads(meta[".info.json"])["shard_counts"]
    assert counts == {"shards/000000-000.tar": 10, "shards/000002-000.tar": 7}
    split = yaml.safe_load(meta["split.yaml"])
    assert split == {"split_parts": {"train": list(counts), "val": [], "test": []}, "exclude": []}
    sample_type = yaml.safe_load(meta["dataset.yaml"])["sample_type"]
    assert sample_type == {"__module__": "megatron.energon", "__class__": "InterleavedSample"}


def test_the_sample_loader_for_energon_gives_texts_and_images_in_order(store: Store) -> None:
    write_reader_files(store, "interleaved", SHARDS)
    loader: dict[str, Any] = {}
    exec(store.read("interleaved/.nv-meta/sample_loader.py"), loader)
    named = yaml.safe_load(store.read("interleaved/.nv-meta/dataset.yaml"))
    assert named["sample_loader"] == "sample_loader.py:sample_loader"
    assert named["part_filter"] == "sample_loader.py:part_filter"
    document = {"texts": ["a", None, "", None], "images": [None, "k.0.jpg", None, "k.1.png"]}
    raw = {"__key__": "k", "json": document, "0.jpg": "first", "1.png": "second"}
    assert loader["sample_loader"](raw) == {"__key__": "k", "sequence": ["a", "first", "", "second"]}
    assert all(loader["part_filter"](part) for part in ("json", "0.jpg"))


def test_the_uuid_is_equal_exactly_when_the_shards_are(store: Store) -> None:
    other = msgspec.structs.replace(SHARDS[1], tar_sha256="u")
    seen = []
    for shards in (SHARDS, SHARDS, [SHARDS[0], other], SHARDS[:1], []):
        write_reader_files(store, "interleaved", shards)
        seen.append(uuid.UUID(store.read("interleaved/.nv-meta/index.uuid").decode()))
    assert seen[0] == seen[1]
    assert len(set(seen)) == 4
