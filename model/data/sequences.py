"""A document becomes the sequence a model is trained on, after the Flamingo paper (arXiv 2204.14198, 2.4 and A.3).

Shapes: T tokens of the sequence. `media_index_T` is made here from the document's structure and only passed on later:
what it says can never be read out of token ids, because a page may write `<image>` itself.
"""

import random
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from model.data.documents import Document, Medium
from model.data.tokens import Tokens
from schemas.drops import Drop
from schemas.settings import Settings

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]


class SequenceSettings(Settings, frozen=True):
    """How documents become sequences. Evaluation sets both probabilities to 0."""

    max_tokens: int = 256
    """The window: a longer document gives a random stretch of so many tokens that holds an image (paper: L)."""
    max_media: int = 5
    """Media of a window; it ends before the next one (paper: N). A page's other images are not trained on this time."""
    p_next: float = 0.5
    """How often the text of a page attends to the image after it, not the one before (paper: 0.5)."""
    p_space: float = 0.5
    """How often a space is put before the text of a pair or clip."""
    predict_image: bool = False
    """Whether `<image>` is predicted. Off, since no answer should contain it."""
    predict_before_media: bool = True
    """Whether tokens that attend to no medium are predicted. Not in OpenFlamingo; the paper names no such mask."""

    def __post_init__(self) -> None:
        if self.max_tokens < 4 or self.max_media < 1:
            raise ValueError("max_tokens must be 4 or more, max_media 1 or more")
        if not (0 <= self.p_next <= 1 and 0 <= self.p_space <= 1):
            raise ValueError("p_next and p_space are probabilities, 0 to 1")


class Sequence(msgspec.Struct, frozen=True):
    """One document's part of a row.

    `media_index_T` is the entry of `media` that each token attends to, -1 for none. `weight_T` is 1 where the token is
    predicted from the one before it, else 0. `first_medium` is the number of the first of `media` in its document.
    """

    key: str
    tokens_T: Ints
    media_index_T: Ints
    weight_T: Floats
    media: tuple[Medium, ...]
    first_medium: int = 0

    def __len__(self) -> int:
        return len(self.tokens_T)


def make_sequence(
    document: Document, tokens: Tokens, rng: random.Random, settings: SequenceSettings = SequenceSettings()
) -> Sequence:
    """The sequence of one document; every choice is taken from `rng`. Raises `Drop("no_image")`.

    Interleaved: `<BOS>text<EOC><image>text<EOC>`: `<EOC>` before each image that has something before it, and at the
    end. Pairs and clips: `<BOS><image>text<EOC><EOS>`. BOS and EOS stand where the tokenizer has them.
    """
    if document.kind == "interleaved":
        ids, tags = _page_tokens(document, tokens)
        start, stop = _window(len(ids), tags, rng, settings)
        attends_next = rng.random() < settings.p_next
    else:
        ids, tags = _caption_tokens(document, tokens, rng.random() < settings.p_space)
        start, stop, attends_next = 0, min(len(ids), settings.max_tokens), False
    media = [part for part in document.parts if isinstance(part, Medium)]
    inside = [number for number, tag in enumerate(tags) if start <= tag < stop]
    tags_M = np.array([tags[number] - start for number in inside], np.int64)
    media_index_T = attended(tags_M, stop - start, attends_next)
    return Sequence(
        key=document.key,
        tokens_T=np.array(ids[start:stop], np.int32),
        media_index_T=media_index_T,
        weight_T=_weights(tags_M, media_index_T, settings),
        media=tuple(media[number] for number in inside),
        first_medium=inside[0] if inside else 0,
    )


def attended(tags_M: npt.NDArray[np.int64], length: int, attends_next: bool) -> Ints:
    """For each of `length` tokens the medium it attends to, given the positions of the tags; -1 for none.

    The last tag at or before the token, or the first at or after it: a tag belongs to its own image either way.
    """
    positions_T = np.arange(length)
    if not attends_next:
        return (np.searchsorted(tags_M, positions_T, "right") - 1).astype(np.int32)
    following_T = np.searchsorted(tags_M, positions_T, "left")
    return np.where(following_T < len(tags_M), following_T, -1).astype(np.int32)


def _page_tokens(document: Document, tokens: Tokens) -> tuple[list[int], list[int]]:
    """Token ids of the whole page, and the positions of its image tags."""
    ids: list[int] = [] if tokens.bos_id is None else [tokens.bos_id]
    tags: list[int] = []
    before = len(ids)
    for part in document.parts:
        if isinstance(part, str):
            ids.extend(tokens.encode(part))
            continue
        if len(ids) > before:
            ids.append(tokens.end_of_chunk_id)
        tags.append(len(ids))
        ids.append(tokens.image_id)
    if not tags:
        raise Drop("no_image", document.key)
    ids.append(tokens.end_of_chunk_id)
    return ids, tags


def _caption_tokens(document: Document, tokens: Tokens, space: bool) -> tuple[list[int], list[int]]:
    ids: list[int] = [] if tokens.bos_id is None else [tokens.bos_id]
    tag = len(ids)
    text = "".join(part for part in document.parts if isinstance(part, str))
    ids += [tokens.image_id, *tokens.encode(" " + text if space else text), tokens.end_of_chunk_id]
    if tokens.eos_id is not None:
        ids.append(tokens.eos_id)
    return ids, [tag]


def _window(length: int, tags: list[int], rng: random.Random, settings: SequenceSettings) -> tuple[int, int]:
    """Start and end of the window: uniform over all starts that have an image, and a token after it, inside.

    It ends before the tag of medium `max_media` + 1, so that no text is trained with a medium that is not its own.
    """
    last = max(0, length - settings.max_tokens)
    start = 0
    if last:
        start = _uniform([(max(0, tag - settings.max_tokens + 2), min(tag, last)) for tag in tags], rng)
    stop = min(length, start + settings.max_tokens)
    inside = [tag for tag in tags if start <= tag < stop]
    return start, inside[settings.max_media] if len(inside) > settings.max_media else stop


def _uniform(ranges: list[tuple[int, int]], rng: random.Random) -> int:
    """One of the numbers that lie in any of the ranges, ends included; the ranges ascend and may overlap."""
    disjoint: list[tuple[int, int]] = []
    free = 0
    for low, high in ranges:
        if (low := max(low, free)) <= high:
            disjoint.append((low, high))
            free = high + 1
    chosen = rng.randrange(sum(high - low + 1 for low, high in disjoint))
    for low, high in disjoint:
        if chosen <= high - low:
            break
        chosen -= high - low + 1
    return low + chosen


def _weights(tags_M: npt.NDArray[np.int64], media_index_T: Ints, settings: SequenceSettings) -> Floats:
    weight_T = np.ones(len(media_index_T), np.float32)
    weight_T[0] = 0  # nothing stands before it to predict it from
    if not settings.predict_image:
        weight_T[tags_M] = 0
    if not settings.predict_before_media:
        weight_T[media_index_T < 0] = 0
    return weight_T


def rng_of(*identity: Any) -> random.Random:
    """A generator that depends on what it is for and on nothing else: not on workers, ranks or what came before."""
    return random.Random("/".join(map(str, identity)))
