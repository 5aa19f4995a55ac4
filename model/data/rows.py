"""Samples become sequences, and sequences rows, whoever reads the samples; what is dropped on the way is counted."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from model.data.config import LoaderConfig
from model.data.documents import Medium, to_document
from model.data.images import frames_of
from model.data.order import Position
from model.data.row import Row, seen_frames, to_row
from model.data.sequences import Sequence as TokenSequence
from model.data.sequences import make_sequence, rng_of
from model.data.tokens import Tokens
from schemas.drops import Drop, DropRow, StepError, guarded

#: The detail of drops for a tar that is not there: it was counted once, when it was found missing.
MISSING = "the tar is missing"

Read = Callable[[], tuple[str, Mapping[str, bytes]]]


class LoaderError(StepError):
    """The loader cannot go on, or a state does not belong to it. The message says which sample, or what differs."""


class Waiting(msgspec.Struct, frozen=True):
    """The sequence of a sample, until it finds its row."""

    position: Position
    url: str
    sequence: TokenSequence
    place: tuple[int, int] = (0, 0)  # shard, and sample in it


class BesideMedia(Protocol):
    """Reads what stands in place of pixels."""

    def ask(self, items: Iterable[Waiting]) -> None: ...
    def media(self, item: Waiting) -> tuple[Medium, ...]: ...


class _Ref(msgspec.Struct, frozen=True):
    """A sample, as `guarded` names it."""

    url: str
    position: Position
    kind: str = "sample"


class RowMaker:
    """Makes the rows of one stream of samples. What is random follows from settings, stream and position alone."""

    def __init__(
        self, config: LoaderConfig, tokens: Tokens, source: int, stream: int, beside: BesideMedia | None = None
    ) -> None:
        self._beside = beside
        self._config, self._tokens, self._source, self._stream = config, tokens, source, stream
        self._settings = config.datasets[source]
        self._drops: list[DropRow] = []
        self._in_a_row = {"read": 0, "decode": 0}

    def waiting(self, position: Position, url: str, read: Read, place: tuple[int, int] = (0, 0)) -> Waiting | None:
        """The sequence of a sample whose key and members `read` gives; None where it is dropped.

        Raises `LoaderError` where too many in a row are, and what `read` raises beside `Drop`.
        """
        try:
            made = guarded(lambda ref: self._sequence(ref, read, place), _Ref(url, position))
        except Drop as drop:
            self._drop(url, drop, "read")
            return None
        self._in_a_row["read"] = 0
        return made

    def row(self, items: Sequence[Waiting]) -> Row | None:
        """The row of some sequences with their media decoded; one with a medium that does not decode is left out."""
        sequences, frames = [], []
        if self._beside is not None:
            self._beside.ask(items)
        for item in items:
            rng = self._rng("media", item.position)
            try:
                media = item.sequence.media if self._beside is None else self._beside.media(item)
                decoded = [frames_of(medium, rng, self._config.images) for medium in media]
            except Drop as drop:
                self._drop(item.url, drop, "decode")
                continue
            self._in_a_row["decode"] = 0
            frames += decoded
            sequences.append(item.sequence)
        if not sequences:
            return None
        frames_FHWC, counts_M, features = seen_frames(frames, self._config.images.size_px)
        return to_row(sequences, frames_FHWC, counts_M, self._source, self._settings.weight, features)

    def failed_to_read(self) -> None:
        """Count a failure that no drop tells of."""
        self._in_a_row["read"] += 1

    def taken_drops(self) -> tuple[DropRow, ...]:
        """What was dropped since this was asked for last."""
        drops, self._drops = tuple(self._drops), []
        return drops

    def _sequence(self, ref: _Ref, read: Read, place: tuple[int, int]) -> Waiting:
        key, members = read()
        document = to_document(self._settings.kind, key, members)
        rng = self._rng("sequence", ref.position)
        sequence = make_sequence(document, self._tokens, rng, self._config.sequence)
        return Waiting(ref.position, ref.url, sequence, place)

    def _drop(self, url: str, drop: Drop, stage: str) -> None:
        if drop.detail != MISSING:
            self._in_a_row[stage] += 1
        self._drops.append(DropRow(url, "sample", drop.reason, drop.detail))
        if self._in_a_row[stage] >= self._config.read.max_failures_in_a_row:
            count = self._in_a_row[stage]
            raise LoaderError(f"{count} samples in a row dropped, last {url}: {drop.reason}: {drop.detail}")

    def _rng(self, purpose: str, position: Position) -> random.Random:
        return rng_of(self._config.order.seed, purpose, self._settings.name, self._stream, *position)
