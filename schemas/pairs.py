"""An image and its caption, from the reference in a page or a list to the JSON of the shard."""

from typing import Any, ClassVar

import msgspec
import pyarrow as pa

from schemas import consent_columns
from schemas.documents import Consent, Rights
from schemas.signals import Signal
from schemas.urls import host_of, registered_domain


class Caption(msgspec.Struct, frozen=True):
    """A text that may describe an image, and where it stood: alt, title, figcaption, schema_org, or list."""

    text: str
    source: str


class PairRef(msgspec.Struct, frozen=True, omit_defaults=True):
    """A reference to one image with all the texts that a page or list has for it, and the one that was chosen."""

    kind: ClassVar[str] = "pair"

    uid: int  # of the page, as in `Draft`; of a list, input << 40 | row
    place: int  # of the image in its page
    candidates: tuple[str, ...]  # absolute addresses, the one to try first at the front
    captions: tuple[Caption, ...]  # as they stood, personal data replaced
    caption: str  # cleaned
    caption_source: str
    page_url: str = ""
    in_content: bool = True
    language: str = ""
    language_score: float = 0.0
    licence: str = ""
    consent: Consent = Consent()
    fetch_time: str = ""
    warc_file: str = ""
    warc_offset: int = -1
    warc_length: int = -1
    redacted: dict[str, int] = {}
    extra: dict[str, str | int | float | bool | None] = {}  # columns of a list that are handed through

    @property
    def url(self) -> str:
        return self.candidates[0]

    @property
    def id(self) -> bytes:
        """12 bytes that are unique in the build."""
        return self.uid.to_bytes(8, "big", signed=True) + self.place.to_bytes(4, "big")


class Pair(msgspec.Struct, frozen=True):
    """The JSON member of a pair. The first ten fields are those of img2dataset, with its meanings.

    `sha256` is that of the bytes as served, `stored_sha256` that of the member.
    """

    url: str
    caption: str
    key: str
    status: str
    error_message: str | None
    width: int
    height: int
    original_width: int
    original_height: int
    sha256: str
    stored_sha256: str
    format: str
    original_format: str
    phash: str
    caption_source: str
    captions: list[Caption]
    page_url: str
    in_content: bool
    language: str
    language_score: float
    licence: str
    consent: Consent
    fetch_time: str
    warc_file: str
    warc_offset: int
    warc_length: int
    redacted: dict[str, int]
    extra: dict[str, str | int | float | bool | None]
    scores: dict[str, float]
    screened: list[str]
    weft_version: str
    config_hash: str
    image_consent: tuple[Signal, ...] = ()  # what was said about the use of the image; `consent` is of the page
    rights: Rights = Rights()  # what the metadata of the image states


#: Columns of the parquet index beyond key, offset, size and members.
COLUMNS: dict[str, pa.DataType] = {
    "url": pa.string(),
    "page_url": pa.string(),
    "domain": pa.string(),
    "caption": pa.string(),
    "caption_source": pa.string(),
    "num_images": pa.int32(),  # always 1: what all kinds have can be counted without knowing them
    "num_chars": pa.int64(),
    "num_words": pa.int64(),
    "width": pa.int32(),
    "height": pa.int32(),
    "original_width": pa.int32(),
    "original_height": pa.int32(),
    "language": pa.string(),
    "language_score": pa.float32(),
    "licence": pa.string(),
    "fetch_time": pa.string(),
    "sha256": pa.string(),
    "phash": pa.string(),
    "scores": pa.string(),  # a JSON object
    "screened": pa.list_(pa.string()),
    "warc_file": pa.string(),
    "warc_offset": pa.int64(),
    **consent_columns.COLUMNS,
}


def index_row(pair: Pair) -> dict[str, Any]:
    """The row of the parquet index for a pair."""
    row = {name: getattr(pair, name) for name in COLUMNS if hasattr(pair, name)}
    return row | {
        "domain": registered_domain(host_of(pair.page_url or pair.url)),
        "num_images": 1,
        "num_chars": len(pair.caption),
        "num_words": len(pair.caption.split()),
        "scores": msgspec.json.encode(pair.scores).decode(),
        **consent_columns.consent_columns(pair.consent.signals, [pair.image_consent]),
    }
