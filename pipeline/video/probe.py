"""What a video is, read from its packets; one frame is decoded. Times are timestamps, never index over rate."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from schemas.clips import VideoInfo
from schemas.containers import FULL_NAMES, open_bytes
from schemas.drops import Drop
from schemas.pictures import Colors, Turn, colors_of, size_as_shown, turn_of

#: Streams of one picture: album covers and the like.
_STILLS = ("mjpeg", "png", "bmp", "gif", "webp")


class VideoIndex:
    """The frames of a video in order of showing, without their pictures.

    `pts_F` are in units of `time_base`, `times_F` seconds after the start of the container, `keyframes_F` tells which
    can be decoded by themselves. `packets_F` is the place of each frame's packet in decoding order. A time may
    repeat itself. `colors` are those of the first frame; None if that does not decode.
    """

    def __init__(
        self,
        info: VideoInfo,
        time_base: Fraction,
        start_s: float,
        packets: list[tuple[int, bool]],
        colors: Colors | None = None,
    ) -> None:
        self.info, self.time_base, self.start_s, self.colors = info, time_base, start_s, colors
        pts = np.array([pts for pts, _ in packets], np.int64)
        self.packets_F: NDArray[np.int64] = np.argsort(pts, kind="stable")
        self.pts_F: NDArray[np.int64] = pts[self.packets_F]
        self.keyframes_F: NDArray[np.bool_] = np.array([is_key for _, is_key in packets], bool)[self.packets_F]
        self.times_F: NDArray[np.float64] = self.pts_F.astype(np.float64) * float(time_base) - start_s

    def __len__(self) -> int:
        return len(self.pts_F)

    @property
    def end_s(self) -> float:
        """When the last frame ceases to be shown."""
        return float(self.times_F[0]) + self.info.duration_s


@contextmanager
def open_video(data: bytes) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container and the video stream to look at, one thread.

    Raises `Drop`: unsupported_container, broken_video, no_video_stream.
    """
    with open_bytes(data) as container:
        stream = container.streams.best("video")
        if not isinstance(stream, VideoStream) or stream.codec_context is None:
            raise Drop("no_video_stream", container.format.name)
        stream.thread_type, stream.codec_context.thread_count = "NONE", 1
        yield container, stream


def index_video(data: bytes) -> VideoIndex:
    """Read all packets of a video. Raises `Drop`: no_frames, bad_timestamps, hdr, unsupported_color, and those of
    `open_video`."""
    with open_video(data) as (container, stream):
        packets: list[tuple[int, bool]] = []
        try:
            for packet in container.demux(stream):
                if packet.size and not packet.is_discard:
                    if packet.pts is None:
                        return _index_by_decoding(data)
                    packets.append((packet.pts, packet.is_keyframe))
        except MemoryError:
            raise
        except av.FFmpegError as error:  # what was read before may be sound
            if not packets:
                raise Drop("broken_video", _said(error)) from None
        return _index(container, stream, packets)


def _index_by_decoding(data: bytes) -> VideoIndex:
    """The same for containers that store no times of showing."""
    with open_video(data) as (container, stream):
        packets = [(frame.pts, frame.key_frame) for frame in decoded(container, stream) if frame.pts is not None]
        return _index(container, stream, packets)


def decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """The frames from here on; packets that do not decode are passed over.

    Raises `MemoryError`: others would decode no better.
    """
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except MemoryError:
            raise
        except av.FFmpegError:
            return
        if packet is None:
            return
        try:
            yield from packet.decode()
        except MemoryError:
            raise
        except av.FFmpegError:
            continue


def _index(container: InputContainer, stream: VideoStream, packets: list[tuple[int, bool]]) -> VideoIndex:
    if not packets or stream.time_base is None:
        raise Drop("no_frames", container.format.name)
    if len(packets) == 1 and _name_of(stream) in _STILLS:
        raise Drop("no_video_stream", f"a still, {_name_of(stream)}")
    pts = [pts for pts, _ in packets]
    if len(packets) > 1 and len(set(pts)) < max(2, len(packets) / 2):
        raise Drop("bad_timestamps", f"{len(packets)} frames, {len(set(pts))} times")
    start_s = (container.start_time or 0) / av.time_base
    length = max(pts) - min(pts)
    step = length / (len(pts) - 1) if len(pts) > 1 else 0.0
    picture = _first_picture(container, stream)
    turn, colors = (turn_of(picture), colors_of(picture)) if picture is not None else (Turn(), None)
    coded = (stream.codec_context.width, stream.codec_context.height)
    width, height = size_as_shown(coded, stream.sample_aspect_ratio, turn)
    info = VideoInfo(
        container=FULL_NAMES.get(container.format.name, container.format.name),
        codec=_name_of(stream),
        pixel_format=stream.codec_context.pix_fmt or "",
        width=width,
        height=height,
        rotation=turn.degrees,
        duration_s=round(float((length + step) * stream.time_base), 6),
        has_audio=bool(container.streams.audio),
        mirrored=turn.mirrored,
    )
    return VideoIndex(info, stream.time_base, start_s, packets, colors)


def _name_of(stream: VideoStream) -> str:
    """Of the format, not of the decoder: `av1`, not `libdav1d`."""
    return stream.codec_context.codec.canonical_name


def _first_picture(container: InputContainer, stream: VideoStream) -> VideoFrame | None:
    """How a video is turned and coloured, PyAV tells of frames only."""
    try:
        container.seek(0)
        return next(decoded(container, stream), None)
    except MemoryError:
        raise
    except av.FFmpegError:
        return None


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]
