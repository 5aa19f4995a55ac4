"""What the cutting of a video gives: what the video is, and its clips."""

from typing import ClassVar

import msgspec

from schemas.signals import Signal


class VideoInfo(msgspec.Struct, frozen=True):
    """The video stream that players choose. Sizes are as shown: pixels made square, rotation applied."""

    container: str  # FFmpeg's names: "mov,mp4,m4a,3gp,3g2,mj2"
    codec: str
    pixel_format: str
    width: int
    height: int
    rotation: int  # degrees clockwise by which the coded picture is turned for showing: 0, 90, 180 or 270
    duration_s: float  # from the first frame to the end of the last
    has_audio: bool
    mirrored: bool = False  # left to right, before it is turned


class Clip(msgspec.Struct, frozen=True):
    """A clip as it will stand in the shard. Times are seconds of the source; `end_s` is when the last frame ends."""

    kind: ClassVar[str] = "clip"

    number: int
    requested: tuple[float, float]
    start_s: float
    end_s: float
    data: bytes
    info: VideoInfo
    num_frames: int
    method: str  # copy or encode
    sha256: str
    frame_times_s: list[float]  # of the sampled frames, from the clip's first
    frame_hashes: list[str]
    frames: list[bytes] = []  # JPEG; only where somebody asks for them

    @property
    def url(self) -> str:
        """What names it in messages: its time in the video."""
        return f"{self.start_s:.3f}-{self.end_s:.3f} s"

    def __repr__(self) -> str:
        return f"Clip({self.start_s:.3f}-{self.end_s:.3f} s, {self.info.width}x{self.info.height}, {self.method})"


class CutVideo(msgspec.Struct, frozen=True):
    """What one video gave: its clips, and (start, end, reason, detail) of those dropped."""

    info: VideoInfo
    sha256: str
    clips: list[Clip]
    dropped: list[tuple[float, float, str, str]]
    signals: tuple[Signal, ...] = ()  # what was said about the use of the video
