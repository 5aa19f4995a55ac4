"""`weft inspect --check`: every byte of a dataset against what its commit marks promise."""

import array
import hashlib
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.dataset.summary import kinds_of
from schemas.builds import drop_files, is_published, read_builds
from schemas.dataset import DATASET, live_totals, read_dataset
from schemas.documents import Sample
from schemas.drops import Drop
from schemas.images import STORED_FORMATS, open_image
from schemas.pairs import Pair
from schemas.shards import Shard, ShardInfo, ShardMark, read_marks
from schemas.storage import Store
from schemas.superseded import read_superseded
from schemas.videos import ClipSample

_STEP = 4 << 20


def problems(store: Store) -> Iterator[str]:
    """Everything that is wrong, each naming shard, key and member; nothing if all is well.

    Every file is hashed, every member found where the index says, every document decoded, every image decoded to its
    last pixel, and the totals of `dataset.json` and `drops/` counted again. Raises `DamagedShard` where a commit mark
    or `dataset.json` itself cannot be read.
    """
    for kind in kinds_of(store):
        infos: list[ShardInfo] = []
        names: set[str] = set()
        for mark in read_marks(store, kind):
            infos.append(mark.shard)
            names |= {f"{mark.shard.name}{suffix}" for suffix in (".tar", ".tar.idx", ".parquet")}
            for problem in _shard_problems(store, mark, Shard(store, kind, mark.shard.name), _OF_SAMPLE[kind]):
                yield f"{kind}/{mark.shard.name}: {problem}"
        builds = read_builds(store)
        for name in store.list(f"{kind}/shards"):
            if name not in names and name != "sizes.json" and is_published(builds, kind, name):
                yield f"{kind}/shards/{name}: no commit mark names it"
        yield from _superseded_problems(store, kind, infos)
        if store.exists(DATASET) and (found := live_totals(store, kind)) != (
            stated := read_dataset(store).kinds.get(kind)
        ):
            yield f"{DATASET}: states {stated} for {kind}, the shards hold {found}"
    if store.exists(DATASET):
        yield from _drop_problems(store)


Problems = Callable[[str, Mapping[str, bytes]], Iterator[str]]


def _superseded_problems(store: Store, kind: str, shards: Sequence[ShardInfo]) -> Iterator[str]:
    """Whether the lists of what later builds replaced name samples that are there."""
    samples = {shard.name: shard.samples for shard in shards}
    for name, gone in read_superseded(store, kind).items():
        rows = gone.rows
        if name in samples and (rows != sorted(set(rows)) or (rows and not 0 <= rows[0] <= rows[-1] < samples[name])):
            yield f"{kind}/superseded/{name}: names rows that the shard does not have"


def _shard_problems(store: Store, mark: ShardMark, shard: Shard, of_sample: Problems) -> Iterator[str]:
    info = mark.shard
    for name, promised in (
        (shard.parquet_name, (info.parquet_bytes, info.parquet_sha256)),
        (shard.tar_name, (info.tar_bytes, info.tar_sha256)),
    ):
        try:
            found = _digest(store, name)
        except FileNotFoundError:
            yield f"{name} is missing"
            return
        if found != promised:
            yield f"{name} has {found[0]} bytes, sha256 {found[1]}; its commit mark says {promised[0]}, {promised[1]}"
            if name == shard.parquet_name:
                return  # without a sound index nothing can be found in the tar
    rows = shard.index().to_pylist()
    if len(rows) != info.samples:
        yield f"the index has {len(rows)} rows, the commit mark says {info.samples} samples"
    yield from _index_problems(store, shard, rows)
    keys = [row["key"] for row in rows]
    if len(set(keys)) != len(keys) or any(not key.startswith(f"{mark.partition:06d}") for key in keys):
        yield "keys are not unique, or not of this partition"
    for row, members in zip(rows, shard.members(rows, as_they_are=True), strict=True):
        damaged = [place["name"] for place in row["members"] if zlib.crc32(members[place["name"]]) != place["crc32"]]
        yield from (f"{row['key']}: {name}: its bytes are not those that were written" for name in damaged)
        if not damaged:
            yield from (f"{row['key']}: {problem}" for problem in of_sample(row["key"], members))


def _index_problems(store: Store, shard: Shard, rows: list[dict[str, Any]]) -> Iterator[str]:
    """Whether the offset index and the tar's own headers agree with the parquet index."""
    offsets = [row["offset"] for row in rows]
    offsets += [rows[-1]["offset"] + rows[-1]["size"]] if rows else [0]
    try:
        stated = array.array("Q", store.read(f"{shard.tar_name}.idx")).tolist()
    except (FileNotFoundError, ValueError) as error:
        yield f"{shard.tar_name}.idx: {error}"
    else:
        if stated != offsets:
            yield f"{shard.tar_name}.idx disagrees with the parquet index"
    indexed = [(place["name"], place["offset"], place["size"]) for row in rows for place in row["members"]]
    try:
        with store.open(shard.tar_name) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            found = [(member.name, member.offset_data, member.size) for member in tar]
    except tarfile.TarError as error:
        yield f"{shard.tar_name}: not a sound tar: {error}"
        return
    if found != indexed:
        wrong = next(
            (pair for pair in zip(found, indexed, strict=False) if pair[0] != pair[1]), (len(found), len(indexed))
        )
        yield f"{shard.tar_name}: its members are not those of the index: {wrong[0]} instead of {wrong[1]}"


