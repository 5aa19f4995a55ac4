"""Ten thousand shards are known by a listing; what of them is read is read when its turn comes."""

from collections import Counter

import fsspec
import pytest

from model.data.config import DatasetSettings, LoaderConfig, OrderSettings, ReadSettings
from model.data.images import ImageSettings
from model.data.lanes import Lane, LaneState, Readers
from model.data.listing import list_shards
from tests.model.makers import some_tokens
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
