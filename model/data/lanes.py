"""One lane of one dataset: samples in order become rows, and after each row the state that gives the next."""

import random
from collections.abc import Iterator
from typing import NoReturn

import msgspec
import numpy as np

from model.data.batch import Row
from model.data.cache import Cache
from model.data.config import LoaderConfig
from model.data.documents import Medium, to_document
from model.data.images import frames_of
from model.data.order import Order, Position
from model.data.packing import Packer
from model.data.reading import Reader, TarFile
from model.data.sequences import Sequence, make_sequence, rng_of
from model.data.tokens import Tokens
from schemas.drops import Drop, DropRow, StepError, guarded

_MISSING = "the tar is missing"


class LoaderError(StepError):
    """The loader cannot go on, or a state does not belong to it. The message says which sample, or what differs."""


class LaneState(msgspec.Struct, frozen=True):
    """What of a lane was used: all before `position` is in rows that were given out, or waits in `open_rows`."""

    position: Position = msgspec.field(name="place", default=Position(0, 0))  # `place` in states that were saved
    open_rows: tuple[tuple[Position, ...], ...] = ()


class LaneOutput(msgspec.Struct, frozen=True):
    """What a lane gives at its turn: a row, or None where it has ended; the state after it; what was dropped for it."""

    row: Row | None
    state: LaneState
    drops: tuple[DropRow, ...] = ()
    samples: int = 0  # read for it


class _Ref(msgspec.Struct, frozen=True):
    """A sample, as `guarded` names it."""

    url: str
    position: Position
    kind: str = "sample"


class _Waiting(msgspec.Struct, frozen=True):
    position: Position
    url: str
    sequence: Sequence


class Lane:
    """Rows of one lane, from `state` on. All that a row holds follows from settings, shards, lane and state."""

    def __init__(
        self,
        config: LoaderConfig,
        tokens: Tokens,
        source: int,
        files: list[TarFile],
        lane: int,
        state: LaneState,
        reader: Reader,
    ) -> None:
        self._config, self._tokens, self._source, self._files, self._lane = config, tokens, source, files, lane
        self._settings = config.datasets[source]
        order = config.order
        counts = [file.samples for file in files]
        self._order = Order(counts, order.seed, order.lanes, order.shuffle_block, order.shuffle)
        self._reader = reader
        self._position = state.position
        self._packer: Packer[_Waiting] = Packer(config.packing)
        self._drops: list[DropRow] = []
        self._in_a_row = {"read": 0, "decode": 0}
        self._read = 0
        self._missing: set[int] = set()
        self._missed = 0  # samples of missing tars since one was read
        self._packer.reopen(
            [[(w, len(w.sequence)) for p in row if (w := self._sequence_at(p))] for row in state.open_rows]
        )
        self._read = 0

    def rows(self) -> Iterator[LaneOutput]:
        """Rows, then, where epochs are numbered, one output without a row. Raises `LoaderError`, and `OSError`."""
        while items := self._next_items():
            if (row := self._decoded(items)) is not None:
                yield self._output(row)
        yield self._output(None)

    def _output(self, row: Row | None) -> LaneOutput:
        state = LaneState(
            self._position, tuple(tuple(w.position for w in items) for items in self._packer.open_items())
        )
        output = LaneOutput(row, state, tuple(self._drops), self._read)
        self._drops, self._read = [], 0
        return output

    def _next_items(self) -> list[_Waiting] | None:
        while self._config.order.epochs is None or self._position.epoch < self._config.order.epochs:
            position = self._position
            self._position = self._order.after(self._lane, position)
            if (waiting := self._sequence_at(position)) and (items := self._packer.add(waiting, len(waiting.sequence))):
                return items
        return self._packer.flush()

    def _sequence_at(self, position: Position) -> _Waiting | None:
        """The sequence of the sample at a position; None where it is dropped, which is counted."""
        shard, sample = self._order.sample(self._lane, position)
        self._read += 1
        url = f"{self._files[shard].path}#{sample}"
        try:
            waiting = guarded(lambda ref: self._sequence(ref, shard, sample), _Ref(url, position))
        except Drop as drop:
            self._drop(url, drop, "read")
            return None
        self._in_a_row["read"] = 0
        return waiting

    def _sequence(self, ref: _Ref, shard: int, sample: int) -> _Waiting:
        if shard in self._missing:
            self._miss()
        try:
            key, members = self._reader.members(shard, sample)
        except FileNotFoundError:
            self._missing.add(shard)
            self._in_a_row["read"] += 1
            self._miss()
        except OSError as error:
            tries = self._config.read.tries
            raise LoaderError(f"{ref.url} cannot be read after {tries} tries: {error}") from error
        self._missed = 0
        document = to_document(self._settings.kind, key, members)
        rng = self._rng("sequence", ref.position)
        return _Waiting(ref.position, ref.url, make_sequence(document, self._tokens, rng, self._config.sequence))

    def _miss(self) -> NoReturn:
        """A sample of a missing tar. Once an epoch of the lane held no other, one tar at least must still be there."""
        self._missed += 1
        if self._missed >= self._order.length(self._lane):
            self._missed = 0
            if not any(map(self._is_there, range(len(self._files)))):
                raise LoaderError(
                    f"no tar of {self._settings.name} is there any more: {self._files[0].path} and others"
                )
        raise Drop("broken_sample", _MISSING) from None

    def _is_there(self, shard: int) -> bool:
        if shard in self._missing or not self._files[shard].samples:
            return False
        try:
            self._reader.members(shard, 0)
        except FileNotFoundError:
            self._missing.add(shard)
            return False
        except Drop:  # damaged, but there
            return True
        return True

    def _decoded(self, items: list[_Waiting]) -> Row | None:
        """The row of some sequences with their media decoded; one with a medium that does not decode is left out."""
        sequences, frames, counts = [], [], []
        for item in items:
            rng = self._rng("media", item.position)
            try:
                decoded = [frames_of(medium, rng, self._config.images) for medium in item.sequence.media]
            except Drop as drop:
                self._drop(item.url, drop, "decode")
                continue
            self._in_a_row["decode"] = 0
            frames += decoded
            counts += [len(of_medium) for of_medium in decoded]
            # The bytes have done their work: they need not travel to the training loop.
            spent = tuple(Medium(b"", medium.kind) for medium in item.sequence.media)
            sequences.append(msgspec.structs.replace(item.sequence, media=spent))
        if not sequences:
            return None
        size = self._config.images.size_px
        frames_FHWC = np.concatenate(frames) if frames else np.zeros((0, size, size, 3), np.uint8)
        weight = self._settings.weight
        return Row(tuple(sequences), frames_FHWC, np.array(counts, np.int32), self._source, weight)

    def _drop(self, url: str, drop: Drop, stage: str) -> None:
        if drop.detail != _MISSING:  # counted once, when it was found missing
            self._in_a_row[stage] += 1
        self._drops.append(DropRow(url, "sample", drop.reason, drop.detail))
        if self._in_a_row[stage] >= self._config.read.max_failures_in_a_row:
            count = self._in_a_row[stage]
            raise LoaderError(f"{count} samples in a row dropped, last {url}: {drop.reason}: {drop.detail}")

    def _rng(self, purpose: str, position: Position) -> random.Random:
        return rng_of(self._config.order.seed, purpose, self._settings.name, self._lane, *position)


def open_reader(config: LoaderConfig, files: list[TarFile]) -> Reader:
    return Reader(files, open_cache(config), config.read.tries)


def open_cache(config: LoaderConfig) -> Cache | None:
    return None if config.read.cache is None else Cache(config.read.cache, config.read.cache_max_bytes)
