"""What a loader makes of features is what it makes of pixels, but that an encoder has seen them already."""

import json
import random
import shutil
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import fsspec
import msgspec
import numpy as np
import pytest
import torch

from model.data.batch import Batch
from model.data.clips import clip_frames, whole_clip
from model.data.config import DatasetSettings, LoaderConfig, OrderSettings, ReadSettings
from model.data.loader import Loader
from model.data.packing import PackingSettings
from model.data.reading import Reader
from model.network.vision.encoder import make_encoder
from schemas.drops import Drop, DropRow
from tests.model.features.makers import PLAIN, VISION, clip, make_features, write_kinds
from tests.model.makers import page, some_tokens, write_dataset

KINDS = ("interleaved", "pairs", "clips")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_kinds(folder)
    for kind in KINDS:
        make_features(folder / kind, kind, folder / "features" / kind)
        make_features(folder / kind, kind, folder / "int8" / kind, stored_as="int8")
    return folder


def config(data: Path, features: str = "features", **changes: Any) -> LoaderConfig:
    datasets = tuple(
        DatasetSettings(kind, str(data / kind), kind, batch_rows=2, features=features and str(data / features / kind))
        for kind in KINDS
    )
    base = LoaderConfig(
        datasets=datasets,
        order=OrderSettings(lanes=4, shuffle_block=8),
        packing=PackingSettings(open_rows=3),
        images=PLAIN,
        read=ReadSettings(workers=2, prefetch_rows=3),
    )
    return msgspec.structs.replace(base, **changes)


Step = dict[str, Batch]


def steps(loader: Loader, count: int = 1000) -> list[Step]:
    with loader:
        return [step for _, step in zip(range(count), loader, strict=False)]


def seen(batch: Batch) -> torch.Tensor:
    """The features of a batch, of whatever it holds."""
    found = batch.features()
    return make_encoder(VISION)(batch.frames_FCHW) if found is None else found.float()


def same_but_for_pixels(left: Batch, right: Batch, tolerance: float) -> None:
    assert left.keys == right.keys
    for name in ("tokens_BT", "document_BT", "position_BT", "media_index_BT", "loss_weight_BT", "source_D"):
        assert torch.equal(getattr(left, name), getattr(right, name)), name
    assert torch.equal(left.frame_offsets_M1, right.frame_offsets_M1)
    torch.testing.assert_close(seen(left), seen(right), atol=tolerance, rtol=0)


@pytest.mark.parametrize("features", ["features", "int8"])
def test_pages_pairs_and_clips_come_in_the_same_order_with_the_same_drops(data: Path, features: str) -> None:
    """Pictures that do not decode, samples that are none, clips of one frame, of a stretch, and some that break off."""
    told: list[list[DropRow]] = [[], []]
    with_pixels = Loader(config(data, ""), some_tokens(), drops=told[0].append)
    with_features = Loader(config(data, features), some_tokens(), drops=told[1].append)
    for left, right in zip(steps(with_pixels, 9), steps(with_features, 9), strict=True):
        for kind in KINDS:
            right[kind].check()
            assert right[kind].frames_FCHW.shape[1:] == (3, 0, 0)
            same_but_for_pixels(left[kind], right[kind], 2e-3 if features == "features" else 2e-2)
    reports = with_pixels.report(), with_features.report()
    assert reports[0] == reports[1]
    assert told[0] == told[1]
    assert {"broken_image", "broken_sample", "no_text", "broken_clip"} <= {row.reason for row in told[0]}


@pytest.mark.parametrize("workers_are", ["threads", "processes"])
def test_workers_packing_and_states_are_as_with_pixels(data: Path, workers_are: Any) -> None:
    read = ReadSettings(workers=3, prefetch_rows=1, workers_are=workers_are)
    undisturbed = steps(Loader(config(data), some_tokens()), 7)
    first = Loader(config(data, read=read), some_tokens())
    begun = steps(first, 3)
    again = Loader(config(data, read=read), some_tokens())
    again.load_state_dict(json.loads(json.dumps(first.state_dict())))
    for left, right in zip(undisturbed, begun + steps(again, 4), strict=True):
        for kind in KINDS:
            same_but_for_pixels(left[kind], right[kind], 0)


