"""What a loader saves of where it is, and which of these belong together."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from model.data.lanes import LaneState
from model.data.rows import LoaderError
from model.data.schedule import Taken


class TokenizerState(msgspec.Struct, frozen=True):
    """Which tokenizer made the rows: the path that it was read from, and a hash that tells whether it is the same."""

    source: str
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.source or 'one that was given'} ({self.fingerprint})"


class LoaderState(msgspec.Struct, frozen=True):
    """What one rank has used of its lanes. A few kilobytes, whatever the position; JSON by `state_dict`."""

    content: str  # hash of the settings that decide what batches hold
    shards: str  # hash of the shards' names and numbers of samples
    rank: int
    world: int
    steps: int
    taken: Taken
    lanes: dict[str, dict[int, LaneState]]  # by dataset
    tokenizer: TokenizerState | None = None  # not known of states that older versions saved

    @property
    def has_ended(self) -> bool:
        """Whether all lanes stand at the end of an epoch and no row is open: with `order.epochs` that is the end."""
        lanes = [lane for of_dataset in self.lanes.values() for lane in of_dataset.values()]
        return all(lane.position.epoch and not lane.position.number and not lane.open_rows for lane in lanes)


def read_states(given: Any, names: Sequence[str]) -> list[LoaderState]:
    """A state, or those of several ranks at one step, of a loader of these datasets. Raises `LoaderError`."""
    try:
        states = [msgspec.convert(one, LoaderState, strict=False) for one in _listed(given)]
    except (TypeError, ValueError) as error:  # msgspec's are among the latter
        raise LoaderError(f"this is no state of a loader: {error}") from None
    if not states:
        raise LoaderError("this is no state of a loader: the list is empty")
    for one in states:
        _check(one, names)
    _check_together(states)
    return states


def _listed(given: Any) -> list[Any]:
    return [given] if isinstance(given, Mapping) else list(given)


def _check(state: LoaderState, names: Sequence[str]) -> None:
    if not 0 <= state.rank < state.world or state.steps < 0:
        raise LoaderError(f"this is no state of a loader: rank {state.rank} of {state.world} after {state.steps} steps")
    if set(state.lanes) != set(names):
        raise LoaderError(f"the state is of datasets {_several(state.lanes)}, not of {_several(names)}")
    if len(state.taken.turns) != len(names) or min(*state.taken.turns, state.taken.draws) < 0:
        raise LoaderError(f"this is no state of a loader: turns {state.taken.turns} of {len(names)} datasets")


def _check_together(states: Sequence[LoaderState]) -> None:
    """Ranks of one run at one step. One whose epochs have ended may have made fewer steps than the others."""
    if len(worlds := {one.world for one in states}) > 1:
        raise LoaderError(f"the states are of runs of {_several(sorted(worlds))} ranks: give those of one run")
    ranks = [one.rank for one in states]
    if twice := [rank for rank in set(ranks) if ranks.count(rank) > 1]:
        raise LoaderError(f"two of the states are of rank {min(twice)}: give one of each rank")
    last = max(one.steps for one in states)
    if early := [one for one in states if one.steps < last and not one.has_ended]:
        steps = f"step {last} and, of rank {early[0].rank}, of step {early[0].steps}"
        raise LoaderError(f"the states are of {steps}: give those of one step")


def _several(values: Any) -> str:
    return ", ".join(map(str, values)) or "none"
