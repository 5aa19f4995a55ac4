"""Datasets of pages and pairs in several shards, written as a build writes them, without a build."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from PIL import Image

from schemas import __version__
from schemas.commits import Attempt
from schemas.documents import Consent, Sample
from schemas.drops import Counts
from schemas.pairs import Caption, Pair
from schemas.shards import ShardInfo, ShardMark, ShardSettings, ShardWriter
from schemas.storage import Store

SHARDS = (3, 5, 1, 4)  # samples of each
COLUMNS = {
    "url": pa.string(),
    "page_url": pa.string(),
    "title": pa.string(),
    "num_images": pa.int32(),
    "num_words": pa.int64(),
    "language": pa.string(),
}
Written = tuple[str, list[tuple[str, bytes]], dict[str, Any]]


def picture(seed: int, size: tuple[int, int] = (96, 64), format: str = "JPEG") -> bytes:
    """A picture of one colour, another for each seed."""
    colour = tuple(int(value) for value in np.random.default_rng(seed).integers(0, 255, 3))
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, format)
    return out.getvalue()


def page(key: str, pictures: Iterable[bytes], title: str = "", url: str = "", **fields: Any) -> Written:
    """An interleaved sample: a text before each picture, and one at the end."""
    images = list(pictures)
    texts = [text for n in range(len(images)) for text in (f"Text {n} of {key}.", None)] + [f"The end of {key}."]
    names = [None if text is not None else f"{key}.{place}.jpg" for place, text in enumerate(texts)]
    number, count = int(key), len(images)
    blank = [""] * count
    record = Sample(
        key=key, url=url or f"https://made.example/{key}", title=title or f"Page {number}", texts=texts, images=names,
        image_urls=[f"https://made.example/{key}/{n}.jpg" for n in range(count)], image_alts=blank, image_titles=blank,
        image_captions=[f"caption {n}" for n in range(count)], image_sizes=[(96, 64)] * count,
        image_formats=["jpg"] * count, image_sha256=blank, image_original_sizes=[(96, 64)] * count,
        image_original_formats=["jpeg"] * count, image_original_sha256=blank, image_phashes=blank,
        image_scores=[{}] * count, clip_similarity=[], clip_assignment=[], language="en" if number % 2 else "de",
        language_score=1.0, licence="", author="", date="", fetch_time="2026-03-01T10:00:00Z",
        warc_file="made.warc.gz", warc_offset=7, warc_length=1, consent=Consent(), redacted={}, scores={}, screened=[],
        weft_version=__version__, config_hash="0" * 16,
    )  # fmt: skip
    record = msgspec.structs.replace(record, **fields)
    members = [(f"{key}.json", msgspec.json.encode(record))]
    members += [(name, data) for name, data in zip(filter(None, names), images, strict=True)]
    row = {
        "url": record.url,
        "title": record.title,
        "num_images": count,
        "num_words": number,
        "language": record.language,
    }
    return key, members, row


def pair(key: str, data: bytes, format: str = "jpg") -> Written:
    """Pairs of five share a page."""
    url, page_url = f"https://made.example/{key}.jpg", f"https://made.example/page{int(key) // 5}"
    record = Pair(
        url=url, caption=f"A picture {key}", key=key, status="success", error_message=None, width=96, height=64,
        original_width=96, original_height=64, sha256="", stored_sha256="", format=format, original_format="jpeg",
        phash="", caption_source="alt", captions=[Caption(f"A picture {key}", "alt"), Caption("Other", "title")],
        page_url=page_url, in_content=True, language="en", language_score=1.0, licence="", consent=Consent(),
        fetch_time="", warc_file="", warc_offset=-1, warc_length=-1, redacted={}, extra={}, scores={}, screened=[],
        weft_version=__version__, config_hash="0" * 16,
    )  # fmt: skip
    members = [(f"{key}.{format}", data), (f"{key}.json", msgspec.json.encode(record)), (f"{key}.txt", b"A picture")]
    row = {"url": url, "page_url": page_url, "num_images": 1, "num_words": 3, "language": "en"}
    return key, members, row


def write_shard(store: Store, kind: str, partition: int, samples: Iterable[Written]) -> ShardInfo:
    """One committed shard."""
    infos: list[ShardInfo] = []
    with Attempt(store, f"made-{kind}", partition) as attempt:
        writer = ShardWriter(attempt, f"{kind}/shards", partition, COLUMNS, ShardSettings(), infos.append)
        for key, members, row in samples:
            writer.add(key, members, row)
        writer.close()
        mark = ShardMark(infos[0], partition, {}, "0" * 16, __version__)
        attempt.put(f"{kind}/commit/{infos[0].name}.json", msgspec.json.encode(mark))
        attempt.commit(Counts(), infos)
    return infos[0]


def key_of(partition: int, number: int) -> str:
    return f"{partition:06d}{number:06d}"


def make_dataset(folder: Path) -> Path:
    """Pages in four shards, of which number n of a shard has n % 3 + 1 pictures; pairs in two. Not finished."""
    store = Store(str(folder))
    for partition, count in enumerate(SHARDS):
        keys = [key_of(partition, number) for number in range(count)]
        write_shard(
            store,
            "interleaved",
            partition,
            [page(key, [picture(10 * n + m) for m in range(n % 3 + 1)]) for n, key in enumerate(keys)],
        )
    for partition in range(2):
        write_shard(store, "pairs", partition, [pair(key_of(partition, n), picture(n)) for n in range(10)])
    return folder
