import json
import threading
import time
import uuid
import weakref
from collections import Counter
from pathlib import Path
from typing import Any

import fsspec
import msgspec
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.data.batch import Batch
from model.data.config import DatasetSettings, LoaderConfig, OrderSettings, ReadSettings
from model.data.images import ImageSettings
from model.data.loader import Loader, LoaderError
from model.data.packing import PackingSettings
from model.data.sequences import SequenceSettings
from schemas.drops import DropRow
from schemas.settings import SettingsError, load_settings
from tests.model.makers import page, pair, save_tokenizer, some_tokens, write_dataset

PAGES, PAIRS = 41, 67


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    write_dataset(folder / "pages", [page(n) for n in range(PAGES)])
    write_dataset(folder / "pairs", [pair(n) for n in range(PAIRS)], per_shard=30)
    return folder


def config(shards: Path, **changes: Any) -> LoaderConfig:
    pages = DatasetSettings("pages", str(shards / "pages"), batch_rows=3)
    base = LoaderConfig(
        datasets=(pages,),
        order=OrderSettings(lanes=4, shuffle_block=8),
        packing=PackingSettings(open_rows=3),
        images=ImageSettings(size_px=16),
        read=ReadSettings(workers=2, prefetch_rows=3),
    )
    return msgspec.structs.replace(base, **changes)


def both(shards: Path, **changes: Any) -> LoaderConfig:
    pages = DatasetSettings("pages", str(shards / "pages"), batch_rows=2)
    pairs = DatasetSettings("pairs", str(shards / "pairs"), "pairs", weight=0.2, batch_rows=1, share=3.0)
    return config(shards, datasets=(pages, pairs), **changes)


def one_epoch(shards: Path, **changes: Any) -> LoaderConfig:
    return config(shards, order=OrderSettings(lanes=4, shuffle_block=8, epochs=1), **changes)


Step = dict[str, Batch]


def steps(loader: Loader, count: int = 1000) -> list[Step]:
    with loader:
        found = []
        for step in loader:
            found.append(step)
            if len(found) == count:
                break
        return found


def same(left: Step, right: Step) -> bool:
    return left.keys() == right.keys() and all(
        a.keys == b.keys
        and all(
            torch.equal(x, y) for x, y in zip(vars(a).values(), vars(b).values(), strict=True) if torch.is_tensor(x)
        )
        for a, b in zip(left.values(), right.values(), strict=True)
    )


def keys(found: list[Step]) -> list[str]:
    return [key for step in found for batch in step.values() for key in batch.keys]


@pytest.mark.parametrize("packed", [True, False])
def test_an_epoch_has_each_sample_once_over_all_ranks(shards: Path, packed: bool) -> None:
    for world in (1, 2, 3):
        packing = PackingSettings(enabled=packed, open_rows=3)
        loaders = [Loader(one_epoch(shards, packing=packing), some_tokens(), rank, world) for rank in range(world)]
        found = [key for loader in loaders for key in keys(steps(loader))]
        assert Counter(found) == Counter(f"{n:012d}" for n in range(PAGES))


def test_every_batch_keeps_its_invariants_and_rows_are_filled(shards: Path) -> None:
    loader = Loader(both(shards), some_tokens())
    for step in steps(loader, 12):
        assert list(step) == ["pages", "pairs"]
        for batch in step.values():
            batch.check()
            assert [batch.sources[source] for source in batch.source_D] == [
                "pages" if len(key) == 12 else "pairs" for key in batch.keys
            ]
    report = loader.report()
    assert report.fill > 0.85
    assert report.counts.drops == {}


def test_packing_fills_rows_that_windows_leave_empty(shards: Path) -> None:
    fills = []
    for packed in (True, False):
        loader = Loader(both(shards, packing=PackingSettings(enabled=packed)), some_tokens())
        steps(loader, 12)
        fills.append(loader.report().fill)
    assert fills[0] > 0.9 > 0.5 > fills[1]


