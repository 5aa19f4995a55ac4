"""Samples of webdataset tars by index: one positioned read each, wherever the tar lies."""

import io
import os
import tarfile
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from model.data.cache import Cache
from model.data.reading_ahead import ReadingAhead
from schemas.drops import Drop
from schemas.storage import Store
from schemas.tar import BLOCK

Offsets = npt.NDArray[np.uint64]
V = TypeVar("V")
_REGULAR = (b"0", b"\0")
_MAX_OPEN_FILES = 32
_MAX_INDEXES = 256
_WALK_BYTES = 256 << 10


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


def split_field(name: str) -> tuple[str, str]:
    """Key and field of a member's name, as webdataset has it: the key ends at the first dot after the last slash."""
    folder, slash, base = name.rpartition("/")
    stem, _, field = base.partition(".")
    return f"{folder}{slash}{stem}", field.lower()


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

    def __init__(self, files: list[TarFile], cache: Cache | None = None, tries: int = 5, ahead_bytes: int = 0) -> None:
        self._files, self._cache, self._tries = files, cache, tries
        by_ranges = cache is None and not all(file.store.is_local for file in files)
        self._ahead = ReadingAhead(ahead_bytes) if ahead_bytes and by_ranges else None
        self._descriptors: OrderedDict[int, int] = OrderedDict()
        self._spans: OrderedDict[int, Offsets] = OrderedDict()
        beside = [file.features for file in files if file.features is not None]
        self.features = Reader(beside, cache, tries, ahead_bytes) if beside else None

    def count(self, shard: int) -> int:
        """Samples of a shard, by its index. Raises `OSError`."""
        return len(self._index(shard))

    def members(self, shard: int, sample: int) -> tuple[str, dict[str, bytes]]:
        """Key of a sample, and its members by field. Raises `Drop("broken_sample")`, and `OSError` after all tries."""
        start, end = self._span(shard, sample)
        read = partial(self._read_retried, shard, start, end - start)
        data = read() if self._ahead is None else self._ahead.take((shard, sample), read)
        if len(data) < end - start:
            raise Drop("broken_sample", f"the tar ends within sample {sample}")
        return parse_sample(data)

    @property
    def reads_ahead(self) -> bool:
        """Whether samples are asked for whole, before their turn."""
        return self._ahead is not None

    def stretch(self, shard: int, sample: int, start: int, size: int) -> bytes:
        """Bytes of a sample, from `start` in it on; fewer where it ends. Raises as `members`."""
        first, end = self._span(shard, sample)
        return self._read_retried(shard, first + start, min(size, end - first - start))

    def ask(self, shard: int, sample: int) -> bool:
        """Begin to read a sample that is read soon. False where that is not to be: too much is on its way."""
        if self._ahead is None:
            return False
        try:
            start, end = self._span(shard, sample)
        except (Drop, OSError):  # is told when its turn comes
            return True
        return self._ahead.ask((shard, sample), end - start, partial(self._read_retried, shard, start, end - start))

    def forget(self, shard: int, sample: int) -> None:
        """A sample that was asked for is not going to be read."""
        if self._ahead is not None:
            self._ahead.forget((shard, sample))

    def close(self) -> None:
        if self.features is not None:
            self.features.close()
        if self._ahead is not None:
            self._ahead.close()
        while self._descriptors:
            os.close(self._descriptors.popitem()[1])

    def _span(self, shard: int, sample: int) -> tuple[int, int]:
        spans = self._index(shard)
        if sample >= len(spans):
            raise Drop("broken_sample", f"the tar ends before sample {sample}")
        return int(spans[sample][0]), int(spans[sample][1])

    def _read_retried(self, shard: int, start: int, size: int) -> bytes:
        return retried(lambda: self._read(shard, start, size), self._tries)

    def _read(self, shard: int, start: int, size: int) -> bytes:
        file = self._files[shard]
        if not file.store.is_local and self._cache is None:
            return bytes(file.store.fs.cat_file(file.path, start=start, end=start + size))
        data = os.pread(self._descriptor(shard), size, start)
        while 0 < len(data) < size and (more := os.pread(self._descriptor(shard), size - len(data), start + len(data))):
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
            descriptor = self._cache.open(file.store, file.name)
        self._descriptors[shard] = descriptor
        if len(self._descriptors) > _MAX_OPEN_FILES:
            os.close(self._descriptors.popitem(last=False)[1])
        return descriptor

    def _index(self, shard: int) -> Offsets:
        """Start and end of each sample."""
        if shard in self._spans:
            self._spans.move_to_end(shard)
            return self._spans[shard]
        file = self._files[shard]
        if file.walked:
            offsets = np.frombuffer(file.walked, "<u8")
        else:
            offsets = retried(lambda: offsets_of(file.store, file.name, self._cache), self._tries)
        spans = np.stack([offsets[:-1], offsets[1:]], axis=1)
        if file.gone:
            spans = spans[~np.isin(np.arange(len(spans)), file.gone)]
        self._spans[shard] = spans
        if len(self._spans) > _MAX_INDEXES:
            self._spans.popitem(last=False)
        return spans


