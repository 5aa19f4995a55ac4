"""What *extract* hands on of pairs, and the keys by which they are compared."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from jobs.phases.plan import Plan
from pipeline.captions import caption_tokens
from pipeline.pairs import PagePairs
from schemas.buckets import BucketWriter, bucket_of, buckets_of_ints
from schemas.commits import Attempt
from schemas.drops import Tally
from schemas.pairs import PairRef
from schemas.urls import host_of, media_key, registered_domain

PAIRS = {"id": pa.binary(), "order": pa.int64(), "pair": pa.binary()}
LINKS = {
    "image": pa.binary(),
    "text": pa.binary(),
    "both": pa.binary(),
    "id": pa.binary(),
    "partition": pa.int32(),
    "time": pa.string(),
}
TOKENS = {"token": pa.int64(), "partition": pa.int32(), "count": pa.int64()}
#: A count of a word in a partition takes 200 bytes; a row of links, before it is packed, 500.
_MAX_HELD_TOKENS = 250_000
_FLUSH_BYTES = 16 << 20


class PairShuffle:
    """What *extract* hands on of pairs, each kind of row in the bucket of the task that will read it."""

    def __init__(self, attempt: Attempt, index: int, plan: Plan) -> None:
        self._plan, self._rules = plan, plan.config.pairs
        self._stack = ExitStack()

        def writer(name: str, columns: dict[str, pa.DataType], order: str | None = None) -> BucketWriter:
            file = attempt.create(f"work/extract/{index:06d}.{name}.parquet")
            return self._stack.enter_context(BucketWriter(file, columns, _FLUSH_BYTES, order))

        self._pairs, self._images = writer("pairs", PAIRS, "order"), writer("pair-images", LINKS)
        self._texts, self._tokens = writer("pair-texts", LINKS), writer("pair-tokens", TOKENS)
        self._counts: Counter[tuple[int, int]] = Counter()
        self.sizes = np.zeros(plan.partitions, np.int64)  # bytes of pairs by partition

    def add(self, ref: PairRef) -> Iterator[tuple[bytes, int]]:
        """Add a pair; gives the keys of the images that it wants, and the partition that wants them."""
        partition = bucket_of(self._home(ref), self._plan.partitions)
        packed = msgspec.json.encode(ref)
        self._pairs.add(partition, ref.id, order_of(self._plan.config.seed, ref.id), packed, size=len(packed) + 200)
        self.sizes[partition] += len(packed)
        image, text = media_key(ref.url), text_key(ref.caption)
        row = (image, text, both_key(image, text), ref.id, partition, ref.fetch_time)
        self._images.add(bucket_of(image, self._plan.buckets), *row, size=300)
        if self._rules.max_images_per_text is not None:
            self._texts.add(bucket_of(text, self._plan.buckets), *row, size=300)
        if self._rules.max_tokens is not None:
            self._counts.update((token, partition) for token in token_keys(ref.caption))
            if len(self._counts) > _MAX_HELD_TOKENS:
                self._flush()
        for key in dict.fromkeys(map(media_key, ref.candidates)):
            yield key, partition

    def _home(self, ref: PairRef) -> bytes:
        """What pairs of one partition have in common: the domain of the page, or of the image where there is none."""
        if not ref.page_url and self._plan.config.lists.read.spread == "url":
            return media_key(ref.url)
        return registered_domain(host_of(ref.page_url or ref.url)).encode("utf-8", "replace")

    def _flush(self) -> None:
        rows = sorted(self._counts.items())
        if rows:
            tokens = np.array([token for (token, _), _ in rows], np.int64)
            columns = [tokens, np.array([part for (_, part), _ in rows], np.int32), [count for _, count in rows]]
            table = pa.table(columns, schema=pa.schema(list(TOKENS.items())))
            self._tokens.add_table(buckets_of_ints(tokens, self._plan.buckets), table)
        self._counts.clear()

    def __enter__(self) -> "PairShuffle":
        return self

    def __exit__(self, failure: type[BaseException] | None, *details: Any) -> None:
        if failure is None:
            self._flush()
        self._stack.__exit__(failure, *details)


def count_pairs(found: PagePairs, tally: Tally) -> None:
    """What one page gave, into the tally."""
    tally.saw("pair", len(found.pairs) + len(found.dropped))
    tally.kept("pair", len(found.pairs))
    for row in found.dropped:
        tally.drop(row)
    for what, count in found.redacted.items():
        tally.redacted(what, count)


def order_of(seed: int, id: bytes) -> int:
    """Where a pair stands in its partition: random to look at, the same in every run."""
    return int.from_bytes(hashlib.blake2b(b"%d/%b" % (seed, id), digest_size=8).digest(), "big", signed=True)


def text_key(caption: str) -> bytes:
    """16 bytes that are equal for captions that differ at most in case and spacing."""
    return hashlib.blake2b(" ".join(caption.casefold().split()).encode("utf-8", "replace"), digest_size=16).digest()


def both_key(image: bytes, text: bytes) -> bytes:
    return hashlib.blake2b(image + text, digest_size=16).digest()


def token_keys(caption: str) -> set[int]:
    """The words and pairs of words of a caption as 64-bit numbers."""
    return {
        int.from_bytes(hashlib.blake2b(token.encode("utf-8", "replace"), digest_size=8).digest(), "big", signed=True)
        for token in caption_tokens(caption)
    }
