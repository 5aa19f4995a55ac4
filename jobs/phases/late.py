"""In a build that retries: the media that came when they were asked for again, or for another build since they failed;
and what of a page wants any of them."""

from collections.abc import Callable, Iterable

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.phases.steps import Extracted
from jobs.phases.task import Memory, Task, file_of
from schemas.urls import media_key

#: What the phase that reads frontiers leaves of the media that came: a number for each address, of 8 bytes.
CAME, FETCH_NAME = "came", "fetch"
LATE_ROWS = {"key": pa.binary()}  # of those that need not be asked for, each for one of its tasks
_NUMBER = 8


def number_of(key: bytes) -> int:
    """Of a `media_key`. Two may share one: then a page is made again as it was."""
    return int.from_bytes(key[:_NUMBER], "little", signed=True)


class Late:
    """The media that came late."""

    def __init__(self, memory: Memory) -> None:
        names = [file_of(FETCH_NAME, task, CAME) for task in range(memory.fetched.partitions)]
        self._numbers: NDArray[np.int64] = np.unique(np.frombuffer(b"".join(memory.store.read_all(names)), "<i8"))

    def __bool__(self) -> bool:
        return len(self._numbers) > 0

    def any_of(self, urls: Iterable[str]) -> bool:
        """Whether one of these addresses gave something."""
        if not self:
            return False
        numbers = np.array([number_of(media_key(url)) for url in urls], np.int64)
        places = np.minimum(np.searchsorted(self._numbers, numbers), len(self._numbers) - 1)
        return bool((self._numbers[places] == numbers).any())


def late_of(task: Task) -> Late | None:
    """None in a build that does not retry: there nothing is late."""
    return task.memory.once(Late) if task.plan.retries else None


def is_late(late: Late | None) -> Callable[[Iterable[str]], bool]:
    """Whether what has these addresses is made, or made again, by a build: of one that does not retry all is."""
    return late.any_of if late is not None else lambda urls: True


def only_late(found: Extracted, late: Late) -> Extracted:
    """Of what a page gave, that which wants something that came late. The page itself is left out as if it had no
    image: what was dropped of it was counted when it came."""
    draft = found.draft
    if draft is not None and not any(late.any_of(image.candidates) for image in draft.images):
        draft = None
    pairs = tuple(ref for ref in found.pairs.pairs if late.any_of(ref.candidates))
    return msgspec.structs.replace(
        found,
        draft=draft,
        drop=found.drop if found.drop[0] or draft is not None else ("no_image_left", ""),
        pairs=msgspec.structs.replace(found.pairs, pairs=pairs),
        videos=tuple(video for video in found.videos if late.any_of((*video.candidates, *video.tracks))),
    )
