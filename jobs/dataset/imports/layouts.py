"""What samples of others look like: a row, a line or the members of a sample become a document, by the fields it has.

Texts and images in parallel lists: OBELICS, MINT-1T, OmniCorpus, CoMM, NeMo Curator, and what weft exports. `text_list`
and `image_info`: mmc4. An image beside a text: img2dataset, Hugging Face. Addresses and captions of Wikipedia: WIT.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from jobs.dataset.imports.documents import Document, Picture
from schemas.drops import Drop

_TEXTS = ("text", "caption", "TEXT", "texts", "alt_text", "prompt", "txt")
_IMAGES = ("image", "img", "jpg", "jpeg", "png", "webp")
_URLS = ("url", "URL", "image_url", "src")
_PAGES = ("page_url", "document_url", "url")
#: Fields of weft's documents with an entry an image, as `metadata` of its exports calls them.
_LISTS = {"image_urls": "src", "image_alts": "alt_text", "image_titles": "title"}
#: Of WIT (Srinivasan et al. 2021), in the order in which a page has them.
_WIT = ("context_page_description", "context_section_description")
_WIT_CAPTIONS = ("caption_reference_description", "caption_attribution_description", "caption_alt_text_description")

Row = Mapping[str, Any]
Members = Mapping[str, bytes]
NOTHING: Members = {}


def document_of(row: Row, members: Members = NOTHING) -> Document:
    """The document of a row, a line, or the JSON of a sample whose other members are given by field.

    Raises `Drop`: broken_sample for what contradicts itself, no_image, no_text.
    """
    if isinstance(row.get("text_list"), list):
        made = _mmc4(row, members)
    elif isinstance(row.get("texts"), list) and isinstance(row.get("images"), list):
        made = _parallel(row, members)
    elif any(name in row for name in _WIT_CAPTIONS):
        made = _wit(row)
    else:
        made = _pair(row, members)
    pictures = [part for part in made.parts if isinstance(part, Picture)]
    if not pictures:
        raise Drop("no_image", made.url)
    if any(not picture.address for picture in pictures):
        raise Drop("broken_sample", f"{made.url}: an image without bytes and without an address")
    return made


def _parallel(row: Row, members: Members) -> Document:
    texts, images = row["texts"], row["images"]
    told = _json(row.get("metadata"))
    by_position: Sequence[Any] = told if isinstance(told, list) and len(told) == len(images) else [None] * len(images)
    if len(texts) != len(images):  # CoMM and others: every image, then every text, or the other way round
        raise Drop("broken_sample", f"{len(texts)} texts beside {len(images)} images")
    parts: list[str | Picture] = []
    of_images = _of_images(row, sum(image is not None for image in images))
    for position, (text, image, about) in enumerate(zip(texts, images, by_position, strict=True)):
        if isinstance(text, str) and text.strip():
            parts.append(text)
        if image is not None:
            listed = next(of_images)
            known = {**listed, **{k: v for k, v in about.items() if v}} if isinstance(about, Mapping) else listed
            parts.append(_picture(image, known, position, members))
    fields = _fields(row, "general_metadata")
    pages = [about.get("document_url") for about in by_position if isinstance(about, Mapping)]
    url = next((str(page) for page in (*pages, *(fields.get(name) for name in _PAGES)) if page), "")
    return Document(
        tuple(parts), url, _text(fields, "title"), _licence(fields), _text(fields, "date"), _text(fields, "fetch_time")
    )


def _fields(row: Row, more: str) -> dict[str, Any]:
    """The row's own fields, and those of the object in one of its columns that it lacks itself."""
    told = _json(row.get(more))
    return {**(told if isinstance(told, Mapping) else {}), **{k: v for k, v in row.items() if v is not None}}


def _of_images(row: Row, count: int) -> Iterator[Row]:
    """What lists of weft's documents know of image after image; a list of another length knows nothing."""
    lists = {name: row.get(field) for field, name in _LISTS.items()}
    whole = {name: told for name, told in lists.items() if isinstance(told, list) and len(told) == count}
    yield from ({name: told[number] for name, told in whole.items()} for number in range(count))


