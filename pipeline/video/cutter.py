"""One clip out of a video: its packets as they are where these begin and end well enough, else encoded anew."""

import io
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import av
import msgspec
import numpy as np
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

from pipeline.video.probe import VideoIndex, decoded, index_video, open_video
from pipeline.video.settings import ClipEncoding
from schemas.containers import open_bytes
from schemas.drops import Drop
from schemas.pictures import recoded, tag_recoded

_CLOCK = 90_000  # the clock of MPEG: its ticks fit all usual rates


class Cut(msgspec.Struct, frozen=True):
    """A clip's bytes, its own index, and the seconds of the source that it shows."""

    data: bytes
    index: VideoIndex
    start_s: float
    end_s: float
    method: str


def cut_clip(data: bytes, index: VideoIndex, start: float, end: float, encoding: ClipEncoding) -> Cut:
    """The frames from `start` up to, and without, `end`.

    Raises `Drop`: no_frames, hdr, unsupported_color; broken_video if others result, or no MP4 can hold them.
    """
    first, last = np.searchsorted(index.times_F, [start - 1e-6, end - 1e-6]).tolist()
    if last <= first:
        raise Drop("no_frames", f"{start:.3f} to {end:.3f} s")
    span = _copyable(index, first, last, encoding)
    if span is not None:
        copied = _copy(data, index, *span)
        own = _index_or_none(copied)
        if own is not None and own.colors == index.colors and _shows(own, index, *span):
            return Cut(copied, own, float(index.times_F[span[0]]), _end_of(index, span[1]), "copy")
    try:
        encoded, times = _encode(data, index, first, last, encoding)
    except MemoryError:
        raise
    except (av.FFmpegError, ValueError, OverflowError, ZeroDivisionError) as error:
        raise Drop("broken_video", f"{type(error).__name__}: {error}"[:200]) from None
    own = index_video(encoded)
    if len(own) != len(times) or np.abs(own.times_F - own.times_F[0] - np.array(times) + times[0]).max() > 2e-3:
        raise Drop("broken_video", f"{len(own)} frames written of {len(times)}")
    return Cut(encoded, own, times[0], _end_of(index, last), "encode")


def _end_of(index: VideoIndex, last: int) -> float:
    """When the frame before place `last` ceases to be shown."""
    return float(index.times_F[last]) if last < len(index) else index.end_s


def _copyable(index: VideoIndex, first: int, last: int, encoding: ClipEncoding) -> tuple[int, int] | None:
    """The frames near the wanted ones that can be copied: from a keyframe, to where decoding order agrees."""
    info = index.info
    suits = info.codec == "h264" and info.pixel_format == "yuv420p" and not info.rotation and not info.mirrored
    if encoding.copy_within_s < 0 or not suits or info.height > encoding.max_height or encoding.audio:
        return None
    step = info.duration_s / len(index)
    if step < 0.95 / encoding.max_fps:
        return None
    keys = np.flatnonzero(index.keyframes_F[first:last]) + first
    if not len(keys) or index.times_F[keys[0]] - index.times_F[first] > encoding.copy_within_s + 1e-6:
        return None
    start = int(keys[0])
    packets = index.packets_F
    for stop in range(last, start, -1):
        if _end_of(index, last) - _end_of(index, stop) > encoding.copy_within_s + 1e-6:
            return None
        own = packets[start:stop]
        if own.min() == packets[start] and own.max() - own.min() + 1 == len(own):
            return start, stop
    return None


def _copy(data: bytes, index: VideoIndex, first: int, last: int) -> bytes:
    """The packets in an MP4 of their own; nothing where their times are such as no MP4 can hold."""
    file = io.BytesIO()
    try:
        with open_video(data) as (container, stream), _mp4(file) as output:
            _copy_packets(container, stream, output, index, first, last)
    except MemoryError:
        raise
    except (av.FFmpegError, ValueError, OverflowError):
        return b""
    return file.getvalue()


def _copy_packets(
    container: InputContainer, stream: VideoStream, output: OutputContainer, index: VideoIndex, first: int, last: int
) -> None:
    origin, end = int(index.pts_F[first]), int(index.pts_F[last - 1])
    copy = output.add_stream_from_template(stream)
    container.seek(origin, stream=stream)
    left = last - first
    for packet in container.demux(stream):
        if packet.pts is None or packet.dts is None or not origin <= packet.pts <= end or packet.is_discard:
            continue
        packet.pts, packet.dts = packet.pts - origin, packet.dts - origin
        packet.stream = copy
        output.mux(packet)
        left -= 1
        if not left:
            break


def _shows(own: VideoIndex, index: VideoIndex, first: int, last: int) -> bool:
    """Whether a copy has the frames of the source from `first` to `last`, at their times."""
    if len(own) != last - first:
        return False
    expected = index.times_F[first:last] - index.times_F[first]
    return bool(np.abs(own.times_F - own.times_F[0] - expected).max() < 2e-3)


