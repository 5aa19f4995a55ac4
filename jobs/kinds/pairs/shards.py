"""Pairs into shards: what a tar, its index and its commit marks hold of them."""

from typing import Any

import msgspec

from schemas import __version__
from schemas.commits import Attempt
from schemas.documents import StoredImage
from schemas.drops import Counts, Tally
from schemas.pairs import COLUMNS, KIND, Pair, PairRef
from schemas.shards import ShardInfo, ShardMark, ShardSettings, ShardWriter
from schemas.urls import host_of, registered_domain


class FetchedPair(msgspec.Struct, frozen=True):
    """A pair with its image, and what scorers say of the two."""

    ref: PairRef
    image_url: str  # of the candidates the one that gave the image
    image: StoredImage
    scores: dict[str, float] = {}
    screened: list[str] = []

    @property
    def kind(self) -> str:
        return self.ref.kind

    @property
    def url(self) -> str:
        return self.image_url


class PairShards:
    """Writes `{key}.jpg|png|webp`, `{key}.json` and `{key}.txt`, in this order, as img2dataset does."""

    def __init__(
        self, attempt: Attempt, partition: int, settings: ShardSettings, config_hash: str, tally: Tally
    ) -> None:
        self._attempt, self._partition, self._config_hash, self._tally = attempt, partition, config_hash, tally
        self._writer = ShardWriter(attempt, f"{KIND}/shards", partition, COLUMNS, settings, self._finished)
        self._counted = Counts()
        self._num_samples = 0
        self._marks: list[ShardMark] = []

    def add(self, fetched: FetchedPair) -> None:
        key = f"{self._partition:06d}{self._num_samples:06d}"
        pair = to_pair(fetched, key, self._config_hash)
        members = [
            (f"{key}.{fetched.image.format}", fetched.image.data),
            (f"{key}.json", msgspec.json.encode(pair)),
            (f"{key}.txt", pair.caption.encode("utf-8", "replace")),
        ]
        self._writer.add(key, members, index_row(pair))
        self._num_samples += 1

    def finish(self) -> list[ShardInfo]:
        """Close the last shard and write the marks; returns the shards."""
        self._writer.close()
        for mark in self._marks:
            self._attempt.put(f"{KIND}/commit/{mark.shard.name}.json", msgspec.json.encode(mark))
        return [mark.shard for mark in self._marks]

    def _finished(self, shard: ShardInfo) -> None:
        counts = self._tally.counts()
        stretch = counts - self._counted
        self._counted = counts
        self._marks.append(ShardMark(shard, self._partition, stretch.drops, self._config_hash, __version__))


def to_pair(fetched: FetchedPair, key: str, config_hash: str) -> Pair:
    """The JSON of a pair."""
    ref, image = fetched.ref, fetched.image
    return Pair(
        url=fetched.image_url,
        caption=ref.caption,
        key=key,
        status="success",
        error_message=None,
        width=image.width,
        height=image.height,
        original_width=image.original_width,
        original_height=image.original_height,
        sha256=image.original_sha256,
        stored_sha256=image.sha256,
        format=image.format,
        original_format=image.original_format,
        phash=image.phash,
        caption_source=ref.caption_source,
        captions=list(ref.captions),
        page_url=ref.page_url,
        in_content=ref.in_content,
        language=ref.language,
        language_score=ref.language_score,
        licence=ref.licence,
        consent=ref.consent,
        fetch_time=ref.fetch_time,
        warc_file=ref.warc_file,
        warc_offset=ref.warc_offset,
        warc_length=ref.warc_length,
        redacted=ref.redacted,
        extra=ref.extra,
        scores=fetched.scores,
        screened=fetched.screened,
        weft_version=__version__,
        config_hash=config_hash,
    )


def index_row(pair: Pair) -> dict[str, Any]:
    """The row of the parquet index for a pair."""
    row = {name: getattr(pair, name) for name in COLUMNS if hasattr(pair, name)}
    return row | {
        "domain": registered_domain(host_of(pair.page_url or pair.url)),
        "num_images": 1,
        "num_chars": len(pair.caption),
        "num_words": len(pair.caption.split()),
        "scores": msgspec.json.encode(pair.scores).decode(),
    }
