"""Where the samples of a tar begin: from the index beside it, or by the headers within."""

import io
import os
import tarfile
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from model.data.cache import Cache
from schemas.drops import Drop
from schemas.storage import Store
from schemas.tar import BLOCK

Offsets = npt.NDArray[np.uint64]
_WALK_BYTES = 256 << 10
_END_MARK = 2 * BLOCK  # of zeros
_NO_FILE_HOLDS = 1 << 63  # bytes


def split_field(name: str) -> tuple[str, str]:
    """Key and field of a member's name, as webdataset has it: the key ends at the first dot after the last slash."""
    folder, slash, base = name.rpartition("/")
    stem, _, field = base.partition(".")
    return f"{folder}{slash}{stem}", field.lower()


def offsets_of(store: Store, name: str, cache: Cache | None) -> Offsets:
    """Where each sample starts, then where the last one ends: from `{name}.idx`, else by walking the tar's headers.

    What was walked is kept in the cache. Of a remote tar without an index only blocks with headers are read; where
    there is a cache it is fetched whole, as it will be read from there.
    """
    found = index_of(store, name)
    return walked_offsets(store, name, cache) if found is None else found


def index_of(store: Store, name: str, asks: bool = False) -> Offsets | None:
    """The offsets that stand beside a tar; None where none do, and where they are damaged or do not end where their tar
    does: the tar itself tells. Of a tar on another machine its end is looked at where that `asks` for it: it is a
    request."""
    try:
        data = store.read(f"{name}.idx")
    except FileNotFoundError:
        return None
    if not data or len(data) % 8:
        return None
    offsets = np.frombuffer(data, "<u8")
    if not (offsets[:-1] < offsets[1:]).all() or offsets[-1] >= _NO_FILE_HOLDS:
        return None
    return offsets if not (store.is_local or asks) or _ends_at(store, name, int(offsets[-1])) else None


def reaches_the_end(store: Store, name: str) -> bool:
    """Whether a tar ends where the index beside it does. Of other machines that is not asked: it would cost
    two requests for each tar, and shows when the last sample is read."""
    if not store.is_local:
        return True
    try:
        return _ends_at(store, name, int.from_bytes(store.read_range(f"{name}.idx", -8, 8), "little"))
    except OSError:  # of an index that is not there any more
        return True


def _ends_at(store: Store, name: str, end: int) -> bool:
    """Whether no member of a tar stands behind `end`, nor its end mark before. One that was cut may be shorter."""
    if end >= _NO_FILE_HOLDS:
        return False
    before = min(end, BLOCK)
    try:
        found = store.read_range(name, end - before, before + BLOCK)
        if len(found) < before:
            (last,) = store.read_ranges([(name, -_END_MARK, _END_MARK)])
            return len(last) < _END_MARK or bool(last.strip(b"\0"))
        return not found[before:].strip(b"\0")
    except OSError:  # of a tar that is not there, or that has no end mark: told when it is read
        return True


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
    counted when they are read; what follows behind the damage is found. So does a tar of no bytes.
    """
    stream: io.BufferedReader = file  # type: ignore[assignment]
    size = stream.seek(0, os.SEEK_END)
    if not size:
        return np.zeros(2, np.uint64)
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
        return octal(header[148:156])
    except Drop:
        return -1


def octal(digits: bytes) -> int:
    """A number of a header. Raises `Drop("broken_sample")`."""
    try:
        return int(digits.strip(b" \0") or b"0", 8)
    except ValueError:
        raise Drop("broken_sample", "no tar header at its place") from None
