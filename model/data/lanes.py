"""One lane of one dataset: samples in order become rows, and after each row the state that gives the next."""

from collections import deque
from collections.abc import Iterator, Mapping
from functools import partial
from typing import NoReturn

import msgspec

from model.data.cache import Cache
from model.data.config import LoaderConfig, ReadSettings
from model.data.features import FeatureReader
from model.data.fetching_ahead import FetchingAhead
from model.data.order import Order, Position
from model.data.packing import Packer
from model.data.reading import Reader, TarFile
from model.data.reading_ahead import ReadingAhead
from model.data.row import Row
from model.data.rows import MISSING, LoaderError, RowMaker, Waiting
from model.data.tokens import Tokens
from schemas.drops import Drop, DropRow

_ASKED_AHEAD = 16  # samples of a lane
_CACHE_PARTS = 16  # of these one is for what the workers of a rank fetched ahead: ranks share the cache


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
        self._config, self._files, self._lane = config, files, lane
        self._name = config.datasets[source].name
        beside = None if reader.features is None else FeatureReader(reader.features, files)
        self._maker = RowMaker(config, tokens, source, lane, beside)
        order = config.order
        counts = [file.samples for file in files]
        self._order = Order(counts, order.seed, order.lanes, order.shuffle_block, order.shuffle)
        self._reader = reader
        self._position = self._asked = state.position
        self._ahead = 0  # samples from `_position` on that are asked for
        self._block: Position | None = None
        self._window: list[int] = []  # shards of this block and the next
        self._to_prepare: deque[int] = deque()
        self._packer: Packer[Waiting] = Packer(config.packing)
        self._read = 0
        self._missing: set[int] = set()
        self._missed = 0  # samples of missing tars since one was read
        samples = [self._order.sample(lane, p) for row in state.open_rows for p in row]
        for shard in dict.fromkeys(shard for shard, _ in samples):
            reader.prepare(shard)
        for shard, sample in samples:
            if not reader.ask(shard, sample, waits=True):
                break
        self._packer.reopen(
            [[(w, len(w.sequence)) for p in row if (w := self._sequence_at(p))] for row in state.open_rows]
        )
        self._read = 0

    def rows(self) -> Iterator[LaneOutput]:
        """Rows, then, where epochs are numbered, one output without a row. Raises `LoaderError`, and `OSError`."""
        while items := self._next_items():
            if (row := self._maker.row(items)) is not None:
                yield self._output(row)
        yield self._output(None)

    def _output(self, row: Row | None) -> LaneOutput:
        state = LaneState(
            self._position, tuple(tuple(w.position for w in items) for items in self._packer.open_items())
        )
        output = LaneOutput(row, state, self._maker.taken_drops(), self._read)
        self._read = 0
        return output

    def _next_items(self) -> list[Waiting] | None:
        while self._config.order.epochs is None or self._position.epoch < self._config.order.epochs:
            self._prepare()
            self._ask_ahead()
            position = self._position
            self._position = self._order.after(self._lane, position)
            self._ahead -= 1
            if (waiting := self._sequence_at(position)) and (items := self._packer.add(waiting, len(waiting.sequence))):
                return items
        return self._packer.flush()

    def _ask_ahead(self) -> None:
        """Samples that are read next are asked for, so that their reads overlap. Changes nothing of what is read."""
        if self._ahead <= 0:
            self._asked, self._ahead = self._position, 0
        epochs = self._config.order.epochs
        while self._ahead < _ASKED_AHEAD and (epochs is None or self._asked.epoch < epochs):
            if not self._reader.ask(*self._order.sample(self._lane, self._asked)):
                return
            self._asked = self._order.after(self._lane, self._asked)
            self._ahead += 1

    def _prepare(self) -> None:
        """Offsets of shards, and shards where they are fetched whole, each once: while a block is read, the next's."""
        if (block := self._order.block_of(self._position)) != self._block:
            self._block, known = block, self._window
            self._window = self._order.shards_ahead(self._lane, block)
            self._to_prepare.extend(shard for shard in self._window if shard not in known)
        while self._to_prepare and self._reader.prepare(self._to_prepare[0]):
            self._to_prepare.popleft()

    def _sequence_at(self, position: Position) -> Waiting | None:
        """The sequence of the sample at a position; None where it is dropped, which is counted."""
        shard, sample = self._order.sample(self._lane, position)
        self._read += 1
        url = f"{self._files[shard].path}#{sample}"
        return self._maker.waiting(position, url, partial(self._members, url, shard, sample), (shard, sample))

    def _members(self, url: str, shard: int, sample: int) -> tuple[str, Mapping[str, bytes]]:
        if shard in self._missing:
            self._reader.forget(shard, sample)
            self._miss()
        try:
            key, members = self._reader.members(shard, sample)
        except FileNotFoundError:
            self._missing.add(shard)
            self._maker.failed_to_read()
            self._miss()
        except OSError as error:
            tries = self._config.read.tries
            raise LoaderError(f"{url} cannot be read after {tries} tries: {error}") from error
        self._missed = 0
        return key, members

    def _miss(self) -> NoReturn:
        """A sample of a missing tar. Once an epoch of the lane held no other, one tar at least must still be there."""
        self._missed += 1
        if self._missed >= self._order.length(self._lane):
            self._missed = 0
            if not any(map(self._is_there, range(len(self._files)))):
                raise LoaderError(f"no tar of {self._name} is there any more: {self._files[0].path} and others")
        raise Drop("broken_sample", MISSING) from None

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


class Readers:
    """Of a worker, one for each dataset: what they ask for before its turn is bounded over all of them."""

    def __init__(self, config: LoaderConfig, files: list[list[TarFile]]) -> None:
        read, cache = config.read, open_cache(config.read)
        self._ahead = ReadingAhead(read.ahead_max_bytes)
        share = read.cache_max_bytes // (_CACHE_PARTS * read.workers)
        self._fetching = None if cache is None else FetchingAhead(cache, share)
        self.of_dataset = [Reader(of, cache, read.tries, self._ahead, self._fetching) for of in files]

    def close(self) -> None:
        self._ahead.close()
        if self._fetching is not None:
            self._fetching.close()
        for reader in self.of_dataset:
            reader.close()


def open_cache(read: ReadSettings) -> Cache | None:
    return None if read.cache is None else Cache(read.cache, read.cache_max_bytes)
