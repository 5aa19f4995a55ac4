"""Ten thousand shards are known by a listing; what of them is read is read when its turn comes."""

from collections import Counter
from pathlib import Path

import fsspec
import pytest

from model.data.config import DatasetSettings, LoaderConfig, OrderSettings, ReadSettings
from model.data.images import ImageSettings
from model.data.lanes import Lane, LaneState, Readers
from model.data.listing import list_shards
from model.data.plain import read_documents
from tests.model.makers import pair, some_tokens, write_dataset
from tests.model.wide import SHARDS, WideStore


@pytest.fixture(autouse=True)
def wide() -> None:
    fsspec.register_implementation("wide", WideStore, clobber=True)
    WideStore.asked.clear()


@pytest.mark.parametrize("form", ["wide://plain/shards/*.tar", "wide://plain", "wide://sized"])
def test_shards_beyond_number_are_counted_without_reading_one(form: str) -> None:
    files = list_shards(form)
    assert len(files) == SHARDS
    assert sum(file.samples for file in files) == 10**8
    reads = Counter(what for what, _ in WideStore.asked)
    assert reads["list"] <= 3 * 2 * SHARDS // 1000  # pages
    assert reads["read"] <= 1  # sizes.json, where it is


def test_of_so_many_shards_only_those_are_opened_whose_turn_comes() -> None:
    config = LoaderConfig(
        datasets=(DatasetSettings("pairs", "wide://sized", "pairs"),),
        order=OrderSettings(lanes=4),
        images=ImageSettings(size_px=16),
        read=ReadSettings(workers=1),
    )
    files = list_shards("wide://sized")
    readers = Readers(config, [files])
    WideStore.asked.clear()
    for lane in range(4):
        rows = Lane(config, some_tokens(), 0, files, lane, LaneState(), readers.of_dataset[0]).rows()
        assert next(rows).row is not None
    readers.close()
    indexes = [name for what, name in WideStore.asked if name.endswith(".idx")]
    assert len(indexes) == len(set(indexes)) <= 4 * 3
    assert sum(what == "range" for what, _ in WideStore.asked) < 4 * 100


def test_sizes_that_are_too_small_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What they leave out is not read, and without a word nobody would miss it."""
    write_dataset(tmp_path / "pairs", [pair(n) for n in range(20)])
    file = tmp_path / "pairs/shards/sizes.json"
    assert len(list(read_documents(str(tmp_path / "pairs"), "pairs"))) == 20
    assert caplog.messages == []
    file.write_text('{"000000-000.tar": 5, "000001-000.tar": 4}')
    assert len(list(read_documents(str(tmp_path / "pairs"), "pairs"))) == 9
    uncounted, too_few = caplog.messages
    assert uncounted.startswith(f"{file} does not count 000002-000.tar beside it: ")
    assert "000000-000.tar holds 7 samples, but its sizes.json says 5: the last ones are not read" in too_few