def _index_or_none(data: bytes) -> VideoIndex | None:
    try:
        return index_video(data)
    except Drop:
        return None


def _encode(data: bytes, index: VideoIndex, first: int, last: int, encoding: ClipEncoding) -> tuple[bytes, list[float]]:
    """The clip encoded, and the times of the source's frames that are in it."""
    width, height = _size(index, encoding)
    file = io.BytesIO()
    times: list[float] = []
    origin, end = int(index.pts_F[first]), int(index.pts_F[last - 1])
    rate = Fraction(len(index) / index.info.duration_s).limit_denominator(1001)
    with open_video(data) as (container, stream), _mp4(file) as output:
        x264 = output.add_stream("libx264", rate=rate, options=_x264_options(encoding))
        x264.width, x264.height, x264.pix_fmt = width, height, "yuv420p"
        x264.gop_size = max(1, round(encoding.keyframe_s * min(float(rate), encoding.max_fps)))
        x264.codec_context.thread_count = 1  # the same bytes on every machine
        x264.codec_context.time_base = Fraction(1, _CLOCK)
        tag_recoded(x264.codec_context, index.colors)
        sound = _add_sound(container, output, encoding)
        _seek(container, stream, index, first)
        for frame in decoded(container, stream):
            if frame.pts is None or frame.pts < origin:
                continue
            if frame.pts > end:
                break
            time = float(frame.pts * index.time_base) - index.start_s
            if times and time - times[-1] < 0.95 / encoding.max_fps:
                continue
            times.append(time)
            output.mux(x264.encode(_scaled(frame, width, height, time - times[0])))
        output.mux(x264.encode(None))
        if sound is not None and times:
            _encode_sound(data, output, sound, times[0] + index.start_s, _end_of(index, last) + index.start_s)
    if not times:
        raise Drop("no_frames", "none decodes")
    return file.getvalue(), times


def _x264_options(encoding: ClipEncoding) -> dict[str, str]:
    """x264's code for AVX-512 gives other bytes from run to run; that for SSE4.2 gives those of AVX2, always."""
    options = {"crf": str(encoding.crf), "preset": encoding.preset}
    return options | ({"x264-params": "asm=SSE4.2"} if platform.machine() in ("x86_64", "AMD64") else {})


def _seek(container: Any, stream: Any, index: VideoIndex, first: int) -> None:
    """To the keyframe before; containers that seek badly are read from their start."""
    if not index.info.container.startswith(("mov", "matroska")):
        return
    keys = np.flatnonzero(index.keyframes_F[: first + 1])
    container.seek(int(index.pts_F[keys[-1] if len(keys) else 0]), stream=stream)


def _size(index: VideoIndex, encoding: ClipEncoding) -> tuple[int, int]:
    """Even, as yuv420p wants it."""
    scale = min(1.0, encoding.max_height / index.info.height)
    return max(2, 2 * round(index.info.width * scale / 2)), max(2, 2 * round(index.info.height * scale / 2))


def _scaled(frame: av.VideoFrame, width: int, height: int, time: float) -> av.VideoFrame:
    small = recoded(frame, width, height)
    small.pts, small.time_base = round(time * _CLOCK), Fraction(1, _CLOCK)
    small.pict_type = 0
    return small


@contextmanager
def _mp4(file: io.BytesIO) -> Iterator[OutputContainer]:
    """Put into `file` what is written. To move the index to the front FFmpeg opens its output anew, by its name."""
    with tempfile.NamedTemporaryFile(suffix=".mp4") as named:
        options = {"movflags": "faststart", "fflags": "+bitexact"}
        with av.open(named.name, "w", format="mp4", options=options) as output:
            yield output
        file.write(named.read())


def _add_sound(container: Any, output: OutputContainer, encoding: ClipEncoding) -> Any:
    if not encoding.audio or not container.streams.audio:
        return None
    return output.add_stream("aac", rate=44100, layout="stereo")


def _encode_sound(data: bytes, output: OutputContainer, sound: Any, start: float, end: float) -> None:
    """The sound from `start` to `end`, seconds of the source's clock, to within one packet."""
    resampler = av.AudioResampler("fltp", "stereo", 44100)
    written = 0
    with open_bytes(data) as container:
        source = container.streams.audio[0]
        container.seek(max(0, int((start - 0.5) * av.time_base)))
        for packet in container.demux(source):
            try:
                frames = packet.decode()
            except MemoryError:
                raise
            except av.FFmpegError:
                continue
            for frame in frames:
                if frame.time is None or frame.time < start or frame.time >= end:
                    continue
                for part in resampler.resample(frame):
                    part.pts, part.time_base = written, Fraction(1, 44100)
                    written += part.samples
                    output.mux(sound.encode(part))
    output.mux(sound.encode(None))
