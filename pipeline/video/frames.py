"""Frames of a video at given times: decord where it can be trusted, else PyAV; the same pictures from both.

decord 0.6 knows no AV1, gives wrong pictures for more than 8 bits a channel and for AVI, counts the frames that an edit
list hides, and repeats a frame in place of one that is broken, all without a word. So it gets only what it is known to
do right, and its times are held against those of the packets. It knows no tags of colour, and cannot be told a demuxer:
it gets BT.601 alone, and nothing that could pass for a list of other files.
"""

import io
import itertools

import av
import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.video.probe import VideoIndex, decoded, index_video, open_video
from pipeline.video.settings import Sampling
from schemas.containers import is_never_text
from schemas.drops import Drop
from schemas.pictures import shown

_DECORD_CODECS = ("h264", "hevc", "vp8", "vp9", "mpeg4")
_DECORD_CONTAINERS = ("mov", "matroska")
_DECORD_FORMATS = ("yuv420p", "yuv422p", "yuv444p")
_TOLERANCE_S = 1e-3
_AHEAD_S = 1e-6  # a time that is a frame's own but for rounding is that frame's


class Frames(msgspec.Struct, frozen=True):
    """Pictures as they are shown, and when."""

    times_F: NDArray[np.float64]  # seconds from the start of the container
    rgb_FHWC: NDArray[np.uint8]
    decoder: str  # decord or pyav

    def __repr__(self) -> str:
        return f"Frames({self.rgb_FHWC.shape} by {self.decoder})"


def sample_times(start_s: float, end_s: float, sampling: Sampling = Sampling()) -> list[float]:
    """Times from `start_s` up to, and without, `end_s`. A short video gives fewer than `frames`, but one at least."""
    length = end_s - start_s
    if sampling.mode == "uniform":
        return [start_s + length * (place + 0.5) / sampling.frames for place in range(sampling.frames)]
    count = max(1, int(np.ceil(length * sampling.fps - 1e-9)))
    if sampling.mode == "rate":
        count = min(count, sampling.frames)
    return [start_s + place / sampling.fps for place in range(count)]


def frames_at(index: VideoIndex, times: list[float]) -> NDArray[np.int64]:
    """The frames that are shown at these times, each once."""
    places = np.searchsorted(index.times_F, np.asarray(times) + _AHEAD_S, side="right") - 1
    return np.unique(np.clip(places, 0, len(index) - 1))


def sample_frames(data: bytes, sampling: Sampling = Sampling(), decoder: str = "") -> Frames:
    """The frames that stand for a video. Raises `Drop`: broken_video, no_video_stream, no_frames."""
    index = index_video(data)
    return read_frames(
        data, index, frames_at(index, sample_times(float(index.times_F[0]), index.end_s, sampling)), decoder
    )


def read_frames(data: bytes, index: VideoIndex, places: NDArray[np.int64], decoder: str = "") -> Frames:
    """Frames by their place in the order of showing; those that do not decode are left out.

    `decoder` forces one of them. Raises `Drop("no_frames")` when none decodes.
    """
    if decoder != "pyav" and decord_suits(index) and is_never_text(data):
        frames = _by_decord(data, index, places)
        if frames is not None:
            return frames
    if decoder == "decord":
        raise Drop("broken_video", "decord cannot be trusted with it")
    return _by_pyav(data, index, places)


def decord_suits(index: VideoIndex) -> bool:
    """Whether decord is known to read this kind of video right."""
    info = index.info
    return (
        index.colors is not None
        and index.colors.is_plain
        and not info.mirrored
        and info.codec in _DECORD_CODECS
        and info.container.startswith(_DECORD_CONTAINERS)
        and info.pixel_format in _DECORD_FORMATS
    )


def _by_decord(data: bytes, index: VideoIndex, places: NDArray[np.int64]) -> Frames | None:
    """None where decord fails, or shows by other times, sizes or repeated pictures that something is wrong."""
    try:
        import decord
    except ImportError:  # it has wheels for x86-64 alone
        return None
    decord.logging.set_level(decord.logging.QUIET)
    try:
        reader = decord.VideoReader(io.BytesIO(data), ctx=decord.cpu(0), num_threads=1)
        if len(reader) != len(index):
            return None
        times = reader.get_frame_timestamp(places.tolist())[:, 0]
        if np.abs(times - index.start_s - index.times_F[places]).max() > _TOLERANCE_S + 1e-6 * abs(float(times.max())):
            return None
        rgb = reader.get_batch(places.tolist()).asnumpy()
    except (decord.DECORDError, RuntimeError, IndexError, TypeError):
        return None
    if rgb.shape[1:3] != (index.info.height, index.info.width) or any(
        np.array_equal(one, other) for one, other in itertools.pairwise(rgb)
    ):
        return None
    return Frames(index.times_F[places], rgb, "decord")


def _by_pyav(data: bytes, index: VideoIndex, places: NDArray[np.int64]) -> Frames:
    """By seeking; what that misses, as in transport streams, whose seeks land too late, by reading from the start."""
    found: dict[int, NDArray[np.uint8]] = {}
    _read(data, index, places, found, seeks=True)
    missing = np.array([place for place in places.tolist() if place not in found], np.int64)
    if len(missing):
        _read(data, index, missing, found, seeks=False)
    if not found:
        raise Drop("no_frames", "none decodes")
    order = sorted(found)
    return Frames(index.times_F[order], np.stack([found[place] for place in order]), "pyav")


def _read(
    data: bytes, index: VideoIndex, places: NDArray[np.int64], found: dict[int, NDArray[np.uint8]], seeks: bool
) -> None:
    wanted = {int(index.pts_F[place]): int(place) for place in places}
    with open_video(data) as (container, stream):
        for place in places.tolist():
            if place in found:
                continue
            if seeks:
                keys = np.flatnonzero(index.keyframes_F[: place + 1])
                try:
                    container.seek(int(index.pts_F[keys[-1] if len(keys) else 0]), stream=stream)
                except MemoryError:
                    raise
                except av.FFmpegError:
                    continue
            for frame in decoded(container, stream):
                if frame.pts in wanted and wanted[frame.pts] not in found:
                    found[wanted[frame.pts]] = shown(frame, index.info.width, index.info.height)
                reached = frame.pts is not None and frame.pts >= index.pts_F[place]
                if seeks and reached and not _is_near(index, place, places, found):
                    break
                if all(one in found for one in wanted.values()):
                    break
            if not seeks:
                return


def _is_near(index: VideoIndex, place: int, places: NDArray[np.int64], found: dict[int, NDArray[np.uint8]]) -> bool:
    """Whether the next frame that is wanted comes before the next keyframe: then to read on beats seeking."""
    missing = [other for other in places.tolist() if other > place and other not in found]
    return bool(missing) and not index.keyframes_F[place + 1 : missing[0] + 1].any()
