"""Which archives a build reads: paths, globs, URLs, and files that list them."""

import glob
import os
import posixpath
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import fsspec
import msgspec
from fsspec.core import url_to_fs

LIST_SUFFIXES = (".txt", ".paths", ".txt.gz", ".paths.gz")

#: Common Crawl's lists hold paths relative to this.
COMMON_CRAWL = "https://data.commoncrawl.org/"

_EXTRACT = re.compile(r"\.(wet|wat)(?:\.(?:gz|zst))?$", re.IGNORECASE)
_WHAT_EXTRACTS_ARE = {
    "wet": "{} is a WET file: texts taken out of web pages. weft needs the pages: the WARC files of the crawl",
    "wat": "{} is a WAT file: metadata of web pages. weft needs the pages: the WARC files of the crawl",
}
_DEEP = re.compile(r"(?<![^/])(?:\*\*/)++")
_LONGEST_SHOWN = 200
#: Where S3 clients look for them.
_CREDENTIALS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment name them, or a profile by AWS_PROFILE"
_DEEPEST_LIST = 8
_IN_FLIGHT = 32


T = TypeVar("T")


class InputError(Exception):
    """An input names nothing that can be read."""


class NoResponses(InputError):
    """An input is no archive of responses, but what somebody made of one."""


class Input(msgspec.Struct, frozen=True):
    """One archive of the plan."""

    url: str
    size: int  # bytes; -1 if the server does not say


def list_archives(patterns: Iterable[str], sized: bool = True) -> list[Input]:
    """The archives that paths, globs, URLs and list files name, in the order given, each once.

    A list file is a text of one path or URL a line, gzipped or not, such as Common Crawl's `warc.paths.gz`; relative
    lines are taken from the folder of the list, those that start with `crawl-data/` from Common Crawl's server. Where
    it need not be `sized`, no server is asked for an archive that is named in full, and its size is -1.
    Raises `InputError` for a pattern that matches nothing and a name that cannot be stored, `NoResponses` for extracts,
    and `ImportError` for a storage whose package is not there.
    """
    found: dict[str, Input] = {}
    for pattern in patterns:
        for url, size in _expand(pattern, (), sized):
            if extract := _EXTRACT.search(url):
                raise NoResponses(_WHAT_EXTRACTS_ARE[extract[1].lower()].format(shown(url)))
            found.setdefault(place_of(url), Input(url, size))
    if not found:
        raise InputError("no input given: name at least one .warc, .warc.gz, .warc.zst or .arc.gz file")
    return list(found.values())


def named_archives(patterns: Sequence[str]) -> list[str]:
    """The addresses of the same; none where none is named. Raises as `list_archives`."""
    return [archive.url for archive in list_archives(patterns)] if patterns else []


def list_files(patterns: Iterable[str]) -> list[str]:
    """The files that paths, globs and URLs name, in the order given, each once. Raises `InputError` as above."""
    return list(_once((url, url) for pattern in patterns for url, _ in _matches(pattern, "file")))


def list_sized(patterns: Iterable[str], sized: bool = True) -> list[Input]:
    """The same with their sizes, `sized` as above. Raises `InputError` as above."""
    found = (match for pattern in patterns for match in _matches(pattern, "list", sized))
    return list(_once((url, Input(url, size)) for url, size in found))


def place_of(url: str) -> str:
    """What all names of an input have in common: of a file its path without links, else its address."""
    path = url.removeprefix("file://")
    return url if "://" in path else os.path.realpath(path)


def _once(named: Iterable[tuple[str, T]]) -> Iterable[T]:
    """In the order given, of those with several names the first."""
    found: dict[str, T] = {}
    for url, item in named:
        found.setdefault(place_of(url), item)
    return found.values()


def shown(name: str) -> str:
    """A name as it can be printed in one line, whatever is in it."""
    short = name if len(name) < _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}..."
    return short if short.isprintable() and short.strip() else ascii(short)


def _expand(pattern: str, lists: tuple[str, ...], sized: bool) -> list[tuple[str, int]]:
    if not pattern.endswith(LIST_SUFFIXES):
        return _matches(pattern, sized=sized)
    if pattern in lists or len(lists) > _DEEPEST_LIST:
        raise InputError(f"the list {shown(pattern)} leads back to itself, over {shown(lists[-1])}")
    lines = _read_list(pattern)
    expand = partial(_expand, lists=(*lists, pattern), sized=sized)
    if not any("://" in line for line in lines):
        return [match for line in lines for match in expand(line)]
    with ThreadPoolExecutor(_IN_FLIGHT) as pool:  # a server is asked for each, and answers take their time
        return [match for matches in pool.map(expand, lines) for match in matches]


