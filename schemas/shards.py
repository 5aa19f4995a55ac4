"""Shards: a tar of samples, its offset index and its parquet index. Written here, and read here by offset."""

import array
import math
import posixpath
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import IO, Any, ClassVar, Protocol, TypeVar

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.builds import is_published, read_builds
from schemas.settings import Bounds, Settings
from schemas.storage import Store
from schemas.tar import BLOCK, TarWriter, member_bytes

T = TypeVar("T")

MEMBERS = pa.list_(
    pa.struct([("name", pa.string()), ("offset", pa.int64()), ("size", pa.int64()), ("crc32", pa.uint32())])
)


class ShardSettings(Settings, frozen=True):
    """How samples are cut into shards."""

    bounds: ClassVar[Bounds] = {"max_bytes": (1, math.inf)}

    max_bytes: int = 512 << 20
    """A shard is closed before it would grow over this. 256 MB to 1 GB suits object stores and shuffling loaders."""


class ShardInfo(msgspec.Struct, frozen=True):
    """What a commit mark says of its shard."""

    name: str  # 000012-003
    samples: int
    images: int
    tar_bytes: int
    tar_sha256: str
    parquet_bytes: int
    parquet_sha256: str
    redacted: dict[str, int] | None = None  # placeholders in its samples, by kind; older marks do not tell


class _Redacted(msgspec.Struct):
    """Of the JSON of a sample of any kind what its shard adds up."""

    redacted: dict[str, int] = {}


class ShardMark(msgspec.Struct, frozen=True):
    """`commit/000012-003.json`: the shard is whole and counts. Written last; a reader trusts nothing without it."""

    shard: ShardInfo
    partition: int
    drops: dict[str, dict[str, int]]  # by kind and reason, of this shard's stretch of the partition
    config_hash: str
    weft_version: str


class Files(Protocol):
    """Where a shard's files go: `schemas.commits.Attempt`, or a plain folder in a test."""

    def create(self, name: str) -> Any: ...


class ShardWriter:
    """Cuts samples into `{folder}/{partition:06d}-{number:03d}.tar`, with `.tar.idx` and `.parquet` beside each.

    `columns` are the columns of the parquet index beyond key, offset, size and members. `on_shard` is called with each
    finished shard.
    """

    def __init__(
        self,
        files: Files,
        folder: str,
        partition: int,
        columns: Mapping[str, pa.DataType],
        settings: ShardSettings,
        on_shard: Callable[[ShardInfo], None],
        first_number: int = 0,
    ) -> None:
        self._files, self._folder, self._partition = files, folder, partition
        self._settings, self._on_shard = settings, on_shard
        base = {"key": pa.string(), "offset": pa.int64(), "size": pa.int64(), "members": MEMBERS}
        self._schema = pa.schema([*base.items(), *columns.items()])
        self._next_number = first_number
        self._shard: _OpenShard | None = None

    def add(self, key: str, members: Sequence[tuple[str, bytes]], row: Mapping[str, Any]) -> None:
        """Append a sample: its members as (full name, data) in order, and its row of the index."""
        size = sum(member_bytes(len(data)) for _, data in members)
        if self._shard is not None and self._shard.tar.size + size + 2 * BLOCK > self._settings.max_bytes:
            self.close()
        if self._shard is None:
            self._shard = _OpenShard(self._files, f"{self._folder}/{self._partition:06d}-{self._next_number:03d}")
            self._next_number += 1
        self._shard.add(key, members, row)

    def close(self) -> None:
        """Finish the shard in hand, if there is one."""
        if self._shard is not None:
            info = self._shard.close(self._schema)
            self._shard = None
            self._on_shard(info)


class _OpenShard:
    def __init__(self, files: Files, name: str) -> None:
        self._files, self._name = files, name
        self._tar_file = files.create(f"{name}.tar")
        self.tar = TarWriter(self._tar_file)
        self._rows: list[dict[str, Any]] = []
        self._redacted: Counter[str] = Counter()

    def add(self, key: str, members: Sequence[tuple[str, bytes]], row: Mapping[str, Any]) -> None:
        start = self.tar.size
        written = [self.tar.add(name, data) for name, data in members]
        for name, data in members:
            if name.endswith(".json"):
                self._redacted.update(msgspec.json.decode(data, type=_Redacted).redacted)
        places = [msgspec.to_builtins(member) for member in written]
        self._rows.append({"key": key, "offset": start, "size": self.tar.size - start, "members": places, **row})

    def close(self, schema: pa.Schema) -> ShardInfo:
        starts = array.array("Q", [*(row["offset"] for row in self._rows), self.tar.size])
        self.tar.close()
        self._tar_file.close()
        with closing(self._files.create(f"{self._name}.tar.idx")) as file:
            file.write(starts.tobytes())
        with closing(self._files.create(f"{self._name}.parquet")) as table_file:
            pq.write_table(pa.Table.from_pylist(self._rows, schema), table_file, compression="zstd")
        tar, table = self._tar_file.info(), table_file.info()
        return ShardInfo(
            name=posixpath.basename(self._name),
            samples=len(self._rows),
            images=sum(row.get("num_images", 0) for row in self._rows),
            tar_bytes=tar.bytes,
            tar_sha256=tar.sha256,
            parquet_bytes=table.bytes,
            parquet_sha256=table.sha256,
            redacted=dict(sorted(self._redacted.items())),
        )


