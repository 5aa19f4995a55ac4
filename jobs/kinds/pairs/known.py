"""Pairs of the dataset that a build adds to, as rows of the phases that compare; and the keys that a build leaves."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.config import BuildConfig
from jobs.kinds.pairs.pair import FetchedPair
from jobs.kinds.pairs.take import LINKS, TOKENS, image_text_key, token_keys
from jobs.phases.known import KeysWriter, bucket_of_known, joined, keys_of, known_rows
from jobs.phases.task import Phase, Task
from pipeline.text.keys import text_key
from schemas.buckets import bucket_of, buckets_of_ints
from schemas.kinds import PAIRS
from schemas.pairs import Pair
from schemas.urls import media_key

#: `keys/{partition}.parquet`.
KEYS = pa.schema(
    [
        ("sample", pa.string()),
        ("image", pa.binary()),  # 16 bytes, of the address that is tried first
        ("text", pa.binary()),  # 16 bytes
        ("content", pa.binary()),  # 16 bytes, of the image as served and the text
        ("tokens", pa.binary()),  # 8 bytes each, where words are counted
    ]
)
CONTENTS = {
    "both": pa.binary(),
    "id": pa.binary(),
    "slice": pa.int32(),
    "time": pa.string(),
    "url": pa.string(),
    "replaces": pa.binary(),  # JSON of (group, sample), where it is not empty: what the pair replaces by its address
}
#: What a new pair replaces if it becomes a sample.
REPLACES = {"winner": pa.binary(), "group": pa.int32(), "sample": pa.string(), "detail": pa.string()}
NO_PARTITION = -1  # in `TOKENS`, of what is there already and is not judged anew
_INDEX = ("key", "url", "fetch_time")


class PairKeysWriter(KeysWriter):
    """Writes the keys of the pairs of a slice that became samples."""

    def __init__(self, task: Task) -> None:
        super().__init__(task, PAIRS.name, KEYS)
        self._config = task.config

    def add_pair(self, key: str, fetched: FetchedPair) -> None:
        if self.is_wanted:
            ref = fetched.ref
            self.add(sample=key, **_keys(ref.url, ref.caption, fetched.image.original_sha256, self._config))


def _keys(url: str, caption: str, original_sha256: str, config: BuildConfig) -> dict[str, bytes]:
    text, tokens = text_key(caption), sorted(token_keys(caption)) if config.pairs.max_tokens is not None else []
    content = image_text_key(original_sha256.encode(), text)
    packed = np.array(tokens, "<i8").tobytes()
    return {"image": media_key(url), "text": text, "content": content, "tokens": packed}


def _rows(task: Task, columns: Sequence[str]) -> Iterator[pa.Table]:
    def derive(pair: Pair) -> dict[str, bytes]:
        return _keys(pair.url, pair.caption, pair.sha256, task.config)

    for shards, rows in known_rows(task, PAIRS.name, _INDEX):
        yield joined(rows, keys_of(task, PAIRS.name, shards, columns, derive))


def id_of_known(key: str) -> bytes:
    """In place of `PairRef.id`; less than that of any new pair."""
    return int(key).to_bytes(8, "big") + bytes(4)


def sample_of(known: bytes) -> str:
    """The key of the sample."""
    return f"{int.from_bytes(known[:8], 'big'):012d}"


def tell_known_pairs(task: Task) -> None:
    """For one group of shards: rows by image, by caption and by word, as new pairs have them."""
    rules, buckets, group = task.config.pairs, task.plan.buckets, bucket_of_known(task, task.index)
    images, texts, tokens = (
        task.writer(f"pair-{name}", columns)
        for name, columns in (("images", LINKS), ("texts", LINKS), ("tokens", TOKENS))
    )
    counts: Counter[int] = Counter()
    for rows in _rows(task, ("image", "text", "tokens")):
        for row in rows.to_pylist():
            image, text = row["image"], row["text"]
            link = (image, text, image_text_key(image, text), id_of_known(row["key"]), group, row["fetch_time"])
            images.add(bucket_of(image, buckets), *link, size=300)
            if rules.max_images_per_text is not None:
                texts.add(bucket_of(text, buckets), *link, size=300)
            counts.update(np.frombuffer(row["tokens"], "<i8").tolist())
    if counts:
        words = np.array(sorted(counts), np.int64)
        numbers = [counts[word] for word in words.tolist()]
        table = pa.table({"token": words, "partition": np.full(len(words), NO_PARTITION, np.int32), "count": numbers})
        tokens.add_table(buckets_of_ints(words, buckets), table)


def tell_known_contents(task: Task, counted: Phase) -> None:
    """For one group of shards: the contents of the pairs that lost to none in the phase `counted`."""
    writer, lost = task.writer("contents", CONTENTS), set[str]()
    for table in task.groups(counted, "lost-known", bucket_of_known(task, task.index)):
        lost.update(table.column("sample").to_pylist())
    for rows in _rows(task, ("content",)):
        for row in rows.to_pylist():
            if row["key"] not in lost:
                content = (
                    row["content"],
                    id_of_known(row["key"]),
                    slice_of_known(task.index),
                    row["fetch_time"],
                    row["url"],
                    b"",
                )
                writer.add(bucket_of(row["content"], task.plan.buckets), *content, size=300)


def lost_known(repeated: pa.Table, known: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Of rows by key, `first` the newest of each: the places of those that are known and lost, and of the winner."""
    first = repeated.column("first").to_numpy()
    winners = np.maximum.accumulate(np.where(first, np.arange(len(first)), 0))
    for place in np.flatnonzero(~first & known).tolist():
        yield place, int(winners[place])


class Replacing:
    """What the pairs of a task replace, should they become samples."""

    def __init__(self, task: Task, told: Sequence[tuple[Phase, int]]) -> None:
        """`told` are phases that wrote `REPLACES`, each with the bucket that is the task's."""
        self._of: dict[bytes, list[tuple[int, str, str]]] = {}
        for phase, bucket in told if task.plan.onto is not None else ():
            for table in task.groups(phase, "replaces", bucket):
                for row in table.to_pylist():
                    self._of.setdefault(row["winner"], []).append((row["group"], row["sample"], row["detail"]))

    def of(self, pair: bytes) -> list[tuple[int, str, str]]:
        """Group, sample and detail of each that a pair replaces."""
        return self._of.get(pair, [])


def slice_of_known(group: int) -> int:
    """In place of a slice, of what is there already. It is its own inverse."""
    return -1 - group


KNOWN_PAIRS = Phase("pair-known", "known_pairs", tell_known_pairs)
KNOWN_CONTENTS = Phase("pair-known-contents", "known_pairs", tell_known_contents)
