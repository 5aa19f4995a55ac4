"""The last phase: illustrated drafts become shards, less the images that stand in too many places."""

from functools import partial
from typing import Any

import msgspec
import pyarrow as pa

from jobs.kinds.interleaved.staging import Illustrated, is_frequent, read_staged
from jobs.phases.frequency import frequent_keys
from jobs.phases.plan import Plan, read_plan
from jobs.phases.scoring import score_pages
from pipeline.interleave import interleave
from schemas import __version__
from schemas.commits import Attempt, Commit
from schemas.documents import Sample
from schemas.drop_files import DropFile
from schemas.drops import Counts, Drop, DropRow, Tally, each
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


def publish(output: str, actors: tuple[Any, ...], index: int) -> Commit:
    """Run the phase on slice `index` of the build at `output`; `actors` hold the scorers' models, if any do."""
    plan, store = read_plan(output), Store(output)
    with Attempt(store, "publish", index) as attempt:
        with DropFile(attempt, f"drops/publish-{index:06d}.parquet") as drops:
            tally = Tally(drops.add)
            shards = Shards(attempt, index, plan, tally)
            frequent: set[bytes] = set()
            if plan.config.corpus.max_image_places is not None:
                frequent = frequent_keys(store, plan, "contents", "images", index)
            staged = read_staged(store, index)
            pages = each(partial(without_frequent_content, frequent, tally), staged, tally)
            for page in score_pages(pages, output, actors, index, tally):
                tally.kept("page")
                tally.kept("image", len(page.shown))
                shards.add(page)
            shards.close()
        for mark in shards.marks:
            attempt.put(f"{KIND}/commit/{mark.shard.name}.json", msgspec.json.encode(mark))
        return attempt.commit(tally.counts(), [mark.shard for mark in shards.marks])


def without_frequent_content(frequent: set[bytes], tally: Tally, page: Illustrated) -> Illustrated:
    """Let go images with these keys alone; raises `Drop("no_image_left")` when none is left."""
    tally.saw("page")
    tally.saw("image", len(page.shown))
    kept = []
    for item in page.shown:
        if how := is_frequent(item.image, frequent):
            tally.drop(DropRow(item.url, "image", "frequent_content", f"by its {how}, on {page.url}"))
        else:
            kept.append(item)
    if not kept:
        raise Drop("no_image_left", f"of {len(page.shown)}")
    return msgspec.structs.replace(page, shown=kept)


class Shards:
    """Samples into shards, and what each shard's commit mark says."""

    def __init__(self, attempt: Attempt, partition: int, plan: Plan, tally: Tally) -> None:
        self._partition, self._plan, self._tally = partition, plan, tally
        self._writer = ShardWriter(attempt, f"{KIND}/shards", partition, COLUMNS, plan.config.shards, self._finished)
        self._counted = Counts()
        self._num_samples = 0
        self.marks: list[ShardMark] = []

    def add(self, page: Illustrated) -> None:
        key = f"{self._partition:06d}{self._num_samples:06d}"
        sample, members = interleave(page.draft, page.illustrations, key, self._plan.config_hash, page.screening)
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
