"""A pair with its image: handed from the phase that opens images to the one that writes samples."""

from collections.abc import Iterator

import msgspec

from jobs.kinds.shards import Shards
from jobs.kinds.staging import Staging, read_staged
from jobs.phases.task import Phase, Task
from schemas import __version__
from schemas.documents import StoredImage
from schemas.pairs import Pair, PairRef


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

    @property
    def page_url(self) -> str:
        return self.ref.page_url


def stage(staging: Staging, pair: FetchedPair) -> None:
    """Hand a pair on."""
    bare = msgspec.structs.replace(pair, image=msgspec.structs.replace(pair.image, data=b""))
    staging.add(msgspec.json.encode(bare), [pair.image.data])


def staged_pairs(task: Task, phase: Phase) -> Iterator[FetchedPair]:
    """The pairs that a task of an earlier phase handed on, in order."""
    for record, (data,) in read_staged(task, phase):
        bare = msgspec.json.decode(record, type=FetchedPair)
        yield msgspec.structs.replace(bare, image=msgspec.structs.replace(bare.image, data=data))


def add_pair(shards: Shards, fetched: FetchedPair, config_hash: str) -> None:
    """Write `{key}.jpg|png|webp`, `{key}.json` and `{key}.txt`, in this order, as img2dataset does."""
    key = shards.next_key
    pair = to_pair(fetched, key, config_hash)
    members = [
        (f"{key}.{fetched.image.format}", fetched.image.data),
        (f"{key}.json", msgspec.json.encode(pair)),
        (f"{key}.txt", pair.caption.encode("utf-8", "replace")),
    ]
    shards.add(key, pair, members)


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
        image_consent=image.signals,
        rights=image.rights,
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
