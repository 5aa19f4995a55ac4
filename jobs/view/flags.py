"""Flags: what a reader says of samples and of what was dropped, in a file of JSON lines of which the last counts."""

import hashlib
import os
import threading
import time
from collections import Counter
from pathlib import Path

import msgspec

from schemas.storage import Store

#: The two that a review counts; a sample has one of them at most.
GOOD, BAD = "good", "bad"
#: Of what was dropped, beside the kinds of samples.
DROPPED = "dropped"
_BEGINNING = b'{"kind":'  # of each line
_MAX_TAGS, _MAX_TAG, _MAX_NOTE = 12, 40, 2000


class FlagsError(Exception):
    """The file of flags cannot be read or written."""


class Flag(msgspec.Struct, frozen=True):
    """What is said of one thing: a sample by its kind and key, or what was dropped by its address."""

    kind: str
    key: str
    tags: tuple[str, ...] = ()
    note: str = ""
    time: str = ""  # UTC, ISO 8601


class Flags:
    """Those of one dataset, in memory and in their file, which is only ever added to. Safe for several threads."""

    def __init__(self, path: Path) -> None:
        """What is there is read; an end that was torn by a kill is cut off. Raises `FlagsError`."""
        self.path, self._lock = path, threading.Lock()
        self._flags: dict[tuple[str, str], Flag] = {}
        try:
            data = path.read_bytes() if path.exists() else b""
            whole = data.rfind(b"\n") + 1
            for number, line in enumerate(data[:whole].splitlines(), 1):
                try:
                    self._keep(msgspec.json.decode(line, type=Flag))
                except msgspec.MsgspecError as error:
                    raise FlagsError(f"{path}, line {number}, is no flag: {error}") from None
            if torn := data[whole:]:
                if not torn.startswith(_BEGINNING[: len(torn)]):
                    raise FlagsError(f"{path} is no file of flags")
                os.truncate(path, whole)
        except OSError as error:
            raise FlagsError(f"cannot read flags: {error}") from None

    def of(self, kind: str, key: str) -> Flag:
        """What is said of a thing; nothing, perhaps."""
        with self._lock:
            return self._flags.get((kind, key)) or Flag(kind, key)

    def all(self, kind: str = "", tag: str = "") -> list[Flag]:
        """Those of a kind and with a tag, in the order in which they were first said."""
        with self._lock:
            flags = list(self._flags.values())
        return [flag for flag in flags if kind in ("", flag.kind) and (not tag or tag in flag.tags)]

    def __len__(self) -> int:
        """How many things are flagged."""
        return len(self._flags)

    def counts(self) -> dict[str, Counter[str]]:
        """How often each tag stands, by kind."""
        counts: dict[str, Counter[str]] = {}
        for flag in self.all():
            counts.setdefault(flag.kind, Counter()).update(flag.tags)
        return counts

    def say(self, kind: str, key: str, tags: tuple[str, ...], note: str) -> Flag:
        """Say this of a thing, instead of what was said; no tags and no note take it back. Raises `FlagsError`."""
        flag = Flag(
            kind, key, clean_tags(tags), note.strip()[:_MAX_NOTE], time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        )
        line = msgspec.json.encode(flag) + b"\n"
        with self._lock:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with open(self.path, "ab") as file:
                    file.write(line)
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                raise FlagsError(f"cannot write flags: {error}") from None
            self._keep(flag)
        return flag

    def _keep(self, flag: Flag) -> None:
        if flag.tags or flag.note:
            self._flags[flag.kind, flag.key] = flag
        else:
            self._flags.pop((flag.kind, flag.key), None)


def clean_tags(tags: tuple[str, ...]) -> tuple[str, ...]:
    """Each once, in small letters, without the signs that separate them; of good and bad the last."""
    cleaned = [" ".join(tag.replace(",", " ").lower().split())[:_MAX_TAG] for tag in tags]
    verdicts = [tag for tag in cleaned if tag in (GOOD, BAD)]
    kept = dict.fromkeys(tag for tag in cleaned if tag and (tag not in verdicts or tag == verdicts[-1]))
    return tuple(kept)[:_MAX_TAGS]


def beside(url: str, ending: str) -> Path:
    """A file of the reader's: beside a dataset in a folder that can be written to; of others, in the user's own."""
    folder = Path(url)
    if "://" not in url and os.access(folder.resolve().parent, os.W_OK):
        return folder.resolve().with_name(f"{folder.resolve().name}.{ending}")
    home = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    digest = hashlib.sha256(url.encode()).hexdigest()[:8]
    return home / "weft" / f"{url.rstrip('/').rpartition('/')[2]}-{digest}.{ending}"


def flags_of(store: Store, path: str = "") -> Flags:
    """The flags of a dataset, in a file of one's choice or where they lie by default. Raises `FlagsError`."""
    return Flags(Path(path) if path else beside(store.url, "flags.jsonl"))
