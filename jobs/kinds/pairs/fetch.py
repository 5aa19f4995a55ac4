"""Image-text pairs of pages: taken from the parse that gives the documents, compared over the corpus, made into shards.

*extract* writes the pairs by the domain of their page, and for each a row by its image, by its caption and by its
words; `jobs.kinds.pairs.count` compares these. *pair-images* opens the images, *pair-contents* finds equal pairs under
different addresses, *pair-publish* scores and writes.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from crawlers.captured import CapturedMedia, Location, Media, MediaSource
from crawlers.img2dataset import Img2datasetMedia
from jobs.config import BuildConfig
from jobs.engine.isolation import Isolated
from jobs.kinds.interleaved.fetch import asked_ahead, open_media, read_locations
from jobs.kinds.pairs.shards import FetchedPair
from jobs.kinds.pairs.take import both_key, text_key, token_keys
from jobs.phases.duplicates import open_writer, work_files
from jobs.phases.plan import Plan, read_plan
from jobs.phases.references import image_index, text_index
from jobs.phases.slices import Slice, read_slices
from pipeline.consent import honour_image_consent
from pipeline.decontamination import ImageIndex, TextIndex
from pipeline.image.codec import decode_image
from pipeline.pairs import PairRules
from schemas.buckets import bucket_of, read_groups
from schemas.commits import Attempt, Commit
from schemas.deny import DenyList, read_deny_list
from schemas.documents import StoredImage
from schemas.drop_files import DropFile
from schemas.drops import Drop, Tally, each, guarded
from schemas.pairs import PairRef
from schemas.storage import Store
from schemas.urls import media_key

CONTENTS = {"both": pa.binary(), "id": pa.binary(), "slice": pa.int32(), "time": pa.string(), "url": pa.string()}
STAGED = pa.schema([("pair", pa.binary()), ("image", pa.binary())])
_FLUSH_BYTES = 32 << 20


def fetch_pair_images(output: str, index: int) -> Commit:
    """For one slice: leave out what counts decided, and give the rest their images."""
    plan, store = read_plan(output), Store(output)
    config, piece, deny = plan.config, read_slices(output)[index], read_deny_list(store)
    with Attempt(store, "pair-images", index) as attempt:
        with (
            DropFile(attempt, f"drops/pair-images-{index:06d}.parquet") as drops,
            _open_source(store, plan, piece, deny) as media,
            Isolated(partial(pair_image_recipe, config), config.isolation) as decode,
            PairStaging(attempt, index, plan) as staging,
        ):
            tally = Tally(drops.add)
            judge = _judge(store, plan, piece, deny, text_index(output))
            pairs = each(judge, counted(_pairs(store, plan, piece), tally), tally)
            if isinstance(media, Img2datasetMedia):
                pairs = media.ahead_of(pairs)
            else:
                pairs = asked_ahead(pairs, media, lambda pair: [pair.candidates], config.media.pages_ahead)
            for fetched in each(partial(fetch_pair, media, decode, image_index(output)), pairs, tally):
                tally.kept("pair")
                staging.add(fetched)
        return attempt.commit(tally.counts())


@contextmanager
def _open_source(store: Store, plan: Plan, piece: Slice, deny: DenyList) -> Iterator[MediaSource]:
    """Where the images of a slice come from: archives, the web, or img2dataset."""
    config = plan.config
    if plan.source == "lists" and config.lists.downloader == "img2dataset":
        yield Img2datasetMedia(config.lists, config.media.fetch)
        return
    archives: list[str] = []
    locations: dict[bytes, Location] = {}
    if plan.source == "archives":
        archives = [archive.url for archive in plan.inputs]
        refs = () if piece.is_whole else _pairs(store, plan, piece)
        wanted = {media_key(url) for ref in refs for url in ref.candidates}
        locations = read_locations(store, plan, piece, None if piece.is_whole else wanted)
    with (
        CapturedMedia(archives, locations, config.warc.max_image_bytes) as captured,
        open_media(captured, config, deny) as media,
    ):
        yield media


def _pairs(store: Store, plan: Plan, piece: Slice) -> Iterator[PairRef]:
    """The pairs of a slice, in the order of their samples."""
    names = work_files("extract", len(plan.inputs), "pairs")
    within = None if piece.is_whole else ("order", piece.first, piece.last)
    tables = list(read_groups(store, names, piece.partition, within))
    if tables:
        table = pa.concat_tables(tables).sort_by([("order", "ascending"), ("id", "ascending")])
        for packed in table.column("pair"):
            yield msgspec.json.decode(packed.as_py(), type=PairRef)


def counted(items: Iterator[Any], tally: Tally) -> Iterator[Any]:
    for item in items:
        tally.saw("pair")
        yield item


def _judge(
    store: Store, plan: Plan, piece: Slice, deny: DenyList, texts: TextIndex | None
) -> Callable[[PairRef], PairRef]:
    """The step that lets pairs go for what was counted, or for what lists and evaluation sets hold."""
    lost: dict[bytes, tuple[str, str]] = {}
    for table in read_groups(store, work_files("pair-counts", plan.buckets, "lost"), piece.partition):
        for row in table.to_pylist():
            lost.setdefault(row["id"], (row["reason"], row["detail"]))
    rare: set[int] = set()
    if plan.config.pairs.max_tokens is not None:
        for table in read_groups(store, work_files("pair-words", plan.buckets, "rare"), piece.partition):
            rare.update(table.column("token").to_pylist())
    rules = plan.config.decontamination

    def judge(ref: PairRef) -> PairRef:
        if any(map(deny.denies, (ref.page_url, *ref.candidates))):
            raise Drop("denied", f"on {ref.page_url}")
        if ref.id in lost:
            reason, detail = lost[ref.id]
            raise Drop(reason, ", ".join(filter(None, (detail, ref.caption[:80], f"on {ref.page_url}"))))
        if rare and not rare.isdisjoint(token_keys(ref.caption)):
            raise Drop("rare_words", f"{ref.caption[:80]}, on {ref.page_url}")
        if texts is not None:
            shared, name = texts.shared(ref.caption)
            if shared >= rules.min_shared:
                raise Drop("evaluation_text", f"{shared} n-grams of {name}")
        return ref

    return judge


def pair_image_recipe(config: BuildConfig, media: Media) -> StoredImage:
    """All that is decided from one image alone."""
    honour_image_consent(media.headers, config.consent)
    return decode_pair_image(media.body, config.pairs)


def decode_pair_image(data: bytes, rules: PairRules) -> StoredImage:
    """Raises `Drop`: few_bytes, and those of `decode_image`."""
    if len(data) < rules.min_image_bytes:
        raise Drop("few_bytes", f"{len(data)} < {rules.min_image_bytes}")
    return decode_image(data, rules.image, rules.encoding)


def fetch_pair(
    media: MediaSource, decode: Callable[[Media], StoredImage], images: ImageIndex | None, ref: PairRef
) -> FetchedPair:
    """The first of the candidates that gives an image. Raises the `Drop` that says most: bad over lost."""
    failure = Drop("not_captured")
    for url in media.order(ref.candidates):
        try:
            image = guarded(decode, media.get(url))
            return FetchedPair(ref, url, images.check(image) if images is not None else image)
        except Drop as drop:
            failure = drop if failure.reason == "not_captured" else failure
    where = f"on {ref.page_url}" if ref.page_url else ""
    raise Drop(failure.reason, ", ".join(filter(None, (failure.detail, where))))


class PairStaging:
    """Pairs with their images between *pair-images* and *pair-publish*."""

    def __init__(self, attempt: Attempt, index: int, plan: Plan) -> None:
        self._index, self._plan = index, plan
        self._stack = ExitStack()
        self._writer = pq.ParquetWriter(attempt.create(staged_pairs(index)), STAGED, compression="none")
        self._contents = open_writer(attempt, self._stack, "pair-images", index, "contents", CONTENTS)
        self._rows: list[dict[str, bytes]] = []
        self._held = 0

    def add(self, fetched: FetchedPair) -> None:
        image = fetched.image
        bare = msgspec.structs.replace(fetched, image=msgspec.structs.replace(image, data=b""))
        self._rows.append({"pair": msgspec.json.encode(bare), "image": image.data})
        key = both_key(image.original_sha256.encode(), text_key(fetched.ref.caption))
        row = (key, fetched.ref.id, self._index, fetched.ref.fetch_time, fetched.image_url)
        self._contents.add(bucket_of(key, self._plan.buckets), *row, size=300)
        self._held += len(image.data) + 2048
        if self._held >= _FLUSH_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, STAGED))
        self._rows, self._held = [], 0

    def __enter__(self) -> "PairStaging":
        return self

    def __exit__(self, failure: type[BaseException] | None, *details: Any) -> None:
        if failure is None:
            self._flush()
        self._writer.close()
        self._stack.__exit__(failure, *details)


def staged_pairs(index: int) -> str:
    return f"work/pair-images/{index:06d}.staged.parquet"


def read_staged_pairs(store: Store, index: int) -> Iterator[FetchedPair]:
    with store.open(staged_pairs(index)) as file, pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(batch_size=64):
            for row in batch.to_pylist():
                bare = msgspec.json.decode(row["pair"], type=FetchedPair)
                yield msgspec.structs.replace(bare, image=msgspec.structs.replace(bare.image, data=row["image"]))
