"""What tasks read at the size of a snapshot: made rows, and archives whose pages are told at once what they give."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.synthetic import make_draft, make_page, record
from jobs.phases.duplicates import LEFT
from jobs.phases.slices import order_of
from jobs.phases.steps import Extracted
from schemas.documents import Draft, ImageRef, Page, TextBlock

BAND_COUNT = 14
REFERENCES_A_PAGE = 18
Columns = dict[str, Any]


def digests(count: int, distinct: int, seed: int) -> list[bytes]:
    numbers = np.random.default_rng(seed).integers(0, distinct, count)
    return [int(n * 0x9E3779B97F4A7C15 % (1 << 64)).to_bytes(8, "big") * 2 for n in map(int, numbers)]


def pages_of(count: int, partitions: int = 4096) -> Columns:
    rng = np.random.default_rng(1)
    bands = rng.bytes(count * BAND_COUNT * 8)
    return {
        "key": digests(count, 20 * count, 2),
        "text_key": digests(count, 20 * count, 3),
        "bands": [bands[n * 112 : n * 112 + 112] for n in range(count)],
        "time": ["2026-10-12T11:22:33Z"] * count,
        "uid": np.arange(count),
        "partition": rng.integers(0, partitions, count),
        "url": [f"https://www.site-{n * 7919 % 99991}.example/section/{n}/a-story-of-the-day" for n in range(count)],
    }


def left_of(count: int, partitions: int = 4096) -> Columns:
    return {name: values for name, values in pages_of(count, partitions).items() if name in LEFT}


def edges_of(count: int) -> Columns:
    nodes = np.random.default_rng(4).integers(0, 1 << 40, (count, 2))
    return {"node": nodes.max(axis=1), "other": nodes.min(axis=1)}


def counted(count: int, slices: int) -> Columns:
    of_slices = np.random.default_rng(5).integers(0, slices, count)
    return {"key": digests(count, 2 * count, 6), "slice": of_slices, "count": np.ones(count, np.int64)}


def drafts_of(size: int) -> Columns:
    packed, number = list[bytes](), 0
    while size > 0:
        packed.append(msgspec.json.encode(make_draft(number)))
        size -= len(packed[-1])
        number += 1
    orders = [order_of(0, b"%d" % n) for n in range(number)]
    return {"uid": np.arange(number) + (1 << 40), "order": orders, "url": [""] * number, "draft": packed}


def write_kept_pages(path: Path, first: int, pages: int) -> None:
    """An archive of the pages that are kept, without their words: `MadeDrafts` has these."""
    with path.open("wb") as file:
        for number in range(first, first + pages):
            page = make_page(number)
            file.write(record(page.url, page.date, "text/html; charset=utf-8", b"%d" % number))


class MadeDrafts:
    """In place of a recipe: each page gives a draft of some 8 KB and 18 images, in a tenth of the time."""

    def read(self, page: Page) -> Extracted:
        number = int(page.html)
        texts = [TextBlock(text) for part in range(4) for text in make_page(4 * number + part).paragraphs]
        images = [ImageRef((f"https://images.example/{number}/{place}.jpg",)) for place in range(REFERENCES_A_PAGE)]
        return Extracted(Draft(page.uid, page.url, (*texts, *images), "A story", fetch_time=page.fetch_time))