def test_a_run_may_go_on_with_features_where_it_read_pixels(data: Path) -> None:
    first = Loader(config(data, ""), some_tokens())
    undisturbed = steps(Loader(config(data, ""), some_tokens()), 5)
    steps(first, 3)
    again = Loader(config(data), some_tokens())
    again.load_state_dict(first.state_dict())
    for left, right in zip(undisturbed[3:], steps(again, 2), strict=True):
        same_but_for_pixels(left["clips"], right["clips"], 2e-3)


def test_each_sample_once_over_ranks_in_rows_of_one_document(data: Path) -> None:
    changes: dict[str, Any] = {
        "packing": PackingSettings(enabled=False),
        "order": OrderSettings(lanes=4, epochs=1),
        "datasets": config(data).datasets[:1],
    }
    ranks = [Loader(config(data, **changes), some_tokens(), rank, 2) for rank in range(2)]
    found = Counter(key for loader in ranks for step in steps(loader) for key in step["interleaved"].keys)
    assert set(found.values()) == {1}
    assert 25 <= len(found) < 30


@pytest.mark.parametrize(
    ("seconds", "rate", "fps"), [(0.5, 10, 1), (12, 10, 1), (20, 10, 0.7), (13, 1, 3.0), (9, 3, 2)]
)
def test_of_a_clip_every_frame_that_may_be_drawn_is_at_hand(seconds: float, rate: int, fps: float) -> None:
    """Also where its frames are farther apart than those that are wanted."""
    data = clip(seconds, rate)
    whole, frames = whole_clip(data, 4, fps, lambda image: image)
    assert len(frames) == len(whole.times) <= int(seconds * rate)
    for seed in range(12):
        direct = clip_frames(data, random.Random(seed), 4, fps)
        chosen = whole.chosen(random.Random(seed), 4, fps)
        assert [image.tobytes() for image in direct] == [frames[number].tobytes() for number in chosen]


