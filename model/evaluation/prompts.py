"""What a model is shown: examples, then the query (arXiv 2204.14198, A.2).

Examples stand as chunks of one page: `<BOS><image>text<EOC><image>text<EOC><image>`, and the beginning of the query's
text. Without examples two are given as text alone, without their media: they show what an answer looks like.
"""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from model.data.documents import Medium
from model.data.feature_files import Features
from model.data.images import ImageSettings, Pixels, frames_of
from model.data.sequences import rng_of
from model.data.tokens import Tokens
from model.evaluation.items import Item, MediaFile
from model.network.generate import Prompt
from schemas.drops import Drop

#: Examples that stand without their media in a prompt of no shots: one is harmful, more than two gain nothing (A.2).
TEXT_EXAMPLES = 2


class Shown(msgspec.Struct, frozen=True):
    """An item with its media decoded."""

    item: Item
    media: tuple[Pixels | Features, ...]


class Showing:
    """Items with their media decoded when they are asked for; what was decoded last is kept, `max_bytes` of it."""

    def __init__(self, images: ImageSettings, max_bytes: int = 512_000_000) -> None:
        self._images, self._max_bytes, self._bytes = images, max_bytes, 0
        self._kept: dict[Any, Pixels | Features] = {}

    def __call__(self, item: Item) -> Shown:
        """Raises `Drop` for a medium that cannot be read, or does not decode."""
        return Shown(item, tuple(self._frames(item, medium) for medium in item.media))

    def _frames(self, item: Item, medium: Medium | MediaFile) -> Pixels | Features:
        name = medium if isinstance(medium, MediaFile) else id(medium)
        if (frames := self._kept.pop(name, None)) is None:
            frames = _decoded(item, medium, self._images)
            self._bytes += _size(frames)
        self._kept[name] = frames  # the last one now
        while self._bytes > self._max_bytes and len(self._kept) > 1:
            self._bytes -= _size(self._kept.pop(next(iter(self._kept))))
        return frames


def _size(frames: Pixels | Features) -> int:
    """In bytes."""
    return (frames.values_FVI if isinstance(frames, Features) else frames).nbytes


def _decoded(item: Item, medium: Medium | MediaFile, images: ImageSettings) -> Pixels | Features:
    if isinstance(medium, Medium):
        return frames_of(medium, rng_of("evaluation", item.key), images)
    try:
        return frames_of(medium.read(), rng_of("evaluation", medium.path, medium.span_s), images)
    except OSError as error:
        raise Drop("missing_file", f"{medium.path}: {error.strerror}") from None
    except Drop as drop:
        raise Drop(drop.reason, f"{medium.path}: {drop.detail}") from None


def in_context(
    examples: Sequence[Shown], query: Shown, template: str, tokens: Tokens, with_media: bool = True
) -> Prompt:
    """The prompt of a query after some examples; without `with_media` these are text alone."""
    builder = _Builder(tokens)
    for example in examples:
        text = example_text(template, example.item)
        builder.chunk(example.media if with_media else (), text if with_media else text.strip())
        builder.end()
    builder.chunk(query.media, query_text(template, query.item))
    return builder.prompt()


def example_text(template: str, item: Item) -> str:
    return template.format(question=item.question, answer=item.example_answer)


def query_text(template: str, item: Item) -> str:
    """What stands before the answer, without the space that the answer begins with."""
    return template.partition("{answer}")[0].format(question=item.question).rstrip(" ")


def answer_text(template: str, answer: str) -> str:
    """An answer as it follows `query_text`: with the template's space before it, and what stands behind."""
    before, _, after = template.partition("{answer}")
    return (" " if before.endswith(" ") else "") + answer + after


class Examples:
    """Which of the support items a query may be shown: those of its group, but never the query itself."""

    def __init__(self, support: Sequence[Item], seed: int) -> None:
        self._support, self._seed = support, seed
        self._of_group: dict[str, list[int]] = {}
        self._times: Counter[tuple[str, str]] = Counter()  # by group and key
        for place, item in enumerate(support):
            self._of_group.setdefault(item.group, []).append(place)
            self._times[item.group, item.key] += 1

    def leave_out(self, place: int) -> None:
        """One that does not decode."""
        item = self._support[place]
        self._of_group[item.group].remove(place)
        self._times[item.group, item.key] -= 1

    def count(self, query: Item) -> int:
        """How many a query may be shown."""
        return len(self._of_group.get(query.group, [])) - self._times[query.group, query.key]

    def drawn(self, query: Item, shots: int) -> list[int]:
        """Places of so many, drawn anew for each query, in random order."""
        own = self._of_group.get(query.group, [])
        if self._times[query.group, query.key]:
            own = [place for place in own if self._support[place].key != query.key]
        return random.Random(f"{self._seed}/{query.group}/{query.key}").sample(own, min(shots, len(own)))


class _Builder:
    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._ids: list[int] = [] if tokens.bos_id is None else [tokens.bos_id]
        self._index = [-1] * len(self._ids)
        self._media: list[Pixels | Features] = []

    def chunk(self, media: Sequence[Pixels | Features], text: str) -> None:
        for number, medium in enumerate(media):
            if number:
                self.end()  # as pages have it in training: before each medium that has something before it
            self._media.append(medium)
            self._add([self._tokens.image_id])
        self._add(self._tokens.encode(text))

    def end(self) -> None:
        self._add([self._tokens.end_of_chunk_id])

    def prompt(self) -> Prompt:
        return Prompt(tuple(self._ids), tuple(self._index), tuple(self._media))

    def _add(self, ids: list[int]) -> None:
        self._ids += ids
        self._index += [len(self._media) - 1] * len(ids)
