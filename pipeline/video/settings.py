"""The settings of clips, apart from the code that works by them: whoever reads settings need not load FFmpeg."""

import math
from typing import ClassVar, Literal

from schemas.settings import Bounds, Settings


class SceneSettings(Settings, frozen=True):
    """What counts as a cut. The values were set on made videos and compared with PySceneDetect's."""

    min_difference: float = 10.0
    """Mean difference of neighbouring frames, of 64 x 36 pixels in Y, U and V, each 0 to 255."""
    min_ratio: float = 3.0
    """How many times the mean difference among the frames around it: fast camera work is no cut."""
    min_scene_s: float = 0.6
    """A scene shorter than this is part of the next: flashes."""


class ClipEncoding(Settings, frozen=True):
    """How clips are stored: MP4 with H.264 that browsers play, index first."""

    max_height: int = 360
    """Larger pictures are scaled down; smaller ones keep their size."""
    crf: int = 23
    """x264's rate factor: 18 looks like the source, 28 is small."""
    preset: str = "veryfast"
    max_fps: float = 30.0
    """Frames that would come faster are left out; times stay those of the source."""
    keyframe_s: float = 2.0
    copy_within_s: float = 0.5
    """Packets of H.264 sources that are small enough are copied if the clip's start moves later, and its end earlier,
    by no more than this. 0 copies exact matches alone; negative never."""
    audio: bool = False
    """Keep the sound, as AAC."""


class Sampling(Settings, frozen=True):
    """Which frames stand for a clip."""

    mode: Literal["rate", "uniform", "all"] = "rate"
    """`rate`: `frames` of them at `fps` from the start, as Flamingo; `uniform`: `frames` of them, each the middle of an
    equal part; `all`: at `fps` to the end."""
    frames: int = 8
    fps: float = 1.0


class ClipRules(Settings, frozen=True):
    """Which spans of a video become clips."""

    bounds: ClassVar[Bounds] = {"max_aspect_ratio": (1, math.inf)}

    min_s: float = 2.0
    max_s: float = 30.0
    target_s: float = 22.0
    """Neighbouring scenes are joined up to this; the mean of VTP (Flamingo) is 22 s. 0: each scene is a clip."""
    min_side_px: int = 120
    max_aspect_ratio: float = 3.0
    max_video_s: float = 3600.0
    """A longer video is dropped: it would take longer than `isolation`, below, allows."""
    max_dark: float = 24.0
    """A clip is black when none of its pictures has a brighter 95th percentile, of 0 to 255."""
    min_motion: float = 1.0
    """A clip is static when none of its pictures differs from its first by this mean difference, of 0 to 255."""
    max_clips: int = 100
    """Of one video: those that come first."""


class VideoCaptionRules(Settings, frozen=True):
    """Where captions of clips come from, and what they must be: those of LTIP and VTP (Flamingo) are long."""

    sources: tuple[str, ...] = (
        "list",
        "figcaption",
        "description",
        "title",
        "label",
        "subtitles",
        "name",
        "paragraph",
        "link",
    )
    """The first of these that has a fit text gives the caption; what is not named is kept beside it and never one."""
    min_words: int = 10
    max_words: int = 500
    max_character_repetition: float = 0.2
    """Share of the most frequent character 10-grams, as for paragraphs."""
    max_special_characters: float = 0.4


class ClipSettings(Settings, frozen=True):
    """All that decides what becomes of one video."""

    caption: VideoCaptionRules = VideoCaptionRules()
    rules: ClipRules = ClipRules()
    scenes: SceneSettings = SceneSettings()
    encoding: ClipEncoding = ClipEncoding()
    sampling: Sampling = Sampling()
