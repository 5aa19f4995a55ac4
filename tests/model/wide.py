"""A store of ten thousand shards that nobody has written: what is asked for is made up, and noted."""

import io
import json
import time
from collections import deque
from functools import cache
from typing import Any, ClassVar

import numpy as np
from fsspec import AbstractFileSystem

from schemas.tar import TarWriter
from tests.model.makers import pair

SHARDS, SAMPLES = 10_000, 10_000
_PAGE = 1000  # entries that one request lists


@cache
def _sample() -> bytes:
    """The same one everywhere."""
    file = io.BytesIO()
    writer = TarWriter(file)
    for name, data in pair(0)[1]:
        writer.add(name, data)
    return file.getvalue()


class WideStore(AbstractFileSystem):  # type: ignore[misc]
    """`wide://plain` has an index beside each tar, `wide://sized` a `sizes.json` too. A request takes `request_s`."""

    protocol = "wide"
    cachable = False
    request_s: ClassVar[float] = 0.0
    asked: ClassVar[deque[tuple[str, str]]] = deque()

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        path = self._strip_protocol(path)
        self._note("list", path)
        if not path.endswith("/shards"):
            raise FileNotFoundError(path)
        names = {f"{n:06d}-000.tar{end}": size for n in range(SHARDS) for end, size in (("", len(_sample()) * SAMPLES), (".idx", 8 * SAMPLES + 8))}  # fmt: skip  # noqa: E501
        for _ in range(1, len(names) // _PAGE):
            self._note("list", path)
        found = [{"name": f"{path}/{name}", "size": size, "type": "file"} for name, size in names.items()]
        return found if detail else [entry["name"] for entry in found]

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        self._note("range", path)
        size = len(_sample())
        assert start is not None
        assert end is not None
        return (_sample() * ((end - start) // size + 2))[start % size :][: end - start]

    def _open(self, path: str, mode: str = "rb", **_: Any) -> io.BytesIO:
        path = self._strip_protocol(path)
        self._note("read", path)
        if path.endswith(".tar.idx"):
            return io.BytesIO((np.arange(SAMPLES + 1, dtype="<u8") * len(_sample())).tobytes())
        if path == "sized/shards/sizes.json":
            return io.BytesIO(json.dumps({f"{n:06d}-000.tar": SAMPLES for n in range(SHARDS)}).encode())
        raise FileNotFoundError(path)

    def _note(self, what: str, path: str) -> None:
        self.asked.append((what, path))
        time.sleep(self.request_s)
