"""Media from the archives themselves, read by offset."""

from collections import OrderedDict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import IO, Any, ClassVar, Protocol, TypeVar, cast

import fsspec
import msgspec
from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs

from crawlers import zstd
from crawlers.framing import read_dictionary
from crawlers.warc import read_response
from schemas.drops import Drop
from schemas.signals import Signal
from schemas.urls import media_key

T = TypeVar("T")

_OPEN_FILES = 8
#: What is asked for ahead of time at once, whichever comes first.
_ITEMS_AHEAD, _BYTES_AHEAD = 256, 32 << 20


class Location(msgspec.Struct, frozen=True):
    """Where a captured response lies."""

    archive: int  # index into the plan's inputs
    offset: int  # bytes
    length: int  # bytes
    record_url: str = ""  # of the record that lies there, where it is another's payload; "": the address asked for


class Media(msgspec.Struct, frozen=True):
    """A response: its headers (names in lower case) and its body, decoded."""

    kind: ClassVar[str] = "image"

    url: str
    headers: dict[str, str]
    body: bytes
    signals: tuple[Signal, ...] = ()  # what the files of its site say about its use
    time: str = ""  # when it was fetched: ISO 8601, UTC; "" where nobody knows


class MediaSource(Protocol):
    """Gives the bytes of an image or video by its address: from archives here."""

    def order(self, candidates: Sequence[str]) -> Sequence[str]:
        """The addresses of one image in the order in which to ask for them."""

    def prefetch(self, items: Iterator[T], addresses: Callable[[T], Iterable[Sequence[str]]]) -> Iterator[T]:
        """The same items, each after what its images (by their candidates) need has been begun ahead of time."""

    def get(self, url: str) -> Media:
        """Raises `Drop` with the reason why there is nothing to give."""


