"""Videos and subtitle files by address: from archives and the web, and files that a list of videos names."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import fsspec

from crawlers.captured import Media, MediaSource
from pipeline.video.subtitles import read_subtitles
from schemas.drops import Drop
from schemas.videos import Subtitle, VideoDraft

T = TypeVar("T")


class ListedFiles:
    """A `MediaSource` that reads what only lists name, files, and leaves the rest to another."""

    def __init__(self, media: MediaSource, max_bytes: int) -> None:
        self._media, self._max_bytes = media, max_bytes

    def order(self, candidates: Sequence[str]) -> Sequence[str]:
        return self._media.order(candidates)

    def prefetch(self, items: Iterator[T], addresses: Callable[[T], Iterable[Sequence[str]]]) -> Iterator[T]:
        return self._media.prefetch(items, addresses)

    def get(self, url: str) -> Media:
        """Raises `Drop`: not_captured, too_large, and those of the other source."""
        if not is_file(url):
            return self._media.get(url)
        try:
            with fsspec.open(url, "rb") as file:
                body = file.read(self._max_bytes + 1)
        except FileNotFoundError as error:
            raise Drop("not_captured", str(error)) from None
        if len(body) > self._max_bytes:
            raise Drop("too_large", f"over {self._max_bytes} bytes")
        return Media(url, {}, body)


def is_file(url: str) -> bool:
    """Whether an address is read like a file: only lists name such, pages name http and https."""
    return not url.startswith(("http://", "https://"))


def subtitles_of(media: MediaSource, video: VideoDraft) -> list[Subtitle]:
    """The cues of the first track that can be had and read; none is no fault."""
    for url in video.tracks:
        try:
            cues = read_subtitles(media.get(url).body)
        except Drop:
            continue
        if cues:
            return cues
    return []
