"""Illustrated drafts between *assemble* and *publish*: images are decoded once, and their contents counted."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from contextlib import ExitStack
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.phases.duplicates import open_writer
from jobs.phases.frequency import COUNTED, add_counts
from jobs.phases.plan import Plan
from pipeline.interleave import Illustration, Screening
from schemas.commits import Attempt
from schemas.documents import Draft, ImageRef, StoredImage
from schemas.storage import Store

_SCHEMA = pa.schema(
    [
        ("draft", pa.binary()),
        ("illustrations", pa.binary()),  # JSON, without the images' bytes
        ("images", pa.list_(pa.binary())),
    ]
)
_FLUSH_BYTES = 32 << 20


def staged_name(index: int) -> str:
    return f"work/assemble/{index:06d}.pages.parquet"


class Illustrated(msgspec.Struct, frozen=True):
    """A page and its images, in reading order."""

    draft: Draft
    shown: list[Illustration]
    screening: Screening = Screening()

    @property
    def kind(self) -> str:
        return self.draft.kind

    @property
    def url(self) -> str:
        return self.draft.url

    @property
    def illustrations(self) -> dict[ImageRef, Illustration]:
        return {item.ref: item for item in self.shown}


class Staging:
    """Writes what one task of *assemble* hands on: pages with their images, and where image contents stand."""

    def __init__(self, attempt: Attempt, index: int, plan: Plan) -> None:
        self._index, self._plan = index, plan
        self._stack = ExitStack()
        # Images do not get smaller, and texts are a small part.
        self._writer = pq.ParquetWriter(attempt.create(staged_name(index)), _SCHEMA, compression="none")
        self._places = open_writer(attempt, self._stack, "assemble", index, "places", COUNTED)
        self._counts: Counter[bytes] = Counter()
        self._rows: list[dict[str, Any]] = []
        self._held = 0

    def add(self, draft: Draft, illustrations: Mapping[ImageRef, Illustration]) -> None:
        """Add a page with the images that it got."""
        shown = [illustrations[ref] for ref in draft.images if ref in illustrations]
        images = [item.image.data for item in shown]
        bare = [_with_data(item, b"") for item in shown]
        self._rows.append(
            {"draft": msgspec.json.encode(draft), "illustrations": msgspec.json.encode(bare), "images": images}
        )
        for item in shown:
            self._counts.update(content_keys(item.image))
        self._held += sum(map(len, images)) + 4096
        if self._held >= _FLUSH_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, _SCHEMA))
        self._rows, self._held = [], 0

    def __enter__(self) -> "Staging":
        return self

    def __exit__(self, failure: type[BaseException] | None, *details: Any) -> None:
        if failure is None:
            self._flush()
            add_counts(self._places, self._counts, self._index, self._plan)
        self._writer.close()
        self._stack.__exit__(failure, *details)


def read_staged(store: Store, index: int) -> Iterator[Illustrated]:
    """The pages of a task of *assemble*, in order."""
    with store.open(staged_name(index)) as file, pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(batch_size=64):
            for row in batch.to_pylist():
                bare = msgspec.json.decode(row["illustrations"], type=list[Illustration])
                shown = [_with_data(item, data) for item, data in zip(bare, row["images"], strict=True)]
                yield Illustrated(msgspec.json.decode(row["draft"], type=Draft), shown)


def content_keys(image: StoredImage) -> tuple[bytes, bytes]:
    """The keys by which an image is counted: of its bytes as served, and of its look."""
    return _key(b"sha256", image.original_sha256), _key(b"phash", image.phash)


def is_frequent(image: StoredImage, keys: Set[bytes]) -> str:
    """Which of the keys of an image is among the frequent: sha256, phash, or "" if none."""
    of_bytes, of_look = content_keys(image)
    return "sha256" if of_bytes in keys else "phash" if of_look in keys else ""


def _key(kind: bytes, value: str) -> bytes:
    return hashlib.blake2b(kind + value.encode(), digest_size=16).digest()


def _with_data(item: Illustration, data: bytes) -> Illustration:
    return msgspec.structs.replace(item, image=msgspec.structs.replace(item.image, data=data))