class DamagedShard(Exception):
    """A file of a committed shard is missing or unreadable."""


class MissingShard(DamagedShard, FileNotFoundError):
    """A file of a committed shard is missing: it may also be the storage that fails."""


class Shard:
    """A committed shard, opened for reading. Samples are read by offset; a tar is never unpacked.

    `gone` are rows that its readers pass over (`schemas.superseded`).
    """

    def __init__(self, store: Store, folder: str, name: str, gone: Sequence[int] = ()) -> None:
        self._store, self.folder, self.name, self._gone = store, folder, name, gone
        self.tar_name, self.parquet_name = f"{folder}/shards/{name}.tar", f"{folder}/shards/{name}.parquet"

    def index(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The parquet index, one row a sample. Raises `DamagedShard`."""
        try:
            with self._store.open(self.parquet_name) as file:
                rows = pq.ParquetFile(file).read(columns=None if columns is None else list(columns))
        except (OSError, pa.ArrowException) as error:
            raise DamagedShard(f"{self.parquet_name}: {error}") from None
        return rows.filter(~np.isin(np.arange(len(rows)), self._gone)) if len(self._gone) else rows

    def sample(self, row: Mapping[str, Any]) -> dict[str, bytes]:
        """The members of one sample by one positioned read: name to data, in tar order. Raises `DamagedShard`."""
        data = self._read(row["offset"], row["size"])
        if len(data) < row["size"]:
            raise DamagedShard(f"{self.tar_name} ends within a sample, at {row['offset'] + len(data)} bytes")
        return self._sound(_cut(data, row), row)

    def member(self, place: Mapping[str, Any]) -> bytes:
        """One member, given by its entry in an index row. Raises `DamagedShard`."""
        data = self._read(place["offset"], place["size"])
        require_sound(self.tar_name, place["name"], data, place["crc32"])
        return data

    def members(self, rows: Sequence[Mapping[str, Any]], as_they_are: bool = False) -> Iterator[dict[str, bytes]]:
        """The members of samples given by their index rows: name to data, in tar order; `as_they_are` whatever became
        of them. Raises `DamagedShard`."""
        with self._open() as file:
            for row in rows:
                file.seek(row["offset"])
                members = _cut(file.read(row["size"]), row)
                yield members if as_they_are else self._sound(members, row)

    def _read(self, offset: int, size: int) -> bytes:
        try:
            return self._store.read_range(self.tar_name, offset, size)
        except FileNotFoundError:
            raise MissingShard(f"{self.tar_name} is gone") from None

    def _open(self) -> IO[bytes]:
        try:
            return self._store.open(self.tar_name)
        except FileNotFoundError:
            raise MissingShard(f"{self.tar_name} is gone") from None

    def _sound(self, members: dict[str, bytes], row: Mapping[str, Any]) -> dict[str, bytes]:
        for one in row["members"]:
            require_sound(self.tar_name, one["name"], members[one["name"]], one["crc32"])
        return members


def require_sound(tar: str, name: str, data: bytes, crc32: int) -> None:
    """Raises `DamagedShard` where a member is not what was written."""
    if zlib.crc32(data) != crc32:
        raise DamagedShard(f"{tar} is damaged: {name} is not what was written there")


def _cut(data: bytes, row: Mapping[str, Any]) -> dict[str, bytes]:
    """The stretch of a tar that is a sample, by its members. Headers are not read: the index says where they lie."""
    start = row["offset"]
    return {one["name"]: data[one["offset"] - start : one["offset"] - start + one["size"]] for one in row["members"]}


def read_marks(store: Store, folder: str, before: int | None = None) -> list[ShardMark]:
    """The commit marks of a kind, in order of their shards; a shard without one does not exist for a reader.

    Of a finished dataset to which something is being added they are those of before, until all of it is there. What
    these shards hold that a later build replaced, `schemas.superseded` tells. `before` names the first partition that
    is not asked for, whatever is published. Raises `DamagedShard`.
    """
    names = [name for name in store.list(f"{folder}/commit") if name.endswith(".json") and not name.startswith(".")]
    if before is not None:
        names = [name for name in names if int(name.partition("-")[0]) < before]
    else:
        builds = read_builds(store)
        names = [name for name in names if is_published(builds, folder, name)]
    marks = store.read_all([f"{folder}/commit/{name}" for name in names])
    return [promised(f"{folder}/commit/{name}", mark, ShardMark) for name, mark in zip(names, marks, strict=True)]


def promised(name: str, data: bytes, kind: type[T], folder: str = "") -> T:
    """What a file of weft's own holds. Raises `DamagedShard` if it is not what weft wrote, naming its `folder`."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        where = f"{folder.rstrip('/')}/{name}" if folder else name
        raise DamagedShard(f"{where} is damaged: {error}") from None
