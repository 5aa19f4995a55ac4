"""Frames of a clip, by PyAV."""

import random
from typing import Any

import av
from PIL import Image

from schemas.containers import open_bytes
from schemas.drops import Drop
from schemas.pictures import shown, size_as_shown, turn_of


def clip_frames(data: bytes, rng: random.Random, max_frames: int, fps: float) -> list[Image.Image]:
    """`fps` frames a second, `max_frames` at most; of a longer clip a random stretch. Raises `Drop("broken_clip")`.

    A clip shorter than one step gives its first frame.
    """
    try:
        with open_bytes(data) as container:
            seconds = (getattr(container, "duration", 0) or 0) / 1_000_000
            start = rng.uniform(0, max(0.0, seconds - max_frames / fps))
            return _taken(container, start, max_frames, fps)
    except Drop as drop:
        raise Drop("broken_clip", drop.detail) from None
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise Drop("broken_clip", f"{type(error).__name__}: {error}") from None


def _taken(container: Any, start: float, max_frames: int, fps: float) -> list[Image.Image]:
    """The first frame at or after `start`, and at each step from there; seconds from the clip's first frame."""
    images: list[Image.Image] = []
    first: float | None = None
    stream = container.streams.video[0]
    for frame in container.decode(stream):
        if frame.time is None:
            continue
        first = frame.time if first is None else first
        if frame.time - first + 1e-6 >= start + len(images) / fps:
            size = size_as_shown((frame.width, frame.height), stream.sample_aspect_ratio, turn_of(frame))
            images.append(Image.fromarray(shown(frame, *size)))
            if len(images) == max_frames:
                break
    if not images:
        raise Drop("broken_clip", "no picture in it")
    return images
