"""Pairs as they come out of `weft fetch-pairs`, by both downloaders, in the loaders of others and in our own."""

import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import webdataset
from PIL import Image

from crawlers.img2dataset import DownloaderSettings, require_img2dataset
from jobs.cli import main
from model.data.config import DatasetSettings, LoaderConfig, OrderSettings
from model.data.images import ImageSettings
from model.data.loader import Loader
from tests.crawlers.servers import Reply, WebServer
from tests.jobs.site import photo
from tests.jobs.test_fetch_pairs import fetch, has_img2dataset, written
from tests.model.makers import some_tokens

COUNT = 6
CAPTIONS = [f"caption {number}" for number in range(COUNT)]
needs_img2dataset = pytest.mark.skipif(not has_img2dataset(), reason="img2dataset is not installed: make img2dataset")


@pytest.fixture(scope="module")
def web() -> Any:
    with WebServer() as server:
        for number in range(COUNT):
            server.routes[f"/{number}.jpg"] = Reply(photo(number), "image/jpeg")
        yield server


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory, web: WebServer) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    rows = [(f"{web.url}/{number}.jpg", caption) for number, caption in enumerate(CAPTIONS)]
    assert fetch(written(folder, rows), folder / "out", web) == 0
    return folder / "out"


def loaded(folder: Path) -> int:
    """How many pairs our loader reads from a folder, its own or another's."""
    config = LoaderConfig(
        datasets=(DatasetSettings("pairs", str(folder), "pairs"),),
        order=OrderSettings(lanes=2, epochs=1),
        images=ImageSettings(size_px=16),
    )
    with Loader(config, some_tokens()) as loader:
        batches = [step["pairs"] for step in loader]
    for batch in batches:
        batch.check()
    return sum(len(batch.keys) for batch in batches)


def tars(folder: Path) -> list[str]:
    return sorted(map(str, (folder / "pairs/shards").glob("*.tar")))


@pytest.mark.opens("webdataset", "shards of pairs, by the stages of open_clip")
def test_the_pipeline_of_open_clip_reads_them(fetched: Path) -> None:
    """The stages of open_clip's `get_wds_dataset`, in webdataset: importing its own needs torchvision."""
    pipeline = webdataset.DataPipeline(
        webdataset.SimpleShardList(tars(fetched)),
        webdataset.split_by_worker,
        webdataset.tarfile_to_samples(),
        webdataset.select(lambda sample: "txt" in sample and bool({"png", "jpg", "jpeg", "webp"} & sample.keys())),
        webdataset.decode("pilrgb"),
        webdataset.rename(image="jpg;png;jpeg;webp", text="txt"),
        webdataset.map_dict(image=lambda image: image.size, text=str.split),
        webdataset.to_tuple("image", "text"),
        webdataset.batched(4, partial=True),
    )
    batches = list(pipeline)
    assert [len(texts) for _, texts in batches] == [4, 2]
    assert sorted(" ".join(text) for _, texts in batches for text in texts) == CAPTIONS
    assert {tuple(size) for sizes, _ in batches for size in sizes} == {(320, 240)}


def test_the_columns_of_img2dataset_are_there(fetched: Path) -> None:
    """What scripts that read its JSON and parquet files name."""
    ours = {"url", "caption", "key", "status", "error_message", "width", "height", "original_width", "original_height"}
    for sample in webdataset.WebDataset(tars(fetched), shardshuffle=False):
        document = json.loads(sample["json"])
        assert ours | {"sha256"} <= document.keys()
        assert (document["status"], document["error_message"], document["key"]) == ("success", None, sample["__key__"])
        assert Image.open(io.BytesIO(sample["jpg"])).size == (document["width"], document["height"])
    table = pq.read_table(next((fetched / "pairs/shards").glob("*.parquet")))
    assert {"url", "caption", "key", "width", "height", "sha256"} <= set(table.column_names)


@pytest.mark.opens("megatron-energon", "shards of pairs")
@pytest.mark.filterwarnings("ignore:'pin_memory'")
def test_energon_opens_them(fetched: Path) -> None:
    energon = pytest.importorskip("megatron.energon")
    dataset = energon.get_train_dataset(
        str(fetched / "pairs"),
        worker_config=energon.WorkerConfig(rank=0, world_size=1, num_workers=0),
        batch_size=2,
        repeat=False,
        shuffle_buffer_size=None,
        max_samples_per_sequence=None,
    )
    captions = [caption for batch in energon.get_loader(dataset) for caption in batch.caption]
    assert sorted(captions) == CAPTIONS


def test_our_own_loader_reads_them(fetched: Path) -> None:
    assert loaded(fetched / "pairs") == COUNT


@needs_img2dataset
def test_what_img2dataset_fetched_for_us_is_inspected_and_loaded(tmp_path: Path, web: WebServer) -> None:
    rows = [(f"{web.url}/{number}.jpg", caption) for number, caption in enumerate(CAPTIONS)]
    out = tmp_path / "out"
    assert fetch(written(tmp_path, rows), out, web, "--downloader", "img2dataset") == 0
    assert main(["inspect", str(out), "--check"]) == 0
    assert main(["show", str(out), "--draw", "never"]) == 0
    assert loaded(out / "pairs") == COUNT


_PLAIN = """
import sys
from img2dataset import download
download(url_list=sys.argv[1], input_format="parquet", url_col="url", caption_col="caption", output_folder=sys.argv[2],
         output_format="webdataset", image_size=64, processes_count=1, thread_count=4, enable_wandb=False)
"""


@needs_img2dataset
def test_what_img2dataset_writes_by_itself_is_loaded(tmp_path: Path, web: WebServer) -> None:
    table = {"url": [f"{web.url}/{number}.jpg" for number in range(COUNT)], "caption": CAPTIONS}
    pq.write_table(pa.table(table), tmp_path / "list.parquet")
    command = [require_img2dataset(DownloaderSettings()), "-I", "-c", _PLAIN, "list.parquet", "plain"]
    environment = {"NO_ALBUMENTATIONS_UPDATE": "1", "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    subprocess.run(command, check=True, cwd=tmp_path, env=environment, capture_output=True, timeout=240)
    assert loaded(tmp_path / "plain") == COUNT


@pytest.mark.opens("img2dataset", "the index of pairs, as a list to fetch")
@needs_img2dataset
def test_our_index_is_a_list_for_img2dataset(tmp_path: Path, fetched: Path) -> None:
    index = next((fetched / "pairs/shards").glob("*.parquet"))
    command = [require_img2dataset(DownloaderSettings()), "-I", "-c", _PLAIN, str(index), "again"]
    environment = {"NO_ALBUMENTATIONS_UPDATE": "1", "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    subprocess.run(command, check=True, cwd=tmp_path, env=environment, capture_output=True, timeout=240)
    assert loaded(tmp_path / "again") == COUNT
