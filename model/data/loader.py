"""The loader: shards in, batches out, and at each step the state that gives exactly the next one.

loader = Loader(load_settings(LoaderConfig, text), rank=rank, world=world)
for step in loader:
    loss = sum(model(batch) for batch in step.values())
    ...
    saved = loader.state_dict()
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

import msgspec
import numpy as np

from model.data.ahead import Ahead
from model.data.batch import Batch, collate
from model.data.config import LoaderConfig, check_config
from model.data.features import dataset_features
from model.data.lanes import LaneOutput, LaneState, open_cache
from model.data.listing import list_shards
from model.data.order import check_lanes, lanes_of
from model.data.processes import Processes
from model.data.reading import TarFile
from model.data.row import Row
from model.data.rows import LoaderError
from model.data.schedule import Taken, schedule
from model.data.states import LoaderState, TokenizerState, read_states
from model.data.tokens import Tokens, load_tokens
from model.data.workers import Job, MakeWorkers, Threads, Workers
from schemas.drops import Counts, DropRow, Tally
from schemas.settings import SettingsError

#: The name of the one batch of a step with `mix: sampled`.
MIXED = "mixed"


class Report(msgspec.Struct, frozen=True):
    """What a loader saw since it was made: samples read and dropped, tokens and their part of the rows, images."""

    counts: Counts
    rows: int
    tokens: int
    predicted: int
    frames: int
    fill: float  # tokens for each place in a row


class _Sums(msgspec.Struct):
    """Of the rows of a step."""

    rows: int = 0
    samples: int = 0
    tokens: int = 0
    predicted: int = 0
    frames: int = 0

    def add(self, row: Row) -> None:
        self.rows += 1
        self.samples += len(row.keys)
        self.tokens += len(row)
        self.predicted += int(np.count_nonzero(row.loss_weight_T))
        self.frames += len(row.frames_FHWC)

    def merge(self, other: "_Sums") -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class _Made(msgspec.Struct, frozen=True):
    """A step made ahead, and what the loader's state is once it is given out. The last may hold no batch."""

    step: dict[str, Batch]
    outputs: list[tuple[int, int, LaneOutput]]  # dataset, index of the lane, what it gave; its row is in the step
    sums: _Sums
    taken: Taken


