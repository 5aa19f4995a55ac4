"""Files by path or URL. Everything weft writes goes through a `Store`, so that a folder and a bucket behave alike."""

import errno
import functools
import io
import os
import posixpath
import secrets
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from glob import has_magic
from typing import IO, Concatenate, ParamSpec, TypeVar, cast

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs

from schemas.drops import CODE_ERRORS
from schemas.settings import SettingsError

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

#: A file, and the first byte and the number of bytes wanted of it; a start below 0 counts from its end.
Range = tuple[str, int, int]
_IN_FLIGHT, _DELETED_AT_A_TIME = 64, 1000
_FULL = (errno.ENOSPC, errno.EDQUOT)
_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"}


def new_attempt() -> str:
    """A name for one attempt at some work, unique over hosts and processes."""
    return secrets.token_hex(6)


def _lost_as_os_error(method: Callable[Concatenate["Store", P], R]) -> Callable[Concatenate["Store", P], R]:
    """Clients of object stores have error trees of their own; whoever calls a store need not know them."""

    @functools.wraps(method)
    def wrapped(self: "Store", *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self, *args, **kwargs)
        except (NotADirectoryError, FileExistsError):
            if self.is_local and (file := _file_on_the_way(self.root)):
                raise BadAddress(f"{file} is a file, not a folder") from None
            raise
        except OSError as error:
            if error.errno in _FULL and error.filename is None:
                error.filename = self.url  # a write to an open file does not say on which disk
            raise
        except (BadAddress, *CODE_ERRORS):
            raise
        except Exception as error:
            raise OSError(f"{self.url}: {type(error).__name__}: {error}") from error

    return cast(Callable[Concatenate["Store", P], R], wrapped)


def _file_on_the_way(folder: str) -> str:
    """The file that stands where a folder should be, or where one of those should be that it lies in."""
    while folder != (above := posixpath.dirname(folder)):
        if os.path.isfile(folder):
            return folder
        folder = above
    return ""


class BadAddress(SettingsError, ValueError):
    """The address of a folder is of no storage that is known, or nothing can be written to it."""


