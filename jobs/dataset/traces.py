"""What is left of removed samples beside the shards of a dataset: keys, details of drops, archives, `work/`, texts.

Each step may be done again after a kill at any point, and changes nothing where nothing is left to do.
"""

import io
from collections.abc import Collection, Mapping
from contextlib import suppress

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from crawlers.blanking import Stored, blank_record, copy_without, stored_records
from pipeline.corpus_rules import content_keys
from schemas.builds import drop_files
from schemas.deny import DenyList
from schemas.documents import Sample
from schemas.kinds import INTERLEAVED
from schemas.removals import Gone, Removal
from schemas.shards import Shard, read_marks
from schemas.storage import Store, new_attempt, sync
from schemas.urls import media_key

#: Archives that a build leaves beside the shards: what it fetched, and records that an index named.
ARCHIVES = ("media/warc", "records/warc")
#: Files of the root that show samples or hold their words, and are made anew by who wants them.
_SHOWING = ("texts.sqlite", "report.html", "audit.html", "audit.json")
#: Of `work/` what says which build it was, and which shards were looked through by a list.
_OF_PLAN, LOOKED = ("plan.json", "config.yaml"), "work/looked"


def remove_traces(store: Store, deny: DenyList, removal: Removal, gone: Mapping[str, Gone]) -> int:
    """Remove what is left of what the list denies; returns the number of records that went out of archives."""
    for kind, of_kind in gone.items():
        _forget_keys(store, kind, of_kind)
    _blank_details(store, deny)
    hashes = {*deny.hashes.sha256, *(sha256 for of_kind in gone.values() for sha256 in of_kind.looks)}
    records = sum(_blank_archives(store, folder, deny, hashes, removal) for folder in ARCHIVES)
    for name in _SHOWING:
        store.remove(name)
    return records


def clear_work(store: Store) -> None:
    """Rows of pages and images that phases handed on, if they are still there, and what removal itself noted."""
    root = store.path("work").rstrip("/")
    with suppress(FileNotFoundError):
        names = [str(path)[len(root) + 1 :] for path in store.fs.find(root)]
        kept = (*_OF_PLAN, f"{LOOKED.removeprefix('work/')}/")
        store.remove_all([f"work/{name}" for name in names if not name.startswith(kept)])


def _forget_keys(store: Store, kind: str, gone: Gone) -> None:
    """Of samples that went the keys go; of pages that lost images, those of these images."""
    partitions = {int(key[:6]) for key in (*gone.samples, *gone.edited)}
    for partition in sorted(partitions):
        name = f"{kind}/keys/{partition:06d}.parquet"
        try:
            with store.open(name) as file:
                table = pq.read_table(file)
        except FileNotFoundError:
            continue
        left = table.filter(pc.invert(pc.is_in(table.column("sample"), pa.array(sorted(gone.samples), pa.string()))))
        if kind == INTERLEAVED.name:
            left = _of_edited(store, partition, left, gone.edited)
        if not left.equals(table):
            _put_table(store, name, left)


def _of_edited(store: Store, partition: int, table: pa.Table, edited: Collection[str]) -> pa.Table:
    """The table with the keys of images as these samples have them now."""
    rows = table.to_pylist()
    samples = _samples(store, partition, edited)
    for row in rows:
        if sample := samples.get(row["sample"]):
            contents = zip(sample.image_original_sha256, sample.image_phashes, strict=True)
            row["images"] = b"".join(sorted({media_key(url) for url in sample.image_urls}))
            row["contents"] = b"".join(key for image in contents for key in content_keys(*image))
    return pa.Table.from_pylist(rows, table.schema)


def _samples(store: Store, partition: int, keys: Collection[str]) -> dict[str, Sample]:
    found: dict[str, Sample] = {}
    for mark in read_marks(store, INTERLEAVED.name):
        if mark.partition == partition and keys:
            shard = Shard(store, INTERLEAVED.name, mark.shard.name)
            for row in shard.index(["key", "members"]).to_pylist():
                if row["key"] in keys:
                    found[row["key"]] = msgspec.json.decode(shard.member(row["members"][0]), type=Sample)
    return found


def _blank_details(store: Store, deny: DenyList) -> None:
    """Rows of drops keep the address and the reason of what is denied, which are counted; details may quote."""
    for name in drop_files(store):
        with store.open(f"drops/{name}") as file:
            table = pq.read_table(file)
        addresses = [column for column in ("url", "page_url") if column in table.column_names]
        unique = {url for column in addresses for url in table.column(column).unique().to_pylist() if url}
        denied = pa.array([url for url in unique if deny.entry(url)], pa.string())
        hit = pc.or_(*(pc.is_in(table.column(column), denied) for column in (addresses * 2)[:2]))
        quotes = pc.and_(pc.not_equal(table.column("detail"), ""), pc.not_equal(table.column("reason"), "denied"))
        hit = pc.and_(hit, quotes)
        if pc.any(hit).as_py():
            place = table.column_names.index("detail")
            _put_table(store, f"drops/{name}", table.set_column(place, "detail", pc.if_else(hit, "", table["detail"])))


def _put_table(store: Store, name: str, table: pa.Table) -> None:
    packed = io.BytesIO()
    pq.write_table(table, packed, compression="zstd")
    store.put(name, packed.getvalue())


def _blank_archives(store: Store, folder: str, deny: DenyList, hashes: Collection[str], removal: Removal) -> int:
    """Write archives anew that hold denied records, each with blank ones of the same length in their places."""
    records = 0
    for path in _archives(store, folder):
        gone, earlier = _denied_records(store, path, deny, hashes, removal.number)
        records += len(gone) + earlier
        if gone:
            _write_without(store, path, gone, removal)
    return records


def _archives(store: Store, folder: str) -> list[str]:
    names = store.list(folder)
    return [f"{folder}/{name}" for name in names if name.endswith(".warc.gz") and not name.startswith(".")]


def records_denied(store: Store, deny: DenyList) -> int:
    """How many records of archives the list denies by address or by the hash of what they hold."""
    paths = [path for folder in ARCHIVES for path in _archives(store, folder)]
    return sum(len(_denied_records(store, path, deny, deny.hashes.sha256, 0)[0]) for path in paths)


def _denied_records(
    store: Store, path: str, deny: DenyList, hashes: Collection[str], number: int
) -> tuple[list[Stored], int]:
    """The records of an archive that are denied, and how many this removal has taken out before."""
    gone, earlier = list[Stored](), 0
    with store.open(path) as file:
        for record in stored_records(file, store.size(path), bool(hashes)):
            earlier += record.removal == number
            if record.sha256 in hashes or any(map(deny.entry, record.urls)):
                gone.append(record)
    return gone, earlier


def _write_without(store: Store, path: str, gone: list[Stored], removal: Removal) -> None:
    def blank(record: Stored) -> bytes:
        return blank_record(record.length, removal.number, removal.time, f"{path}:{record.offset}")

    folder, _, name = path.rpartition("/")
    staged = f"{folder}/.{new_attempt()}.{name}.tmp"
    with store.open(path) as source, store.create(staged) as target:
        copy_without(source, target, gone, blank)
        sync(target)
    store.move(staged, path)
