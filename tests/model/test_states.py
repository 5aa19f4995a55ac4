"""States of a loader that do not belong together, and those that do although they differ."""

import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import tokenizers

from model.data.config import DatasetSettings, LoaderConfig, OrderSettings, ReadSettings
from model.data.images import ImageSettings
from model.data.loader import Loader, LoaderError
from model.data.tokens import Tokens, byte_tokens, load_tokens
from tests.model.makers import pair, save_tokenizer, some_tokens, trained, write_dataset

PAIRS = 40


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("shards") / "pairs"
    write_dataset(folder, [pair(n) for n in range(PAIRS)])
    return str(folder)


def loader(shards: str, rank: int = 0, world: int = 1, tokens: Tokens | None = None) -> Loader:
    config = LoaderConfig(
        datasets=(DatasetSettings("pairs", shards, "pairs", batch_rows=1),),
        order=OrderSettings(lanes=4, epochs=1),
        images=ImageSettings(size_px=16),
        read=ReadSettings(workers=1),
    )
    return Loader(config, tokens or some_tokens(), rank, world)


def state_after(shards: str, steps: int, rank: int = 0, world: int = 1) -> tuple[dict[str, Any], list[str]]:
    """And the keys of the samples until then."""
    keys: list[str] = []
    with loader(shards, rank, world) as found:
        state = found.state_dict()
        for _, step in zip(range(steps), found, strict=False):
            keys += step["pairs"].keys
            state = found.state_dict()
    return state, keys


def test_states_that_do_not_belong_together_are_refused_and_change_nothing(shards: str) -> None:
    (first, _), (second, _) = state_after(shards, 1, 0, 2), state_after(shards, 0, 1, 2)
    of_four = [state_after(shards, 1, rank, 4)[0] for rank in (1, 3)]
    for given, said in (
        ([first, second], "of step 1 and, of rank 1, of step 0: give those of one step"),
        ([first, *of_four], "of runs of 2, 4 ranks"),
        ([first, first], "two of the states are of rank 0"),
    ):
        again = loader(shards)
        before = again.state_dict()
        with pytest.raises(LoaderError, match=said):
            again.load_state_dict(given)
        assert again.state_dict() == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"steps": -5}, "this is no state of a loader: rank 0 of 1 after -5 steps"),
        ({"rank": 1}, "this is no state of a loader: rank 1 of 1"),
        ({"rank": -1}, "this is no state of a loader: rank -1 of 1"),
        ({"taken": {"turns": [0], "draws": -1}}, "this is no state of a loader: turns .0. of 1 datasets"),
        ({"lanes": {}}, "the state is of datasets none, not of pairs"),
        ({"lanes": {"others": {}}}, "the state is of datasets others, not of pairs"),
        ({"lanes": {"pairs": {}}}, "no state for lanes"),
        ({"taken": {"turns": [1, 1]}}, "turns .1, 1. of 1 datasets"),
        ({"taken": {"turns": []}}, "turns .. of 1 datasets"),
        ({"taken": {"turns": [-1]}}, "turns .-1. of 1 datasets"),
    ],
)
def test_a_state_of_another_shape_is_refused(shards: str, change: dict[str, Any], said: str) -> None:
    state, _ = state_after(shards, 1)
    with pytest.raises(LoaderError, match=said):
        loader(shards).load_state_dict({**state, **change})


@pytest.mark.parametrize(("place", "open_rows"), [([1, 2], []), ([0, 0], []), ([1, 0], [[[0, 1]]])])
def test_a_rank_within_an_epoch_has_not_ended(shards: str, place: list[int], open_rows: list[Any]) -> None:
    states = [state_after(shards, 0, rank, 2)[0] for rank in range(2)]
    states[1]["steps"] = 5
    for lane in states[0]["lanes"]["pairs"]:
        states[0]["lanes"]["pairs"][lane] = {"place": [1, 0], "open_rows": []}
    loader(shards).load_state_dict(states)
    states[0]["lanes"]["pairs"][lane] = {"place": place, "open_rows": open_rows}
    with pytest.raises(LoaderError, match="give those of one step"):
        loader(shards).load_state_dict(states)


def test_a_rank_whose_epochs_have_ended_may_have_made_fewer_steps(shards: str) -> None:
    """Of four lanes two ranks of three have one, so that they end sooner."""
    made = [state_after(shards, 2 if rank == 0 else 100, rank, 3) for rank in range(3)]
    states = [state for state, _ in made]
    states[0] = {**states[0], "steps": 100}
    keys = [key for _, of_rank in made for key in of_rank]
    again = loader(shards)
    again.load_state_dict(states)
    with again:
        keys += [key for step in again for key in step["pairs"].keys]
    assert Counter(keys) == Counter(f"{n:09d}" for n in range(PAIRS))


def test_a_state_of_another_tokenizer_is_refused_and_both_are_named(shards: str, tmp_path: Path) -> None:
    tokens = load_tokens(str(save_tokenizer(tmp_path / "first")))
    state = loader(shards, tokens=tokens).state_dict()
    for others in (byte_tokens(), Tokens(trained(), "<s>"), Tokens(trained(), None, "</s>")):
        with pytest.raises(LoaderError, match=r"with the tokenizer /.*/first \(\w+\), not one that was given \(\w+\)$"):
            loader(shards, tokens=others).load_state_dict(state)
    elsewhere = load_tokens(str(save_tokenizer(tmp_path / "second")))
    loader(shards, tokens=elsewhere).load_state_dict(state)
    loader(shards, tokens=byte_tokens()).load_state_dict({**state, "tokenizer": None})  # as they were saved before


def test_tokenizers_that_cut_otherwise_are_others() -> None:
    lower = tokenizers.Tokenizer.from_str(trained().to_str())
    lower.normalizer = tokenizers.normalizers.Lowercase()
    assert Tokens(lower, "<s>", "</s>").fingerprint != some_tokens().fingerprint
    assert pickle.loads(pickle.dumps(some_tokens())).fingerprint == some_tokens().fingerprint
