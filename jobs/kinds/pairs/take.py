"""What the first phase hands on of pairs, and the keys by which they are compared."""

import hashlib
from collections import Counter

import msgspec
import numpy as np
import pyarrow as pa

from jobs.phases.extract import Wanted
from jobs.phases.slices import order_of
from jobs.phases.steps import Extracted
from jobs.phases.task import Task
from pipeline.captions import caption_tokens
from pipeline.text.keys import text_key
from schemas.buckets import bucket_of, buckets_of_ints
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


class TakePairs:
    """Pairs in the bucket of their domain, and rows by their image, by their caption and by its words."""

    def __init__(self, task: Task, wanted: Wanted) -> None:
        self._task, self._wanted, self._rules = task, wanted, task.config.pairs
        self._pairs = task.writer("pairs", PAIRS, "order", _FLUSH_BYTES)
        self._images, self._texts, self._tokens = (
            task.writer(f"pair-{name}", columns, None, _FLUSH_BYTES)
            for name, columns in (("images", LINKS), ("texts", LINKS), ("tokens", TOKENS))
        )
        self._counts: Counter[tuple[int, int]] = Counter()
        self.sizes = np.zeros(task.plan.partitions, np.int64)
        task.at_end(self._flush)

    def take(self, found: Extracted) -> None:
        """What one page gave."""
        tally, pairs = self._task.tally, found.pairs
        tally.saw("pair", len(pairs.pairs) + len(pairs.dropped))
        tally.kept("pair", len(pairs.pairs))
        for row in pairs.dropped:
            tally.drop(row)
        for what, count in pairs.redacted.items():
            tally.redacted(what, count)
        for ref in pairs.pairs:
            self.add(ref)

    def add(self, ref: PairRef) -> None:
        """Hand on a pair."""
        plan, rules = self._task.plan, self._rules
        partition = bucket_of(self._home(ref), plan.partitions)
        packed = msgspec.json.encode(ref)
        order = order_of(self._task.config.seed, ref.id)
        self._pairs.add(partition, ref.id, order, packed, size=len(packed) + 200)
        self.sizes[partition] += len(packed)
        image, text = media_key(ref.url), text_key(ref.caption)
        row = (image, text, image_text_key(image, text), ref.id, partition, ref.fetch_time)
        self._images.add(bucket_of(image, plan.buckets), *row, size=300)
        if rules.max_images_per_text is not None and ref.caption:
            self._texts.add(bucket_of(text, plan.buckets), *row, size=300)
        if rules.max_tokens is not None:
            self._counts.update((token, partition) for token in token_keys(ref.caption))
            if len(self._counts) > _MAX_HELD_TOKENS:
                self._flush()
        self._wanted.add(ref.candidates, partition)

    def _home(self, ref: PairRef) -> bytes:
        """What pairs of one partition have in common: the domain of the page, or of the image where there is none."""
        if not ref.page_url and self._task.config.lists.read.spread == "url":
            return media_key(ref.url)
        return registered_domain(host_of(ref.page_url or ref.url)).encode("utf-8", "replace")

    def _flush(self) -> None:
        rows = sorted(self._counts.items())
        if rows:
            tokens = np.array([token for (token, _), _ in rows], np.int64)
            columns = [tokens, np.array([part for (_, part), _ in rows], np.int32), [count for _, count in rows]]
            table = pa.table(columns, schema=pa.schema(list(TOKENS.items())))
            self._tokens.add_table(buckets_of_ints(tokens, self._task.plan.buckets), table)
        self._counts.clear()


def image_text_key(image: bytes, text: bytes) -> bytes:
    """The key of an image and a text together."""
    return hashlib.blake2b(image + text, digest_size=16).digest()


def token_keys(caption: str) -> set[int]:
    """The words and pairs of words of a caption as 64-bit numbers."""
    return {
        int.from_bytes(hashlib.blake2b(token.encode("utf-8", "replace"), digest_size=8).digest(), "big", signed=True)
        for token in caption_tokens(caption)
    }
