"""Samples as Python objects: what docs/format.md says of their JSON, with their pictures and videos opened.

Texts are `str`, pictures `PIL.Image.Image`; sizes are pixels, times seconds. Nothing is decoded before it is asked for.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Generic, TypeVar

import msgspec
from PIL import Image

from schemas.documents import Consent
from schemas.documents import Sample as InterleavedRecord
from schemas.pairs import Caption, Pair
from schemas.shards import DamagedShard
from schemas.videos import ClipSample, Subtitle, VideoText
from weft.pictures import open_picture

R = TypeVar("R", bound=InterleavedRecord | Pair | ClipSample)


class Provenance(msgspec.Struct, frozen=True):
    """Where a sample comes from, and on what terms it was found."""

    page_url: str
    fetch_time: str  # when the page was captured: ISO 8601, UTC
    licence: str  # as the page states it, not verified; "" where it states none
    consent: Consent  # what the page said about its use
    warc_file: str  # as it was named to the build; "" for what comes from a list
    warc_offset: int  # bytes, of the compressed record; -1 unknown
    weft_version: str
    config_hash: str  # of the settings of the build


class Picture(msgspec.Struct, frozen=True):
    """An image of an interleaved sample, with all that its page says of it; "" for what it does not say."""

    data: bytes  # as they lie in the shard
    format: str  # jpg, png or webp
    width: int  # pixels, as stored
    height: int
    url: str
    alt: str
    title: str
    caption: str  # of its figure
    sha256: str  # of `data`
    phash: str  # perceptual: 16 hex digits, of look-alikes few bits differ
    scores: dict[str, float]  # empty where no scorer ran

    @property
    def image(self) -> Image.Image:
        """Opened anew each time; its mode is that of the file: grey, palette or alpha may occur. Raises `Drop`."""
        return open_picture(self.data)

    def __repr__(self) -> str:
        return f"Picture({self.width}x{self.height} {self.format}, {len(self.data):,} bytes, {self.url})"


class _Sample(Generic[R]):
    """What samples of all kinds have: `record`, their JSON with every field typed, and `members`, their files."""

    def __init__(self, record: R, members: Mapping[str, bytes]) -> None:
        self.record: R = record
        #: Bytes by name, as in the tar.
        self.members = members

    @property
    def key(self) -> str:
        """Unique in the dataset: 12 digits, of a clip its number behind those of its video."""
        return self.record.key

    @property
    def url(self) -> str:
        """Address of the page, of a pair's image, or of a clip's video."""
        return self.record.url

    @property
    def page_url(self) -> str:
        """Address of the page; "" for what comes from a list."""
        return self.record.url if isinstance(self.record, InterleavedRecord) else self.record.page_url

    @property
    def language(self) -> str:
        """ISO 639-1, identified; "" unknown."""
        return self.record.language

    @property
    def scores(self) -> dict[str, float]:
        """By scorer, such as `clip`, `nsfw`, `aesthetic`; empty where none ran."""
        return self.record.scores

    @property
    def provenance(self) -> Provenance:
        """Page, capture, licence, archive and settings."""
        record = self.record
        return Provenance(
            page_url=self.page_url,
            fetch_time=record.fetch_time,
            licence=record.licence,
            consent=record.consent,
            warc_file=record.warc_file,
            warc_offset=record.warc_offset,
            weft_version=record.weft_version,
            config_hash=record.config_hash,
        )

    def _repr_html_(self) -> str:
        from weft.html import sample_html

        return sample_html(self)


class InterleavedSample(_Sample[InterleavedRecord]):
    """A page: texts and pictures in the order in which it is read."""

    @property
    def title(self) -> str:
        return self.record.title

    @cached_property
    def parts(self) -> list[str | Picture]:
        """Texts and pictures in reading order. Raises `DamagedShard` where a picture is missing."""
        names = [name for name in self.record.images if name is not None]
        pictures = dict(zip(names, self.pictures, strict=True))
        found = zip(self.record.texts, self.record.images, strict=True)
        return [pictures[name] if text is None and name is not None else text or "" for text, name in found]

    @property
    def texts(self) -> list[str]:
        """The texts in order, headings and list items with Markdown marks, blocks divided by an empty line."""
        return [text for text in self.record.texts if text is not None]

    @cached_property
    def pictures(self) -> list[Picture]:
        """The pictures in order, not decoded. Raises `DamagedShard` where one is missing."""
        record = self.record
        names = [name for name in record.images if name is not None]
        return [
            Picture(
                data=_member(self.members, name, record.key),
                format=record.image_formats[place],
                width=record.image_sizes[place][0],
                height=record.image_sizes[place][1],
                url=record.image_urls[place],
                alt=record.image_alts[place],
                title=record.image_titles[place],
                caption=record.image_captions[place],
                sha256=record.image_sha256[place],
                phash=record.image_phashes[place],
                scores=record.image_scores[place],
            )
            for place, name in enumerate(names)
        ]

    @cached_property
    def images(self) -> list[Image.Image]:
        """The pictures in order, pixels decoded when they are first used. Raises `Drop`, `DamagedShard`."""
        return [picture.image for picture in self.pictures]

    @property
    def captions(self) -> list[str]:
        """The caption of each picture, "" where it has none."""
        return list(self.record.image_captions)

    def __repr__(self) -> str:
        counts = f"{len(self.texts)} texts, {len(self.captions)} images"
        return f"InterleavedSample({self.key}, {self.title[:60]!r}, {counts}, {self.url})"


class PairSample(_Sample[Pair]):
    """An image and its caption."""

    @property
    def caption(self) -> str:
        """The one that was chosen, cleaned."""
        return self.record.caption

    @property
    def captions(self) -> list[Caption]:
        """All texts that the page or list has for the image, as they stood: each with `text` and `source`."""
        return self.record.captions

    @property
    def texts(self) -> list[str]:
        """The caption, as the one text."""
        return [self.record.caption]

    @cached_property
    def image(self) -> Image.Image:
        """Its pixels are decoded when they are first used. Raises `Drop`, `DamagedShard`."""
        return open_picture(self.data)

    @property
    def images(self) -> list[Image.Image]:
        """The image, as the one of a list."""
        return [self.image]

    @property
    def data(self) -> bytes:
        """The image as it lies in the shard. Raises `DamagedShard` where it is missing."""
        return _member(self.members, f"{self.key}.{self.record.format}", self.key)

    def __repr__(self) -> str:
        size = f"{self.record.width}x{self.record.height}"
        return f"PairSample({self.key}, {self.caption[:60]!r}, {size}, {self.url})"


class Clip(_Sample[ClipSample]):
    """A stretch of a video with its caption."""

    @property
    def caption(self) -> str:
        return self.record.caption

    @property
    def captions(self) -> list[VideoText]:
        """All texts that go with the video, the caption among them: each with `text` and `source`."""
        return self.record.texts

    @property
    def texts(self) -> list[str]:
        """The caption, as the one text."""
        return [self.record.caption]

    @property
    def subtitles(self) -> list[Subtitle]:
        """Cues while the clip lasts: `text`, `start_s` and `end_s` in seconds from its start."""
        return self.record.subtitles

    @property
    def duration_s(self) -> float:
        return self.record.end_s - self.record.start_s

    @property
    def video(self) -> bytes:
        """An MP4 with H.264. Raises `DamagedShard` where it is missing."""
        return _member(self.members, f"{self.key}.mp4", self.key)

    def frames(self, n: int = 8) -> list[Image.Image]:
        """Pictures of the clip at `n` times, evenly spread; of a clip with fewer frames each one once.

        Raises `Drop`: broken_video, no_video_stream, no_frames.
        """
        from pipeline.video.frames import sample_frames
        from pipeline.video.settings import Sampling

        found = sample_frames(self.video, Sampling(mode="uniform", frames=n))
        return [Image.fromarray(rgb) for rgb in found.rgb_FHWC]

    @property
    def images(self) -> list[Image.Image]:
        """`frames()`. Raises `Drop`, `DamagedShard`."""
        return self.frames()

    def __repr__(self) -> str:
        size = f"{self.record.width}x{self.record.height}, {self.duration_s:.1f} s"
        return f"Clip({self.key}, {self.caption[:60]!r}, {size}, {self.url})"


Sample = InterleavedSample | PairSample | Clip

_KINDS: dict[str, tuple[type[Any], Callable[[Any, Mapping[str, bytes]], Sample]]] = {
    "interleaved": (InterleavedRecord, InterleavedSample),
    "pairs": (Pair, PairSample),
    "clips": (ClipSample, Clip),
}


def read_sample(kind: str, members: Mapping[str, bytes]) -> Sample:
    """A sample of its files. Raises `DamagedShard` where its JSON is missing or is that of something else."""
    record, sample = _KINDS[kind]
    name = next((name for name in members if name.endswith(".json")), "")
    if not name:
        raise DamagedShard(f"a sample without JSON, of {', '.join(members) or 'no files'}")
    try:
        found = msgspec.json.decode(members[name], type=record)
    except msgspec.DecodeError as error:
        raise DamagedShard(f"{name}: {error}") from None
    if isinstance(found, InterleavedRecord) and not _is_parallel(found):
        raise DamagedShard(f"{name}: its parallel lists differ in length")
    return sample(found, members)


def _is_parallel(record: InterleavedRecord) -> bool:
    """Lists that came to samples later are empty in older ones."""
    pictures = sum(name is not None for name in record.images)
    lists = [field for field in msgspec.structs.fields(record) if field.name.startswith("image_")]
    return len(record.texts) == len(record.images) and all(
        len(values := getattr(record, field.name)) == pictures or (not field.required and not values) for field in lists
    )


def _member(members: Mapping[str, bytes], name: str, key: str) -> bytes:
    if name not in members:
        raise DamagedShard(f"sample {key} has no {name}; it has {', '.join(members)}")
    return members[name]
