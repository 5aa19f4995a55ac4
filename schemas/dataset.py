"""`dataset.json` and the small files beside the shards by which other tools open them."""

import posixpath
import uuid
from collections.abc import Sequence
from typing import Any

import msgspec

from schemas.drops import Counts
from schemas.shards import ShardInfo
from schemas.storage import Store

DATASET = "dataset.json"


class KindTotals(msgspec.Struct, frozen=True):
    """What a kind of sample adds up to."""

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


def read_dataset(store: Store) -> Dataset:
    """Raises `FileNotFoundError` when the dataset is not finished."""
    return msgspec.json.decode(store.read(DATASET), type=Dataset)


def totals(shards: Sequence[ShardInfo]) -> KindTotals:
    return KindTotals(
        shards=len(shards),
        samples=sum(shard.samples for shard in shards),
        images=sum(shard.images for shard in shards),
        bytes=sum(shard.tar_bytes for shard in shards),
    )


def write_reader_files(store: Store, kind: str, shards: Sequence[ShardInfo]) -> None:
    """`sizes.json` for open_clip and OpenFlamingo, `.nv-meta/` for Megatron Energon."""
    sizes = {f"{shard.name}.tar": shard.samples for shard in shards}
    store.put(f"{kind}/shards/sizes.json", _pretty(sizes))
    counts = {f"shards/{name}": count for name, count in sizes.items()}
    files = {
        ".info.json": _pretty({"energon_version": "7.4.1", "shard_counts": counts}),
        "split.yaml": _pretty({"split_parts": {"train": list(counts), "val": [], "test": []}, "exclude": []}),
        **_energon_files(kind),
        "index.uuid": str(_identity(shards)).encode(),
    }
    for name, data in files.items():
        store.put(posixpath.join(kind, ".nv-meta", name), data)


def _energon_files(kind: str) -> dict[str, bytes]:
    if kind not in _ENERGON:  # Energon has no type for a clip with its caption: its task encoder gets the members
        return {"dataset.yaml": _ENERGON_CRUDE.encode()}
    sample_type, loader = _ENERGON[kind]
    return {
        "dataset.yaml": _ENERGON_DATASET.format(sample_type=sample_type).encode(),
        "sample_loader.py": loader.encode(),
    }


def _identity(shards: Sequence[ShardInfo]) -> uuid.UUID:
    """Equal exactly when the shards are: Energon tells by it whether an index that it made of them is still good."""
    return uuid.uuid5(uuid.NAMESPACE_URL, "weft:" + ",".join(shard.tar_sha256 for shard in shards))


def _pretty(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=1)


_ENERGON_DATASET = """sample_type: {{__module__: megatron.energon, __class__: {sample_type}}}
sample_loader: sample_loader.py:sample_loader
part_filter: sample_loader.py:part_filter
"""

_ENERGON_CRUDE = """__module__: megatron.energon
__class__: CrudeWebdataset
"""

_ENERGON_LOADER = '''"""Opens weft's shards as Energon's InterleavedSample: a sequence of texts and images."""


def sample_loader(raw):
    document = raw["json"]
    return {
        "__key__": raw["__key__"],
        "sequence": [
            text if text is not None else raw[name.split(".", 1)[1]]
            for text, name in zip(document["texts"], document["images"])
        ],
    }


def part_filter(part):
    return True
'''

_ENERGON_PAIR_LOADER = '''"""Opens weft's pairs as Energon's CaptioningSample: an image and its caption."""


def sample_loader(raw):
    image = next(raw[name] for name in ("jpg", "png", "webp") if name in raw)
    return {"__key__": raw["__key__"], "image": image, "caption": raw["txt"]}


def part_filter(part):
    return part in ("jpg", "png", "webp", "txt")
'''

#: By kind of sample: Energon's type, and the code that makes it.
_ENERGON = {
    "interleaved": ("InterleavedSample", _ENERGON_LOADER),
    "pairs": ("CaptioningSample", _ENERGON_PAIR_LOADER),
}
