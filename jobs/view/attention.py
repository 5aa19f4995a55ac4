"""Tokens of a sample and what they attend to, by the code of the loader itself."""

from collections import abc
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import msgspec

from jobs.view.filters import whole

if TYPE_CHECKING:
    from model.data.tokens import Tokens

BYTES = "bytes"
_MAX_TOKENS = 4096
_MAX_MEDIA = 64


class Choices(msgspec.Struct, frozen=True):
    """What a reader chose, within what the loader takes: by default as much of the page as can be shown."""

    tokenizer: str = BYTES
    max_tokens: int = _MAX_TOKENS
    max_media: int = _MAX_MEDIA
    attends: str = "previous"  # next, or drawn as in training
    draw: int = 0  # which random window


class Token(msgspec.Struct, frozen=True):
    """A token: its text ("" where its bytes are shown by an earlier one), its medium in the window, -1 for none."""

    text: str
    id: int
    medium: int
    predicted: bool
    special: bool


class Window(msgspec.Struct, frozen=True):
    """What a row of a batch would hold of the sample."""

    tokens: list[Token]
    media: list[int]  # numbers of the sample's media that are in the window
    length: int  # tokens of the whole sample
    attends_next: bool  # text attends to the medium after it, not the one before


class NoTokenizer(ValueError):
    """The tokenizer cannot be read, or the package for it is not installed."""


def read_choices(query: Mapping[str, str], tokenizers: abc.Sequence[str] = ()) -> Choices:
    """Values out of range are brought into it; without a choice the first of the tokenizers on offer is taken."""

    def number(name: str, default: int, low: int, high: int) -> int:
        return max(low, whole(query.get(name, ""), default, high))

    attends = query.get("attends", "previous")
    offered = [*tokenizers, BYTES][0]
    tokenizer = query.get("path", "").strip() or query.get("tokenizer", "").strip() or offered
    return Choices(
        tokenizer=tokenizer,
        max_tokens=number("tokens", _MAX_TOKENS, 4, _MAX_TOKENS),
        max_media=number("media", _MAX_MEDIA, 1, _MAX_MEDIA),
        attends=attends if attends in ("previous", "next", "drawn") else "previous",
        draw=number("draw", 0, 0, 10**6),
    )


def tokenizer_names(given: abc.Sequence[str]) -> list[tuple[str, str]]:
    """What to offer: value and label."""
    return [*((path, path) for path in given), (BYTES, "bytes (built in: one token a byte)")]


def window_of(kind: str, key: str, members: Mapping[str, bytes], choices: Choices) -> Window:
    """The window that draw number `draw` gives. Raises `Drop` as the loader does, and `NoTokenizer`."""
    from model.data.documents import Kind, Medium, to_document

    document = to_document(cast(Kind, kind), key, members)
    tokens = _tokens(choices.tokenizer)
    from model.data.sequences import Sequence, SequenceSettings, make_sequence, rng_of

    def drawn(p_next: float) -> Sequence:
        settings = SequenceSettings(max_tokens=choices.max_tokens, max_media=choices.max_media, p_next=p_next)
        return make_sequence(document, tokens, rng_of("view", key, choices.draw), settings)

    sequence = drawn({"previous": 0.0, "next": 1.0, "drawn": 0.5}[choices.attends])
    attends_next = document.kind == "interleaved" and (sequence.media_index_T == drawn(1.0).media_index_T).all()
    whole = make_sequence(
        document, tokens, rng_of("view", key), SequenceSettings(max_tokens=1 << 30, max_media=1 << 30)
    )
    ids = sequence.tokens_T.tolist()
    media = [part for part in document.parts if isinstance(part, Medium)]
    inside = [next(n for n, one in enumerate(media) if one is medium) for medium in sequence.media]
    shown = [
        Token(text, id, medium, weight > 0, id in tokens.special_ids)
        for text, id, medium, weight in zip(
            texts_of(ids, tokens), ids, sequence.media_index_T.tolist(), sequence.weight_T.tolist(), strict=True
        )
    ]
    return Window(shown, inside, len(whole), bool(attends_next))


def texts_of(ids: abc.Sequence[int], tokens: "Tokens") -> list[str]:
    """The text of each token. Where several share a character, the first has it and the others nothing."""
    anchor = tokens.encode("a")[:1]
    before = len(tokens.decode(anchor))
    texts: list[str] = []
    pending: list[int] = []
    for number, id in enumerate(ids):
        if id in tokens.special_ids:
            texts += [tokens.decode(pending)] * bool(pending) + [""] * max(0, len(pending) - 1)
            pending = []
            texts.append(tokens.decode([id]))
            continue
        pending.append(id)
        text = tokens.decode([*anchor, *pending])[before:]
        if "\ufffd" not in text or len(pending) >= 8 or number == len(ids) - 1:
            texts += [text, *[""] * (len(pending) - 1)]
            pending = []
    return texts


def _tokens(name: str) -> "Tokens":
    try:
        from model.data.tokens import byte_tokens, load_tokens
    except ImportError as error:
        raise NoTokenizer(f"{error.name} is not installed: pip install -c constraints.txt -e '.[train]'") from None
    from schemas.settings import SettingsError

    if name == BYTES:
        return byte_tokens()
    try:
        return load_tokens(name)
    except (SettingsError, OSError) as error:
        raise NoTokenizer(str(error)) from None
