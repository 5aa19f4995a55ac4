"""Frames of a clip, by PyAV."""

import random
from typing import Any

import av
from PIL import Image

from schemas.containers import open_bytes
from schemas.drops import Drop
from schemas.pictures import shown, size_as_shown, turn_of

_WORTH_SEEKING_S = 2.0


def clip_frames(
    data: bytes, rng: random.Random, max_frames: int, fps: float, span_s: tuple[float, float] | None = None
) -> list[Image.Image]:
    """`fps` frames a second, `max_frames` at most; of a longer clip a random stretch. Raises `Drop("broken_clip")`.

    Of a clip of which only `span_s` is meant, from there alone. One shorter than a step gives its first frame.
    """
    try:
        with open_bytes(data) as container:
            seconds = (getattr(container, "duration", 0) or 0) / 1_000_000
            low, high = span_s or (0.0, seconds)
            high = min(high, max(low, seconds)) if seconds else high
            start = low + rng.uniform(0, max(0.0, high - low - max_frames / fps))
            return _taken(container, start, max_frames, fps, None if span_s is None else high)
    except Drop as drop:
        raise Drop("broken_clip", drop.detail) from None
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise Drop("broken_clip", f"{type(error).__name__}: {error}") from None


def _taken(container: Any, start: float, max_frames: int, fps: float, end: float | None) -> list[Image.Image]:
    """The first frame at or after `start`, and at each step from there to `end`; seconds from its first frame."""
    images: list[Image.Image] = []
    stream = container.streams.video[0]
    first: float | None = None
    if end is not None:
        first = _first_of_long(container, stream, start)
    for frame in container.decode(stream):
        if frame.time is None:
            continue
        first = frame.time if first is None else first
        if end is not None and images and frame.time - first > end:
            break
        if frame.time - first + 1e-6 >= start + len(images) / fps:
            size = size_as_shown((frame.width, frame.height), stream.sample_aspect_ratio, turn_of(frame))
            images.append(Image.fromarray(shown(frame, *size)))
            if len(images) == max_frames:
                break
    if not images:
        raise Drop("broken_clip", "no picture in it" if end is None else f"no picture after {start:.1f} s")
    return images


def _first_of_long(container: Any, stream: Any, start: float) -> float | None:
    """The time of its first frame, once it stands at the key frame before `start`; None: it stands at its front."""
    if stream.start_time is None or start < _WORTH_SEEKING_S:
        return None
    first = float(stream.start_time * stream.time_base)
    try:
        container.seek(int((start + first) * 1_000_000), backward=True)
    except av.FFmpegError:
        return None  # it has no index: all before is decoded
    return first
