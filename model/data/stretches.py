"""Which frames of a clip are taken, told from their times alone."""

import random
from typing import Self

import msgspec

from schemas.drops import Drop

_NEARLY = 1e-6  # of a second: times are rounded


def starts_of(seconds: float, max_frames: int, fps: float) -> int:
    """At how many steps, of 1 / fps seconds each, a stretch of a clip may begin; 1 where it takes all of the clip."""
    return 1 + int(max(0.0, seconds * fps - max_frames + _NEARLY))


class Stretch:
    """Takes the first frame at or after each step from `start` on, `max_frames` of them, as frames come by."""

    def __init__(self, start: int, max_frames: int, fps: float) -> None:
        self._next, self._end, self._fps = start, start + max_frames, fps

    @classmethod
    def drawn(cls, rng: random.Random, seconds: float, max_frames: int, fps: float) -> Self:
        """Begins at a step that is drawn from all those that leave no frame out."""
        return cls(int(rng.random() * starts_of(seconds, max_frames, fps)), max_frames, fps)

    @property
    def is_full(self) -> bool:
        return self._next >= self._end

    def takes(self, time: float) -> bool:
        """Whether the frame of this time is one of them, which then counts."""
        if self.is_full or time + _NEARLY < self._next / self._fps:
            return False
        self._next += 1
        return True


class WholeClip(msgspec.Struct, frozen=True):
    """A clip of which every frame that may be taken is at hand: the times of these, and how it ends."""

    seconds: float
    times: tuple[float, ...]
    failure: str = ""  # why no frame comes after these; "" where the clip ends

    def chosen(self, rng: random.Random, max_frames: int, fps: float) -> list[int]:
        """The numbers of the frames that are taken. Raises `Drop("broken_clip")`."""
        stretch = Stretch.drawn(rng, self.seconds, max_frames, fps)
        found = [number for number, time in enumerate(self.times) if stretch.takes(time)]
        if self.failure and not stretch.is_full:
            raise Drop("broken_clip", self.failure)
        if not found:
            raise Drop("broken_clip", "no picture in it")
        return found
