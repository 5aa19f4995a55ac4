"""Videos and subtitle files by address: from archives and the web, and files that a list of videos names.

Who wrote a list need not be who reads it. Its rows may name http addresses, which go the way of all others, and files
of one folder, which a setting names; nothing else is opened.
"""

import errno
import os
import posixpath
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from fsspec.core import url_to_fs

from crawlers.captured import Media, MediaSource
from pipeline.consent import honour_image_consent
from pipeline.video.subtitles import read_subtitles
from schemas.consent import ConsentSettings
from schemas.drops import Drop
from schemas.urls import resolve
from schemas.videos import Subtitle, VideoDraft

T = TypeVar("T")

_WEB = re.compile(r"https?:", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
#: What the file systems say of a name that is not there, or that is none.
_NOT_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


def address_of(name: str, folder: str) -> str:
    """What a row names, as an http address or as a file in `folder`, by its whole path.

    Raises `Drop`: bad_address, file_not_allowed.
    """
    if _CONTROL.search(name):
        raise Drop("bad_address", "a control character in it")
    if _WEB.match(name):
        if not (url := resolve(name, "")):
            raise Drop("bad_address", name[:200])
        return name if name.startswith(("http://", "https://")) else url
    if folder and "://" not in folder:
        folder = os.path.abspath(folder)
    inside = name.removeprefix(folder.rstrip("/") + "/") if folder else name
    if _SCHEME.match(inside) or "::" in inside:
        raise Drop("bad_address", f"neither http nor a file: {name[:200]}")
    if not folder:
        raise Drop("file_not_allowed", f"{name[:200]}: files are read below videos_folder alone, which is not set")
    if inside.startswith("/") or ".." in inside.split("/"):
        raise Drop("file_not_allowed", f"{name[:200]} is not below {folder}")
    inside = posixpath.normpath(inside)
    if _WEB.match(folder):
        return resolve(folder.rstrip("/") + "/", inside)
    return posixpath.join(folder, inside)


class ListedFiles:
    """A `MediaSource` that reads what only lists name, files below one folder, and leaves the rest to another."""

    def __init__(self, media: MediaSource, max_bytes: int, folder: str) -> None:
        self._media, self._max_bytes, self._folder = media, max_bytes, folder

    def order(self, candidates: Sequence[str]) -> Sequence[str]:
        return self._media.order(candidates)

    def prefetch(self, items: Iterator[T], addresses: Callable[[T], Iterable[Sequence[str]]]) -> Iterator[T]:
        return self._media.prefetch(items, addresses)

    def get(self, url: str) -> Media:
        """Raises `Drop`: not_captured, too_large, bad_address, file_not_allowed, and those of the other source."""
        if url.startswith(("http://", "https://")):
            return self._media.get(url)
        name = address_of(url, self._folder)  # once more: a step of yours may have put it there
        try:
            body = self._remote(name) if "://" in name else self._local(name)
        except _NOT_THERE as error:
            raise Drop("not_captured", str(error)[:200]) from None
        except (ValueError, PermissionError) as error:
            raise Drop("bad_address", str(error)[:200]) from None
        if len(body) > self._max_bytes:
            raise Drop("too_large", f"over {self._max_bytes} bytes")
        return Media(url, {}, body)

    def _local(self, name: str) -> bytes:
        """A regular file that lies, links followed, below the folder."""
        folder = os.path.realpath(self._folder)
        path = os.path.realpath(name)
        if os.path.commonpath([folder, path]) != folder:
            raise Drop("file_not_allowed", f"{name[:200]} leads out of {self._folder}")
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would wait for a writer
        except OSError as error:
            if error.errno in (errno.ENAMETOOLONG, errno.ELOOP, errno.ENXIO):
                raise FileNotFoundError(str(error)) from None
            raise
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise FileNotFoundError(f"{name[:200]} is no file")
            return file.read(self._max_bytes + 1)

    def _remote(self, name: str) -> bytes:
        """The name is never parsed as an address: those of fsspec can hold others."""
        files, root = url_to_fs(self._folder)
        inside = name.removeprefix(self._folder.rstrip("/") + "/")
        with files.open(posixpath.join(root, inside), "rb") as file:
            return bytes(file.read(self._max_bytes + 1))


def subtitles_of(media: MediaSource, video: VideoDraft, consent: ConsentSettings = ConsentSettings()) -> list[Subtitle]:
    """The cues of the first track that can be had and read, and does not ask to be left alone; none is no fault."""
    for url in video.tracks:
        try:
            track = media.get(url)
            honour_image_consent(track.headers, consent, url, track.time, track.signals)
            cues = read_subtitles(track.body)
        except Drop:
            continue
        if cues:
            return cues
    return []