def offsets_of(store: Store, name: str, cache: Cache | None) -> Offsets:
    """Where each sample starts, then where the last one ends: from `{name}.idx`, else by walking the tar's headers.

    What was walked is kept in the cache. Of a remote tar without an index only blocks with headers are read; where
    there is a cache it is fetched whole, as it will be read from there.
    """
    found = index_of(store, name)
    return walked_offsets(store, name, cache) if found is None else found


def index_of(store: Store, name: str) -> Offsets | None:
    """The offsets that stand beside a tar; None where none do."""
    try:
        return np.frombuffer(store.read(f"{name}.idx"), "<u8")
    except FileNotFoundError:
        return None


def walked_offsets(store: Store, name: str, cache: Cache | None) -> Offsets:
    """Those of a tar without an index, by its headers."""
    if cache is not None and (known := cache.index(store, name)) is not None:
        return known
    if store.is_local:
        with open(store.path(name), "rb") as file:
            offsets = walk(file)
    elif cache is None:
        # What stands between headers that are far apart is passed over.
        with store.fs.open(store.path(name), "rb", block_size=_WALK_BYTES, cache_type="readahead") as remote:
            offsets = walk(remote)
    else:
        with os.fdopen(cache.open(store, name), "rb") as file:
            offsets = walk(file)
    if cache is not None:
        cache.keep_index(store, name, offsets)
    return offsets


def walk(file: io.IOBase | object) -> Offsets:
    """The offsets of a tar's samples by its headers: members that follow each other and share a key are a sample.

    What is damaged, and the sample that a tar breaks off in, stand as samples that are no samples, so that they are
    counted when they are read; what follows behind the damage is found.
    """
    stream: io.BufferedReader = file  # type: ignore[assignment]
    size = stream.seek(0, os.SEEK_END)
    starts: list[int] = []
    last_key, end, damaged = None, 0, None
    for at, member in _headers(stream, size):
        if member is None:
            damaged, end = at, size
            continue
        key, _ = split_field(member.name)
        if key != last_key:
            starts += [at] if damaged is None else [damaged, at]
            last_key = key
        damaged = None
        end = min(size, member.offset_data + member.size + -member.size % BLOCK)
    starts += [] if damaged is None else [damaged]
    return np.array([*starts, end], np.uint64) if starts else np.zeros(1, np.uint64)


def _headers(stream: io.BufferedReader, size: int) -> Iterator[tuple[int, tarfile.TarInfo | None]]:
    """Where headers stand, and the regular members that they are of; None where something is that is no header."""
    at: int | None = 0
    while at is not None:
        stream.seek(at)
        try:
            with tarfile.open(fileobj=stream, mode="r:") as tar:
                while (member := tar.next()) is not None:
                    tar.members.clear()  # type: ignore[attr-defined]  # the module keeps them all
                    at = tar.offset
                    if member.isreg():
                        yield member.offset, member
        except tarfile.TarError:
            pass
        stream.seek(at)
        if at >= size or not stream.read(BLOCK).strip(b"\0"):
            return
        yield at, None
        at = _next_header(stream, at + BLOCK)


def _next_header(stream: io.BufferedReader, at: int) -> int | None:
    """Where the next header stands, by its mark and its sum."""
    stream.seek(at)
    while len(block := stream.read(BLOCK)) == BLOCK:
        if block[257:262] == b"ustar" and sum(block[:148]) + sum(block[156:]) + 8 * 32 == _sum_stated(block):
            return at
        at += BLOCK
    return None


def _sum_stated(header: bytes) -> int:
    try:
        return _octal(header[148:156])
    except Drop:
        return -1


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
    if sum(header[:148]) + sum(header[156:]) + 8 * 32 != _octal(header[148:156]):
        raise Drop("broken_sample", "no tar header at its place")
    try:
        name = header[:100].split(b"\0", 1)[0].decode()
        prefix = header[345:500].split(b"\0", 1)[0].decode() if header[257:263] == b"ustar\0" else ""
    except UnicodeDecodeError:
        raise Drop("broken_sample", "a member's name is not UTF-8") from None
    return f"{prefix}/{name}" if prefix else name


def size_of(header: bytes) -> int:
    """Bytes of a member, by its header."""
    return int.from_bytes(header[125:136], "big") if header[124] & 0x80 else _octal(header[124:136])


def _octal(digits: bytes) -> int:
    try:
        return int(digits.strip(b" \0") or b"0", 8)
    except ValueError:
        raise Drop("broken_sample", "no tar header at its place") from None


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
