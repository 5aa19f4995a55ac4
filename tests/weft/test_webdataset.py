"""`weft.webdataset`: the loader's batches out of a pipeline of webdataset."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
import webdataset as wds

import weft.webdataset
from model.data.batch import Batch
from model.data.documents import Kind
from model.data.loader import Loader
from schemas.drops import DropRow
from schemas.settings import SettingsError
from tests.model.makers import page, pair, photo, some_tokens, write_dataset, write_foreign_tar
from weft import LoaderConfig
from weft.settings import settings_of

SETTINGS: dict[str, Any] = {
    "order": {"lanes": 1, "shuffle": False, "epochs": 1},
    "sequence": {"max_tokens": 128},
    "packing": {"row_tokens": 256, "open_rows": 3},
    "images": {"size_px": 32},
    "batch_rows": 4,
}
SAMPLES = {"interleaved": [page(n) for n in range(30)], "pairs": [pair(n) for n in range(50)]}


def same(one: Batch, other: Batch) -> bool:
    pairs = [(getattr(one, field.name), getattr(other, field.name)) for field in fields(Batch)]
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)


def tars(folder: Path) -> list[str]:
    return sorted(map(str, folder.rglob("*.tar")))


@pytest.mark.opens("webdataset", "shards as batches, by weft.webdataset")
@pytest.mark.parametrize("kind", ["interleaved", "pairs"])
def test_batches_are_those_of_the_loader_in_the_order_of_the_tars(tmp_path: Path, kind: Kind) -> None:
    write_dataset(tmp_path / "set", SAMPLES[kind], per_shard=12)
    named = {**SETTINGS, "datasets": [{"name": "mine", "shards": str(tmp_path / "set"), "kind": kind, "batch_rows": 1}]}
    loader = Loader(settings_of(LoaderConfig, named, {}), some_tokens())
    ours = [step["mine"] for step in loader]
    stage = weft.webdataset.batches(named, tokens=some_tokens())
    theirs = list(wds.WebDataset(tars(tmp_path / "set"), shardshuffle=False).compose(stage))
    assert len(ours) == len(theirs) > 2
    assert all(same(*pair) for pair in zip(ours, theirs, strict=True))


def test_tars_of_others_need_no_index(tmp_path: Path) -> None:
    """mmc4 as OpenFlamingo writes it, with names that webdataset makes of them."""
    sentences = ["A cat.", "On a mat."]
    info = [{"image_name": "0.png", "matched_text_index": 1}]
    members = [("a.json", json.dumps({"text_list": sentences, "image_info": info}).encode())]
    write_foreign_tar(tmp_path / "a.tar", [("a", [*members, ("a.0.png", photo(1, format="PNG"))])])
    stage = weft.webdataset.batches(SETTINGS, tokens=some_tokens())
    (batch,) = wds.WebDataset(tars(tmp_path), shardshuffle=False, empty_check=False).compose(stage)
    batch.check()
    assert (batch.keys, batch.sources, len(batch.frames_FCHW)) == (("a",), ("interleaved",), 1)


def test_each_time_it_is_begun_other_windows_are_drawn_and_the_same_ones_again_by_the_same_seed(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", [page(n, images=6, words=60) for n in range(8)], per_shard=8)

    def two_epochs() -> list[list[Batch]]:
        data = wds.WebDataset(tars(tmp_path), shardshuffle=False)
        data = data.compose(weft.webdataset.batches(SETTINGS, tokens=some_tokens()))
        return [list(data), list(data)]

    (first, second), again = two_epochs(), two_epochs()
    assert not all(same(*pair) for pair in zip(first, second, strict=False))
    assert all(same(*pair) for pair in zip([*first, *second], [*again[0], *again[1]], strict=True))


# Another test of this process may have loaded it.
@pytest.mark.filterwarnings("ignore:lance is not fork-safe")
def test_workers_of_a_loader_share_the_tars_and_lose_no_sample(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", SAMPLES["pairs"], per_shard=10)
    stage = weft.webdataset.batches(SETTINGS, "pairs", some_tokens())
    data = wds.WebDataset(tars(tmp_path), shardshuffle=False).compose(stage)
    loader = wds.WebLoader(data, batch_size=None, num_workers=2)
    assert sorted(key for batch in loader for key in batch.keys) == sorted(key for key, _ in SAMPLES["pairs"])


def test_what_is_damaged_is_dropped_with_its_reason_and_costs_nothing_else(tmp_path: Path) -> None:
    broken = ("000000099", [("000000099.jpg", b"no picture"), ("000000099.txt", b"words")])
    write_foreign_tar(tmp_path / "a.tar", [pair(1), broken, ("b", [("b.jpg", photo(1))]), pair(2)])
    dropped: list[DropRow] = []
    stage = weft.webdataset.batches(SETTINGS, "pairs", some_tokens(), drops=dropped.append)
    (batch,) = wds.WebDataset(tars(tmp_path), shardshuffle=False, empty_check=False).compose(stage)
    assert batch.keys == ("000000001", "000000002")
    assert [(drop.url.partition("#")[2], drop.reason) for drop in dropped] == [
        ("b", "broken_sample"),
        ("000000099", "unsupported_format"),
    ]


def test_a_stage_that_decodes_before_it_is_named(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", SAMPLES["pairs"][:3], per_shard=3)
    stage = weft.webdataset.batches(SETTINGS, "pairs", some_tokens())
    data = wds.WebDataset(tars(tmp_path), shardshuffle=False, empty_check=False).decode("pil").compose(stage)
    with pytest.raises(weft.webdataset.LoaderError, match="jpg is decoded: put this stage where members are bytes"):
        list(data)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sequence": {"max_tokens": 999}}, "over packing.row_tokens"),
        ({"batch_rows": 0}, "batch_rows must be 1 or more"),
        ({"datasets": [{"name": "a", "shards": ""}, {"name": "b", "shards": ""}]}, "webdataset.RandomMix"),
        ({"datasets": [{"name": "a", "shards": "", "features": "f"}]}, "features are read by a Loader"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        weft.webdataset.batches({**SETTINGS, **change}, tokens=some_tokens())