def test_a_state_is_written_as_the_runs_that_were_saved_hold_it(shards: Path) -> None:
    """Whatever the classes are called: a run of last month goes on with the weft of today."""
    loader = Loader(one_epoch(shards), some_tokens())
    steps(loader, 2)
    state = loader.state_dict()
    assert list(state) == ["content", "shards", "rank", "world", "steps", "taken", "lanes", "tokenizer"]
    del state["tokenizer"]  # nor had they it
    Loader(one_epoch(shards), some_tokens()).load_state_dict(state)
    assert json.dumps(state["taken"]) == '{"turns": [6], "draws": 0}'
    first = '{"place": [0, 9], "open_rows": [[[0, 0], [0, 1]], [[0, 5], [0, 7]], [[0, 8]]]}'
    assert json.dumps(state["lanes"]["pages"]["0"]) == first


@pytest.mark.parametrize("mix", ["each", "sampled"])
@pytest.mark.parametrize("packed", [True, False])
def test_a_state_gives_the_next_step_bit_for_bit_wherever_it_was_taken(shards: Path, mix: str, packed: bool) -> None:
    recipe = both(shards, mix=mix, batch_rows=3, packing=PackingSettings(enabled=packed, open_rows=3))
    undisturbed = steps(Loader(recipe, some_tokens()), 14)
    loader = Loader(recipe, some_tokens())
    states = [loader.state_dict()]
    for step in loader:
        states.append(loader.state_dict())
        assert same(step, undisturbed[len(states) - 2])
        if len(states) == 13:
            break
    loader.close()
    for taken, state in enumerate(states):
        again = Loader(recipe, some_tokens())
        again.load_state_dict(json.loads(json.dumps(state)))
        for number, step in enumerate(steps(again, 2)):
            if taken + number < len(undisturbed):
                assert same(step, undisturbed[taken + number])


def test_a_numbered_epoch_resumed_at_every_step_ends_as_the_undisturbed_one(shards: Path) -> None:
    undisturbed = steps(Loader(one_epoch(shards), some_tokens()))
    for taken in range(1, len(undisturbed)):
        first = Loader(one_epoch(shards), some_tokens())
        steps(first, taken)
        again = Loader(one_epoch(shards), some_tokens())
        again.load_state_dict(first.state_dict())
        rest = steps(again)
        assert len(rest) == len(undisturbed) - taken
        assert all(map(same, rest, undisturbed[taken:]))


def test_workers_change_nothing_and_neither_do_processes(shards: Path) -> None:
    expected = steps(Loader(both(shards, read=ReadSettings(workers=1)), some_tokens()), 6)
    for read in (ReadSettings(workers=3, prefetch_rows=1), ReadSettings(workers=2, workers_are="processes")):
        assert all(map(same, steps(Loader(both(shards, read=read), some_tokens()), 6), expected))


def test_a_step_is_held_by_whoever_took_it_alone(shards: Path) -> None:
    """Steps of hundreds of megabytes: one more that is held is memory, and time of whoever asks for the next."""
    with Loader(both(shards), some_tokens()) as loader:
        iterator = iter(loader)
        step = next(iterator)
        held = weakref.ref(step["pages"])
        del step
        assert held() is None


def test_iterating_again_goes_on_where_it_was_left(shards: Path) -> None:
    undisturbed = steps(Loader(both(shards), some_tokens()), 6)
    loader = Loader(both(shards), some_tokens())
    assert all(map(same, steps(loader, 2) + steps(loader, 4), undisturbed))


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 4), st.booleans())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_epoch_goes_on_with_another_number_of_ranks_without_loss_or_repeat(
    shards: Path, world: int, next_world: int, taken: int, packed: bool
) -> None:
    recipe = one_epoch(shards, packing=PackingSettings(enabled=packed, open_rows=3), read=ReadSettings(workers=1))
    before = [Loader(recipe, some_tokens(), rank, world) for rank in range(world)]
    found = [key for loader in before if taken for key in keys(steps(loader, taken))]
    states = [loader.state_dict() for loader in before]
    for rank in range(next_world):
        after = Loader(recipe, some_tokens(), rank, next_world)
        after.load_state_dict(states)
        found += keys(steps(after))
    assert Counter(found) == Counter(f"{n:012d}" for n in range(PAGES))


def test_states_that_do_not_fit_are_refused(shards: Path, tmp_path: Path) -> None:
    state = Loader(config(shards), some_tokens(), 0, 2).state_dict()
    with pytest.raises(LoaderError, match="give the states of all"):
        Loader(config(shards), some_tokens(), 0, 3).load_state_dict(state)
    with pytest.raises(LoaderError, match="other settings"):
        Loader(config(shards, sequence=SequenceSettings(max_tokens=99)), some_tokens(), 0, 2).load_state_dict(state)
    write_dataset(tmp_path / "pages", [page(n) for n in range(PAGES + 1)])
    with pytest.raises(LoaderError, match="other shards"):
        Loader(config(tmp_path), some_tokens(), 0, 2).load_state_dict(state)


