"""What a model is shown: examples, then the query (arXiv 2204.14198, A.2).

Examples stand as chunks of one page: `<BOS><image>text<EOC><image>text<EOC><image>`, and the beginning of the query's
text. Without examples two are given as text alone, without their media: they show what an answer looks like.
"""

import random
from collections.abc import Sequence

import msgspec
import numpy as np

from model.data.feature_files import Features
from model.data.images import ImageSettings, Pixels, frames_of
from model.data.sequences import rng_of
from model.data.tokens import Tokens
from model.evaluation.tasks import Item
from model.network.generate import Prompt

#: Examples that stand without their media in a prompt of no shots: one is harmful, more than two gain nothing (A.2).
TEXT_EXAMPLES = 2


class Shown(msgspec.Struct, frozen=True):
    """An item with its media decoded."""

    item: Item
    media: tuple[Pixels | Features, ...]


def decode(items: Sequence[Item], images: ImageSettings) -> list[Shown]:
    """Raises `Drop` for a medium that does not decode: a query that is left out would change the score."""
    return [
        Shown(item, tuple(frames_of(medium, rng_of("evaluation", item.key), images) for medium in item.media))
        for item in items
    ]


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
    return template.format(question=item.question, answer=item.answers[0])


def query_text(template: str, item: Item) -> str:
    """What stands before the answer, without the space that the answer begins with."""
    return template.partition("{answer}")[0].format(question=item.question).rstrip(" ")


def answer_text(template: str, answer: str) -> str:
    """An answer as it follows `query_text`: with the template's space before it, and what stands behind."""
    before, _, after = template.partition("{answer}")
    return (" " if before.endswith(" ") else "") + answer + after


def choose(support: Sequence[Shown], query: Item, shots: int, seed: int) -> list[Shown]:
    """So many examples of the query's group, drawn anew for each query, in random order; never the query itself."""
    own = [shown for shown in support if shown.item.group == query.group and shown.item.key != query.key]
    rng = random.Random(f"{seed}/{query.group}/{query.key}")
    return rng.sample(own, min(shots, len(own)))


def nearest(
    support: Sequence[Shown], features: np.ndarray, query: Item, feature: np.ndarray, shots: int
) -> list[Shown]:
    """RICES: the examples most alike, the most alike last. `features` are of unit length, a row each."""
    order = np.argsort(features @ feature)
    own = [support[n] for n in order if support[n].item.group == query.group and support[n].item.key != query.key]
    return own[-shots:] if shots else []


class _Builder:
    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._ids: list[int] = [] if tokens.bos_id is None else [tokens.bos_id]
        self._index = [-1] * len(self._ids)
        self._media: list[Pixels | Features] = []

    def chunk(self, media: Sequence[Pixels | Features], text: str) -> None:
        for medium in media:
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