def test_a_clip_that_breaks_off_is_dropped_by_those_draws_that_reach_its_damage() -> None:
    data = clip(14, seed=5)
    data = data[: len(data) * 2 // 3]
    whole, _ = whole_clip(data, 4, 1.0, lambda image: image)
    outcomes = set()
    for seed in range(40):
        found = []
        for draw in (lambda rng: len(clip_frames(data, rng, 4, 1.0)), lambda rng: len(whole.chosen(rng, 4, 1.0))):
            try:
                found.append(draw(random.Random(seed)))
            except Drop as drop:
                found.append((drop.reason, drop.detail))
        assert found[0] == found[1]
        outcomes.add(str(found[0]))
    assert len(outcomes) > 1


@pytest.mark.parametrize("features", ["features", "int8"])
def test_of_a_long_page_no_more_is_read_than_a_window_shows(
    features: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where its JSON is longer than what is read of a sample first."""
    write_dataset(tmp_path / "interleaved", [page(n, images=120, words=6) for n in range(2)])
    stored_as = "int8" if features == "int8" else "float16"
    made = make_features(tmp_path / "interleaved", "interleaved", tmp_path / "f", stored_as=stored_as)
    read, stretch = [], Reader.stretch

    def counting(reader: Reader, *arguments: int) -> bytes:
        read.append(data := stretch(reader, *arguments))
        return data

    monkeypatch.setattr(Reader, "stretch", counting)
    pages = DatasetSettings("p", str(tmp_path / "interleaved"), batch_rows=2)
    changes: dict[str, Any] = {"order": OrderSettings(lanes=1), "packing": PackingSettings(enabled=False)}
    with_pixels = steps(Loader(config(tmp_path, datasets=(pages,), **changes), some_tokens()), 6)
    with_features = msgspec.structs.replace(pages, features=str(tmp_path / "f"))
    found = steps(Loader(config(tmp_path, datasets=(with_features,), **changes), some_tokens()), 6)
    for left, right in zip(with_pixels, found, strict=True):
        same_but_for_pixels(left["p"], right["p"], 2e-3 if features == "features" else 2e-2)
    a_sample = sum(map(len, read)) / len(read) * 3
    assert a_sample < made.bytes / made.samples / 4


def test_features_on_another_machine_are_asked_for_together_and_are_the_same(data: Path) -> None:
    memory: Any = fsspec.filesystem("memory")
    root = f"/features{uuid.uuid4().hex}"
    memory.put(f"{data / 'features' / 'interleaved'}/", root, recursive=True)
    near = config(data).datasets[0]
    far = msgspec.structs.replace(near, features=f"memory://{root}")
    for ahead in (0, 64_000_000):
        read = ReadSettings(workers=1, ahead_max_bytes=ahead)
        loaders = [Loader(config(data, datasets=(of,), read=read), some_tokens()) for of in (near, far)]
        for left, right in zip(*(steps(loader, 4) for loader in loaders), strict=True):
            same_but_for_pixels(left["interleaved"], right["interleaved"], 0)


def test_features_that_are_damaged_cost_their_samples_and_say_so(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "f"
    shutil.copytree(data / "features" / "pairs", folder)
    tar = folder / "shards/000000-000.tar"
    whole = bytearray(tar.read_bytes())
    starts = np.frombuffer(Path(f"{tar}.idx").read_bytes(), "<u8")
    whole[starts[1] + 512] = 0  # in the JSON
    whole[starts[2] + 1024] = 0  # in the header of the array
    whole[starts[4] + 1536] = 0  # in the array's own
    tar.write_bytes(whole)
    told: list[DropRow] = []
    pairs = msgspec.structs.replace(config(data).datasets[1], features=str(folder))
    order = OrderSettings(lanes=1, shuffle=False, epochs=1)
    steps(Loader(config(data, datasets=(pairs,), order=order), some_tokens(), drops=told.append))
    damaged = [row for row in told if row.detail.startswith("its features: ")]
    assert [(row.url.partition("#")[2], row.reason) for row in damaged] == [
        (number, "broken_sample") for number in "124"
    ]


@pytest.mark.parametrize("ahead", [0, 64_000_000])
@pytest.mark.parametrize("place", [0, 256, 600])
def test_a_file_of_features_that_is_cut_costs_the_samples_behind(
    data: Path, tmp_path: Path, place: int, ahead: int
) -> None:
    """At the start of a sample, in the header of its JSON, and in what follows it; on a disk, and on a store."""
    folder = tmp_path / "f"
    shutil.copytree(data / "features" / "pairs", folder)
    tar = folder / "shards/000000-000.tar"
    starts = np.frombuffer(Path(f"{tar}.idx").read_bytes(), "<u8")
    tar.write_bytes(tar.read_bytes()[: int(starts[10]) + place])
    where = str(folder)
    if ahead:
        where = f"memory://features{uuid.uuid4().hex}"
        fsspec.filesystem("memory").put(f"{folder}/", where.removeprefix("memory:/"), recursive=True)
    told: list[DropRow] = []
    pairs = msgspec.structs.replace(config(data).datasets[1], features=where)
    settings = {"order": OrderSettings(lanes=1, shuffle=False, epochs=1), "read": ReadSettings(ahead_max_bytes=ahead)}
    steps(Loader(config(data, datasets=(pairs,), **settings), some_tokens(), drops=told.append))
    cut = [row for row in told if row.detail.startswith("its features: ") and "000000-000.tar" in row.url]
    assert [(row.url.partition("#")[2], row.reason) for row in cut] == [
        (str(number), "broken_sample") for number in range(10, 15)
    ]