class Loader:
    """Iterating gives steps: batches by dataset, or one batch `mixed`. Each iteration goes on where the last was left.

    Raises `SettingsError` for settings that do not go together; while iterating, `LoaderError`. `drops` is called with
    every sample that is dropped.
    """

    def __init__(
        self,
        config: LoaderConfig,
        tokens: Tokens | None = None,
        rank: int = 0,
        world: int = 1,
        drops: Any = None,
        pin: bool = False,
        files: list[list[TarFile]] | None = None,
        make_workers: MakeWorkers | None = None,
    ) -> None:
        """`pin`: batches lie in memory that a GPU copies from by itself. `files`: the shards, where they are listed.
        `make_workers`: those of `workers_are: ray`, and of `auto`, where threads are not meant."""
        check_config(config)
        makers = {"auto": make_workers or Threads, "threads": Threads, "processes": Processes, "ray": make_workers}
        if (chosen := makers[config.read.workers_are]) is None:
            raise SettingsError(
                "read.workers_are is ray: weft.Loader and weft train have such workers, this loader none"
            )
        self._make_workers: MakeWorkers = chosen
        self._pin = pin
        self.config, self.rank, self.world = config, rank, world
        self.tokens = load_tokens(config.tokenizer) if tokens is None else tokens
        self._lanes = lanes_of(rank, world, config.order.lanes)
        if files is None:
            cache = open_cache(config.read)
            files = [list_shards(dataset.shards, cache, config.read.tries) for dataset in config.datasets]
        self._files = [
            dataset_features(dataset, of_dataset, config)
            for dataset, of_dataset in zip(config.datasets, files, strict=True)
        ]
        for of_dataset in self._files:
            check_lanes(sum(file.samples for file in of_dataset), config.order.lanes)
        self._names = tuple(dataset.name for dataset in config.datasets)
        self._tally = Tally(drops)
        self._sums, self._steps = _Sums(), 0
        self._taken = Taken([0] * len(self._names))
        self._states: list[dict[int, LaneState]] = [{} for _ in self._names]
        self._workers: Workers | None = None

    def samples(self, name: str) -> int:
        """Samples of an epoch of a dataset, over all ranks."""
        return sum(file.samples for file in self._files[self._names.index(name)])

    def __iter__(self) -> Iterator[dict[str, Batch]]:
        self.close()
        taken = Taken(list(self._taken.turns), self._taken.draws)
        states = [dict(of_lane) for of_lane in self._states]
        job = Job(self.config, self.tokens, self._files, self.rank, self._lanes, taken, states)
        self._workers = workers = self._make_workers(job)
        ahead = Ahead(self._made(workers, Taken(list(taken.turns), taken.draws)), release=workers.close)
        try:
            for made in ahead:
                self._saw(made)
                given = [made.step] if made.step else []
                del made  # nobody but the caller holds a step: its memory may be the next one's
                if given:
                    yield given.pop()
        finally:
            ahead.close()

    def close(self) -> None:
        """Stop the workers. Leaving the iteration does it too, once nothing holds the iterator."""
        if self._workers is not None:
            self._workers.close()
            self._workers = None

    def __enter__(self) -> "Loader":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def state_dict(self) -> dict[str, Any]:
        """The state after the step that was given last, as plain JSON values."""
        lanes = {
            name: {lane: of_lane.get(lane, LaneState()) for lane in self._lanes}
            for name, of_lane in zip(self._names, self._states, strict=True)
        }
        content, shards = self._identity()
        taken = Taken(list(self._taken.turns), self._taken.draws)
        state = LoaderState(content, shards, self.rank, self.world, self._steps, taken, lanes, self._tokenizer())
        built: dict[str, Any] = msgspec.to_builtins(state, str_keys=True)
        return built

    def load_state_dict(self, state: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        """Go on after a state: that of this rank, of as many ranks, gives exactly the next step.

        With another number of ranks give the states of all ranks that wrote them, of one step: no sample of the epoch
        is lost or seen twice, and the rows of each lane are the same; which rank and step they fall to differs. The
        number of workers may change always. Raises `LoaderError` where settings, tokenizer or shards differ, for states
        that do not belong together and for what is no state; nothing is changed then.
        """
        states = read_states(state, self._names)
        content, shards = self._identity()
        for one in states:
            if one.content != content:
                raise LoaderError("the state was written with other settings: it would not give the same batches")
            if one.tokenizer is not None and one.tokenizer.fingerprint != self.tokens.fingerprint:
                raise LoaderError(f"the state was written with the tokenizer {one.tokenizer}, not {self._tokenizer()}")
            if one.shards != shards:
                raise LoaderError("the state was written with other shards, or they have changed")
        same = [one for one in states if (one.rank, one.world) == (self.rank, self.world)]
        known = [
            {lane: found for one in same or states for lane, found in one.lanes[name].items()} for name in self._names
        ]
        if missing := [lane for of_lane in known for lane in self._lanes if lane not in of_lane]:
            raise LoaderError(
                f"no state for lanes {missing[:8]}: {states[0].world} ranks wrote it; give the states of all of them"
            )
        self.close()
        if same:
            self._taken, self._steps = Taken(list(same[0].taken.turns), same[0].taken.draws), same[0].steps
        else:
            self._taken, self._steps = Taken([0] * len(self._names)), max(one.steps for one in states)
        self._states = [{lane: of_lane[lane] for lane in self._lanes} for of_lane in known]

    def report(self) -> Report:
        sums = self._sums
        places = sums.rows * self.config.packing.row_tokens
        fill = sums.tokens / places if places else 0.0
        return Report(self._tally.counts(), sums.rows, sums.tokens, sums.predicted, sums.frames, fill)

    def _made(self, workers: Workers, taken: Taken) -> Iterator["_Made"]:
        """Steps as they will be given out. It runs ahead in a thread, and touches nothing of the loader's state."""
        order = schedule(self.config, self.rank, len(self._lanes), taken)
        live = {(d, p) for d in range(len(self._names)) for p in range(len(self._lanes))}
        while live:
            yield self._step(workers, order, live, taken)

    def _step(
        self, workers: Workers, order: Iterator[tuple[int, int]], live: set[tuple[int, int]], taken: Taken
    ) -> "_Made":
        step, outputs, sums = {}, [], _Sums()
        for name, wanted in self._wanted():
            found = self._next_outputs(workers, order, live, wanted)
            if (batch := self._batch(found, sums)) is not None:
                step[name] = batch
            outputs += [(d, index, msgspec.structs.replace(output, row=None)) for d, index, output in found]
            found.clear()
            workers.used()
        return _Made(step, outputs, sums, Taken(list(taken.turns), taken.draws))

    def _batch(self, found: list[tuple[int, int, LaneOutput]], sums: _Sums) -> Batch | None:
        rows = [output.row for _, _, output in found if output.row is not None]
        for row in rows:
            sums.add(row)
        row_tokens, pad_id = self.config.packing.row_tokens, self.tokens.pad_id
        return collate(rows, row_tokens, pad_id, self._names, self._pin) if rows else None

    def _saw(self, made: "_Made") -> None:
        """From here on what went into a step counts as used."""
        self._taken = made.taken
        self._steps += bool(made.step)
        self._sums.merge(made.sums)
        self._tally.kept("sample", made.sums.samples)
        for d, index, output in made.outputs:
            self._states[d][self._lanes[index]] = output.state
            self._tally.saw("sample", output.samples)
            for drop in output.drops:
                self._tally.drop(drop)

    def _wanted(self) -> list[tuple[str, int]]:
        if self.config.mix == "sampled":
            return [(MIXED, self.config.batch_rows)]
        return [(dataset.name, dataset.batch_rows) for dataset in self.config.datasets]

    def _next_outputs(
        self, workers: Workers, order: Iterator[tuple[int, int]], live: set[tuple[int, int]], wanted: int
    ) -> list[tuple[int, int, LaneOutput]]:
        """Of so many rows, with those of lanes that have ended meanwhile."""
        outputs: list[tuple[int, int, LaneOutput]] = []
        while wanted and live:
            d, index = next(order)
            if (d, index) not in live:
                continue
            output = workers.next(index)
            outputs.append((d, index, output))
            if output.row is None:
                live.discard((d, index))
            else:
                wanted -= 1
        return outputs

    def _tokenizer(self) -> TokenizerState:
        return TokenizerState(self.tokens.source, self.tokens.fingerprint)

    def _identity(self) -> tuple[str, str]:
        """Hashes of settings and of shards. Where shards lie is not in it: they may be moved between runs."""
        listed = [[(file.name, file.samples) for file in files] for files in self._files]
        return self.config.content_hash, hashlib.sha256(msgspec.json.encode(listed)).hexdigest()[:16]


__all__ = ["MIXED", "DropRow", "Loader", "LoaderError", "LoaderState", "Report", "TarFile"]
