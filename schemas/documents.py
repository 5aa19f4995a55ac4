"""The records that travel from an archive to a sample."""

from typing import Any, ClassVar

import msgspec
import pyarrow as pa

from schemas import consent_columns
from schemas.drops import DropRow
from schemas.signals import Signal
from schemas.urls import host_of, registered_domain


class Consent(msgspec.Struct, frozen=True, omit_defaults=True):
    """The signals of a page or image about its use, as seen; whether to honour them is a setting.

    `robots` and `tdm_policy` keep the original words; `tdm_reservation` is None when nothing was said. `signals` has
    all that was said, by the site's files, by header and by markup: where, in which words, when.
    """

    robots: tuple[str, ...] = ()
    tdm_reservation: bool | None = None
    tdm_policy: str = ""
    signals: tuple[Signal, ...] = ()


class Page(msgspec.Struct, frozen=True):
    """One HTML response, its encodings undone."""

    kind: ClassVar[str] = "page"

    uid: int  # unique in the build: input << 40 | number of the record in its archive
    url: str
    html: bytes
    charset: str = ""  # by the HTTP header; "" if it names none
    fetch_time: str = ""  # ISO 8601, UTC
    robots_header: tuple[str, ...] = ()  # values of X-Robots-Tag
    tdm_header: str = ""  # value of tdm-reservation
    tdm_policy_header: str = ""
    signals: tuple[Signal, ...] = ()  # of the site's files and of the headers
    whole: bool = False  # all of it is content: it was made of a document of another dataset
    warc_file: str = ""
    warc_offset: int = -1  # bytes, of the compressed record
    warc_length: int = -1


class TextBlock(msgspec.Struct, frozen=True, tag="text", tag_field="type", omit_defaults=True):
    """One block of text as a reader sees it; whitespace collapsed unless it is code."""

    text: str
    role: str = "paragraph"  # paragraph, heading, list, table, code, quote, caption
    mark: str = ""
    """What stands before it as in Markdown: `## ` of a heading, `- ` or `3. ` of a list item, the fence of code whose
    language is known."""


class ImageRef(msgspec.Struct, frozen=True, tag="image", tag_field="type", omit_defaults=True):
    """A reference to one image, in its place among the blocks.

    `candidates` are absolute addresses, the one to try first at the front.
    """

    kind: ClassVar[str] = "image"

    candidates: tuple[str, ...]
    alt: str = ""
    title: str = ""
    caption: str = ""
    link: str = ""
    width: int = 0  # declared, CSS pixels; 0 if not declared
    height: int = 0
    source: str = "body"  # body; lead for the image of og:image or JSON-LD that stands above the content

    @property
    def url(self) -> str:
        return self.candidates[0]


class VideoRef(msgspec.Struct, frozen=True, tag="video", tag_field="type", omit_defaults=True):
    """A reference to a video or embed, in its place among the blocks."""

    candidates: tuple[str, ...]
    poster: str = ""
    caption: str = ""
    title: str = ""


Block = TextBlock | ImageRef | VideoRef


class PageKeys(msgspec.Struct, frozen=True):
    """By what a page is compared with others."""

    url: bytes  # 16 bytes, of its canonical address
    text: bytes  # 16 bytes
    bands: bytes = b""  # of its MinHash signature; empty where near-duplicates may stay


class Draft(msgspec.Struct, frozen=True):
    """A page reduced to what may become a sample: blocks in reading order, and where it came from.

    `dropped` lists the paragraphs and images that single-page rules removed from `blocks`.
    """

    kind: ClassVar[str] = "page"

    uid: int
    url: str
    blocks: tuple[Block, ...]
    title: str = ""
    canonical_url: str = ""
    author: str = ""
    date: str = ""  # as the page states it
    language: str = ""  # ISO 639-1, identified
    language_score: float = 0.0
    language_hint: str = ""  # as the page states it
    licence: str = ""
    consent: Consent = Consent()
    fetch_time: str = ""
    warc_file: str = ""
    warc_offset: int = -1
    warc_length: int = -1
    dropped: tuple[DropRow, ...] = ()
    redacted: dict[str, int] = {}  # placeholders in the texts, by kind
    confidence: float = 0.0  # how clear it was what of the page is content, from 0 to 1
    text_source: str = ""  # json_ld or state: where the text stood if the markup held next to none
    keys: PageKeys | None = None  # once they are known

    @property
    def texts(self) -> list[TextBlock]:
        return [block for block in self.blocks if isinstance(block, TextBlock)]

    @property
    def images(self) -> list[ImageRef]:
        return [block for block in self.blocks if isinstance(block, ImageRef)]


