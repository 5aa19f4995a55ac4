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
_WORTH_SEEKING_S = 2.0


def clip_frames(
    data: bytes, rng: random.Random, max_frames: int, fps: float, span_s: tuple[float, float] | None = None
) -> list[Image.Image]:
    """`fps` frames a second, `max_frames` at most; of a longer clip a random stretch. Raises `Drop("broken_clip")`.

    Of a clip of which only `span_s` is meant, from there alone. One shorter than a step gives its first frame.
    """
    images: list[Image.Image] = []
    with _opened(data) as container:
        low, high = span_s or (0.0, _seconds(container))
        high = min(high, max(low, _seconds(container))) if _seconds(container) else high
        stretch = Stretch.drawn(rng, high - low, max_frames, fps)
        for time, picture in _frames(container, low):
            if images and span_s is not None and time > high:
                break
            if stretch.takes(time - low):
                images.append(picture())
                if stretch.is_full:
                    break
    if not images:
        raise Drop("broken_clip", "no picture in it" if span_s is None else f"no picture after {low:g} s")
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


def _frames(container: Any, start: float = 0.0) -> Iterator[tuple[float, Callable[[], Image.Image]]]:
    """Frames as they come, from the key frame before `start` on at the latest: seconds from the clip's first frame, and
    what makes a picture of the frame."""
    stream = container.streams.video[0]
    first = _first_after_seek(container, stream, start)
    for frame in container.decode(stream):
        if frame.time is None:
            continue
        first = frame.time if first is None else first

        def picture(frame: Any = frame) -> Image.Image:
            size = size_as_shown((frame.width, frame.height), stream.sample_aspect_ratio, turn_of(frame))
            return Image.fromarray(shown(frame, *size))

        yield frame.time - first, picture


def _first_after_seek(container: Any, stream: Any, start: float) -> float | None:
    """The time of the first frame, once the container stands before `start`; None: it stands at its front."""
    if stream.start_time is None or start < _WORTH_SEEKING_S:
        return None
    first = float(stream.start_time * stream.time_base)
    try:
        container.seek(int((start + first) * 1_000_000), backward=True)
    except av.FFmpegError:
        return None  # it has no index: all before is decoded
    return first
