"""What was removed from a finished dataset, by which entry of its deny list, and when: for readers and audits.

`removed/*.parquet` names samples and images by key and hash; of what they held nothing is kept.
"""

import hashlib
from typing import Any, Protocol

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.storage import Store

#: A row for each sample that went, and for each image that went alone.
COLUMNS = pa.schema(
    [
        ("removal", pa.int32()),  # its number in the history of `dataset.json`, from 1
        ("kind", pa.string()),
        ("key", pa.string()),
        ("image", pa.int32()),  # its number among those of the sample, from 0; -1: the whole sample
        ("sha256", pa.string()),  # of the image or video as it was served; "" of a page
        ("entry", pa.string()),  # of the deny list
        ("shard", pa.string()),  # that held it, and is gone
    ]
)
_OPEN, _APPLIED = "removed/open.json", "removed/applied.json"


class Removal(msgspec.Struct, frozen=True):
    """One removal in the history of a dataset."""

    number: int  # from 1
    time: str  # when it was begun: ISO 8601, UTC
    entries: int  # of the list, in all
    weft_version: str
    samples: dict[str, int] = {}  # by kind: those that went, of those that readers had
    images: dict[str, int] = {}  # by kind: images that went alone, out of samples that stay
    records: int = 0  # of archives beside the dataset, whose bytes went
    replaced: dict[str, int] = {}  # by kind: those that went, of those that a later build had replaced


class _Applied(msgspec.Struct, frozen=True):
    """Which list was carried out on what."""

    list: str  # SHA-256 of its lines
    builds: int


class Files(Protocol):
    """Where the file goes: `schemas.commits.Attempt`."""

    def create(self, name: str) -> Any: ...


class RemovedFile:
    """Collects the rows of one shard, and writes them; without any there is no file."""

    def __init__(self, files: Files, removal: int, kind: str, shard: str) -> None:
        self._files, self._name = files, rows_name(removal, kind, shard)
        self._same = {"removal": removal, "kind": kind, "shard": shard}
        self._rows: list[dict[str, Any]] = []

    def add(self, key: str, entry: str, image: int = -1, sha256: str = "") -> None:
        self._rows.append({**self._same, "key": key, "image": image, "sha256": sha256, "entry": entry})

    def close(self) -> None:
        if self._rows:
            file = self._files.create(self._name)
            pq.write_table(pa.Table.from_pylist(self._rows, COLUMNS), file, compression="zstd")
            file.close()


def removed_files(store: Store) -> list[str]:
    """The files of rows, without those of attempts."""
    return [name for name in store.list("removed") if name.endswith(".parquet") and not name.startswith(".")]


def forget_applied(store: Store) -> None:
    """Its shards are made anew: what was removed of those before says nothing of them."""
    for folder in store.list("work"):
        if folder.startswith("remove-"):
            for shard in store.list(f"work/{folder}"):
                store.remove_all([f"work/{folder}/{shard}/{name}" for name in store.list(f"work/{folder}/{shard}")])
    store.remove(_OPEN)
    store.remove(_APPLIED)


class Gone(msgspec.Struct):
    """What a removal took of a kind, by key."""

    samples: set[str] = msgspec.field(default_factory=set)
    edited: set[str] = msgspec.field(default_factory=set)  # samples that lost images
    images: int = 0  # that these lost
    looks: set[str] = msgspec.field(default_factory=set)  # SHA-256, as served, of what an entry names by its look


def read_gone(store: Store, removal: int) -> dict[str, Gone]:
    """What one removal took, by kind."""
    found: dict[str, Gone] = {}
    for name in store.list("removed"):
        if name.startswith(f"{removal:03d}-") and name.endswith(".parquet"):
            with store.open(f"removed/{name}") as file:
                rows = pq.read_table(file, columns=["kind", "key", "image", "sha256", "entry"]).to_pylist()
            for row in rows:
                gone = found.setdefault(row["kind"], Gone())
                (gone.samples if row["image"] < 0 else gone.edited).add(row["key"])
                gone.images += row["image"] >= 0
                if row["sha256"] and row["entry"].startswith(("phash:", "pdq:")):
                    gone.looks.add(row["sha256"])
    return found


def read_removals(store: Store) -> list[Removal]:
    """The history of removals, as the files tell it that lie beside their rows."""
    names = [name for name in store.list("removed") if name.endswith(".json") and name[:-5].isdigit()]
    return [msgspec.json.decode(data, type=Removal) for data in store.read_all([f"removed/{name}" for name in names])]


def write_removal(store: Store, removal: Removal) -> None:
    """Add to that history; the same again changes nothing."""
    store.put(f"removed/{removal.number:03d}.json", msgspec.json.encode(removal))


def rows_name(removal: int, kind: str, shard: str) -> str:
    """The file of rows of one shard."""
    return f"removed/{removal:03d}-{kind}-{shard}.parquet"


def is_applied(store: Store, lines: list[str], builds: int) -> bool:
    """Whether a list was carried out on a dataset of so many builds, to its end."""
    try:
        return msgspec.json.decode(store.read(_APPLIED), type=_Applied) == _Applied(_digest(lines), builds)
    except FileNotFoundError:
        return False


def open_removal(store: Store, wanted: Removal) -> Removal:
    """The removal that is going on; `wanted`, where none is. Its number and time outlive a kill."""
    if store.put_if_absent(_OPEN, msgspec.json.encode(wanted)):
        return wanted
    return msgspec.json.decode(store.read(_OPEN), type=Removal)


def close_removal(store: Store, lines: list[str], builds: int) -> None:
    """The list was carried out, and the dataset says so. Killed in between, the next removal finds nothing to do."""
    store.remove(_OPEN)
    store.put(_APPLIED, msgspec.json.encode(_Applied(_digest(lines), builds)))


def _digest(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
