"""What the pages of the viewer show: rows of the index, and members of samples by positioned reads."""

import itertools
import posixpath
import random
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from jobs.dataset.index import Index, QueryError
from jobs.dataset.text_index import TextIndex, TextIndexError, words_of
from jobs.view.excerpts import excerpt_of
from jobs.view.filters import Filter
from jobs.view.flags import beside
from schemas.dataset import DATASET, Dataset, read_dataset
from schemas.shards import DamagedShard, ShardInfo, require_sound
from schemas.storage import Store

_ROWS = 4096
_COUNTS = 256
_FACET = 200
_READERS = 8
_SEARCHES = 64  # whose hits are kept, in tables of up to some megabytes
#: Columns whose most frequent values are offered to choose from.
FACETS = ("language", "domain", "licence", "caption_source")


def texts_file(store: Store) -> Path:
    """Where the index of a dataset's texts lies."""
    return beside(store.url, "texts.sqlite")


def open_texts(index: Index) -> TextIndex | None:
    """The index of texts, if there is one of just these shards."""
    path = texts_file(index.store)
    if not path.exists():
        return None
    try:
        texts = TextIndex(path)
    except TextIndexError:
        return None
    if texts.covers(index.marks):
        return texts
    texts.close()
    return None


class NoSample(Exception):
    """No sample has that key or address."""


class Member(msgspec.Struct, frozen=True):
    """Where the bytes of one member lie."""

    name: str
    tar: str
    offset: int
    size: int
    crc32: int


