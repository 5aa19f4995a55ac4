"""Which archives a build reads: paths, globs, URLs, and files that list them."""

import glob
import os
import posixpath
import zlib
from collections.abc import Iterable

import fsspec
import msgspec
from fsspec.core import url_to_fs

LIST_SUFFIXES = (".txt", ".paths", ".txt.gz", ".paths.gz")

#: Common Crawl's lists hold paths relative to this.
COMMON_CRAWL = "https://data.commoncrawl.org/"


class InputError(Exception):
    """An input names nothing that can be read."""


class Input(msgspec.Struct, frozen=True):
    """One archive of the plan."""

    url: str
    size: int  # bytes; -1 if the server does not say


def list_archives(patterns: Iterable[str]) -> list[Input]:
    """The archives that paths, globs, URLs and list files name, in the order given, each once.

    A list file is a text of one path or URL a line, gzipped or not, such as Common Crawl's `warc.paths.gz`; relative
    lines are taken from the folder of the list, those that start with `crawl-data/` from Common Crawl's server.
    Raises `InputError` for a pattern that matches nothing.
    """
    found: dict[str, Input] = {}
    for pattern in patterns:
        for url, size in _expand(pattern):
            found.setdefault(url, Input(url, size))
    if not found:
        raise InputError("no input given: name at least one .warc or .warc.gz file")
    return list(found.values())


def list_files(patterns: Iterable[str]) -> list[str]:
    """The files that paths, globs and URLs name, in the order given, each once. Raises `InputError` as above."""
    return list(dict.fromkeys(url for pattern in patterns for url, _ in _matches(pattern, "file")))


def list_sized(patterns: Iterable[str]) -> list[Input]:
    """The same with their sizes. Raises `InputError` as above."""
    return list({url: Input(url, size) for pattern in patterns for url, size in _matches(pattern, "list")}.values())


def _expand(pattern: str) -> list[tuple[str, int]]:
    if pattern.endswith(LIST_SUFFIXES):
        return [match for line in _read_list(pattern) for match in _expand(line)]
    return _matches(pattern)


def _matches(pattern: str, what: str = "archive") -> list[tuple[str, int]]:
    matches = _expand_url(pattern) if "://" in pattern else _expand_path(pattern)
    if not matches:
        raise InputError(f"nothing matches {pattern}" if glob.has_magic(pattern) else f"no such {what}: {pattern}")
    return matches


def _expand_path(pattern: str) -> list[tuple[str, int]]:
    paths = glob.glob(pattern, recursive=True) if glob.has_magic(pattern) else [pattern]
    return [(path, os.path.getsize(path)) for path in sorted(paths) if os.path.isfile(path)]


def _expand_url(pattern: str) -> list[tuple[str, int]]:
    fs, path = url_to_fs(pattern)
    try:
        found = fs.glob(path, detail=True) if glob.has_magic(path) else {path: fs.info(path)}
    except FileNotFoundError:
        return []
    return [
        (str(fs.unstrip_protocol(name)), -1 if info.get("size") is None else int(info["size"]))
        for name, info in sorted(found.items())
        if info.get("type") != "directory"
    ]


def _read_list(name: str) -> list[str]:
    try:
        with fsspec.open(name, "rb", compression="gzip" if name.endswith(".gz") else None) as file:
            lines = file.read().decode().splitlines()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the list of archives {name}: {error}") from None
    return [_beside(name, line.strip()) for line in lines if line.strip() and not line.startswith("#")]


def _beside(list_name: str, line: str) -> str:
    if line.startswith("crawl-data/"):
        return COMMON_CRAWL + line
    if "://" in line or line.startswith("/"):
        return line
    return posixpath.join(posixpath.dirname(list_name), line)