def test_shards_may_be_moved_between_runs(shards: Path, tmp_path: Path) -> None:
    first = Loader(config(shards), some_tokens())
    steps(first, 2)
    write_dataset(tmp_path / "pages", [page(n) for n in range(PAGES)])
    again = Loader(config(tmp_path), some_tokens())
    again.load_state_dict(first.state_dict())
    assert same(steps(again, 1)[0], steps(Loader(config(shards), some_tokens()), 3)[2])


def test_samples_of_another_machine_are_asked_for_before_their_turn_within_a_limit_of_bytes(
    shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several at a time, in the order and with the states of a loader that reads one after another."""
    memory: Any = fsspec.filesystem("memory")
    root = f"/ahead{uuid.uuid4().hex}"
    memory.put(f"{shards / 'pages'}/", root, recursive=True)
    lock, now, most = threading.Lock(), [0, 0], [0, 0]
    original = type(memory).cat_file

    def slow(fs: Any, path: str, start: Any = None, end: Any = None, **more: Any) -> bytes:
        size = (end or 0) - (start or 0)
        with lock:
            now[:] = now[0] + 1, now[1] + size
            most[:] = max(most[0], now[0]), max(most[1], now[1])
        time.sleep(0.004)
        with lock:
            now[:] = now[0] - 1, now[1] - size
        return bytes(original(fs, path, start, end, **more))

    monkeypatch.setattr(type(memory), "cat_file", slow)
    found, peaks = {}, {}
    for limit in (0, 30_000, 64_000_000):
        most[:] = 0, 0
        given = config(shards, read=ReadSettings(workers=1, prefetch_rows=3, ahead_max_bytes=limit))
        pages = msgspec.structs.replace(given.datasets[0], shards=f"memory://{root}")
        loader = Loader(msgspec.structs.replace(given, datasets=(pages,)), some_tokens())
        found[limit] = steps(loader, 8)
        state = loader.state_dict()
        again = Loader(msgspec.structs.replace(given, datasets=(pages,)), some_tokens())
        again.load_state_dict(state)
        found[limit] += steps(again, 4)
        peaks[limit] = tuple(most)
    expected = steps(Loader(config(shards), some_tokens()), 12)
    for of_limit in found.values():
        assert len(of_limit) == 12
        assert all(map(same, of_limit, expected))
    assert peaks[0][0] == 1
    assert peaks[64_000_000][0] > 4
    assert peaks[30_000][1] < 60_000  # and one that is read in its turn
    memory.rm(root, recursive=True)


def test_epochs_differ_and_so_do_seeds(shards: Path) -> None:
    orders = {}
    for seed in (0, 0, 1):
        order = OrderSettings(seed=seed, lanes=1, epochs=2)
        found = keys(steps(Loader(config(shards, order=order, packing=PackingSettings(enabled=False)), some_tokens())))
        assert orders.setdefault(seed, found) == found
        assert found[:PAGES] != found[PAGES:]
        assert Counter(found[:PAGES]) == Counter(found[PAGES:])
    assert orders[0] != orders[1]


def test_a_sampled_mixture_keeps_the_shares(shards: Path) -> None:
    recipe = both(shards, mix="sampled", batch_rows=8, packing=PackingSettings(enabled=False))
    counts = Counter(
        source for step in steps(Loader(recipe, some_tokens()), 60) for source in step["mixed"].source_D.tolist()
    )
    assert 0.68 < counts[1] / sum(counts.values()) < 0.82


def damaged(folder: Path) -> set[str]:
    """Damages an image, a header and the end of the last tar; the keys that are lost."""
    tars = sorted((folder / "pages" / "shards").glob("*.tar"))
    first = bytearray(tars[0].read_bytes())
    image = first.index(b"\xff\xd8\xff")
    first[image + 20 : image + 200] = bytes(180)
    tars[0].write_bytes(bytes(first))
    second = bytearray(tars[1].read_bytes())
    second[0:50] = b"\xff" * 50
    tars[1].write_bytes(bytes(second))
    data = tars[-1].read_bytes()
    tars[-1].write_bytes(data[: data.index(f"{PAGES - 1:012d}.json".encode()) + 600])
    tars[2].unlink()
    return {f"{n:012d}" for n in (0, 7, PAGES - 1, *range(14, 21))}


def test_what_is_damaged_is_skipped_counted_and_named(tmp_path: Path) -> None:
    write_dataset(tmp_path / "pages", [page(n, words=20) for n in range(PAGES)])
    lost = damaged(tmp_path)
    rows: list[DropRow] = []
    loader = Loader(one_epoch(tmp_path), some_tokens(), drops=rows.append)
    found = keys(steps(loader))
    assert Counter(found) == Counter({f"{n:012d}" for n in range(PAGES)} - lost)
    counts = loader.report().counts
    assert counts.drops == {"sample": {"broken_image": 1, "broken_sample": 9}}
    assert counts.unaccounted("sample") == 0
    named = {row.url.rpartition("/")[2]: row.detail for row in rows}
    assert named["000001-000.tar#0"] == "no tar header at its place"
    assert named["000002-000.tar#3"] == "the tar is missing"
    assert "ends" in named["000005-000.tar#5"]


@pytest.mark.parametrize("workers_are", ["threads", "processes"])
def test_many_damaged_samples_in_a_row_stop_the_run_with_a_name(tmp_path: Path, workers_are: Any) -> None:
    samples = [(key, [(name, b"no image") for name, _ in members]) for key, members in map(page, range(30))]
    write_dataset(tmp_path / "pages", samples)
    read = ReadSettings(workers_are=workers_are, max_failures_in_a_row=5)
    with pytest.raises(LoaderError, match=r"5 samples in a row dropped, last .*\.tar#\d+: broken_sample"):
        steps(Loader(config(tmp_path, read=read), some_tokens()))


def test_settings_that_do_not_go_together_are_refused(shards: Path) -> None:
    with pytest.raises(SettingsError, match="is over packing"):
        Loader(config(shards, packing=PackingSettings(row_tokens=100)), some_tokens())
    with pytest.raises(SettingsError, match="needs a single dataset"):
        Loader(both(shards, order=OrderSettings(epochs=1)), some_tokens())
    with pytest.raises(SettingsError, match="too few for 5 ranks"):
        Loader(config(shards), some_tokens(), 0, 5)
    with pytest.raises(SettingsError, match="too few for 64 lanes"):
        Loader(config(shards, order=OrderSettings(lanes=64)), some_tokens())
    with pytest.raises(SettingsError, match="each with a name"):
        Loader(LoaderConfig(), some_tokens())
    with pytest.raises(SettingsError, match="no tokenizer is named"):
        Loader(config(shards))
    with pytest.raises(SettingsError, match="batch_rows must be 1 or more"):
        load_settings(LoaderConfig, "{mix: sampled, batch_rows: 0}")


def test_the_tokenizer_may_come_from_the_settings(shards: Path, tmp_path: Path) -> None:
    path = str(save_tokenizer(tmp_path / "lm"))
    assert same(steps(Loader(config(shards, tokenizer=path)), 1)[0], steps(Loader(config(shards), some_tokens()), 1)[0])


def test_a_dataset_whose_tars_are_all_gone_ends_the_run_and_one_that_has_a_tar_left_does_not(tmp_path: Path) -> None:
    """Without an error the lanes would look for samples for ever, each miss counted and no step made."""
    write_dataset(tmp_path / "pairs", [pair(n) for n in range(40)], per_shard=10)
    config = LoaderConfig(
        datasets=(DatasetSettings("pairs", str(tmp_path / "pairs"), "pairs", batch_rows=1),),
        order=OrderSettings(lanes=4),
        packing=PackingSettings(enabled=False, row_tokens=64),
        sequence=SequenceSettings(max_tokens=64),
        images=ImageSettings(size_px=16),
    )
    loader = Loader(config, some_tokens())
    tars = sorted((tmp_path / "pairs" / "shards").glob("*.tar"))
    for tar in tars[1:]:
        tar.unlink()
    with loader:
        steps = [step for step, _ in zip(loader, range(12), strict=False)]
    assert len(steps) == 12
    tars[0].unlink()
    with loader, pytest.raises(LoaderError, match="no tar of pairs is there"):
        next(iter(loader))
