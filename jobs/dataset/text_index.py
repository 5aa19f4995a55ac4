"""Full text of samples: an index by words in a file of SQLite's, beside the dataset, made when it is asked for.

It holds words and where they stand, not the texts (FTS5, contentless): these are in the shards.
"""

import os
import re
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from jobs.dataset.index import Index
from schemas.shards import ShardMark

MAX_HITS = 100_000
_AT_A_TIME = 256
#: Scripts that put no spaces between words: a character is a word, and a word of several is a phrase.
UNSPACED = re.compile("([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])")
_TERM = re.compile(r'"([^"]+)"|(\S+)')
_SCHEMA = """
CREATE TABLE shards (kind TEXT, name TEXT, sha256 TEXT, samples INTEGER, PRIMARY KEY (kind, name));
CREATE TABLE samples (id INTEGER PRIMARY KEY, kind TEXT, key TEXT);
CREATE VIRTUAL TABLE texts USING fts5(body, content='', tokenize='unicode61 remove_diacritics 2');
"""


class TextIndexError(Exception):
    """The file is no index of texts, or cannot be written."""


class TextIndex:
    """Which samples hold some words. Safe for several threads."""

    def __init__(self, path: Path) -> None:
        """Raises `TextIndexError`."""
        self.path, self._lock = path, threading.Lock()
        with _told(path):
            self._database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False)
            self.shards = set(self._database.execute("SELECT kind, name, sha256 FROM shards"))

    def covers(self, marks: Mapping[str, Sequence[ShardMark]]) -> bool:
        """Whether it is of these shards, all of them and no others."""
        return self.shards == shards_of(marks)

    def keys(self, kind: str, text: str, limit: int = MAX_HITS) -> list[str]:
        """Keys of the samples that hold all words of `text`, in any order; of the first `limit` in the dataset."""
        if not (query := match_of(text)):
            return []
        sql = "SELECT key FROM samples WHERE kind = ? AND id IN (SELECT rowid FROM texts WHERE texts MATCH ?) LIMIT ?"
        with self._lock, _told(self.path):
            return [row[0] for row in self._database.execute(sql, (kind, query, limit))]

    def close(self) -> None:
        self._database.close()


def build_text_index(index: Index, path: Path) -> Iterator[int]:
    """Make the index, or add to it the shards that are new; gives the number of samples done, now and then.

    One that was begun goes on after the last whole shard; one with shards that are gone is made anew. Memory does not
    grow with the dataset. Raises `TextIndexError`, and `OSError` where the dataset cannot be read.
    """
    wanted = shards_of(index.marks)
    with _told(path):
        if path.exists() and not _holds_only(path, wanted):
            path.unlink()
        is_new = not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path)
        if is_new:
            database.executescript(_SCHEMA)
        known = set(database.execute("SELECT kind, name, sha256 FROM shards"))
    try:
        done = 0
        for kind, marks in index.marks.items():
            for mark in marks:
                if (kind, mark.shard.name, mark.shard.tar_sha256) not in known:
                    _add_shard(database, index, kind, mark, path)
                done += mark.shard.samples
                yield done
        with _told(path):
            database.execute("INSERT INTO texts(texts) VALUES ('optimize')")
            database.commit()
    finally:
        database.close()


def shards_of(marks: Mapping[str, Sequence[ShardMark]]) -> set[tuple[str, str, str]]:
    """Kind, name and digest of all shards."""
    return {(kind, mark.shard.name, mark.shard.tar_sha256) for kind, of_kind in marks.items() for mark in of_kind}


def match_of(text: str) -> str:
    """What FTS5 is asked for: every word, `"words in this order"`, and beginnings of words before a star."""
    terms = []
    text = "".join(one if one.isprintable() else " " for one in text)  # SQLite's queries end at a NUL
    for phrase, word in _TERM.findall(text):
        is_beginning = word.endswith("*") and len(word) > 1
        words = spaced(phrase or word.rstrip("*")).replace('"', " ").split()
        words = [one for one in words if any(character.isalnum() for character in one)]
        if words:
            terms.append(f'"{" ".join(words)}"{" *" if is_beginning else ""}')
    return " ".join(terms)


def words_of(text: str) -> list[str]:
    """The words, phrases and beginnings (`bak*`) of a search, to be shown where they stand."""
    found = (phrase or word for phrase, word in _TERM.findall(text))
    return [one for one in found if any(character.isalnum() for character in one)]


def spaced(text: str) -> str:
    """Characters of scripts without spaces as words of their own."""
    return UNSPACED.sub(r" \1 ", text)


def text_of(kind: str, document: Mapping[str, Any]) -> str:
    """All that a sample says: titles, texts, captions, subtitles."""
    parts = [document.get("title"), document.get("page_title"), document.get("caption")]
    parts += document.get("texts") or [] if kind == "interleaved" else []
    parts += [one.get("text") for name in ("captions", "texts", "subtitles") for one in _records(document.get(name))]
    parts += document.get("image_alts") or []
    return "\n".join(dict.fromkeys(str(part) for part in parts if part))


def _records(found: Any) -> list[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _add_shard(database: sqlite3.Connection, index: Index, kind: str, mark: ShardMark, path: Path) -> None:
    """In one transaction: a kill leaves the shard out, and the next run takes it."""
    tar = f"{kind}/shards/{mark.shard.name}.tar"
    sql = f"SELECT key, members FROM {index.of_shards(kind, [mark.shard.name])} ORDER BY row"
    for batch in index.batches(sql, size=_AT_A_TIME):
        rows = batch.to_pylist()
        places = [next((m for m in row["members"] if m["name"].endswith(".json")), None) for row in rows]
        read = index.store.read_ranges([(tar, place["offset"], place["size"]) for place in places if place])
        bodies = iter(read)
        with _told(path):
            for row, place in zip(rows, places, strict=True):
                body = spaced(text_of(kind, _decoded(next(bodies)))) if place else ""
                number = database.execute("INSERT INTO samples(kind, key) VALUES (?, ?)", (kind, row["key"])).lastrowid
                database.execute("INSERT INTO texts(rowid, body) VALUES (?, ?)", (number, body))
    with _told(path):
        values = (kind, mark.shard.name, mark.shard.tar_sha256, mark.shard.samples)
        database.execute("INSERT INTO shards VALUES (?, ?, ?, ?)", values)
        database.commit()


def _decoded(data: bytes) -> Mapping[str, Any]:
    try:
        found = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _holds_only(path: Path, wanted: set[tuple[str, str, str]]) -> bool:
    """Raises `TextIndexError` for a file that is something else: it is not ours to delete."""
    index = TextIndex(path)
    index.close()
    return index.shards <= wanted


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise TextIndexError(f"{path}: {error}") from None
    except OSError as error:
        raise TextIndexError(f"{path}: {os.strerror(error.errno) if error.errno else error}") from None