class Rights(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whose an image is and how it may be used, as its metadata states; nothing else of that is kept."""

    creator: str = ""
    copyright: str = ""  # the notice
    credit: str = ""
    licence: str = ""  # an address, or terms of use in words
    web_statement: str = ""
    data_mining: str = ""  # of the PLUS vocabulary


class StoredImage(msgspec.Struct, frozen=True):
    """An image that passed every rule, as it will stand in the shard."""

    data: bytes
    format: str  # jpg, png or webp: the member's extension
    width: int
    height: int
    original_format: str
    original_width: int  # after orientation is applied
    original_height: int
    original_sha256: str
    sha256: str
    phash: str  # 16 hex digits
    signals: tuple[Signal, ...] = ()  # what was said about its use: by its site's files, by header, in itself
    rights: Rights = Rights()

    def __repr__(self) -> str:
        return f"StoredImage({self.width}x{self.height} {self.format}, {len(self.data)} bytes)"


class Sample(msgspec.Struct, frozen=True):
    """The JSON member of an interleaved sample. `texts` and `images` are parallel, one of them null at each position.

    `images[i]` is the full name of a member of the same tar. The `image_*` lists have one entry an image, in order.
    """

    key: str
    url: str
    title: str
    texts: list[str | None]
    images: list[str | None]
    image_urls: list[str]
    image_alts: list[str]
    image_titles: list[str]
    image_captions: list[str]
    image_sizes: list[tuple[int, int]]  # width, height as stored
    image_formats: list[str]
    image_sha256: list[str]
    image_original_sizes: list[tuple[int, int]]
    image_original_formats: list[str]
    image_original_sha256: list[str]
    image_phashes: list[str]
    image_scores: list[dict[str, float]]  # one dict an image; empty while no scorer is configured
    clip_similarity: list[list[float]]  # a row an image, a column a paragraph; empty without CLIP, as the next
    clip_assignment: list[int]  # for each image the paragraph that suits it; the order of the page is untouched by it
    language: str
    language_score: float
    licence: str
    author: str
    date: str
    fetch_time: str
    warc_file: str
    warc_offset: int
    warc_length: int
    consent: Consent
    redacted: dict[str, int]  # placeholders that stand for personal data, by kind
    scores: dict[str, float]
    screened: list[str]  # the safety scorers that looked at the sample; empty: not screened
    weft_version: str
    config_hash: str
    confidence: float = 0.0  # how clear it was what of the page is content: the text F1 to be expected
    text_source: str = ""  # json_ld or state: where the text stood if the markup held next to none
    image_consent: list[tuple[Signal, ...]] = []  # for each image what was said about its use
    image_rights: list[Rights] = []  # for each image what its metadata states


#: Columns of the parquet index beyond key, offset, size and members.
COLUMNS: dict[str, pa.DataType] = {
    "url": pa.string(),
    "domain": pa.string(),
    "title": pa.string(),
    "num_images": pa.int32(),
    "num_chars": pa.int64(),
    "num_words": pa.int64(),
    "confidence": pa.float32(),
    "language": pa.string(),
    "language_score": pa.float32(),
    "licence": pa.string(),
    "fetch_time": pa.string(),
    "image_sha256": pa.list_(pa.string()),
    "image_phashes": pa.list_(pa.string()),
    "scores": pa.string(),  # a JSON object: the scorers differ from build to build
    "screened": pa.list_(pa.string()),
    "warc_file": pa.string(),
    "warc_offset": pa.int64(),
    **consent_columns.COLUMNS,
}


def index_row(sample: Sample) -> dict[str, Any]:
    """The row of the parquet index for a sample."""
    texts = [text for text in sample.texts if text is not None]
    return {
        "url": sample.url,
        "domain": registered_domain(host_of(sample.url)),
        "title": sample.title,
        "num_images": len(sample.image_sha256),
        "num_chars": sum(map(len, texts)),
        "num_words": sum(len(text.split()) for text in texts),
        "confidence": sample.confidence,
        "language": sample.language,
        "language_score": sample.language_score,
        "licence": sample.licence,
        "fetch_time": sample.fetch_time,
        "image_sha256": sample.image_sha256,
        "image_phashes": sample.image_phashes,
        "scores": msgspec.json.encode(sample.scores).decode(),
        "screened": sample.screened,
        "warc_file": sample.warc_file,
        "warc_offset": sample.warc_offset,
        **consent_columns.consent_columns(sample.consent.signals, sample.image_consent),
    }