class Store:
    """A folder: local, or any fsspec URL (`s3://`, `memory://`, ...). Names are relative to it.

    A store that fails raises `OSError`, whatever client is behind it; an address to which nothing can be written,
    `BadAddress`.
    """

    def __init__(self, url: str) -> None:
        if not url:
            raise BadAddress("an empty address names no folder; the one you are in is .")
        try:
            fs, root = url_to_fs(url)
        except ValueError as error:  # fsspec's words
            protocol = str(error).partition("Protocol not known: ")[2]
            no_storage = f"no storage is known whose addresses begin with {protocol}://"
            raise BadAddress(no_storage if protocol else f"{url}: {error}") from None
        self.url = url
        self.fs: AbstractFileSystem = fs
        self.root: str = root.rstrip("/") or "/"
        self._made: set[str] = set()  # folders that are known to be there
        protocols = {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)
        self._has_objects = bool(protocols & _OBJECT_STORES)
        # s3fs asks for the size of what is read whole, to read large files in parts at a time.
        self._whole = {"max_concurrency": 1} if hasattr(fs, "max_concurrency") else {}
        self.is_local = "file" in protocols

    def __reduce__(self) -> tuple[type["Store"], tuple[str]]:
        return Store, (self.url,)

    def path(self, name: str) -> str:
        return posixpath.join(self.root, name) if name else self.root

    @_lost_as_os_error
    def open(self, name: str) -> IO[bytes]:
        """Open for reading, seekable. Raises `FileNotFoundError`."""
        return cast(IO[bytes], open(self.path(name), "rb") if self.is_local else self.fs.open(self.path(name), "rb"))

    @_lost_as_os_error
    def create(self, name: str) -> IO[bytes]:
        """Open for writing, folders made as needed. On an object store the file appears when it is closed."""
        self._make_folder_of(name)
        return cast(IO[bytes], self.fs.open(self.path(name), "wb"))

    def _make_folder_of(self, name: str) -> None:
        if not self.is_local and has_magic(self.root):  # clients take it for a pattern where they copy and delete
            raise BadAddress(f"{self.url}: nothing can be written to a store where *, ? or [ is in the address")
        folder = posixpath.dirname(self.path(name))
        if self._has_objects:  # a folder is a part of names there, and a bucket is asked for once
            folder = folder.partition("/")[0]
        if self.is_local or folder not in self._made:
            self.fs.makedirs(folder, exist_ok=True)
            self._made.add(folder)

    @_lost_as_os_error
    def read(self, name: str) -> bytes:
        """A small file whole, by one request. Raises `FileNotFoundError`."""
        if self._has_objects:
            return bytes(self.fs.cat_file(self.path(name), **self._whole))
        with self.open(name) as file:
            return file.read()

    @_lost_as_os_error
    def read_range(self, name: str, start: int, size: int) -> bytes:
        """Bytes from the middle of a file, by one positioned read or range request; fewer where the file ends."""
        if not self.is_local:
            return bytes(self.fs.cat_file(self.path(name), start=start, end=start + size))
        return self._read_local(name, start, size)

    @_lost_as_os_error
    def read_all(self, names: Sequence[str]) -> list[bytes]:
        """Several small files; an object store is asked for many at a time."""
        if self.is_local or len(names) < 2:
            return [self.read(name) for name in names]
        found = self.fs.cat([self.path(name) for name in names], **self._whole)
        return [bytes(found[self.fs._strip_protocol(self.path(name))]) for name in names]

    @_lost_as_os_error
    def read_ranges(self, ranges: Sequence[Range]) -> list[bytes]:
        """Bytes from the middle of many files, in their order; an object store is asked for many at a time.

        Raises `OSError` where a file ends before the last byte, except for ranges from its end, which give what is
        there.
        """
        if self.is_local:
            found = [self._read_local(*wanted) for wanted in ranges]
        else:
            ends = [start + size if start >= 0 else None for _, start, size in ranges]
            paths, starts = [self.path(name) for name, _, _ in ranges], [start for _, start, _ in ranges]
            found = [bytes(data) for data in self.fs.cat_ranges(paths, starts, ends, on_error="raise")]
        for (name, start, size), data in zip(ranges, found, strict=True):
            if start >= 0 and len(data) != size:
                raise OSError(f"{self.url}: {name} has {len(data)} of the {size} bytes at {start}")
        return found

    def _read_local(self, name: str, start: int, size: int) -> bytes:
        with open(self.path(name), "rb", buffering=0) as file:
            start = start if start >= 0 else max(0, os.fstat(file.fileno()).st_size + start)
            data = os.pread(file.fileno(), size, start)
            while 0 < len(data) < size and (more := os.pread(file.fileno(), size - len(data), start + len(data))):
                data += more
        return data

    @_lost_as_os_error
    def put(self, name: str, data: bytes) -> None:
        """Write a small file whole: readers see the old one or the new one, never a part."""
        if self._has_objects:  # it does so by itself
            self._make_folder_of(name)
            self.fs.pipe_file(self.path(name), data)
            return
        staged = posixpath.join(posixpath.dirname(name), f".{new_attempt()}.{posixpath.basename(name)}.tmp")
        try:
            with self.create(staged) as file:
                file.write(data)
                sync(file)
            self.move(staged, name)
        except BaseException:
            with suppress(OSError):
                self.remove(staged)
            raise

    @_lost_as_os_error
    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Write a small file unless it exists, in one atomic step; False if somebody was first.

        Locally by a hard link of a complete, synced file: a kill in the middle leaves no half mark. Elsewhere by the
        store's own exclusive put (`If-None-Match` on S3), which fsspec calls `mode="create"`.
        """
        if not self.is_local:
            self._make_folder_of(name)
            try:
                self.fs.pipe_file(self.path(name), data, mode="create")
            except FileExistsError:
                return False
            return True
        target = self.path(name)
        staged = f"{posixpath.dirname(target)}/.{new_attempt()}.{posixpath.basename(target)}.tmp"
        os.makedirs(posixpath.dirname(target), exist_ok=True)
        try:
            with open(staged, "xb") as file:
                file.write(data)
                sync(file)
            os.link(staged, target)
        except FileExistsError:
            return False
        finally:
            if os.path.exists(staged):
                os.unlink(staged)
        _sync_folder(posixpath.dirname(target))
        return True

    @_lost_as_os_error
    def move(self, source: str, target: str) -> None:
        """Give a file its final name. Atomic locally; on an object store a server-side copy, then a delete."""
        self._make_folder_of(target)
        if self.is_local:
            os.replace(self.path(source), self.path(target))
            _sync_folder(posixpath.dirname(self.path(target)))
        elif self._has_objects:  # `mv` would first look for folders
            self.fs.cp_file(self.path(source), self.path(target))
            self.fs.rm_file(self.path(source))
        else:
            self.fs.mv(self.path(source), self.path(target))

    @_lost_as_os_error
    def move_all(self, moves: Sequence[tuple[str, str]], in_order: bool = False) -> None:
        """Give files their final names; unless that must be `in_order`, many at a time where answers take long.

        Safe to repeat after a kill: those that have their names already are no error. Raises `FileNotFoundError` for
        one that is under neither name.
        """

        def move(names: tuple[str, str]) -> None:
            source, target = names
            try:
                if self._has_objects:
                    self.fs.cp_file(self.path(source), self.path(target))
                else:
                    self.move(source, target)
            except FileNotFoundError:
                if not self.exists(target):
                    raise

        if in_order:
            for one in moves:
                move(one)
        else:
            self.each(move, moves)
        if self._has_objects:
            self.remove_all([source for source, _ in moves])

    @_lost_as_os_error
    def exists(self, name: str) -> bool:
        return bool(self.fs.exists(self.path(name)))

    @_lost_as_os_error
    def size(self, name: str) -> int:
        return int(self.fs.size(self.path(name)))

    @_lost_as_os_error
    def remove(self, name: str) -> None:
        """Delete a file; one that is not there is no error."""
        try:
            self.fs.rm_file(self.path(name))
        except FileNotFoundError:
            pass

    @_lost_as_os_error
    def remove_all(self, names: Sequence[str]) -> None:
        """Delete many files, some at a time; those that are not there are no error."""
        if not self._has_objects:
            self.each(self.remove, names)
            return
        for start in range(0, len(names), _DELETED_AT_A_TIME):
            some = names[start : start + _DELETED_AT_A_TIME]
            try:
                self.fs.rm([self.path(name) for name in some])  # one request
            except FileNotFoundError:  # some stores say so
                self.each(self.remove, some)

    @_lost_as_os_error
    def remove_folder(self, name: str) -> None:
        """Delete an empty folder; nothing on an object store, where folders are a part of names."""
        if not self._has_objects and self.fs.exists(self.path(name)):
            self.fs.rmdir(self.path(name))

    def each(self, function: Callable[[T], object], items: Iterable[T]) -> None:
        """Call a function that asks this store for something, for many items at a time where answers take long.

        Raises what one of the calls raises, when all have ended.
        """
        if self.is_local:
            for item in items:
                function(item)
            return
        with ThreadPoolExecutor(_IN_FLIGHT) as pool:
            for _ in pool.map(function, items):
                pass

    @_lost_as_os_error
    def list(self, folder: str) -> list[str]:
        """Names (not paths) in a folder, sorted; empty if there is no such folder."""
        try:
            self.fs.invalidate_cache()
            found = self.fs.ls(self.path(folder), detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(posixpath.basename(str(path).rstrip("/")) for path in found)


def sync(file: IO[bytes]) -> None:
    """Flush a file to the disk it lies on; a no-op for files of object stores."""
    file.flush()
    try:
        os.fsync(file.fileno())
    except (AttributeError, OSError, io.UnsupportedOperation) as error:
        if isinstance(error, OSError) and not isinstance(error, io.UnsupportedOperation):
            raise


def _sync_folder(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