class CapturedMedia:
    """Reads media out of archives: of files of this machine a few are kept open, others are asked for ranges.

    A context manager. `locations` maps `media_key(url)` to its place; only the keys that the caller's pages ask for
    need be there. `lost` says of others why they could not be had: a reason and its detail. Of archives whose numbers
    are `optional` it is no error that they are gone.
    """

    def __init__(
        self,
        archives: Sequence[str],
        locations: Mapping[bytes, Location],
        max_bytes: int,
        verify_digests: bool = True,
        lost: Mapping[bytes, tuple[str, str]] = MappingProxyType({}),
        optional: Container[int] = (),
    ) -> None:
        self._archives, self._locations, self._max_bytes, self._lost = archives, locations, max_bytes, lost
        self._verify_digests, self._optional = verify_digests, optional
        self._files: OrderedDict[int, IO[bytes]] = OrderedDict()
        self._dictionaries: dict[int, bytes] = {}
        self._stores: dict[int, tuple[AbstractFileSystem, str]] = {}
        self._ahead: dict[Location, bytes] = {}

    def order(self, candidates: Sequence[str]) -> Sequence[str]:
        return candidates

    def prefetch(self, items: Iterator[T], addresses: Callable[[T], Iterable[Sequence[str]]]) -> Iterator[T]:
        """Of archives elsewhere, what some items need first is asked for at once, by archive and offset."""
        if not any(map(self._is_far, {place.archive for place in self._locations.values()})):
            yield from items
            return
        wanted: dict[Location, None] = {}
        held: list[T] = []
        for item in items:
            found = (self._first(candidates) for candidates in addresses(item))
            wanted.update((place, None) for place in found if place is not None and self._is_far(place.archive))
            held.append(item)
            if not wanted or len(held) >= _ITEMS_AHEAD or sum(place.length for place in wanted) >= _BYTES_AHEAD:
                yield from self._fetched(held, wanted)
                wanted, held = {}, []
        yield from self._fetched(held, wanted)

    def _first(self, candidates: Sequence[str]) -> Location | None:
        """Where the first of these addresses lies that is captured."""
        places = filter(None, (self._locations.get(media_key(url)) for url in candidates))
        return next((place for place in places if place.length > 0), None)

    def _fetched(self, items: Iterable[T], wanted: Iterable[Location]) -> Iterator[T]:
        """These items, while what they want is held. What cannot be had is asked for again by `get`, which says why."""
        by_store: dict[Any, list[Location]] = {}
        for place in sorted(wanted, key=lambda place: (place.archive, place.offset)):
            by_store.setdefault(self._store(place.archive)[0], []).append(place)
        for fs, places in by_store.items():
            paths = [self._store(place.archive)[1] for place in places]
            starts, ends = [place.offset for place in places], [place.offset + place.length for place in places]
            for place, data in zip(places, fs.cat_ranges(paths, starts, ends, on_error="return"), strict=True):
                if isinstance(data, bytes):
                    self._ahead[place] = data
        yield from items
        self._ahead.clear()

    def has(self, url: str) -> bool:
        return media_key(url) in self._locations

    def get(self, url: str) -> Media:
        """Raises `Drop`: not_captured, those of `lost`, not_seekable, and those of `read_response`; `OSError` if the
        archive fails."""
        location = self._locations.get(media_key(url))
        if location is None:
            raise Drop(*self._lost.get(media_key(url), ("not_captured", "")))
        if location.length <= 0:
            raise Drop("not_seekable", self._archives[location.archive])
        record, dictionary = self._read(location)
        found = read_response(record, location.record_url or url, self._max_bytes, dictionary, self._verify_digests)
        return Media(url, found.headers, found.body, found.site, found.time)

    def _read(self, location: Location) -> tuple[bytes, bytes]:
        """The bytes of a record, and the dictionary of its archive."""
        number = location.archive
        try:
            record = self._ahead.get(location)
            if record is None:
                record = self._range(location)
            if record.startswith(zstd.MAGIC) and number not in self._dictionaries:
                self._dictionaries[number] = read_dictionary(self._open(number))
            return record, self._dictionaries.get(number, b"")
        except FileNotFoundError as error:
            if number in self._optional:
                raise Drop("not_captured", f"{self._archives[number]} is gone") from error
            raise
        except OSError:
            raise
        except Exception as error:  # HTTP and cloud clients have error trees of their own
            raise OSError(f"{self._archives[number]}: {error!r}") from error

    def _range(self, place: Location) -> bytes:
        if self._is_far(place.archive):
            fs, path = self._store(place.archive)
            return bytes(fs.cat_file(path, start=place.offset, end=place.offset + place.length))
        file = self._open(place.archive)
        file.seek(place.offset)
        return file.read(place.length)

    def _is_far(self, archive: int) -> bool:
        """Whether an archive lies in a store of objects; a web server may know no ranges, which its files notice."""
        fs = self._store(archive)[0]
        return bool(fs.async_impl) and "http" not in fs.protocol

    def _store(self, archive: int) -> tuple[AbstractFileSystem, str]:
        if archive not in self._stores:  # an address takes as long to read as a small image
            self._stores[archive] = url_to_fs(self._archives[archive])
        return self._stores[archive]

    def _open(self, archive: int) -> IO[bytes]:
        if archive not in self._files:
            if len(self._files) >= _OPEN_FILES:
                self._files.popitem(last=False)[1].close()
            self._files[archive] = self._opened(archive)
        self._files.move_to_end(archive)
        return self._files[archive]

    def _opened(self, archive: int) -> IO[bytes]:
        """Without reading ahead: what stands beside an image is another, of some other page."""
        fs, path = self._store(archive)
        if fs.async_impl:
            return cast(IO[bytes], fs.open(path, "rb", cache_type="none"))
        return cast(IO[bytes], fsspec.open(self._archives[archive], "rb").open())

    def __enter__(self) -> "CapturedMedia":
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()
        self._files.clear()
        self._ahead.clear()