class Library:
    """One dataset, open for looking. Everything it remembers is bounded; safe for several threads."""

    def __init__(self, store: Store, embeddings: str = "", compared_with: str = "") -> None:
        """Full text is searched where an index of it lies beside the dataset; `embeddings` are files of the user's,
        `compared_with` another dataset.

        Raises `NotADataset`, and `QueryError` for files that hold no embeddings.
        """
        other = Store(compared_with) if compared_with else None
        self.store, self.index = store, Index(store, embeddings=embeddings, other=other)
        self.has_embeddings = self.index.has_embeddings
        self.dataset: Dataset | None = read_dataset(store) if store.exists(DATASET) else None
        self.kinds = self.index.kinds
        self.columns = {kind: self.index.columns(kind) for kind in self.kinds}
        self.texts = open_texts(self.index)
        self._found: dict[tuple[str, str], str] = {}
        self._tables = itertools.count()
        self._rows: OrderedDict[tuple[str, str], dict[str, Any]] = OrderedDict()
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._facets: dict[str, dict[str, list[tuple[str, int]]]] = {}
        self._lock = threading.Lock()

    def shards(self, kind: str) -> list[ShardInfo]:
        return [mark.shard for mark in self.index.marks.get(kind, [])]

    def total(self, kind: str) -> int:
        return sum(shard.samples for shard in self.shards(kind))

    def page(self, kind: str, chosen: Filter, number: int, size: int) -> list[dict[str, Any]]:
        """The rows of a page, counted from 0. Raises `QueryError`."""
        wanted = [f'"{name}"' for name in self.columns[kind] if not name.startswith(("image_", "frame_hashes"))]
        where, parameters = self.where(kind, chosen)
        start = number * size
        order = chosen.order_sql(self.columns[kind])
        source, start = (kind, start) if where or order else self._skipped(kind, start, size)
        sql = f"SELECT {', '.join(wanted)} FROM {source} {where} {order} LIMIT {size} OFFSET {start}"
        rows = self.index.ask(sql, parameters, limit=size).dicts()
        for row in rows:
            self._remember(kind, row)
        return rows

    def _skipped(self, kind: str, start: int, size: int) -> tuple[str, int]:
        """Of all rows in order: marks tell in which shards a page lies, so that no others are opened."""
        first, names, skip = 0, list[str](), 0
        for shard in self.shards(kind):
            if first < start + size and start < first + shard.samples:
                skip = skip if names else start - first
                names.append(shard.name)
            first += shard.samples
        return (self.index.of_shards(kind, names), skip) if names else (kind, start)

    def where(self, kind: str, chosen: Filter) -> tuple[str, list[Any]]:
        """The condition of a filter and its parameters. Raises `QueryError`."""
        return chosen.sql(self.columns[kind], self._with_words(kind, chosen.text))

    def _with_words(self, kind: str, text: str) -> str:
        """A table with the keys of samples whose texts hold the words; "" where there is no index of texts."""
        if self.texts is None or not text:
            return ""
        with self._lock:
            if (kind, text) not in self._found:
                table = f"found_{next(self._tables) % _SEARCHES}"
                try:
                    self.index.hold(table, self.texts.keys(kind, text))
                except TextIndexError as error:
                    raise QueryError(str(error)) from None
                self._found = {one: name for one, name in self._found.items() if name != table}
                self._found[kind, text] = table
            return self._found[kind, text]

    def count(self, kind: str, chosen: Filter) -> int:
        """How many rows a filter leaves. Raises `QueryError`."""
        where, parameters = self.where(kind, chosen)
        if not where:
            return self.total(kind)
        return self.counted(f"SELECT count(*) FROM {kind} {where}", parameters)

    def counted(self, sql: str, parameters: Sequence[Any]) -> int:
        """A count that is remembered. Raises `QueryError`."""
        name = f"{sql} {list(parameters)!r}"
        with self._lock:
            if name in self._counts:
                return self._counts[name]
        count = int(self.index.ask(sql, parameters).rows[0][0])
        with self._lock:
            self._counts[name] = count
            while len(self._counts) > _COUNTS:
                self._counts.popitem(last=False)
        return count

    def facets(self, kind: str) -> dict[str, list[tuple[str, int]]]:
        """The most frequent values of columns to choose from, and how often they stand.

        They are counted in the background: no page waits for them, and until they are known there are none.
        """
        columns = [column for column in FACETS if column in self.columns[kind]]
        with self._lock:
            if kind not in self._facets:
                self._facets[kind] = {column: [] for column in columns}
                threading.Thread(target=self._count_facets, args=(kind, columns), daemon=True).start()
            return dict(self._facets[kind])

    def _count_facets(self, kind: str, columns: list[str]) -> None:
        for column in columns:
            sql = f"SELECT {column}, count(*) n FROM {kind} WHERE {column} <> '' GROUP BY 1 ORDER BY n DESC, 1"
            try:
                rows = self.index.ask(sql, limit=_FACET).rows
            except QueryError:  # or the dataset was closed meanwhile
                return
            with self._lock:
                self._facets[kind][column] = [(str(row[0]), int(row[1])) for row in rows]

    def row(self, kind: str, key: str) -> dict[str, Any]:
        """The index row of a sample. Raises `NoSample`."""
        with self._lock:
            if (kind, key) in self._rows:
                self._rows.move_to_end((kind, key))
                return self._rows[kind, key]
        if kind not in self.kinds:
            raise NoSample(f"this dataset has no {kind}")
        found = self.index.ask(f"SELECT * FROM {self._shards_with(kind, key)} WHERE key = ? LIMIT 1", [key]).dicts()
        if not found:
            raise NoSample(f"no sample of {kind} has the key {key}")
        self._remember(kind, found[0])
        return found[0]

    def whole_row(self, kind: str, key: str) -> dict[str, Any]:
        """The same with all columns: a row of a page of samples lacks the longest. Raises `NoSample`."""
        with self._lock:
            self._rows.pop((kind, key), None)
        return self.row(kind, key)

    def _shards_with(self, kind: str, key: str) -> str:
        """Where a key may stand: its first digits tell the partition, and so do the names of shards."""
        names = [shard.name for shard in self.shards(kind) if shard.name[:7] == f"{key[:6]}-"]
        return self.index.of_shards(kind, names) if names else kind

    def find(self, wanted: str) -> tuple[str, str]:
        """Kind and key of the first sample with this key, or address of its page or medium. Raises `NoSample`."""
        for kind in self.kinds if wanted[:6].isdigit() else ():
            try:
                return kind, str(self.row(kind, wanted)["key"])
            except NoSample:
                continue
        for kind in self.kinds:
            names = [name for name in ("key", "url", "page_url") if name in self.columns[kind]]
            where = " OR ".join(f"{name} = ?" for name in names)
            if rows := self.index.ask(f"SELECT key FROM {kind} WHERE {where} LIMIT 1", [wanted] * len(names)).rows:
                return kind, str(rows[0][0])
        raise NoSample(f"no sample has the key or address {wanted}")

    def neighbour(self, kind: str, row: dict[str, Any], step: int) -> str:
        """The key of the sample before (-1) or after (1) in the order of the shards; "" at the ends."""
        shards = self.shards(kind)
        place = next((number for number, shard in enumerate(shards) if shard.name == row["shard"]), -1)
        if place < 0:
            return ""
        number = self.index.place(kind, shards[place].name, row["row"]) + step
        if number < 0 or number >= shards[place].samples:
            place += step
            if not 0 <= place < len(shards):
                return ""
            number = 0 if step > 0 else shards[place].samples - 1
        return self._key_at(kind, shards[place].name, number)

    def number(self, kind: str, row: dict[str, Any]) -> int:
        """The place of a sample in the order of the shards, counted from 1."""
        before = 0
        for shard in self.shards(kind):
            if shard.name == row["shard"]:
                return before + self.index.place(kind, shard.name, row["row"]) + 1
            before += shard.samples
        return 0

    def random_key(self, kind: str) -> str:
        """Any sample, each as likely. Raises `NoSample` where there is none."""
        shards = self.shards(kind)
        if not shards:
            raise NoSample(f"this dataset has no {kind}")
        shard = random.choices(shards, [info.samples for info in shards])[0]
        return self._key_at(kind, shard.name, random.randrange(shard.samples))

    def _key_at(self, kind: str, shard: str, number: int) -> str:
        """Of the sample of this number among those of a shard that count."""
        live = self.index.rows(kind, shard)
        row = number if live is None else int(live[number])
        found = self.index.ask(f"SELECT key FROM {self.index.of_shards(kind, [shard])} WHERE row = ?", [row]).rows
        return str(found[0][0]) if found else ""

    def members(self, kind: str, row: dict[str, Any]) -> list[Member]:
        tar = f"{kind}/shards/{row['shard']}.tar"
        return [Member(m["name"], tar, m["offset"], m["size"], m["crc32"]) for m in row["members"]]

    def read(self, member: Member, start: int = 0, size: int | None = None) -> bytes:
        """The member's bytes, or a part of them. Raises `OSError`, also where the shard ends before them, and
        `DamagedShard` where all of them are not what was written."""
        size = member.size - start if size is None else size
        data = self.store.read_ranges([(member.tar, member.offset + start, size)])[0]
        if size == member.size:
            require_sound(member.tar, member.name, data, member.crc32)
        return data

    def document(self, kind: str, row: dict[str, Any]) -> dict[str, Any]:
        """The sample's JSON member. Raises `OSError`, and `NoSample` or `DamagedShard` where it is damaged."""
        for member in self.members(kind, row):
            if member.name.endswith(".json"):
                try:
                    found = msgspec.json.decode(self.read(member))
                except msgspec.DecodeError as error:
                    raise NoSample(f"{member.name} is damaged: {error}") from None
                if isinstance(found, dict):
                    return found
        raise NoSample(f"{row['key']} has no JSON")

    def excerpts(self, kind: str, rows: Sequence[dict[str, Any]], text: str = "") -> list[list[tuple[str, bool]]]:
        """Of each sample the place where its texts hold what is searched for, else how they begin; read side by side.

        An excerpt is in pieces, each with whether it is a word that was searched for; it is empty where a sample has
        no text or cannot be read.
        """
        words = words_of(text)

        def excerpt(row: dict[str, Any]) -> list[tuple[str, bool]]:
            try:
                texts = self.document(kind, row).get("texts") or []
            except (NoSample, DamagedShard, OSError):
                return []
            return excerpt_of([str(text) for text in texts if text], words)

        if kind != "interleaved":
            return [[] for _ in rows]
        with ThreadPoolExecutor(_READERS) as readers:
            return list(readers.map(excerpt, rows))

    def all_members(self, kind: str, row: dict[str, Any]) -> dict[str, bytes]:
        """The members by field, as the loader has them, of one read."""
        data = self.store.read_range(f"{kind}/shards/{row['shard']}.tar", row["offset"], row["size"])
        return {
            posixpath.basename(member["name"]).partition(".")[2]: data[member["offset"] - row["offset"] :][
                : member["size"]
            ]
            for member in row["members"]
        }

    def _remember(self, kind: str, row: dict[str, Any]) -> None:
        with self._lock:
            self._rows[kind, row["key"]] = row
            while len(self._rows) > _ROWS:
                self._rows.popitem(last=False)
