"""The records that travel from a page or a list to a clip."""

from typing import Any, ClassVar

import msgspec
import pyarrow as pa

from schemas import consent_columns
from schemas.documents import Consent
from schemas.signals import Signal
from schemas.urls import host_of, registered_domain


class VideoText(msgspec.Struct, frozen=True):
    """A text that goes with a video, and where it stood."""

    source: str  # list, figcaption, description, title, label, name, link, paragraph or subtitles
    text: str


class Subtitle(msgspec.Struct, frozen=True):
    """One cue; seconds from the start of the video, or of the clip in a sample."""

    start_s: float
    end_s: float
    text: str


class VideoDraft(msgspec.Struct, frozen=True):
    """A video that a page shows or a list names, before it is fetched. `candidates` are tried in order."""

    kind: ClassVar[str] = "video"

    uid: int
    candidates: tuple[str, ...]
    texts: tuple[VideoText, ...]
    tracks: tuple[str, ...] = ()  # addresses of WebVTT or SRT files
    page_url: str = ""
    page_title: str = ""
    language: str = ""
    language_score: float = 0.0
    licence: str = ""
    consent: Consent = Consent()
    fetch_time: str = ""
    warc_file: str = ""
    warc_offset: int = -1
    redacted: dict[str, int] = {}

    @property
    def url(self) -> str:
        return self.candidates[0]


class ClipSample(msgspec.Struct, frozen=True):
    """The JSON member of a clip. Times are seconds; those of the source where not said otherwise."""

    key: str
    url: str  # of the video
    page_url: str
    page_title: str
    caption: str
    caption_source: str
    texts: list[VideoText]  # all that go with the video, the caption among them
    subtitles: list[Subtitle]  # cues while the clip lasts, from its start
    clip: int  # its number among those of its video
    start_s: float
    end_s: float
    requested: tuple[float, float]  # the scene bounds; a copied clip may start later and end earlier
    cut_method: str  # copy or encode
    width: int
    height: int
    num_frames: int
    fps: float  # mean
    codec: str
    has_audio: bool
    sha256: str  # of the mp4
    frame_times_s: list[float]  # of the sampled frames, from the start of the clip
    frame_hashes: list[str]  # their perceptual hashes
    original_container: str
    original_codec: str
    original_size: tuple[int, int]  # as shown
    original_rotation: int
    original_duration_s: float
    original_sha256: str
    language: str
    language_score: float
    licence: str
    consent: Consent
    fetch_time: str
    warc_file: str
    warc_offset: int
    redacted: dict[str, int]
    scores: dict[str, float]
    screened: list[str]
    weft_version: str
    config_hash: str
    video_consent: tuple[Signal, ...] = ()  # what was said about the use of the video; `consent` is of the page


#: Columns of the parquet index beyond key, offset, size and members.
COLUMNS: dict[str, pa.DataType] = {
    "url": pa.string(),
    "page_url": pa.string(),
    "domain": pa.string(),
    "caption": pa.string(),
    "caption_source": pa.string(),
    "num_words": pa.int64(),
    "start_s": pa.float64(),
    "end_s": pa.float64(),
    "duration_s": pa.float64(),
    "width": pa.int32(),
    "height": pa.int32(),
    "num_frames": pa.int32(),
    "cut_method": pa.string(),
    "language": pa.string(),
    "licence": pa.string(),
    "sha256": pa.string(),
    "original_sha256": pa.string(),
    "frame_hashes": pa.list_(pa.string()),
    "scores": pa.string(),
    "screened": pa.list_(pa.string()),
    "warc_file": pa.string(),
    **consent_columns.COLUMNS,
}


def index_row(sample: ClipSample) -> dict[str, Any]:
    """The row of the parquet index for a clip."""
    row = {name: getattr(sample, name) for name in COLUMNS if hasattr(sample, name)}
    address = sample.page_url or sample.url
    return row | {
        "domain": registered_domain(host_of(address)) if "://" in address else "",
        "num_words": len(sample.caption.split()),
        "duration_s": round(sample.end_s - sample.start_s, 6),
        "scores": msgspec.json.encode(sample.scores).decode(),
        **consent_columns.consent_columns(sample.consent.signals, [sample.video_consent]),
    }
