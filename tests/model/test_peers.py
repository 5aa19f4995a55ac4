"""The shards that this loader reads, in the loaders of others; those that are not installed are skipped."""

import importlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
import webdataset
from PIL import Image

from model.data.loader import Loader
from tests.model.makers import page, pair, some_tokens, write_dataset
from tests.model.test_loader import PAGES, one_epoch, steps

PAIRS = 12


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    write_dataset(folder / "pages", [page(n) for n in range(PAGES)], per_shard=20)
    write_dataset(folder / "pairs", [pair(n) for n in range(PAIRS)], per_shard=6)
    return folder


def tars(shards: Path, kind: str) -> list[str]:
    return sorted(str(path) for path in (shards / kind / "shards").glob("*.tar"))


@pytest.mark.opens("webdataset", "shards of pages")
def test_webdataset_sees_the_samples_that_this_loader_sees(shards: Path) -> None:
    theirs = {}
    for sample in webdataset.WebDataset(tars(shards, "pages"), shardshuffle=False).decode("pil"):
        names = [name for name in sample["json"]["images"] if name]
        theirs[sample["__key__"]] = [sample[name.split(".", 1)[1]].size for name in names]
    ours = [key for step in steps(Loader(one_epoch(shards), some_tokens())) for key in step["pages"].keys]
    assert sorted(ours) == sorted(theirs)
    assert all(sizes == [(96, 64)] * 3 for sizes in theirs.values())


@pytest.mark.opens("datasets", "shards of pairs, streaming")
def test_hugging_face_datasets_opens_pairs(shards: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    found: Any = datasets.load_dataset(
        "webdataset", data_files=tars(shards, "pairs"), split="train", streaming=True, cache_dir=str(tmp_path)
    )
    rows = list(found)
    assert len(rows) == PAIRS
    assert all(row["jpg"].size == (96, 64) and row["txt"] == row["json"]["caption"] for row in rows)


@pytest.mark.opens("megatron-energon", "shards of pages")
@pytest.mark.filterwarnings("ignore:'pin_memory'")
def test_energon_opens_pages(shards: Path) -> None:
    energon = pytest.importorskip("megatron.energon")
    from schemas.dataset import write_reader_files
    from schemas.shards import ShardInfo
    from schemas.storage import Store

    sizes = json.loads((shards / "pages" / "shards" / "sizes.json").read_text())
    (shards / "interleaved").symlink_to(shards / "pages")  # kinds have folders of their names
    infos = [ShardInfo(name.removesuffix(".tar"), count, 0, 0, "", 0, "") for name, count in sizes.items()]
    write_reader_files(Store(str(shards)), "interleaved", infos)

    class Documents(energon.DefaultTaskEncoder):  # type: ignore[name-defined, misc]
        def batch(self, samples: list[Any]) -> list[Any]:
            return samples

    dataset = energon.get_train_dataset(
        str(shards / "interleaved"),
        worker_config=energon.WorkerConfig(rank=0, world_size=1, num_workers=0),
        batch_size=4,
        repeat=False,
        shuffle_buffer_size=None,
        max_samples_per_sequence=None,
        task_encoder=Documents(),
    )
    found = [sample for batch in energon.get_loader(dataset) for sample in batch]
    assert len(found) == PAGES
    assert all(sum(not isinstance(part, str) for part in sample.sequence) == 3 for sample in found)


@pytest.mark.opens("ray", "shards of pages and of pairs, by Ray Data")
def test_ray_data_reads_pages_and_pairs(shards: Path) -> None:
    pytest.importorskip("pandas")  # Ray Data needs it, weft does not
    importlib.import_module("jobs.engine.on_ray")  # sets what must be set before Ray is imported
    ray = importlib.import_module("ray")
    ray.init("local", num_cpus=1, object_store_memory=200 << 20, include_dashboard=False, log_to_driver=False)
    try:
        for kind, count in (("pages", PAGES), ("pairs", PAIRS)):
            rows = ray.data.read_webdataset(tars(shards, kind), decoder=None).take_all()
            assert len(rows) == count
            assert all(json.loads(row["json"]) for row in rows)
            image = "1.jpg" if kind == "pages" else "jpg"
            assert all(Image.open(io.BytesIO(row[image])).size == (96, 64) for row in rows)
    finally:
        ray.shutdown()
