"""Files of a dataset as DuckDB opens them over the network: committed ones never change, so nothing is asked twice."""

import threading
from collections import OrderedDict
from contextlib import suppress
from datetime import UTC, datetime
from glob import has_magic
from typing import Any

from fsspec import AbstractFileSystem
from fsspec.spec import AbstractBufferedFile

#: The end of a parquet file says where all else lies, and of small ones it is all there is.
_TAIL_BYTES = 256 << 10
_MAX_HELD_BYTES = 64 << 20
#: Read on beyond what is asked for: about what comes in the time that another request would take to begin.
_AHEAD_BYTES = 2 << 20
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class CommittedFiles(AbstractFileSystem):  # type: ignore[misc]
    """Reads files of `of`; of each, size and end are asked for once.

    DuckDB opens a file anew for each query and asks for size and time of change some ten times while it is open, each
    of which would be a request. Safe for several threads. A file that goes away, or that a removal
    writes anew, may be seen as it was for as long as this lives.
    """

    cachable = False

    def __init__(self, of: AbstractFileSystem) -> None:
        super().__init__()
        self.protocol, self._of = of.protocol, of
        self._lock = threading.Lock()
        self._sizes: dict[str, int] = {}
        self._tails: OrderedDict[str, bytes] = OrderedDict()
        self._held_bytes = 0

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Name and size of a file. Raises `FileNotFoundError`, and whatever the storage does."""
        if path not in self._sizes:
            self._sizes[path] = int(self._of.info(path)["size"])
        return {"name": path, "size": self._sizes[path], "type": "file"}

    def modified(self, path: str) -> datetime:
        """The same of each file: what DuckDB holds of one is never out of date."""
        return _LONG_AGO

    def glob(self, path: str, **named: Any) -> Any:
        """Files by a pattern; a name that is none is a file if it is there."""
        if has_magic(path):
            return self._of.glob(path, **named)
        with suppress(FileNotFoundError):
            return [self.info(path)["name"]]
        return []

    def read(self, path: str, start: int, end: int) -> bytes:
        """Some of a file."""
        size = self.info(path)["size"]
        if start < size - _TAIL_BYTES:
            return bytes(self._of.cat_file(path, start=start, end=end))
        first = max(0, size - _TAIL_BYTES)
        return self._tail(path, first, size)[start - first : end - first]

    def _tail(self, path: str, first: int, size: int) -> bytes:
        with self._lock:
            if (known := self._tails.get(path)) is not None:
                self._tails.move_to_end(path)
                return known
        tail = bytes(self._of.cat_file(path, start=first, end=size)) if size else b""
        with self._lock:
            if path not in self._tails:
                self._tails[path] = tail
                self._held_bytes += len(tail)
            while self._held_bytes > _MAX_HELD_BYTES:
                _, dropped = self._tails.popitem(last=False)
                self._held_bytes -= len(dropped)
        return tail

    def _open(self, path: str, *_: Any, **__: Any) -> "_CommittedFile":
        return _CommittedFile(self, path, block_size=_AHEAD_BYTES, size=self.info(path)["size"])


class _CommittedFile(AbstractBufferedFile):  # type: ignore[misc]
    def _fetch_range(self, start: int, end: int) -> bytes:
        data: bytes = self.fs.read(self.path, start, end)
        return data
