"""Frames of a clip, by PyAV."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import av
from PIL import Image

from model.data.stretches import Stretch, WholeClip, starts_of
from schemas.containers import open_bytes
from schemas.drops import Drop
from schemas.pictures import shown, size_as_shown, turn_of

T = TypeVar("T")


def clip_frames(data: bytes, rng: random.Random, max_frames: int, fps: float) -> list[Image.Image]:
    """`fps` frames a second, `max_frames` at most; of a longer clip a random stretch. Raises `Drop("broken_clip")`.

    A clip shorter than one step gives its first frame.
    """
    images: list[Image.Image] = []
    with _opened(data) as container:
        stretch = Stretch.drawn(rng, _seconds(container), max_frames, fps)
        for time, picture in _frames(container):
            if stretch.takes(time):
                images.append(picture())
                if stretch.is_full:
                    break
    if not images:
        raise Drop("broken_clip", "no picture in it")
    return images


def whole_clip(data: bytes, max_frames: int, fps: float, show: Callable[[Image.Image], T]) -> tuple[WholeClip, list[T]]:
    """Every frame that `clip_frames` may take, whatever it draws, as `show` makes it; and what tells which it takes.

    A clip that breaks off gives what stands before.
    """
    times: list[float] = []
    shown_frames: list[T] = []
    seconds, failure = 0.0, ""
    try:
        with _opened(data) as container:
            seconds = _seconds(container)
            to_come = [Stretch(start, max_frames, fps) for start in range(starts_of(seconds, max_frames, fps))]
            for time, picture in _frames(container):
                taking = [stretch for stretch in to_come if stretch.takes(time)]
                if taking:
                    shown_frames.append(show(picture()))
                    times.append(time)
                to_come = [stretch for stretch in to_come if not stretch.is_full]
                if not to_come:
                    break
    except Drop as drop:
        failure = drop.detail
    return WholeClip(seconds, tuple(times), failure), shown_frames


@contextmanager
def _opened(data: bytes) -> Iterator[Any]:
    try:
        with open_bytes(data) as container:
            yield container
    except Drop as drop:
        raise Drop("broken_clip", drop.detail) from None
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise Drop("broken_clip", f"{type(error).__name__}: {error}") from None


def _seconds(container: Any) -> float:
    return (getattr(container, "duration", 0) or 0) / 1_000_000


def _frames(container: Any) -> Iterator[tuple[float, Callable[[], Image.Image]]]:
    """Frames as they come: seconds from the first, and what makes a picture of the frame."""
    first: float | None = None
    stream = container.streams.video[0]
    for frame in container.decode(stream):
        if frame.time is None:
            continue
        first = frame.time if first is None else first

        def picture(frame: Any = frame) -> Image.Image:
            size = size_as_shown((frame.width, frame.height), stream.sample_aspect_ratio, turn_of(frame))
            return Image.fromarray(shown(frame, *size))

        yield frame.time - first, picture
