"""Drafts of the synthetic web in any number, as *extract* leaves them.

Signatures are what takes time. So the first hundred thousand drafts are made as a build makes them, and those beyond
are copies: each address and paragraph holds the name of its block, which is replaced, and keys are combined with a
number of the copy, so that they are equal where they were, and unlike those of every other copy.
"""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.synthetic import BLOCK, make_draft
from jobs.config import BuildConfig
from jobs.phases.extract import DRAFTS, PAGES, WANTED, Captures
from jobs.phases.known_pages import page_keys
from jobs.phases.sizes import put_sizes
from jobs.phases.slices import order_of
from jobs.phases.task import Task
from schemas.buckets import bucket_of, mixed
from schemas.documents import TextBlock
from schemas.urls import media_key, registered_domain

DRAFTS_AN_ARCHIVE = 10_000
ORIGINALS = 10  # archives whose drafts are made

Ints = NDArray[np.int32]


def make_originals(folder: Path, size: int, archive: int) -> None:
    """The drafts of one archive and their keys, in a file of their own."""
    first = archive * DRAFTS_AN_ARCHIVE
    numbers, config = range(first, min(size, first + DRAFTS_AN_ARCHIVE)), BuildConfig()
    table = pa.Table.from_pylist([_original(number, config) for number in numbers])
    with pa.OSFile(_path(folder, archive), "wb") as file, pa.ipc.new_file(file, table.schema) as stream:
        stream.write_table(table)


def _original(number: int, config: BuildConfig) -> dict[str, Any]:
    """Keys are those of the page without names in its paragraphs: these would make pages more alike."""
    keys, name = page_keys(make_draft(number), config), name_of(number // BLOCK)
    draft = make_draft(number, name)
    blocks = tuple(TextBlock(f"{one.text} {name}") if isinstance(one, TextBlock) else one for one in draft.blocks)
    return {
        "uid": number,
        "url": draft.url,
        "draft": msgspec.json.encode(msgspec.structs.replace(draft, blocks=blocks, keys=keys)),
        "key": keys.url,
        "text_key": keys.text,
        "bands": keys.bands,
        "time": draft.fetch_time,
        "wanted": b"".join(media_key(url) for image in draft.images for url in image.candidates),
    }


def write_drafts(task: Task, size: int, folder: Path) -> None:
    """What *extract* would leave of one archive."""
    copy, original = divmod(task.index, ORIGINALS)
    rows = pa.ipc.open_file(_path(folder, original)).read_all()[: size - task.index * DRAFTS_AN_ARCHIVE]
    uids = rows["uid"].to_numpy() + copy * ORIGINALS * DRAFTS_AN_ARCHIVE
    urls = pa.array([url.decode() for url in _renamed(rows["uid"], uids, rows["url"].cast(pa.binary()))])
    packed = list(_renamed(rows["uid"], uids, rows["draft"]))
    partitions = np.array([_partition(url.split("/")[2], task.plan.partitions) for url in urls.to_pylist()], np.int32)
    orders = [order_of(task.config.seed, b"%d" % uid) for uid in uids]
    drafts = pa.table({"uid": uids, "order": orders, "url": urls, "draft": pa.array(packed)})
    task.writer("drafts", DRAFTS, "order").add_table(partitions, drafts)

    keys = {name: _turned(rows[name], copy) for name in ("key", "text_key", "bands")}
    pages = pa.table({**keys, "time": rows["time"], "uid": uids, "partition": partitions, "url": urls})
    task.writer("pages", PAGES).add_table(_buckets(keys["key"], task.plan.buckets), pages)
    wanted = rows["wanted"].to_pylist()
    wanting = np.repeat(partitions, [len(one) // 16 for one in wanted])
    wanted = _turned(pa.array([one[at : at + 16] for one in wanted for at in range(0, len(one), 16)]), copy)
    want = pa.table({"key": wanted, "partition": wanting})
    task.writer("wanted", WANTED).add_table(_buckets(wanted, task.plan.buckets), want)
    Captures(task)  # none
    put_sizes(task, np.bincount(partitions, list(map(len, packed)), task.plan.partitions).astype(np.int64))


def name_of(block: int) -> str:
    """All are as long: no draft of a copy is longer than its original."""
    return f"n{block:07d}"


def _path(folder: Path, archive: int) -> str:
    return str(folder / f"originals-{archive}.arrow")


def _renamed(old: pa.ChunkedArray, new: NDArray[np.int64], values: pa.ChunkedArray) -> Iterator[bytes]:
    for was, now, value in zip(old.to_pylist(), new.tolist(), values.to_pylist(), strict=True):
        value = value.replace(b'"uid":%d' % was, b'"uid":%d' % now, 1)
        yield value.replace(name_of(was // BLOCK).encode(), name_of(now // BLOCK).encode())


def _turned(keys: Any, copy: int) -> pa.Array:
    """Keys of one length combined with a number that is the copy's own; those of copy 0 stay."""
    words = np.frombuffer(b"".join(keys.to_pylist()), np.uint64).reshape(len(keys), -1)
    constant = mixed(np.full(1, copy, np.uint64))
    return pa.array([row.tobytes() for row in words ^ constant], pa.binary())


def _buckets(keys: pa.Array, buckets: int) -> Ints:
    return np.array([bucket_of(key, buckets) for key in keys.to_pylist()], np.int32)


@functools.lru_cache(maxsize=10_000)
def _partition(host: str, partitions: int) -> int:
    return bucket_of(registered_domain(host).encode(), partitions)
