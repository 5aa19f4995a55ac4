"""The members of one sample become a document: texts and media in reading order, whoever wrote the shard."""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from model.data.feature_files import Beside
from schemas.drops import Drop

Kind = Literal["interleaved", "pairs", "clips"]
IMAGE_EXTENSIONS = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tiff", "tif")
CLIP_EXTENSIONS = ("mp4", "webm", "mkv", "mov", "avi")


class Medium(msgspec.Struct, frozen=True):
    """An image or a clip as it stands in the shard, not decoded; `beside` is what stands in place of its pixels."""

    data: bytes
    kind: Literal["image", "clip"] = "image"
    beside: Beside | None = None
    span_s: tuple[float, float] | None = None  # of a clip: from so many seconds to so many, where it is not all of it

    def __repr__(self) -> str:
        return f"Medium({self.kind}, {len(self.data)} bytes)"


class Document(msgspec.Struct, frozen=True):
    """Texts and media in reading order. A pair and a clip are one medium, then its text."""

    key: str
    kind: Kind
    parts: tuple[str | Medium, ...]


def to_document(kind: Kind, key: str, members: Mapping[str, bytes]) -> Document:
    """The document of a sample, its members given by field: what follows the first dot of a member's name.

    Interleaved: `json` with parallel `texts` and `images` (weft, OBELICS, MINT-1T, NeMo Curator), or with `text_list`
    and `image_info` (mmc4); what is a video by its extension is a clip among the images. Pairs: an image and `txt`,
    else the caption in `json` (weft, img2dataset). Clips: a video and `txt`, else the caption in `json` (weft,
    video2dataset). Raises `Drop`: broken_sample, no_image, no_text.
    """
    return Document(key, kind, _READERS[kind](key, members))


def _interleaved(key: str, members: Mapping[str, bytes]) -> tuple[str | Medium, ...]:
    document = _json(members)
    if "text_list" in document:
        parts = _mmc4(key, document, members)
    elif isinstance(document.get("texts"), list) and isinstance(document.get("images"), list):
        parts = _parallel(key, document, members)
    else:
        raise Drop("broken_sample", "neither texts and images nor text_list in the JSON")
    kept = tuple(part for part in parts if part != "")
    if not any(isinstance(part, Medium) for part in kept):
        raise Drop("no_image", key)
    return kept


def _parallel(key: str, document: Mapping[str, Any], members: Mapping[str, bytes]) -> list[str | Medium]:
    texts, images = document["texts"], document["images"]
    if len(texts) != len(images):
        raise Drop("broken_sample", f"{len(texts)} texts beside {len(images)} images")
    parts: list[str | Medium] = []
    for position, (text, image) in enumerate(zip(texts, images, strict=True)):
        if image is not None:
            parts.append(_named(key, image, position, members))
        elif isinstance(text, str):
            parts.append(text)
        elif text is not None:
            raise Drop("broken_sample", f"the text at position {position} is no string")
    return parts


def _named(key: str, image: object, position: int, members: Mapping[str, bytes]) -> Medium:
    """The member that `images[position]` means: by its full name, by its field, or by its position.

    OBELICS and MINT-1T put addresses there; tars made of them number the images.
    """
    name = image if isinstance(image, str) else ""
    base = name.rpartition("/")[2]
    full = name.removeprefix(f"{key}."), base.removeprefix(f"{key.rpartition('/')[2]}.")
    for field in (*full, name, base):
        if field in members:
            return _medium(field, members)
    for extension in IMAGE_EXTENSIONS + CLIP_EXTENSIONS:
        if (field := f"{position}.{extension}") in members:
            return _medium(field, members)
    raise Drop("broken_sample", f"no member for the image at position {position}")


def _medium(field: str, members: Mapping[str, bytes]) -> Medium:
    is_clip = field.rpartition(".")[2].lower() in CLIP_EXTENSIONS
    return Medium(members[field], "clip" if is_clip else "image")


