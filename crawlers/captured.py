"""Media from the archives themselves, read by offset."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO, ClassVar, Protocol, TypeVar

import fsspec
import msgspec

from crawlers import zstd
from crawlers.framing import read_dictionary
from crawlers.warc import read_response
from schemas.drops import Drop
from schemas.urls import media_key

T = TypeVar("T")

_OPEN_FILES = 8


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


class MediaSource(Protocol):
    """Gives the bytes of an image or video by its address: from archives here, from the web in `crawlers.web_media`."""

    def order(self, candidates: Sequence[str]) -> Sequence[str]:
        """The addresses of one image in the order in which to ask for them."""

    def prefetch(self, items: Iterator[T], addresses: Callable[[T], Iterable[Sequence[str]]]) -> Iterator[T]:
        """The same items, each after what its images (by their candidates) need has been begun ahead of time."""

    def get(self, url: str) -> Media:
        """Raises `Drop` with the reason why there is nothing to give."""


class CapturedMedia:
    """Reads media out of archives, keeping a few of them open. A context manager.

    `locations` maps `media_key(url)` to its place; only the keys that the caller's pages ask for need be there.
    """

    def __init__(
        self,
        archives: Sequence[str],
        locations: Mapping[bytes, Location],
        max_bytes: int,
        verify_digests: bool = True,
    ) -> None:
        self._archives, self._locations, self._max_bytes = archives, locations, max_bytes
        self._verify_digests = verify_digests
        self._files: OrderedDict[int, IO[bytes]] = OrderedDict()
        self._dictionaries: dict[int, bytes] = {}

    def order(self, candidates: Sequence[str]) -> Sequence[str]:
        return candidates

    def prefetch(self, items: Iterator[T], addresses: Callable[[T], Iterable[Sequence[str]]]) -> Iterator[T]:
        return items  # nobody waits for a disk

    def has(self, url: str) -> bool:
        return media_key(url) in self._locations

    def get(self, url: str) -> Media:
        """Raises `Drop`: not_captured, not_seekable, and those of `read_response`; `OSError` if the archive fails."""
        location = self._locations.get(media_key(url))
        if location is None:
            raise Drop("not_captured")
        if location.length <= 0:
            raise Drop("not_seekable", self._archives[location.archive])
        record, dictionary = self._read(location)
        headers, body = read_response(
            record, location.record_url or url, self._max_bytes, dictionary, self._verify_digests
        )
        return Media(url, headers, body)

    def _read(self, location: Location) -> tuple[bytes, bytes]:
        """The bytes of a record, and the dictionary of its archive."""
        try:
            file = self._open(location.archive)
            file.seek(location.offset)
            record = file.read(location.length)
            if record.startswith(zstd.MAGIC) and location.archive not in self._dictionaries:
                self._dictionaries[location.archive] = read_dictionary(file)
            return record, self._dictionaries.get(location.archive, b"")
        except OSError:
            raise
        except Exception as error:  # HTTP and cloud clients have error trees of their own
            raise OSError(f"{self._archives[location.archive]}: {error!r}") from error

    def _open(self, archive: int) -> IO[bytes]:
        if archive not in self._files:
            if len(self._files) >= _OPEN_FILES:
                self._files.popitem(last=False)[1].close()
            self._files[archive] = fsspec.open(self._archives[archive], "rb").open()
        self._files.move_to_end(archive)
        return self._files[archive]

    def __enter__(self) -> "CapturedMedia":
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()
        self._files.clear()
