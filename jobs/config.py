"""The settings of a build, and the presets that ship."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import msgspec

from crawlers.img2dataset import DownloaderSettings
from crawlers.media_settings import MediaSettings
from crawlers.warc_records import WarcSettings
from jobs.engine.isolation import IsolationSettings
from jobs.settings_files import load_file, presets
from model.scorers import ScorerSettings
from pipeline.corpus_rules import CorpusRules
from pipeline.decontamination import DecontaminationRules
from pipeline.image.codec import ImageEncoding
from pipeline.image.rules import ImageRules
from pipeline.page.parsed import ExtractSettings
from pipeline.pairs import PairRules
from pipeline.text.language import LanguageRules
from pipeline.text.minhash import MinHashSettings
from pipeline.text.pii import PiiRules
from pipeline.text.rules import TextRules
from pipeline.url_rules import UrlRules
from pipeline.video.settings import ClipSettings
from schemas.consent import ConsentSettings
from schemas.settings import Settings
from schemas.shards import ShardSettings


class OwnStep(Settings, frozen=True):
    """A step of yours among weft's own: docs/own-steps.md. One of `before`, `after` and `instead` names where."""

    use: str
    """`module:function`, importable where the build is started."""
    before: str = ""
    after: str = ""
    instead: str = ""
    settings: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """Of the function, by the names of its parameters."""


class OwnModel(Settings, frozen=True):
    """A scorer or captioner of yours, which sees images and texts in batches."""

    name: str
    """Of the score in `scores`, or of the source of the captions."""
    use: str
    """`module:function`, or `module:Class` whose instances are made once a process and called."""
    settings: Mapping[str, Any] = msgspec.field(default_factory=dict)


class OwnScorer(OwnModel, frozen=True):
    """Numbers for images, beside those of `scorers`. An image outside the limits is dropped."""

    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"at_least is {self.at_least:g}, above at_most, {self.at_most:g}: nothing would pass")


class BuildConfig(Settings, frozen=True):
    """What decides the outcome of a build: the same input and config give the same bytes."""

    #: Added since configs are hashed; a build without them has the hash that it always had.
    hashed_if_set: ClassVar[tuple[str, ...]] = (
        "steps",
        "score_with",
        "caption_with",
        "videos_folder",
        "archives_a_task",
        "keep_work",
        "without_keys",
        "limit",
    )

    kinds: tuple[Literal["interleaved", "pairs", "clips"], ...] = ("interleaved",)
    """What is made of the pages, from one parse."""
    seed: int = 0
    """Of the order of samples."""
    limit: int = 0
    """A trial of so many pages at most: the first ones of archives that are spread over the inputs. 0: all."""
    partitions: int = 0
    """Into how many parts pages are hashed by domain; each is one task and at least one shard. 0: one for each 512 MB
    of archives, 4096 at most."""
    buckets: int = 0
    """Into how many parts the keys of deduplication are hashed; each is one task, which holds its rows in memory.
    0: one for each 16 GB of archives, 4096 at most."""
    archives_a_task: int = 0
    """How many inputs one task of the first phase reads, one after the other. 0: one for each 64 inputs, 16 at most."""
    keep_work: bool = False
    """Keep files in `work/` that no phase reads any more."""
    without_keys: bool = False
    """Leave no `keys/` beside the shards, some hundred bytes a sample by which it is compared with what `--append`
    adds, and no `captured/`, by which that finds media of the inputs; then it is compared by what the sample itself
    shows."""
    max_slice_bytes: int = 256 << 20
    """A partition with more bytes of drafts, such as one with a giant domain, is split into tasks of this size.
    0: none is."""
    warc: WarcSettings = WarcSettings()
    url: UrlRules = UrlRules()
    consent: ConsentSettings = ConsentSettings()
    extract: ExtractSettings = ExtractSettings()
    language: LanguageRules = LanguageRules()
    text: TextRules = TextRules()
    pii: PiiRules = PiiRules()
    near_duplicates: bool = True
    """Of pages whose texts are nearly the same keep only the newest."""
    minhash: MinHashSettings = MinHashSettings()
    corpus: CorpusRules = CorpusRules()
    decontamination: DecontaminationRules = DecontaminationRules()
    media: MediaSettings = MediaSettings()
    image: ImageRules = ImageRules()
    scorers: ScorerSettings = ScorerSettings()
    encoding: ImageEncoding = ImageEncoding()
    pairs: PairRules = PairRules()
    lists: DownloaderSettings = DownloaderSettings()
    shards: ShardSettings = ShardSettings()
    isolation: IsolationSettings = IsolationSettings()
    clips: ClipSettings = ClipSettings()
    video_isolation: IsolationSettings = IsolationSettings(timeout_s=600.0, max_memory_bytes=4 << 30)
    """Bounds for one video."""
    videos_folder: str = ""
    """Lists of videos may name files that lie below this folder, from which relative names are taken: a path, or an
    address of a store such as s3://bucket/films. Empty: rows that name files are dropped."""
    steps: tuple[OwnStep, ...] = ()
    """Steps of yours."""
    score_with: tuple[OwnScorer, ...] = ()
    """Scorers of yours."""
    caption_with: tuple[OwnModel, ...] = ()
    """Captioners of yours, for pairs and clips: each adds a caption candidate with its name as the source."""

    def __post_init__(self) -> None:
        if not self.kinds:
            raise ValueError("kinds is empty: name interleaved, pairs or clips")


def warc_settings(config: BuildConfig) -> WarcSettings:
    """What is read from archives for the kinds of a build."""
    wants_videos = config.warc.videos or "clips" in config.kinds
    return msgspec.structs.replace(config.warc, videos=wants_videos)


def load_config(name: str, overrides: list[str]) -> BuildConfig:
    """A build config from a YAML file, or from a preset by its name, with `a.b=value` overrides.

    Raises `SettingsError`.
    """
    return load_file(BuildConfig, name, overrides, presets())