def _matches(pattern: str, what: str = "archive", sized: bool = True) -> list[tuple[str, int]]:
    try:
        matches = _expand_url(pattern, sized) if "://" in pattern else _expand_path(pattern)
    except (InputError, ImportError):
        raise
    except Exception as error:  # clients of stores have error trees of their own
        raise InputError(f"cannot look for {shown(pattern)}: {_said(error)}") from None
    if not matches:
        nothing = "nothing matches" if glob.has_magic(pattern) else f"no such {what}:"
        raise InputError(f"{nothing} {shown(pattern)}")
    for name, _ in matches:
        try:
            name.encode()
        except UnicodeEncodeError:  # plans, samples and drops name it
            raise InputError(f"the name {shown(name)} is not UTF-8: rename it, or leave it out") from None
    return matches


def _expand_path(pattern: str) -> list[tuple[str, int]]:
    if glob.has_magic(pattern) and not os.path.isfile(pattern):  # a shell gives names, which may have brackets
        # One `**/` after the other finds what one does, and takes twice as long for each.
        once = _DEEP.sub("**/", pattern)
        found = ((path, _file_size(path)) for path in sorted(set(glob.glob(once, recursive=True))))
        return [(path, size) for path, size in found if size is not None]
    if os.path.isdir(pattern):
        raise InputError(f"{shown(pattern)} is a folder: name the files in it")
    size = _file_size(pattern)
    if size is not None and not os.access(pattern, os.R_OK):
        raise InputError(f"{shown(pattern)} may not be read")
    return [] if size is None else [(pattern, size)]


def _file_size(path: str) -> int | None:
    """In bytes; None of what is no file, or is not there any more."""
    try:
        return os.path.getsize(path) if os.path.isfile(path) else None
    except OSError:
        return None


def _expand_url(pattern: str, sized: bool) -> list[tuple[str, int]]:
    fs, path = url_to_fs(pattern)
    if not sized and not glob.has_magic(path):
        return [(str(fs.unstrip_protocol(path)), -1)]
    try:
        found = fs.glob(path, detail=True) if glob.has_magic(path) else {path: fs.info(path)}
    except FileNotFoundError as error:
        if _is_there_or_unknown(error):
            raise
        return []
    return [
        (str(fs.unstrip_protocol(name)), -1 if info.get("size") is None else int(info["size"]))
        for name, info in sorted(found.items())
        if info.get("type") != "directory"
    ]


def _is_there_or_unknown(error: FileNotFoundError) -> bool:
    """Whether a server was asked and did not answer that there is none: fsspec takes whatever fails for that."""
    cause = error.__cause__
    return (
        cause is not None and not isinstance(cause, FileNotFoundError) and getattr(cause, "status", 0) not in (404, 410)
    )


def _said(error: Exception) -> str:
    """What a client of a store says, in a line, and what may be done."""
    if isinstance(error, FileNotFoundError) and _is_there_or_unknown(error):
        cause = error.__cause__
        status = getattr(cause, "status", None)
        return (
            f"the server answers {status}"
            if status
            else f"the server cannot be reached: {shown(str(cause) or repr(cause))}"
        )
    said = shown(str(error) or repr(error))
    return f"{said}; {_CREDENTIALS}" if "locate credentials" in said else said


def _read_list(name: str) -> list[str]:
    try:
        with fsspec.open(name, "rb", compression="gzip" if name.endswith(".gz") else None) as file:
            lines = file.read().decode("utf-8-sig").splitlines()
    except ImportError:
        raise
    except Exception as error:  # as above
        raise InputError(f"cannot read the list of archives {shown(name)}: {_said(error)}") from None
    return [_beside(name, line.strip()) for line in lines if line.strip() and not line.startswith("#")]


def _beside(list_name: str, line: str) -> str:
    if line.startswith("crawl-data/"):
        return COMMON_CRAWL + line
    if "://" in line or line.startswith("/"):
        return line
    return posixpath.join(posixpath.dirname(list_name), line)