def _mmc4(key: str, document: Mapping[str, Any], members: Mapping[str, bytes]) -> list[str | Medium]:
    """Each image stands before the sentence it was matched with; images are put in the order of their sentences.

    OpenFlamingo keeps them in the order of `image_info`, so that its tags and images disagree.
    """
    sentences, images = document["text_list"], document.get("image_info", [])
    if not isinstance(sentences, list) or not all(isinstance(sentence, str) for sentence in sentences):
        raise Drop("broken_sample", "text_list is no list of strings")
    if not isinstance(images, list) or not all(isinstance(info, dict) for info in images):
        raise Drop("broken_sample", "image_info is no list of objects")
    placed: dict[int, list[Medium]] = {}
    for number, info in enumerate(images):
        index = info.get("matched_text_index")
        if not isinstance(index, int) or not 0 <= index < len(sentences):
            raise Drop("broken_sample", f"image {number} is matched with no sentence")
        placed.setdefault(index, []).append(_mmc4_image(key, info, number, members))
    between = "\n\n" if document.get("text_unit") == "paragraph" else " "  # what weft exports is no list of sentences
    parts: list[str | Medium] = []
    for index, sentence in enumerate(sentences):
        parts.extend(placed.get(index, []))
        joined = sentence if not parts or isinstance(parts[-1], Medium) else between + sentence
        parts.append(joined)
    return _merged(parts)


def _mmc4_image(key: str, info: Mapping[str, Any], number: int, members: Mapping[str, bytes]) -> Medium:
    if (encoded := info.get("image_base64")) is not None:
        try:
            return Medium(base64.b64decode(encoded, validate=True))
        except (binascii.Error, TypeError, ValueError):
            raise Drop("broken_sample", f"image {number} is not base64") from None
    return _named(key, info.get("image_name"), number, members)


def _merged(parts: list[str | Medium]) -> list[str | Medium]:
    """Texts that stand next to each other made one, so that a tokenizer sees them whole."""
    merged: list[str | Medium] = []
    for part in parts:
        if merged and isinstance(part, str) and isinstance(last := merged[-1], str):
            merged[-1] = last + part
        else:
            merged.append(part)
    return merged


def _pair(key: str, members: Mapping[str, bytes]) -> tuple[str | Medium, ...]:
    return Medium(_first(members, IMAGE_EXTENSIONS)), _caption(members)


def _clip(key: str, members: Mapping[str, bytes]) -> tuple[str | Medium, ...]:
    return Medium(_first(members, CLIP_EXTENSIONS), "clip"), _caption(members)


def _first(members: Mapping[str, bytes], extensions: tuple[str, ...]) -> bytes:
    for extension in extensions:
        if extension in members:
            return members[extension]
    raise Drop("broken_sample", f"none of its members is {' or '.join(extensions)}")


def _caption(members: Mapping[str, bytes]) -> str:
    if "txt" in members:
        try:
            caption = members["txt"].decode()
        except UnicodeDecodeError as error:
            raise Drop("broken_sample", f"the text is not UTF-8: {error}") from None
    else:
        found = _json(members).get("caption")
        caption = found if isinstance(found, str) else ""
    if not caption.strip():
        raise Drop("no_text", "the caption is empty")
    return caption.strip()


def _json(members: Mapping[str, bytes]) -> dict[str, Any]:
    if "json" not in members:
        raise Drop("broken_sample", "no json member")
    try:
        document = msgspec.json.decode(members["json"])
    except msgspec.DecodeError as error:
        raise Drop("broken_sample", f"its JSON: {error}") from None
    if not isinstance(document, dict):
        raise Drop("broken_sample", "its JSON is no object")
    return document


_READERS: dict[Kind, Callable[[str, Mapping[str, bytes]], tuple[str | Medium, ...]]] = {
    "interleaved": _interleaved,
    "pairs": _pair,
    "clips": _clip,
}
