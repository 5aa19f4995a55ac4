"""What of a shard a deny list names: whole samples, and of interleaved pages single images."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from jobs.dataset.without_images import without_images
from schemas.deny import DenyList
from schemas.documents import Sample
from schemas.kinds import INTERLEAVED, KINDS
from schemas.pairs import Pair
from schemas.shards import Shard
from schemas.storage import Store
from schemas.videos import ClipSample


class Denied(msgspec.Struct, frozen=True):
    """A sample of which something is denied. `images` are the numbers of its images that go, by the entry of the list
    that says so; `entry` is of a sample that goes whole, also where none of its images stays."""

    entry: str = ""
    images: dict[int, str] = {}
    sha256: str = ""  # of the image or video of a sample that goes, as it was served


def denied_in(store: Store, kind: str, shard: str, deny: DenyList) -> dict[str, Denied]:
    """The samples of a shard that the list concerns, by key; those that a later build replaced, too."""
    opened, found = Shard(store, kind, shard), dict[str, Denied]()
    for row in opened.index(["key", "offset", "size", "members", *_COLUMNS.get(kind, ())]).to_pylist():
        if denied := _of_sample(opened, kind, row, deny):
            found[row["key"]] = denied
    return found


#: What of the index tells all that addresses decide; of a page the images' addresses stand in its JSON alone.
_COLUMNS = {kind: ("url", "page_url") for kind in KINDS if kind != INTERLEAVED.name}


def _of_sample(shard: Shard, kind: str, row: Mapping[str, Any], deny: DenyList) -> Denied | None:
    if kind != INTERLEAVED.name:
        entry = deny.entry(row["url"]) or deny.entry(row["page_url"])
        if not entry and not deny.hashes:
            return None
        record = _record(shard, kind, row)
        entry = entry or _by_hash(shard, row, record, deny)
        return Denied(entry, sha256=_served(record)) if entry else None
    sample: Sample = _record(shard, kind, row)
    if entry := deny.entry(sample.url):
        return Denied(entry)
    images = dict(_denied_images(shard, row, sample, deny))
    if not images:
        return None
    is_empty = len(images) == len(sample.image_urls)
    return Denied(next(iter(images.values())) if is_empty else "", images)


def _record(shard: Shard, kind: str, row: Mapping[str, Any]) -> Any:
    place = next(one for one in row["members"] if one["name"].endswith(".json"))
    return msgspec.json.decode(shard.member(place), type=KINDS[kind].sample)


def _served(record: Pair | ClipSample) -> str:
    return record.original_sha256 if isinstance(record, ClipSample) else record.sha256


def _by_hash(shard: Shard, row: Mapping[str, Any], record: Pair | ClipSample, deny: DenyList) -> str:
    if isinstance(record, ClipSample):
        return deny.hashes.entry((record.original_sha256, record.sha256), record.frame_hashes)
    picture = shard.member(row["members"][0]) if deny.hashes.needs_pictures else b""
    return deny.hashes.entry((record.sha256, record.stored_sha256), (record.phash,), picture)


def _denied_images(shard: Shard, row: Mapping[str, Any], sample: Sample, deny: DenyList) -> Iterator[tuple[int, str]]:
    members = row["members"][1:]
    for number, url in enumerate(sample.image_urls):
        entry = deny.entry(url)
        if not entry and deny.hashes:
            picture = shard.member(members[number]) if deny.hashes.needs_pictures else b""
            hashes = sample.image_original_sha256[number], sample.image_sha256[number]
            entry = deny.hashes.entry(hashes, (sample.image_phashes[number],), picture)
        if entry:
            yield number, entry


def edited(
    denied: Denied, row: Mapping[str, Any], members: Sequence[tuple[str, bytes]]
) -> tuple[Mapping[str, Any], list[tuple[str, bytes]], Sample]:
    """An interleaved sample without its denied images: its row of the index, its members, and what it was before."""
    before = msgspec.json.decode(members[0][1], type=Sample)
    after, names = without_images(before, denied.images)
    images = [(names[name], data) for name, data in members[1:] if name in names]
    return INTERLEAVED.row(after), [(members[0][0], msgspec.json.encode(after)), *images], before
