"""Where a video cuts from one scene to the next, and what its scenes look like, in one pass over small pictures."""

import av
import msgspec
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from pipeline.video.probe import VideoIndex, decoded, open_video
from pipeline.video.settings import SceneSettings
from schemas.drops import Drop

_WIDTH, _HEIGHT = 64, 36
_WINDOW = 12  # frames to either side that tell how much a scene moves
_THUMB_S = 0.5


class FrameScan(msgspec.Struct, frozen=True):
    """What one pass over the pictures of a video tells. `starts_S` are the frames that begin a scene, 0 the first.

    `times_F` are those of the frames that decode, `thumbs_THW` grey pictures at `thumb_times_T`.
    """

    times_F: NDArray[np.float64]
    starts_S: NDArray[np.int64]
    thumb_times_T: NDArray[np.float64]
    thumbs_THW: NDArray[np.uint8]

    def thumbs(self, start_s: float, end_s: float) -> NDArray[np.uint8]:
        return self.thumbs_THW[(self.thumb_times_T >= start_s - 1e-6) & (self.thumb_times_T < end_s - 1e-6)]


def scan_frames(data: bytes, index: VideoIndex, settings: SceneSettings = SceneSettings()) -> FrameScan:
    """Decode a video once, small. Raises `Drop("no_frames")`."""
    times: list[float] = []
    differences: list[float] = []
    returns: list[float] = []  # difference from the frame before the last: small after a flash
    thumbs: list[NDArray[np.uint8]] = []
    thumb_times: list[float] = []
    before: list[NDArray[np.int16]] = []
    with open_video(data) as (container, stream):
        stream.codec_context.options = {"skip_loop_filter": "all"}
        for frame in decoded(container, stream):
            if frame.pts is None:
                continue
            time = float(frame.pts * index.time_base) - index.start_s
            planes = small(frame)
            differences.append(_difference(planes, before[-1]) if before else 0.0)
            returns.append(_difference(planes, before[-2]) if len(before) > 1 else 255.0)
            before = [*before[-1:], planes]
            times.append(time)
            if not thumb_times or time >= thumb_times[-1] + _THUMB_S:
                thumbs.append(planes[0].astype(np.uint8))
                thumb_times.append(time)
    if not times:
        raise Drop("no_frames", "none decodes")
    starts = find_cuts(np.array(times), np.array(differences), np.array(returns), settings)
    return FrameScan(np.array(times), starts, np.array(thumb_times), np.stack(thumbs))


def small(frame: av.VideoFrame) -> NDArray[np.int16]:
    """Y, U and V of a frame, shape (3, 36, 64)."""
    reduced = frame.reformat(_WIDTH, _HEIGHT, "yuv444p", interpolation=Interpolation.FAST_BILINEAR, threads=1)
    return reduced.to_ndarray().astype(np.int16)


def _difference(left: NDArray[np.int16], right: NDArray[np.int16]) -> float:
    return float(np.abs(left - right).mean())


def find_cuts(
    times_F: NDArray[np.float64],
    differences_F: NDArray[np.float64],
    returns_F: NDArray[np.float64],
    settings: SceneSettings,
) -> NDArray[np.int64]:
    """The frames that begin a scene, 0 always among them."""
    starts = [0]
    candidates = np.flatnonzero(differences_F >= settings.min_difference)
    for place in candidates.tolist():
        first, last = max(1, place - _WINDOW), place + _WINDOW + 1
        around = np.delete(differences_F[first:last], place - first)
        # the median: neighbours may be cuts themselves
        usual = float(np.median(around)) if len(around) else 0.0
        if differences_F[place] < settings.min_ratio * usual:
            continue
        if place + 1 < len(returns_F) and returns_F[place + 1] < differences_F[place] / settings.min_ratio:
            continue  # a flash: the next frame is as the one before
        if returns_F[place] < differences_F[place] / settings.min_ratio:
            continue  # its end
        if times_F[place] - times_F[starts[-1]] >= settings.min_scene_s - 1e-6:
            starts.append(place)
    return np.array(starts, np.int64)