def sample_problems(key: str, members: Mapping[str, bytes]) -> Iterator[str]:
    """What is wrong with one interleaved sample."""
    names = list(members)
    if names[:1] != [f"{key}.json"]:
        yield f"the first member is {names[:1]}, not {key}.json"
        return
    try:
        sample = msgspec.json.decode(members[names[0]], type=Sample)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        yield f"{names[0]}: {error}"
        return
    if sample.key != key or len(sample.texts) != len(sample.images):
        yield f"{names[0]}: key {sample.key}, {len(sample.texts)} texts and {len(sample.images)} images"
    if any((text is None) == (image is None) for text, image in zip(sample.texts, sample.images, strict=False)):
        yield f"{names[0]}: a position has both a text and an image, or neither"
    listed = [name for name in sample.images if name is not None]
    if listed != names[1:]:
        yield f"{names[0]}: lists {listed}, the tar holds {names[1:]}"
        return
    for name, sha256, size in zip(listed, sample.image_sha256, sample.image_sizes, strict=True):
        if problem := _image_problem(members[name], sha256, size):
            yield f"{name}: {problem}"


def pair_problems(key: str, members: Mapping[str, bytes]) -> Iterator[str]:
    """What is wrong with one pair."""
    names = list(members)
    try:
        pair = msgspec.json.decode(members.get(f"{key}.json", b""), type=Pair)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        yield f"{key}.json: {error}"
        return
    image = f"{key}.{pair.format}"
    if names != [image, f"{key}.json", f"{key}.txt"]:
        yield f"{key}.json: the members are {names}"
        return
    if pair.key != key or members[f"{key}.txt"].decode("utf-8", "replace") != pair.caption:
        yield f"{key}.json: key {pair.key}; the caption differs from that in {key}.txt, or the key from its own"
    if problem := _image_problem(members[image], pair.stored_sha256, (pair.width, pair.height)):
        yield f"{image}: {problem}"


def clip_problems(key: str, members: Mapping[str, bytes]) -> Iterator[str]:
    """What is wrong with one clip. Its packets are counted; that its bytes are those written, the hashes tell."""
    from pipeline.video.probe import index_video

    names = list(members)
    if names != [f"{key}.{suffix}" for suffix in ("json", "mp4", "txt")]:
        yield f"its members are {names}"
        return
    try:
        sample = msgspec.json.decode(members[names[0]], type=ClipSample)
        frames = len(index_video(members[names[1]]))
    except (msgspec.DecodeError, UnicodeDecodeError, Drop) as error:
        yield f"does not open: {error}"
        return
    if sample.key != key or sample.caption.encode() != members[names[2]]:
        yield f"{names[0]}: key {sample.key}, or a caption that is not {names[2]}"
    if hashlib.sha256(members[names[1]]).hexdigest() != sample.sha256:
        yield f"{names[1]}: its sha256 is not the one in the document"
    if frames != sample.num_frames:
        yield f"{names[1]}: has {frames} frames, the document says {sample.num_frames}"


_OF_SAMPLE: dict[str, Problems] = {"interleaved": sample_problems, "pairs": pair_problems, "clips": clip_problems}


def _image_problem(data: bytes, sha256: str, size: tuple[int, int]) -> str:
    if hashlib.sha256(data).hexdigest() != sha256:
        return "its sha256 is not the one in the document"
    try:
        with open_image(data, STORED_FORMATS) as image:
            image.load()
            found = image.size
    except Exception as error:  # decoders raise anything on damaged data
        return f"does not decode: {error}"
    return "" if found == size else f"is {found}, the document says {size}"


def _digest(store: Store, name: str) -> tuple[int, str]:
    sha256, size = hashlib.sha256(), 0
    with store.open(name) as file:
        while block := file.read(_STEP):
            sha256.update(block)
            size += len(block)
    return size, sha256.hexdigest()


def _drop_problems(store: Store) -> Iterator[str]:
    stated = read_dataset(store).drops
    found: dict[str, Counter[str]] = {}
    for name in drop_files(store):
        try:
            with store.open(f"drops/{name}") as file:
                table = pq.read_table(file, columns=["kind", "reason"])
        except (OSError, ValueError, pa.ArrowException) as error:
            yield f"drops/{name} is damaged: {error}"
            continue
        for kind, reason in zip(*(table.column(column).to_pylist() for column in ("kind", "reason")), strict=True):
            found.setdefault(kind, Counter())[reason] += 1
    if {kind: dict(sorted(reasons.items())) for kind, reasons in found.items()} != stated:
        yield f"{DATASET}: its drops are not those of drops/*.parquet"
