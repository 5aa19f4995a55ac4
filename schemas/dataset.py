"""`dataset.json` and the small files beside the shards by which other tools open them."""

import posixpath
import uuid
from collections.abc import Sequence
from typing import Any

import msgspec

from schemas.builds import DATASET as DATASET
from schemas.builds import Build
from schemas.drops import Counts
from schemas.energon import CRUDE
from schemas.kinds import KINDS
from schemas.removals import Removal
from schemas.shards import ShardInfo, promised
from schemas.storage import Store
from schemas.superseded import LiveShards


class KindTotals(msgspec.Struct, frozen=True):
    """What a kind of sample adds up to: samples and images without those that a later build replaced."""

    shards: int
    samples: int
    images: int
    bytes: int  # of the tars


class Dataset(msgspec.Struct, frozen=True):
    """`dataset.json`: written last, when every partition is committed."""

    kinds: dict[str, KindTotals]
    phases: dict[str, Counts]  # what each phase saw, kept and dropped, in order
    drops: dict[str, dict[str, int]]  # by kind and reason, all phases together
    inputs: int
    input_bytes: int
    config: dict[str, Any]
    config_hash: str
    weft_version: str
    libraries: dict[str, str] = {}  # versions of those that its bytes depend on
    own_code: list[dict[str, str]] = []  # steps, scorers and captioners of the user's own: use, sha256 of the source
    builds: list[Build] = []  # once something was added: all builds, the first one first
    removals: list[Removal] = []  # what was removed since, by the deny list


def read_dataset(store: Store) -> Dataset:
    """Raises `FileNotFoundError` when the dataset is not finished, and `DamagedShard`."""
    return promised(DATASET, store.read(DATASET), Dataset, store.url)


def totals(shards: Sequence[ShardInfo]) -> KindTotals:
    return KindTotals(
        shards=len(shards),
        samples=sum(shard.samples for shard in shards),
        images=sum(shard.images for shard in shards),
        bytes=sum(shard.tar_bytes for shard in shards),
    )


def live_totals(store: Store, kind: str) -> KindTotals:
    """What a kind adds up to for readers, as its marks and removal lists are now. Raises `DamagedShard`."""
    live = LiveShards(store, kind)
    whole, left = (totals([mark.shard for mark in marks]) for marks in (live.whole, live.marks))
    return msgspec.structs.replace(whole, samples=left.samples, images=left.images)


def write_reader_files(store: Store, kind: str, shards: Sequence[ShardInfo]) -> None:
    """`sizes.json` for open_clip and OpenFlamingo, `.nv-meta/` for Megatron Energon."""
    energon = KINDS[kind].energon
    sizes = {f"{shard.name}.tar": shard.samples for shard in shards}
    counts = {f"shards/{name}": count for name, count in sizes.items()}
    of_energon = {
        ".info.json": _pretty({"energon_version": "7.4.1", "shard_counts": counts}),
        "split.yaml": _pretty({"split_parts": {"train": list(counts), "val": [], "test": []}, "exclude": []}),
        **(energon.files() if energon else CRUDE),
        "index.uuid": str(_identity(shards)).encode(),
    }
    files = {posixpath.join(kind, ".nv-meta", name): data for name, data in of_energon.items()}
    files[f"{kind}/shards/sizes.json"] = _pretty(sizes)
    store.each(lambda name: store.put(name, files[name]), files)


def _identity(shards: Sequence[ShardInfo]) -> uuid.UUID:
    """Equal exactly when the shards are: Energon tells by it whether an index that it made of them is still good."""
    return uuid.uuid5(uuid.NAMESPACE_URL, "weft:" + ",".join(shard.tar_sha256 for shard in shards))


def _pretty(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=1)
