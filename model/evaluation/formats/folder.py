"""A dataset as it was downloaded: files are found by their names, wherever below its folder they lie."""

import codecs
import csv
import fnmatch
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from model.data.documents import CLIP_EXTENSIONS
from schemas.settings import SettingsError

T = TypeVar("T")


class Listed(msgspec.Struct, frozen=True):
    """An entry of an annotation file. `names` are the names that its one medium may have, without extension a clip."""

    key: str
    names: tuple[str, ...]
    answers: tuple[str, ...]
    question: str = ""
    span_s: tuple[float, float] | None = None
    candidates: tuple[str, ...] = ()
    relevance: tuple[float, ...] = ()
    example: str = ""
    type: str = ""
    source: str = ""


class Folder:
    """Raises `SettingsError`, in one line, for what is not there or does not read."""

    def __init__(self, path: str) -> None:
        if not os.path.isdir(path):
            raise SettingsError(f"{path} is no folder")
        self.path = path

    def has(self, *patterns: str) -> bool:
        return any(fnmatch.filter(self._files, pattern) for pattern in patterns)

    def one(self, *patterns: str) -> Path:
        """The file whose name is the first of the patterns that one has."""
        for pattern in patterns:
            if found := sorted(fnmatch.filter(self._files, pattern)):
                return Path(self._only(found[-1], self._files[found[-1]]))  # of versions the last
        raise SettingsError(f"{self.path} holds no {' or '.join(patterns)}")

    def json(self, kind: type[T], *patterns: str) -> T:
        """A JSON file; fields that `kind` does not name are passed over."""
        path = self.one(*patterns)
        try:
            return msgspec.json.decode(path.read_bytes().removeprefix(codecs.BOM_UTF8), type=kind)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path}: {error}") from None

    def rows(self, kind: type[T], *patterns: str, delimiter: str = ",") -> Iterator[T]:
        """The rows of a CSV file with a line of names."""
        path = self.one(*patterns)
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                table = csv.DictReader(file, delimiter=delimiter)
                for row in table:
                    cells = {(name or "").strip(): (cell or "").strip() for name, cell in row.items() if name}
                    yield msgspec.convert(cells, kind, strict=False)
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path}: {error}") from None
        except (msgspec.MsgspecError, csv.Error) as error:
            raise SettingsError(f"{path}, line {table.line_num}: {error}") from None

    def lines(self, *patterns: str) -> list[str]:
        """The lines of a text file that are not empty."""
        path = self.one(*patterns)
        try:
            return [line for line in path.read_text("utf-8-sig").split("\n") if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path}: {error}") from None

    def medium(self, *names: str) -> str | None:
        """The path of the file that has one of these names, which may begin with folders; None where none has."""
        for name in names:
            if os.path.isabs(name):
                return name
            known = name.rpartition("/")[2]
            for full in (known, *(f"{known}.{extension}" for extension in CLIP_EXTENSIONS)):
                if found := self._files.get(full):
                    extension = full.removeprefix(known)
                    nearest = [path for path in found if path.endswith(f"/{name}{extension}")]
                    return self._only(full, nearest or found)
        return None

    @staticmethod
    def _only(name: str, paths: list[str]) -> str:
        if len({os.path.getsize(path) for path in paths}) > 1:
            raise SettingsError(f"{paths[0]} and {paths[1]} differ: keep the one {name} that is meant")
        return paths[0]

    @functools.cached_property
    def _files(self) -> dict[str, list[str]]:
        """Paths by name, links followed."""
        found: dict[str, list[str]] = {}
        seen: set[str] = set()
        for folder, folders, names in os.walk(self.path, followlinks=True):
            real = os.path.realpath(folder)
            if real in seen:  # a link that leads back
                folders.clear()
                continue
            seen.add(real)
            folders.sort()
            for name in sorted(names):
                found.setdefault(name, []).append(os.path.join(folder, name))
        return found
