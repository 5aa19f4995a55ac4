"""An archive's file as those see it who look for records in it: any place at any time, in work linear in its bytes."""

import io
import re
from collections.abc import Callable
from typing import Protocol

_BLOCK = 1 << 20
_OVERLAP = 1 << 10  # bytes; what is searched for is shorter
_SHORT_OVERLAP = 64  # and what is searched for by `following`
_SLACK = 64 << 20
_TRIES = 16


class File(Protocol):
    """What is asked of an archive's file."""

    def seek(self, offset: int, /) -> int: ...
    def read(self, size: int = -1, /) -> bytes: ...


class Window:
    """Reads a file at any place, keeping the block last read; raises what the file raises.

    Damage that looks like the beginnings of a million records would have each of them read as far as it seems to go.
    So what was found further on is remembered (`following`), and what was read in vain is counted (`waste`): where it
    is out of proportion (`is_spent`), beginnings are to be tried over a few kilobytes only.
    """

    def __init__(self, file: File, size: int) -> None:
        self._file, self.size = file, size
        self._start, self._data = 0, b""
        self._known: dict[re.Pattern[bytes], tuple[int, int, tuple[int, int] | None]] = {}
        self._wasted = 0

    def at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset` on; fewer only at the end of the file."""
        end = min(offset + length, self.size)
        if not self._start <= offset <= end <= self._start + len(self._data):
            self._file.seek(offset)
            self._start, self._data = offset, self._file.read(max(length, _BLOCK))
        return self._data[offset - self._start : end - self._start]

    def peek(self, offset: int, length: int) -> bytes:
        """The same of a few bytes, which may lie anywhere: the block in hand stays."""
        end = min(offset + length, self.size)
        if offset >= end:
            return b""
        if self._start <= offset and end <= self._start + len(self._data):
            return self._data[offset - self._start : end - self._start]
        self._file.seek(offset)
        return self._file.read(end - offset)

    def find(self, pattern: re.Pattern[bytes], offset: int) -> int:
        """Where `pattern` next occurs, from `offset` on; the size of the file if nowhere."""
        while offset < self.size:
            self.at(offset, 1)
            match = pattern.search(self._data, offset - self._start)
            if match is not None and (match.end() < len(self._data) or match.start() == offset - self._start):
                return self._start + match.start()
            end = self._start + len(self._data)
            if end >= self.size:
                return self.size if match is None else self._start + match.start()
            following = max(offset + 1, end - _OVERLAP)
            self._file.seek(following)
            self._start, self._data = following, self._file.read(_BLOCK)
            if not self._data:  # shorter than it was said to be
                return self.size
            offset = following
        return self.size

    def following(self, pattern: re.Pattern[bytes], offset: int, end: int) -> tuple[int, int] | None:
        """Begin and end of the first match of `pattern` from `offset` to `end`.

        While both grow from call to call no byte is searched twice.
        """
        begun, reached, match = self._known.get(pattern, (0, 0, None))
        if not (begun <= offset <= (match[0] if match else reached)):
            begun, reached, match = offset, offset, None
        if match is None and reached < end:
            start = max(offset, reached - _SHORT_OVERLAP)
            found = pattern.search(self.at(start, end - start))
            match = (start + found.start(), start + found.end()) if found else None
            self._known[pattern] = (begun, end, match)
        return match if match is not None and match[1] <= end else None

    def waste(self, count: int) -> None:
        """So many bytes were read in vain."""
        self._wasted += count

    def is_spent(self, offset: int) -> bool:
        """Whether more was read in vain than those before `offset` account for."""
        return self._wasted > _SLACK + _TRIES * offset


class Section(io.RawIOBase):
    """The bytes of a file from `start` to `end`, as a stream; `at(offset, length)` gives them."""

    def __init__(self, at: Callable[[int, int], bytes], start: int, end: int) -> None:
        self._at, self._start, self._position, self._end = at, start, start, end

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position - self._start

    def read(self, size: int = -1) -> bytes:
        left = self._end - self._position
        data = self._at(self._position, left if size < 0 else min(size, left))
        self._position += len(data)
        return data


class Source:
    """An archive's file; remembers that it was the file itself that failed, in whatever words its client has."""

    def __init__(self, file: File) -> None:
        self._file = file
        self.failed = False

    def seek(self, offset: int) -> int:
        return self._file.seek(offset)

    def read(self, size: int = -1) -> bytes:
        try:
            return self._file.read(size)
        except Exception as error:  # HTTP and cloud clients have error trees of their own
            self.failed = True
            raise error if isinstance(error, OSError) else OSError(repr(error)) from error

    def at(self, offset: int, length: int) -> bytes:
        self.seek(offset)
        return self.read(length)
