"""Samples of webdataset tars by index: one positioned read each, wherever the tar lies."""

import io
import logging
import os
import tarfile
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

import msgspec
import numpy as np

from model.data.cache import Cache
from model.data.fetching_ahead import FetchingAhead
from model.data.offsets import Offsets, octal, offsets_of, split_field
from model.data.reading_ahead import ReadingAhead
from schemas.drops import Drop
from schemas.storage import Store
from schemas.tar import BLOCK

V = TypeVar("V")
_REGULAR = (b"0", b"\0")
_MAX_OPEN_FILES = 32
_MAX_INDEXES = 256
_MAX_COMING = 32  # of them, asked for before their turn

logger = logging.getLogger(__name__)


class TarFile(msgspec.Struct, frozen=True):
    """A shard to read: where it is, and how many samples it holds, those aside that readers pass over."""

    store: Store
    name: str
    samples: int
    gone: tuple[int, ...] = ()  # the numbers of these, in the order of the tar
    walked: bytes = b""  # the offsets of a tar that has no index, found when it was listed
    features: "TarFile | None" = None  # what is read in place of pixels

    @property
    def path(self) -> str:
        return self.store.path(self.name)


def retried(read: Callable[[], V], tries: int, wait_s: float = 0.5) -> V:
    """`read()`, tried again after an `OSError` with doubled waits; a file that is not there is not asked for again."""
    for attempt in range(tries):
        try:
            return read()
        except (FileNotFoundError, PermissionError, IsADirectoryError):
            raise
        except (OSError, TimeoutError):
            if attempt == tries - 1:
                raise
            time.sleep(wait_s * 2**attempt)
    raise AssertionError("tries is 1 or more")


class Reader:
    """Reads samples of `files` by number. Bounded: a few open files, a few offset indexes, nothing of samples.

    With a `cache`, shards of other machines are fetched whole when first read; without, each sample is one range
    request. Not for use by two threads at once.
    """

    def __init__(
        self,
        files: list[TarFile],
        cache: Cache | None = None,
        tries: int = 5,
        ahead: ReadingAhead | None = None,
        fetching: FetchingAhead | None = None,
    ) -> None:
        """`ahead` and `fetching` bound what is asked for before its turn; readers of one thread may share them."""
        self._files, self._cache, self._tries = files, cache, tries
        is_remote = not all(file.store.is_local for file in files)
        self._ahead = ahead if is_remote else None
        self._fetching = fetching if is_remote and cache is not None else None
        self._descriptors: OrderedDict[int, int] = OrderedDict()
        self._spans: OrderedDict[int, Offsets] = OrderedDict()
        self._coming: dict[int, Future[Offsets]] = {}
        self._has_told = False  # of a shard with more samples than were counted
        beside = [file.features for file in files if file.features is not None]
        self.features = Reader(beside, cache, tries, ahead, fetching) if beside else None

    def count(self, shard: int) -> int:
        """Samples of a shard, by its index. Raises `OSError`."""
        return len(self._index(shard))

    def members(self, shard: int, sample: int) -> tuple[str, dict[str, bytes]]:
        """Key of a sample, and its members by field. Raises `Drop("broken_sample")`, and `OSError` after all tries."""
        start, end = self._span(shard, sample)
        size = end - start
        read = partial(self._read_retried, shard, start, size + self._behind(shard, sample))
        ahead = self._ahead if self._cache is None else None
        data = read() if ahead is None else ahead.take((self, shard, sample), read)
        if len(data) < size:
            raise Drop("broken_sample", f"the tar ends within sample {sample}")
        if data[size:].strip(b"\0"):
            raise Drop(
                "broken_sample", f"the index ends at sample {sample}, and its tar does not: the rest is not read"
            )
        return parse_sample(data[:size])

    @property
    def reads_ahead(self) -> bool:
        """Whether samples are asked for whole, before their turn."""
        return self._ahead is not None and self._cache is None

    def stretch(self, shard: int, sample: int, start: int, size: int) -> bytes:
        """Bytes of a sample, from `start` in it on; fewer where it ends. Raises as `members`."""
        first, end = self._span(shard, sample)
        return self._read_retried(shard, first + start, min(size, end - first - start))

    def ask(self, shard: int, sample: int, waits: bool = False) -> bool:
        """Begin to read a sample that is read soon. False where that is not to be: too much is on its way.

        So it is, too, where the offsets of its shard are not here yet, unless it `waits` for them.
        """
        if self._ahead is None or self._cache is not None:
            return False
        if not waits and not self._has_index(shard):
            self._start_index(shard)
            return False
        try:
            start, end = self._span(shard, sample)
        except (Drop, OSError):  # is told when its turn comes
            return True
        size = end - start + self._behind(shard, sample)
        return self._ahead.ask((self, shard, sample), size, partial(self._read_retried, shard, start, size))

    def prepare(self, shard: int) -> bool:
        """Begin to read the offsets of a shard that is read soon, and to fetch it, where shards are fetched whole.

        False where it is too early: ask again.
        """
        file = self._files[shard]
        if self.features is not None and not self.features.prepare(shard):
            return False
        if self._ahead is not None and not self._has_index(shard):
            if len(self._coming) >= _MAX_COMING:
                return False
            self._start_index(shard)
        if self._fetching is None or file.store.is_local or shard in self._descriptors:
            return True
        return self._fetching.ask(file.store, file.name)

    def forget(self, shard: int, sample: int) -> None:
        """A sample that was asked for is not going to be read."""
        if self._ahead is not None:
            self._ahead.forget((self, shard, sample))

    def close(self) -> None:
        """Not what it shares with others."""
        if self.features is not None:
            self.features.close()
        while self._descriptors:
            os.close(self._descriptors.popitem()[1])

    def _span(self, shard: int, sample: int) -> tuple[int, int]:
        spans = self._index(shard)
        if sample >= len(spans):
            raise Drop("broken_sample", f"the tar ends before sample {sample}")
        start, end = int(spans[sample][0]), int(spans[sample][1])
        if start == end:
            raise Drop("broken_sample", "the tar is empty")
        return start, end

    def _behind(self, shard: int, sample: int) -> int:
        """Bytes that are read behind a sample: a block behind the last, which tells whether the index is whole, of a
        tar that nobody has looked at and that was counted by how long its index is."""
        file, count = self._files[shard], len(self._index(shard))
        is_known = file.store.is_local or file.walked or file.gone or file.samples != count
        return 0 if is_known or sample < count - 1 else BLOCK

    def _read_retried(self, shard: int, start: int, size: int) -> bytes:
        return retried(lambda: self._read(shard, start, size), self._tries)

    def _read(self, shard: int, start: int, size: int) -> bytes:
        file = self._files[shard]
        if not file.store.is_local and self._cache is None:
            return bytes(file.store.fs.cat_file(file.path, start=start, end=start + size))
        descriptor = self._descriptor(shard)
        size = min(size, max(0, os.fstat(descriptor).st_size - start))  # so much is allocated
        data = os.pread(descriptor, size, start)
        while 0 < len(data) < size and (more := os.pread(descriptor, size - len(data), start + len(data))):
            data += more
        return data

    def _descriptor(self, shard: int) -> int:
        if shard in self._descriptors:
            self._descriptors.move_to_end(shard)
            return self._descriptors[shard]
        file = self._files[shard]
        if file.store.is_local or self._cache is None:
            descriptor = os.open(file.path, os.O_RDONLY)
        else:
            descriptor = (self._fetching or self._cache).open(file.store, file.name)
        self._descriptors[shard] = descriptor
        if len(self._descriptors) > _MAX_OPEN_FILES:
            os.close(self._descriptors.popitem(last=False)[1])
        return descriptor

    def _has_index(self, shard: int) -> bool:
        return shard in self._spans or (shard in self._coming and self._coming[shard].done())

    def _start_index(self, shard: int) -> None:
        if self._ahead is not None and shard not in self._coming:
            self._coming[shard] = self._ahead.start(partial(self._read_index, shard))

    def _index(self, shard: int) -> Offsets:
        """Start and end of each sample."""
        if shard in self._spans:
            self._spans.move_to_end(shard)
            return self._spans[shard]
        coming = self._coming.pop(shard, None)
        self._spans[shard] = spans = self._read_index(shard) if coming is None else coming.result()
        if len(self._spans) > _MAX_INDEXES:
            self._spans.popitem(last=False)
        return spans

    def _read_index(self, shard: int) -> Offsets:
        file = self._files[shard]
        if file.walked:
            offsets = np.frombuffer(file.walked, "<u8")
        else:
            offsets = retried(lambda: offsets_of(file.store, file.name, self._cache), self._tries)
        spans = np.stack([offsets[:-1], offsets[1:]], axis=1)
        if file.gone:
            spans = spans[~np.isin(np.arange(len(spans)), file.gone)]
        if len(spans) > file.samples and not self._has_told:
            self._has_told = True
            rest = "the last ones are not read; write it anew or remove it"
            logger.warning(
                "%s holds %d samples, but its sizes.json says %d: %s", file.path, len(spans), file.samples, rest
            )
        return spans


