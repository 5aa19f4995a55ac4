"""Pages and media as they were captured, looked up in the archives that a dataset was made of.

Only archives that the user names are opened: what a dataset says of where it comes from may be anybody's word.
"""

import posixpath
import threading
import time
from collections.abc import Iterator, Sequence

import fsspec

from crawlers import zstd
from crawlers.captured import CapturedMedia, Location, Media
from crawlers.framing import read_dictionary
from crawlers.warc import read_captures, read_page
from crawlers.warc_records import WarcSettings
from schemas.documents import Page
from schemas.drops import Tally
from schemas.urls import media_key

_KNOWN = 500_000  # places that are remembered; more are not looked for
_PAGE_BYTES = 32 << 20


class NotAtHand(Exception):
    """The archive is not there any more, or does not hold the address, or was not searched to its end yet."""


class Archives:
    """Finds responses by address. Archives are read from the front, only as far as a search needs, and remembered."""

    def __init__(self, urls: Sequence[str], settings: WarcSettings = WarcSettings()) -> None:
        self.urls, self._settings = list(urls), settings
        self._pages: dict[bytes, Location] = {}
        self._media: dict[bytes, Location] = {}
        self._walk = self._places()
        self._is_done = False
        self._missing: list[str] = []
        self._lock = threading.Lock()

    def page(
        self, url: str, warc_file: str = "", offset: int = -1, length: int = -1, max_search_s: float = 20.0
    ) -> Page:
        """The page at an address; where its place in a named archive is known nothing is searched. The archive may
        lie elsewhere than it did: its name decides. Raises `NotAtHand`, and `Drop`."""
        if offset >= 0 and (archive := self._named(warc_file)):
            return self._read_page(archive, offset, length, url)
        place = self._find(url, self._pages, max_search_s)
        return self._read_page(self.urls[place.archive], place.offset, place.length, url)

    def media(self, url: str, max_search_s: float = 5.0) -> Media:
        """An image or video. Raises `NotAtHand`, and `Drop`."""
        place, verify = self._find(url, self._media, max_search_s), self._settings.verify_digests
        try:
            with CapturedMedia(self.urls, {media_key(url): place}, self._settings.max_image_bytes, verify) as media:
                return media.get(url)
        except OSError as error:
            raise NotAtHand(str(error)) from None

    def _named(self, warc_file: str) -> str:
        """The archive that a sample means; "" where none is named, or several have its name."""
        if warc_file in self.urls:
            return warc_file
        name = posixpath.basename(warc_file)
        same = [url for url in self.urls if posixpath.basename(url) == name]
        return same[0] if len(same) == 1 else ""

    def _find(self, url: str, places: dict[bytes, Location], max_search_s: float) -> Location:
        key, deadline = media_key(url), time.monotonic() + max_search_s
        with self._lock:
            while key not in places and not self._is_done:
                if time.monotonic() > deadline:
                    raise NotAtHand(f"not among the {len(self._pages):,} pages that were searched so far; ask again")
                if next(self._walk, None) is None:
                    self._is_done = True
            if key in places:
                return places[key]
        if self._missing:
            raise NotAtHand(f"the archive is not at hand: {self._missing[0]}")
        raise NotAtHand(
            "it is not in the archives" if self.urls else "no archive is named: --input takes those of the build"
        )

    def _places(self) -> Iterator[bool]:
        """One step a record."""
        for number, archive in enumerate(self.urls):
            try:
                with fsspec.open(archive, "rb") as file:
                    size = file.seek(0, 2)
                    file.seek(0)
                    for capture in read_captures(file, archive, size, self._settings, Tally()):
                        place = Location(number, capture.offset, capture.length, capture.stored_url or capture.url)
                        known = self._media if capture.is_image else self._pages
                        for url in capture.addresses:
                            if not capture.stored_in and len(known) < _KNOWN:
                                known.setdefault(media_key(url), place)
                        yield True
            except Exception as error:  # clients of stores have error trees of their own
                self._missing.append(f"{archive}: {error}")

    def _read_page(self, archive: str, offset: int, length: int, url: str) -> Page:
        try:
            with fsspec.open(archive, "rb") as file:
                file.seek(offset)
                record = file.read(length if length > 0 else _PAGE_BYTES)
                dictionary = read_dictionary(file) if record.startswith(zstd.MAGIC) else b""
        except Exception as error:  # as above
            raise NotAtHand(f"the archive is not at hand: {archive}: {error}") from None
        return read_page(record, url, archive, offset, self._settings, dictionary)
