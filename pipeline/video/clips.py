"""A video becomes clips: spans on scene bounds, cut to the frame, with hashes of frames that stand for them."""

import hashlib
import io
import itertools

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.image.hash import perceptual_hash
from pipeline.video.cutter import cut_clip
from pipeline.video.frames import frames_at, read_frames, sample_times
from pipeline.video.probe import VideoIndex, index_video
from pipeline.video.scene_cuts import FrameScan, scan_frames
from pipeline.video.settings import ClipRules, ClipSettings, Sampling
from schemas.clips import Clip, CutVideo, VideoInfo
from schemas.drops import Drop

_FRAME_QUALITY = 90


def cut_video(data: bytes, settings: ClipSettings = ClipSettings(), with_frames: bool = False) -> CutVideo:
    """Raises `Drop`: broken_video, no_video_stream, no_frames, too_small, bad_aspect_ratio, too_long, too_short."""
    index = index_video(data)
    rules, info = settings.rules, index.info
    _judge_video(info, rules)
    scan = scan_frames(data, index, settings.scenes)
    if len(scan.times_F) < len(index) / 2:
        raise Drop("broken_video", f"{len(scan.times_F)} of {len(index)} frames decode")
    clips: list[Clip] = []
    dropped: list[tuple[float, float, str, str]] = []
    for start, end in plan_clips(scan, index.end_s, rules):
        try:
            judge_thumbs(scan.thumbs(start, end), end - start, rules)
            if len(clips) >= rules.max_clips:
                raise Drop("too_long", f"over {rules.max_clips} clips")
            clips.append(_clip(data, index, start, end, len(clips), settings, with_frames))
        except Drop as drop:
            dropped.append((round(start, 6), round(end, 6), drop.reason, drop.detail))
    return CutVideo(info, hashlib.sha256(data).hexdigest(), clips, dropped)


def _judge_video(info: VideoInfo, rules: ClipRules) -> None:
    short, long = sorted((info.width, info.height))
    if short < rules.min_side_px:
        raise Drop("too_small", f"{info.width}x{info.height}")
    if long / short > rules.max_aspect_ratio:
        raise Drop("bad_aspect_ratio", f"{info.width}x{info.height}")
    if info.duration_s < rules.min_s:
        raise Drop("too_short", f"{info.duration_s:.2f} s")
    if info.duration_s > rules.max_video_s:
        raise Drop("too_long", f"{info.duration_s:.0f} s")


def plan_clips(scan: FrameScan, end_s: float, rules: ClipRules) -> list[tuple[float, float]]:
    """Spans between scene bounds: neighbours joined up to the target, those over the maximum cut in equal parts."""
    bounds = [*scan.times_F[scan.starts_S].tolist(), end_s]
    spans: list[tuple[float, float]] = []
    for start, end in itertools.pairwise(bounds):
        joins = spans and rules.target_s and end - spans[-1][0] <= rules.target_s
        if joins:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    planned = []
    for start, end in spans:
        parts = max(1, int(np.ceil((end - start) / rules.max_s - 1e-9)))
        edges = [start + (end - start) * part / parts for part in range(parts + 1)]
        planned += list(itertools.pairwise(edges))
    return planned


def judge_thumbs(thumbs_THW: NDArray[np.uint8], length_s: float, rules: ClipRules) -> None:
    """Raises `Drop`: too_short, black, static."""
    if length_s < rules.min_s - 1e-6:
        raise Drop("too_short", f"{length_s:.2f} s")
    if not len(thumbs_THW):
        raise Drop("no_frames")
    brightest = float(np.percentile(thumbs_THW.reshape(len(thumbs_THW), -1), 95, axis=1).max())
    if brightest < rules.max_dark:
        raise Drop("black", f"{brightest:.0f} < {rules.max_dark:g}")
    motion = float(np.abs(thumbs_THW.astype(np.int16) - thumbs_THW[0]).mean(axis=(1, 2)).max())
    if motion < rules.min_motion:
        raise Drop("static", f"{motion:.2f} < {rules.min_motion:g}")


def _clip(
    data: bytes, index: VideoIndex, start: float, end: float, number: int, settings: ClipSettings, with_frames: bool
) -> Clip:
    cut = cut_clip(data, index, start, end, settings.encoding)
    own = cut.index
    times = sample_times(float(own.times_F[0]), own.end_s, settings.sampling)
    frames = read_frames(cut.data, own, frames_at(own, times))
    pictures = [Image.fromarray(rgb) for rgb in frames.rgb_FHWC]
    return Clip(
        number=number,
        requested=(round(start, 6), round(end, 6)),
        start_s=round(cut.start_s, 6),
        end_s=round(cut.end_s, 6),
        data=cut.data,
        info=own.info,
        num_frames=len(own),
        method=cut.method,
        sha256=hashlib.sha256(cut.data).hexdigest(),
        frame_times_s=[round(float(time - own.times_F[0]), 6) for time in frames.times_F],
        frame_hashes=[perceptual_hash(picture) for picture in pictures],
        frames=[jpeg(picture) for picture in pictures] if with_frames else [],
    )


def jpeg(picture: Image.Image) -> bytes:
    """A picture as a scorer or a person gets it."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=_FRAME_QUALITY)
    return file.getvalue()


def contact_sheet(data: bytes, sampling: Sampling = Sampling(), columns: int = 4, width: int = 240) -> Image.Image:
    """The sampled frames of a clip beside and below one another."""
    index = index_video(data)
    places = frames_at(index, sample_times(float(index.times_F[0]), index.end_s, sampling))
    pictures = [Image.fromarray(rgb) for rgb in read_frames(data, index, places).rgb_FHWC]
    height = max(1, round(width * pictures[0].height / pictures[0].width))
    columns = min(columns, len(pictures))
    sheet = Image.new("RGB", (columns * width, -(-len(pictures) // columns) * height))
    for place, picture in enumerate(pictures):
        sheet.paste(picture.resize((width, height)), (place % columns * width, place // columns * height))
    return sheet
