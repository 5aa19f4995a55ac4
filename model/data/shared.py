"""Objects that hold large arrays, handed from one process to another by memory that both see.

The memory has no name: it lies in a file that no folder lists (`memfd_create`), and is gone when the last process that
holds it ends, however it ends. What `/dev/shm` may hold does not bound it. Where the system has no such files, and
where one cannot grow, objects travel whole.
"""

import mmap
import os
import pickle
from multiprocessing.reduction import DupFd
from typing import Any

import msgspec

_SLOTS = mmap.PAGESIZE  # a byte of the first page for each: whether it is in use
_STRIDE = 1 << 30  # how far slots are apart; only what is written takes memory
_ALIGNED = 64


class Handed(msgspec.Struct, frozen=True):
    """A pickled object and its arrays, in a slot; or in `parts` where they are in none."""

    slot: int = -1
    spans: tuple[tuple[int, int], ...] = ()  # of each part: start and end in the slot
    parts: tuple[bytes, ...] = ()


class SharedSlots:
    """Slots of memory between one who puts and one who takes. A slot is used again once the taker frees it."""

    def __init__(self) -> None:
        """Raises `OSError`, and `AttributeError` where the system has no such files."""
        descriptor = os.memfd_create("weft-rows")
        os.ftruncate(descriptor, _SLOTS)
        self._open(descriptor)

    def _open(self, descriptor: int) -> None:
        self._file = os.fdopen(descriptor, "r+b", buffering=0)
        self._in_use = mmap.mmap(descriptor, _SLOTS)
        self._maps: dict[int, mmap.mmap] = {}

    def __getstate__(self) -> object:
        """Only for a process that is being started: the file is handed to it."""
        return DupFd(self._file.fileno())

    def __setstate__(self, file: Any) -> None:
        self._open(file.detach())

    def put(self, item: object) -> Handed:
        """For `take` in the other process."""
        buffers: list[pickle.PickleBuffer] = []
        pickled = memoryview(pickle.dumps(item, protocol=5, buffer_callback=buffers.append))
        parts = [pickled, *(buffer.raw() for buffer in buffers)]
        spans, size = [], 0
        for part in parts:
            spans.append((size, size + part.nbytes))
            size += part.nbytes + -part.nbytes % _ALIGNED
        slot = self._in_use.find(b"\0", 0)
        if slot < 0 or size > _STRIDE:
            return Handed(parts=tuple(map(bytes, parts)))
        try:
            there = self._slot(slot, size, grow=True)
        except OSError:
            return Handed(parts=tuple(map(bytes, parts)))
        for (start, end), part in zip(spans, parts, strict=True):
            there[start:end] = part
        self._in_use[slot] = 1
        return Handed(slot, tuple(spans))

    def take(self, handed: Handed) -> Any:
        """The object. Its arrays stand in the shared memory, where they are good until the slot is freed."""
        parts: list[Any] = list(handed.parts)
        if handed.slot >= 0:
            there = memoryview(self._slot(handed.slot, max(end for _, end in handed.spans)))
            parts = [there[start:end] for start, end in handed.spans]
        return pickle.loads(parts[0], buffers=parts[1:])

    def free(self, slot: int) -> None:
        """Of what was taken."""
        if slot >= 0:
            self._in_use[slot] = 0

    def close(self) -> None:
        """Arrays that are still held stay good."""
        self._maps.clear()
        self._file.close()

    def _slot(self, number: int, size: int, grow: bool = False) -> mmap.mmap:
        """The first `size` bytes of a slot, or more."""
        if (known := self._maps.get(number)) is not None and len(known) >= size:
            return known
        start = (number + 1) * _STRIDE
        descriptor = self._file.fileno()
        if grow and os.fstat(descriptor).st_size < start + size:
            os.ftruncate(descriptor, start + size)
        self._maps[number] = mmap.mmap(descriptor, size, offset=start)
        return self._maps[number]


def shared_slots() -> SharedSlots | None:
    """None where the system has none."""
    try:
        return SharedSlots()
    except (AttributeError, OSError):
        return None