def _licence(fields: Row) -> str:
    return _text(fields, "licence", "license")


def _picture(image: Any, about: Row, position: int, members: Members) -> Picture:
    url, alt = _text(about, "src", "unformatted_src", "raw_url", "url"), _text(about, "alt_text", "alt")
    title = _text(about, "title")
    if isinstance(image, Mapping):  # a struct of bytes and path, as Hugging Face has it
        return Picture(url or str(image.get("path") or ""), _bytes(image), alt, title)
    if isinstance(image, bytes):
        return Picture(url, image, alt, title)
    name = str(image)
    return Picture(url or name, _member(name, position, members), alt, title)


def _member(name: str, position: int, members: Members) -> bytes:
    """The member that a name, or the position, means; b"" where there is none."""
    base = name.rpartition("/")[2]
    fields = [base, base.partition(".")[2], *(f"{position}.{ending}" for ending in ("jpg", "jpeg", "png", "webp"))]
    return next((members[field] for field in fields if field in members), b"")


def _mmc4(row: Row, members: Members) -> Document:
    sentences, images = row["text_list"], row.get("image_info") or []
    if not isinstance(images, list) or not all(isinstance(info, Mapping) for info in images):
        raise Drop("broken_sample", "image_info is no list of objects")
    before: dict[int, list[Picture]] = {}
    for number, info in enumerate(images):
        index = info.get("matched_text_index")
        if not isinstance(index, int) or not 0 <= index < len(sentences):
            raise Drop("broken_sample", f"image {number} is matched with no text")
        data = _base64(info.get("image_base64")) or _member(str(info.get("image_name", "")), number, members)
        before.setdefault(index, []).append(Picture(_text(info, "raw_url"), data, _text(info, "alt_text")))
    between = "\n\n" if row.get("text_unit") == "paragraph" else " "
    parts: list[str | Picture] = []
    for index, sentence in enumerate(sentences):
        parts += before.get(index, [])
        if parts and isinstance(last := parts[-1], str):
            parts[-1] = f"{last}{between}{sentence}"
        else:
            parts.append(str(sentence))
    return Document(tuple(parts), _text(row, "url"))


def _wit(row: Row) -> Document:
    alt = next((text for name in _WIT_CAPTIONS if (text := _text(row, name))), "")
    parts: list[str | Picture] = [text for name in _WIT if (text := _text(row, name))]
    parts.append(Picture(_text(row, "image_url"), _bytes(row.get("image")), alt))
    parts += [text for name in _WIT_CAPTIONS[:1] if (text := _text(row, name))]
    return Document(tuple(parts), _text(row, "page_url"), _text(row, "page_title"))


def _pair(row: Row, members: Members) -> Document:
    image = next((row[name] for name in _IMAGES if row.get(name) is not None), None)
    data = _bytes(image) or next((members[name] for name in _IMAGES if name in members), b"")
    text = _text(row, *_TEXTS) or members.get("txt", b"").decode("utf-8", "replace").strip()
    if not text:
        raise Drop("no_text", "an image without a text")
    fields = _fields(row, "metadata")
    return Document(
        (Picture(_text(fields, *_URLS), data, text), text),
        _text(fields, *_PAGES[:2]),
        _text(row, "page_title", "title"),
        _licence(fields),
        fetch_time=_text(fields, "fetch_time"),
    )


def _bytes(image: Any) -> bytes:
    if isinstance(image, Mapping):
        image = image.get("bytes")
    return image if isinstance(image, bytes) else b""


def _base64(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        raise Drop("broken_sample", "an image is not base64") from None


def _text(row: Row, *names: str) -> str:
    return next((value.strip() for name in names if isinstance(value := row.get(name), str) and value.strip()), "")


def _json(value: Any) -> Any:
    """OBELICS keeps lists and objects as JSON in a string."""
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        return None
