"""Phase 3: the drafts of one partition and their images become shards."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from crawlers.captured import CapturedMedia, Location, Media, MediaSource
from crawlers.web_media import WebMedia
from jobs.config import BuildConfig
from jobs.isolation import Isolated
from jobs.plan import Plan, read_plan
from pipeline.consent import honour_image_consent
from pipeline.image_codec import decode_image
from pipeline.interleave import Illustration, interleave
from schemas import __version__
from schemas.buckets import read_bucket
from schemas.commits import Attempt, Commit
from schemas.deny import DenyList, read_deny_list
from schemas.documents import Draft, ImageRef, Sample, StoredImage
from schemas.drop_files import DropFile
from schemas.drops import Counts, Drop, DropRow, Tally, each, guarded
from schemas.shards import ShardInfo, ShardMark, ShardWriter
from schemas.storage import Store
from schemas.urls import host_of, registered_domain

KIND = "interleaved"

#: Columns of the parquet index beyond key, offset, size and members.
COLUMNS: dict[str, pa.DataType] = {
    "url": pa.string(),
    "domain": pa.string(),
    "title": pa.string(),
    "num_images": pa.int32(),
    "num_chars": pa.int64(),
    "num_words": pa.int64(),
    "language": pa.string(),
    "language_score": pa.float32(),
    "licence": pa.string(),
    "fetch_time": pa.string(),
    "image_sha256": pa.list_(pa.string()),
    "image_phashes": pa.list_(pa.string()),
    "scores": pa.string(),  # a JSON object: the scorers differ from build to build
    "screened": pa.list_(pa.string()),
    "warc_file": pa.string(),
    "warc_offset": pa.int64(),
}


def assemble(output: str, partition: int) -> Commit:
    """Run phase 3 on one partition of the plan of `output`."""
    plan, store = read_plan(output), Store(output)
    config = plan.config
    archives = [archive.url for archive in plan.inputs]
    deny = read_deny_list(store)
    with Attempt(store, "assemble", partition) as attempt:
        with (
            DropFile(attempt, f"drops/assemble-{partition:06d}.parquet") as drops,
            CapturedMedia(archives, _locations(store, plan, partition), config.warc.max_image_bytes) as captured,
            _media(captured, config, deny) as media,
            Isolated(partial(image_recipe, config), config.isolation) as recipe,
        ):
            tally = Tally(drops.add)
            shards = Shards(attempt, partition, plan, tally)
            drafts = each(partial(refuse_denied, deny), _drafts(store, plan, partition, tally), tally)
            drafts = _asked_ahead(drafts, media, config.media.pages_ahead)
            illustrated = each(partial(illustrate, media, recipe, tally, deny=deny), drafts, tally)
            for draft, illustrations in illustrated:
                tally.kept("page")
                shards.add(draft, illustrations)
            shards.close()
        for mark in shards.marks:
            attempt.put(f"{KIND}/commit/{mark.shard.name}.json", msgspec.json.encode(mark))
        return attempt.commit(tally.counts(), [mark.shard for mark in shards.marks])


def _media(captured: CapturedMedia, config: BuildConfig, deny: DenyList) -> AbstractContextManager[MediaSource]:
    """The archives, and the web where the settings say so."""
    return WebMedia(captured, config.media, config.consent, deny) if config.media.from_web else nullcontext(captured)


def refuse_denied(deny: DenyList, draft: Draft) -> Draft:
    """Raises `Drop("denied")` for a page that the list denies, under its own address or the one it names canonical."""
    if deny.denies(draft.url) or (draft.canonical_url and deny.denies(draft.canonical_url)):
        raise Drop("denied")
    return draft


def _asked_ahead(drafts: Iterator[Draft], media: MediaSource, pages: int) -> Iterator[Draft]:
    """The same drafts; their images are asked for some pages before they are needed: the network is not waited for."""
    waiting: deque[Draft] = deque()
    for draft in drafts:
        if not isinstance(media, WebMedia):
            yield draft
            continue
        for ref in draft.images:
            media.ahead(ref.candidates)
        waiting.append(draft)
        if len(waiting) > pages:
            yield waiting.popleft()
    yield from waiting


def image_recipe(config: BuildConfig, media: Media) -> StoredImage:
    """All that is decided from one image alone."""
    honour_image_consent(media.headers, config.consent)
    return decode_image(media.body, config.image, config.encoding)


def illustrate(
    media: MediaSource,
    recipe: Callable[[Media], StoredImage],
    tally: Tally,
    draft: Draft,
    deny: DenyList = DenyList(),
) -> tuple[Draft, dict[ImageRef, Illustration]]:
    """Give a draft its images. One that fails is let go alone; raises `Drop("no_image_left")` when none is left."""
    illustrations: dict[ImageRef, Illustration] = {}
    tally.saw("image", len(draft.images))
    for ref in draft.images:
        try:
            if any(deny.denies(url) for url in ref.candidates):
                raise Drop("denied")
            illustrations[ref] = _first_good(media, recipe, ref)
        except Drop as drop:
            tally.drop(
                DropRow(ref.url, "image", drop.reason, ", ".join(filter(None, (drop.detail, f"on {draft.url}"))))
            )
        else:
            tally.kept("image")
    if not illustrations:
        raise Drop("no_image_left", f"of {len(draft.images)}")
    return draft, illustrations


def _first_good(media: MediaSource, recipe: Callable[[Media], StoredImage], ref: ImageRef) -> Illustration:
    """The first of the candidates that gives an image. Raises the `Drop` that says most: bad over lost."""
    failure = Drop("not_captured")
    for url in media.order(ref.candidates):
        try:
            return Illustration(ref, url, guarded(recipe, media.get(url)))
        except Drop as drop:
            failure = drop if failure.reason == "not_captured" else failure
    raise failure


def _drafts(store: Store, plan: Plan, partition: int, tally: Tally) -> Iterator[Draft]:
    """The drafts of a partition that deduplication left, in the order of their samples."""
    names = [f"work/extract/{index:06d}.drafts.parquet" for index in range(len(plan.inputs))]
    table = read_bucket(store, names, partition)
    if table is None:
        return
    lost = [
        f"work/{phase}/{index:06d}.losers.parquet" for phase in ("urls", "texts") for index in range(plan.partitions)
    ]
    losers = read_bucket(store, lost, partition)
    if losers is not None:
        table = table.filter(pc.invert(pc.is_in(table.column("uid"), losers.column("uid").combine_chunks())))
    table = table.sort_by([("order", "ascending"), ("uid", "ascending")])
    for packed in table.column("draft"):
        tally.saw("page")
        yield msgspec.json.decode(packed.as_py(), type=Draft)


def _locations(store: Store, plan: Plan, partition: int) -> dict[bytes, Location]:
    names = [f"work/urls/{bucket:06d}.locations.parquet" for bucket in range(plan.partitions)]
    table = read_bucket(store, names, partition)
    if table is None:
        return {}
    columns = (table.column(name).to_pylist() for name in ("key", "archive", "offset", "length", "record_url"))
    return {key: Location(*place) for key, *place in zip(*columns, strict=True)}


class Shards:
    """Samples into shards, and what each shard's commit mark says."""

    def __init__(self, attempt: Attempt, partition: int, plan: Plan, tally: Tally) -> None:
        self._partition, self._plan, self._tally = partition, plan, tally
        self._writer = ShardWriter(attempt, f"{KIND}/shards", partition, COLUMNS, plan.config.shards, self._finished)
        self._counted = Counts()
        self._num_samples = 0
        self.marks: list[ShardMark] = []

    def add(self, draft: Draft, illustrations: Mapping[ImageRef, Illustration]) -> None:
        key = f"{self._partition:06d}{self._num_samples:06d}"
        sample, members = interleave(draft, illustrations, key, self._plan.config_hash)
        self._writer.add(key, members, index_row(sample))
        self._num_samples += 1

    def close(self) -> None:
        self._writer.close()

    def _finished(self, shard: ShardInfo) -> None:
        counts = self._tally.counts()
        stretch = counts - self._counted
        self._counted = counts
        mark = ShardMark(shard, self._partition, stretch.drops, self._plan.config_hash, __version__)
        self.marks.append(mark)


def index_row(sample: Sample) -> dict[str, Any]:
    """The row of the parquet index for a sample."""
    texts = [text for text in sample.texts if text is not None]
    return {
        "url": sample.url,
        "domain": registered_domain(host_of(sample.url)),
        "title": sample.title,
        "num_images": len(sample.image_sha256),
        "num_chars": sum(map(len, texts)),
        "num_words": sum(len(text.split()) for text in texts),
        "language": sample.language,
        "language_score": sample.language_score,
        "licence": sample.licence,
        "fetch_time": sample.fetch_time,
        "image_sha256": sample.image_sha256,
        "image_phashes": sample.image_phashes,
        "scores": msgspec.json.encode(sample.scores).decode(),
        "screened": sample.screened,
        "warc_file": sample.warc_file,
        "warc_offset": sample.warc_offset,
    }