def parse_sample(data: bytes) -> tuple[str, dict[str, bytes]]:
    """Key and members by field, of the bytes of one sample. Raises `Drop("broken_sample")`.

    USTAR headers are read here; those of other dialects (long names) by the tarfile module.
    """
    members: dict[str, bytes] = {}
    key, place = None, 0
    while place + BLOCK <= len(data):
        header = data[place : place + BLOCK]
        if header[156:157] not in _REGULAR:
            return _parse_dialect(data)
        name, size = _name(header), size_of(header)
        start = place + BLOCK
        if start + size > len(data):
            raise Drop("broken_sample", f"{name} ends outside of its sample")
        member_key, field = split_field(name)
        if key not in (None, member_key) or field in members:
            raise Drop("broken_sample", f"{name} does not belong to sample {key}")
        key = member_key
        members[field] = data[start : start + size]
        place = start + size + -size % BLOCK
    if key is None:
        raise Drop("broken_sample", "no member")
    return key, members


def _name(header: bytes) -> str:
    if sum(header[:148]) + sum(header[156:]) + 8 * 32 != octal(header[148:156]):
        raise Drop("broken_sample", "no tar header at its place")
    try:
        name = header[:100].split(b"\0", 1)[0].decode()
        prefix = header[345:500].split(b"\0", 1)[0].decode() if header[257:263] == b"ustar\0" else ""
    except UnicodeDecodeError:
        raise Drop("broken_sample", "a member's name is not UTF-8") from None
    return f"{prefix}/{name}" if prefix else name


def size_of(header: bytes) -> int:
    """Bytes of a member, by its header."""
    return int.from_bytes(header[125:136], "big") if header[124] & 0x80 else octal(header[124:136])


def _parse_dialect(data: bytes) -> tuple[str, dict[str, bytes]]:
    members: dict[str, bytes] = {}
    key = ""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            for member in tar:
                if member.isreg() and (body := tar.extractfile(member)) is not None:
                    key, field = split_field(member.name)
                    members[field] = body.read()
    except tarfile.TarError as error:
        raise Drop("broken_sample", str(error)) from None
    if not members:
        raise Drop("broken_sample", "no member")
    return key, members
