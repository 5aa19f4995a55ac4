"""Pages of the dataset that a build adds to, as rows of the phases that compare; and the keys that a build leaves."""

import re
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.config import BuildConfig
from jobs.phases.extract import PAGES
from jobs.phases.known import KeysWriter, bucket_of_known, joined, keys_of, known_rows
from jobs.phases.task import Phase, Task, file_of
from pipeline.corpus_rules import content_keys, paragraph_key
from pipeline.text.keys import text_key
from pipeline.text.minhash import band_keys
from schemas.buckets import bucket_of
from schemas.documents import Draft, PageKeys, Sample, TextBlock
from schemas.kinds import INTERLEAVED
from schemas.urls import canonical_url, host_of, media_key, registered_domain

#: `keys/{partition}.parquet`: lists of keys of 16 bytes are one after the other.
KEYS = pa.schema(
    [
        ("sample", pa.string()),
        ("url", pa.binary()),
        ("text", pa.binary()),
        ("bands", pa.binary()),
        ("paragraphs", pa.binary()),  # of all that stood there, those that were dropped as frequent too
        ("images", pa.binary()),  # by their addresses, each once; the same
        ("contents", pa.binary()),  # of those that were fetched, by bytes and by look
    ]
)
COUNTED_KEYS = pa.schema([("uid", pa.int64()), ("paragraphs", pa.binary()), ("images", pa.binary())])
_KEY = 16
_MARK = re.compile(r"^(?:#{1,6}|-|\d{1,9}\.) ")  # of headings and items, as samples have them
_INDEX = ("key", "url", "fetch_time")


def page_keys(draft: Draft, config: BuildConfig) -> PageKeys:
    """By what a page is compared before its images are opened."""
    return _page_keys(draft.canonical_url or draft.url, " ".join(block.text for block in draft.texts), config)


def _page_keys(url: str, text: str, config: BuildConfig) -> PageKeys:
    bands = band_keys(text, config.minhash) if config.near_duplicates else b""
    return PageKeys(media_key(canonical_url(url)), text_key(text), bands)


def tell_known_pages(task: Task) -> None:
    """For one group of shards: a row for each page, for the phases that drop pages by comparing them."""
    writer = task.writer("pages", PAGES)
    for rows in _rows(task, ("url", "text", "bands")):
        uids = np.array([int(key) for key in rows.column("key").to_pylist()], np.int64)
        keys = rows.column("url_key").to_pylist()
        buckets = np.array([bucket_of(key, task.plan.buckets) for key in keys], np.int32)
        columns = {
            "key": rows.column("url_key"),
            "text_key": rows.column("text"),
            "bands": rows.column("bands"),
            "time": rows.column("fetch_time"),
            "uid": uids,
            "partition": np.full(len(rows), bucket_of_known(task, task.index), np.int32),
            "url": rows.column("url"),
        }
        writer.add_table(buckets, pa.table(columns))


KNOWN_PAGES = Phase("known", "known_pages", tell_known_pages)


def _rows(task: Task, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Rows of the index with keys of the samples; that of the address is called `url_key`."""

    def derive(sample: Sample) -> dict[str, bytes]:
        return keys_of_sample(sample, task.config)

    for shards, rows in known_rows(task, INTERLEAVED.name, _INDEX):
        keys = keys_of(task, INTERLEAVED.name, shards, columns, derive)
        yield joined(rows, keys.rename_columns(["sample", *("url_key" if name == "url" else name for name in columns)]))


def keys_of_sample(sample: Sample, config: BuildConfig) -> dict[str, bytes]:
    """The keys as far as a sample shows them: the address that its page named canonical, what was dropped as frequent
    and which address of an image is tried first do not stand in it; and a line may look like a heading or an item."""
    lines = [line for text in sample.texts if text is not None for line in text.split("\n") if line]
    keys = _page_keys(sample.url, " ".join(_MARK.sub("", line) for line in lines), config)
    domain, captions = registered_domain(host_of(sample.url)), set(sample.image_captions)
    counted = [_MARK.sub("", line) for line in lines if not line.startswith("#") and line not in captions]
    paragraphs = [paragraph_key(domain, TextBlock(line)) for line in counted]
    contents = zip(sample.image_original_sha256, sample.image_phashes, strict=True)
    return {
        "url": keys.url,
        "text": keys.text,
        "bands": keys.bands,
        "paragraphs": b"".join(paragraphs),
        "images": b"".join(sorted({media_key(url) for url in sample.image_urls})),
        "contents": b"".join(key for image in contents for key in content_keys(*image)),
    }


class CountedKeys:
    """What the phase that counts has for the one that writes: the keys of the paragraphs and images of each page."""

    def __init__(self, task: Task) -> None:
        self._rows: list[tuple[int, bytes, bytes]] = []
        self._task = task
        if not task.config.without_keys:
            task.at_end(self._finish)

    def add(self, uid: int, paragraphs: Sequence[bytes], images: set[bytes]) -> None:
        self._rows.append((uid, b"".join(paragraphs), b"".join(sorted(images))))

    def _finish(self) -> None:
        columns = zip(*self._rows, strict=True) if self._rows else ([], [], [])
        with self._task.created("keys.parquet") as file:
            pq.write_table(pa.table([list(column) for column in columns], schema=COUNTED_KEYS), file)


class PageKeysWriter:
    """Writes the keys of the pages of a slice that became samples."""

    def __init__(self, task: Task, counted: Phase | None) -> None:
        """`counted`: the phase that wrote `CountedKeys`, if it ran."""
        self._writer = KeysWriter(task, INTERLEAVED.name, KEYS)
        self._counted: dict[int, tuple[bytes, bytes]] = {}
        if counted is not None and self._writer.is_wanted:
            with task.store.open(file_of(counted.name, task.index, "keys.parquet")) as file:
                columns = [column.to_pylist() for column in pq.ParquetFile(file).read().columns]
            self._counted = {uid: (paragraphs, images) for uid, paragraphs, images in zip(*columns, strict=True)}

    def add(self, key: str, draft: Draft, contents: Sequence[bytes]) -> None:
        """A sample: its page, and the keys of the images that were fetched for it."""
        keys = draft.keys
        if keys is not None:
            paragraphs, images = self._counted.get(draft.uid, (b"", b""))
            self._writer.add(
                sample=key,
                url=keys.url,
                text=keys.text,
                bands=keys.bands,
                paragraphs=paragraphs,
                images=images,
                contents=b"".join(contents),
            )


class KnownPage(msgspec.Struct, frozen=True):
    """What is counted of a page that is there."""

    uid: int
    url: str
    time: str
    paragraphs: list[bytes]
    images: list[bytes]
    contents: list[bytes]


def known_pages(task: Task, lost: set[int]) -> Iterator[KnownPage]:
    """Those of a group of shards, but for some that were lost."""
    for rows in _rows(task, ("paragraphs", "images", "contents")):
        for row in rows.to_pylist():
            uid = int(row["key"])
            if uid not in lost:
                packed = (_cut_keys(row[name]) for name in ("paragraphs", "images", "contents"))
                yield KnownPage(uid, row["url"], row["fetch_time"], *packed)


def _cut_keys(packed: bytes) -> list[bytes]:
    """The keys that stand one after the other."""
    return [packed[start : start + _KEY] for start in range(0, len(packed), _KEY)]
