"""What the tests of this folder are made of: pages, pictures and files, each built where it is used."""

import io
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.image.strip_jpeg import strip_jpeg
from pipeline.image.strip_png import strip_png
from pipeline.page.extract import extract_page
from pipeline.page.leaves import Media, Text
from pipeline.page.markup import Markup
from pipeline.page.parsed import ExtractSettings
from pipeline.page.walk import Walk
from schemas.documents import Draft, ImageRef, Page, TextBlock
from schemas.drops import Drop

URL = "https://site.example/news/story.html"

_SUBJECTS = "The river|An old ferry|Her brother|This valley|A quiet harbour|The town council|Every traveller".split("|")
_VERBS = "followed|remembered|described|crossed|repaired|photographed|forgot".split("|")
_OBJECTS = "the stone bridge|a narrow road|several letters|the northern coast|an empty house|two tall ships".split("|")


def prose(number: int = 0, sentences: int = 4) -> str:
    """Plain English of about 60 characters a sentence; another `number` gives other sentences."""
    made = []
    for i in range(number * 7, number * 7 + sentences):
        subject, verb, thing = _SUBJECTS[i % 7], _VERBS[(i // 7 + i) % 7], _OBJECTS[(i * 5 + i // 3) % 6]
        made.append(f"{subject} {verb} {thing} and that was the end of day {number * 100 + i}.")
    return " ".join(made)


def paragraphs(count: int, start: int = 0, sentences: int = 4) -> str:
    return "".join(f"<p>{prose(start + i, sentences)}</p>\n" for i in range(count))


def page(body: str | bytes, head: str = "", **fields: Any) -> Page:
    html = body if isinstance(body, bytes) else f"<!doctype html><html><head>{head}</head><body>{body}</body></html>"
    values: dict[str, Any] = {"uid": 1, "url": URL, "html": html if isinstance(html, bytes) else html.encode()}
    return Page(**{**values, **fields})


def extract(body: str | bytes, head: str = "", settings: ExtractSettings | None = None, **fields: Any) -> Draft:
    return extract_page(page(body, head, **fields), settings or ExtractSettings())


def texts(draft: Draft) -> list[str]:
    return [block.text for block in draft.texts]


def outline(draft: Draft) -> list[str]:
    """The blocks as short words: a text by itself, an image by its file name."""
    return [
        block.text if isinstance(block, TextBlock) else block.candidates[0].split("/")[-1] for block in draft.blocks
    ]


def walk(body: str, base: str = URL, **settings: Any) -> Walk:
    """A walk that passes nothing over, unless told otherwise."""
    return Walk(Markup(f"<html><body>{body}</body></html>".encode()), base, **{"passes_over": False, **settings})


def walked_texts(body: str) -> list[str]:
    return [leaf.text for leaf in walk(body).leaves if isinstance(leaf, Text)]


def walked_images(body: str, base: str = URL) -> list[Media]:
    return [leaf for leaf in walk(body, base).leaves if isinstance(leaf, Media) and leaf.kind == "image"]


def draft(*blocks: TextBlock | ImageRef | str, **fields: Any) -> Draft:
    """A draft of blocks; a plain string is a paragraph."""
    made = tuple(TextBlock(block) if isinstance(block, str) else block for block in blocks)
    return Draft(**{"uid": 1, "url": URL, "blocks": made, **fields})


def image_ref(name: str, **fields: Any) -> ImageRef:
    return ImageRef((f"https://site.example/{name}",), **fields)


def attempt(step: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """What a step gives, or the `Drop` by which it drops its item."""
    try:
        return step(*args, **options)
    except Drop as drop:
        return drop


def dropped(caught: "pytest.ExceptionInfo[Drop]") -> tuple[str, str]:
    return caught.value.reason, caught.value.detail


def picture(width: int = 200, height: int = 150, seed: int = 0) -> Image.Image:
    """A smooth picture whose four corners all differ, so that turning or mirroring it shows."""
    y, x = np.mgrid[0:height, 0:width]
    x, y = x / max(1, width - 1), y / max(1, height - 1)
    rng = np.random.default_rng(seed)
    phases = rng.uniform(0, 2 * np.pi, 3) if seed else np.zeros(3)
    waves = rng.uniform(2, 9, 3) if seed else np.zeros(3)
    channels = [
        0.15 + 0.7 * x + 0.1 * np.sin(waves[0] * x + phases[0]),
        0.15 + 0.7 * y + 0.1 * np.sin(waves[1] * y + phases[1]),
        0.5 + 0.35 * np.sin(3 * x + 5 * y * y + waves[2] * x * y + phases[2]),
    ]
    return Image.fromarray((np.clip(np.stack(channels, axis=-1), 0, 1) * 255).astype(np.uint8))


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def blobs(seed: int, width: int = 320, height: int = 240) -> Image.Image:
    """A picture of large soft shapes, another one for every seed."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def pixels(image: Image.Image | bytes) -> np.ndarray:
    """RGB, as signed integers so that differences do not wrap around."""
    image = opened(image) if isinstance(image, bytes) else image
    return np.asarray(image.convert("RGB")).astype(np.int32)


def far_apart(left: Image.Image | bytes, right: Image.Image | bytes) -> float:
    """The mean absolute difference of two pictures of one size, of 255."""
    return float(np.abs(pixels(left) - pixels(right)).mean())


def clean_jpeg(data: bytes) -> bytes:
    return strip_jpeg(data).data or b""


def clean_png(data: bytes) -> bytes:
    return strip_png(data).data or b""


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def jpeg_segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body
