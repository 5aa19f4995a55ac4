"""A synthetic web whose duplicates are known, for measuring what deduplication finds.

Pages come in blocks of 100 with the same composition, so that every size has the same shares of everything. What page
`index` of a block is, and what must become of it, follows from its number alone; see `ROLES`.
"""

import functools
import gzip
import io
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from schemas.documents import Block, Draft, ImageRef, TextBlock

BLOCK = 100
SENTENCES = 22
_WORDS = (
    "ability able about above accept across action actually address afternoon against agree allow almost along "
    "already always amount animal another answer appear apple area around arrive artist autumn balance banner "
    "barely basket beautiful because become before begin behind believe below beside better between beyond board "
    "boat book border bottle branch bread bridge bright bring brother building business camera candle canvas carry "
    "castle catch cause center century certain chair change chapter charge children choose church circle citizen "
    "clean clear climb close cloud coast coffee collect color come common company compare complete consider contain "
    "continue control cook corner cotton could country couple course court cover create cross crowd culture current "
    "daily dance daughter decide deep degree deliver depend describe desert design desk detail develop dinner "
    "direct discover distance district divide doctor door double dream dress drive during early earth east easy "
    "edge effect effort either electric enough enter entire evening event every evidence exactly example expect "
    "explain factory family famous farmer father feature field figure final finger finish fire fish floor flower "
    "follow foreign forest forget form forward fresh friend front fruit garden gather general gentle give glass "
    "gold govern grain grand great green ground group grow guide hammer handle happen harbor harvest heart heavy "
    "height hidden history honest hope horse hospital hotel house human hundred idea imagine improve include "
    "increase indeed industry inside instead island journey kitchen labor ladder language large later laugh leader "
    "learn leather leave letter level library light limit listen little local lonely machine manner market master "
    "matter measure member memory metal middle million minute mirror modern moment money morning mother motion "
    "mountain museum music narrow nation nature nearly needle neighbor never nothing notice number object observe "
    "ocean offer office often orange order other paint paper parent partner party pattern people perhaps period "
    "person picture piece planet plant plate pocket point police position possible power practice prepare present "
    "pressure price print private produce promise protect provide public purple quality question quick quiet quite "
    "railway rather reach reason receive record region relate remain remember repair report require result return "
    "river road rough round sailor sample school science season second secret section select sentence separate "
    "serious several shadow shape share shelter shore short shoulder silver simple sister slowly small smooth "
    "soldier solid someone spread spring square station steady stone story straight strange stream street strong "
    "student subject success sudden sugar summer supply support surface system table teacher temple thick thought "
    "thousand through ticket together tomorrow tower toward trade train travel treat trouble trust under unite "
    "until usual valley value various vessel village violet visit voice wagon water weather welcome western wheel "
    "whether window winter wisdom within without wonder wooden world worker write yellow young "
).split()

#: What the pages of a block are: role -> their indices. A page that is in no list is an original of its own.
ROLES: dict[str, Sequence[int]] = {
    "recaptured": range(60, 65),  # older captures of pages 0 to 4, under addresses with tracking parameters
    "copied": range(65, 70),  # the texts of pages 5 to 9 on another domain, in capitals
    "near_95": range(70, 75),  # pages 10 to 14 with some words changed: Jaccard similarity of 5-grams about 0.95
    "near_85": range(75, 80),
    "near_50": range(80, 85),  # of pages 20 to 24; not to be taken for the same
    "chained": range(85, 87),  # 85 is near 25, 86 is near 85
    "same_images": range(87, 89),  # the two images of pages 30 and 31 below other texts
    "same_content": range(89, 100),  # all 11 show one picture, each under its own address
    "same_look": [26, 27, 28, 29, *range(32, 40)],  # all 12 show another, each encoded in one of three qualities
    "giant": range(50, 60),  # originals on the one giant domain
    "frequent_image": range(34, 45),  # 11 originals that refer to one address
    "allowed_image": range(45, 55),  # 10 do
    "boilerplate": range(40, 43),  # 3 originals of one domain with one notice
    "allowed_notice": range(43, 45),  # 2 have another
}
_CHANGED = {"near_95": 0.95, "near_85": 0.85, "near_50": 0.5}
_OFFSET = {"recaptured": 60, "copied": 60, "near_95": 60, "near_85": 60, "near_50": 60, "same_images": 57}


class SyntheticPage(msgspec.Struct, frozen=True):
    """A page of the synthetic web."""

    block: int
    index: int
    url: str
    date: str
    paragraphs: list[str]
    images: list[str]


def make_page(number: int, name: str = "") -> SyntheticPage:
    """Page `number` of the web, the same in every run; its block may have a name in place of its number."""
    block, index = divmod(number, BLOCK)
    paragraphs, name = _paragraphs(block, index), name or str(block)
    host = f"https://{_site(name, index)}.com"
    url, day = f"{host}/{name}/{index}", 10
    if index in ROLES["recaptured"]:
        url, day = f"https://www.{_site(name, index - 60)}.com/{name}/{index - 60}?utm_source=feed", 5
    images = [f"{host}/{name}/{index}.jpg"]
    if index in ROLES["same_images"] or index in (30, 31):
        of = index - 57 if index in ROLES["same_images"] else index
        images = [f"https://cdn.com/{name}/set{of}-{side}.jpg" for side in (0, 1)]
    if index in ROLES["frequent_image"]:
        images.append(f"https://cdn.com/{name}/frequent.jpg")
    if index in ROLES["allowed_image"]:
        images.append(f"https://cdn.com/{name}/allowed.jpg")
    if index in ROLES["same_content"] or index in ROLES["same_look"]:
        images.append(f"{host}/{name}/{index}-same.jpg")
    if index in ROLES["boilerplate"]:
        paragraphs.append(f"Read the stories of block {name} in the weekly letter that we send to all readers.")
    if index in ROLES["allowed_notice"]:
        paragraphs.append(f"The archive of block {name} has a reading room that is open to all visitors.")
    return SyntheticPage(block, index, url, f"2026-01-{day + index % 7:02d}T00:00:00Z", paragraphs, images)


def _site(name: str, index: int) -> str:
    return "giant" if index in ROLES["giant"] else f"b{name}s{0 if 40 <= index < 45 else 1 + index % 3}"


def _paragraphs(block: int, index: int) -> list[str]:
    role = next((name for name in _OFFSET if index in ROLES[name]), "")
    match role:
        case "copied":
            return [text.upper() for text in _prose(block, index - 60)]
        case "near_95" | "near_85" | "near_50":
            return _changed(_prose(block, index - 60), _CHANGED[role], index)
    if index in ROLES["chained"]:
        once = _changed(_prose(block, 25), 0.9, 85)
        return once if index == 85 else _changed(once, 0.9, 86)
    return _prose(block, index)


def _prose(block: int, index: int) -> list[str]:
    """Five paragraphs of English-looking sentences."""
    rng = random.Random(block * BLOCK + index)
    sentences = []
    for _ in range(SENTENCES):
        words = rng.choices(_WORDS, k=rng.randint(7, 13))
        sentences.append(f"The {' '.join(words)} and the {rng.choice(_WORDS)} of the {rng.choice(_WORDS)}.")
    return [" ".join(sentences[start::5]) for start in range(5)]


def _changed(paragraphs: list[str], similarity: float, seed: int) -> list[str]:
    """Words replaced at even distances so that the 5-grams have about this Jaccard similarity.

    A replaced word changes five of the n-grams; of n, k changed ones leave a similarity of (n - k) / (n + k).
    """
    words = [text.split() for text in paragraphs]
    total = sum(map(len, words))
    changes = max(1, round(total * (1 - similarity) / (1 + similarity) / 5))
    places = {round((number + 0.5) * total / changes) for number in range(changes)}
    at = 0
    for part in words:
        for place in range(len(part)):
            if at in places:
                part[place] = f"{_WORDS[(seed * 37 + at) % len(_WORDS)]}ly"
            at += 1
    return [" ".join(part) for part in words]


def make_draft(number: int, name: str = "") -> Draft:
    """The same page as *extract* hands it on."""
    page = make_page(number, name)
    texts: list[Block] = [TextBlock(text) for text in page.paragraphs]
    blocks = (*texts, *(ImageRef((url,)) for url in page.images))
    return Draft(number, page.url, blocks, language="en", language_score=1.0, fetch_time=page.date)


def write_archive(path: Path, first: int, count: int) -> Path:
    """The pages `first` to `first + count` and their images as a WARC file; shared images with their block's first."""
    with path.open("wb") as file:
        for number in range(first, first + count):
            page = make_page(number)
            shown = "".join(f"<img src='{url}' alt='a picture'>" for url in page.images)
            body = "".join(f"<p>{text}</p>" for text in page.paragraphs)
            html = f"<html><body><article><h1>A story</h1>{body}{shown}</article></body></html>"
            file.write(record(page.url, page.date, "text/html; charset=utf-8", html.encode()))
            for url, data in _images_of(page):
                file.write(record(url, page.date, "image/jpeg", data))
    return path


def _images_of(page: SyntheticPage) -> Iterator[tuple[str, bytes]]:
    for url in page.images:
        if url.endswith("-same.jpg"):
            if page.index in ROLES["same_content"]:
                yield url, _photo(page.block * 1000 + 999)
            else:
                yield url, _photo(page.block * 1000 + 998, 70 + 10 * (page.index % 3))
        elif "cdn.com" not in url:
            yield url, _photo(page.block * 1000 + page.index)
    if page.index == 0:
        shared = ["frequent", "allowed", *(f"set{of}-{side}" for of in (30, 31) for side in (0, 1))]
        for number, name in enumerate(shared):
            yield f"https://cdn.com/{page.block}/{name}.jpg", _photo(page.block * 1000 + 900 + number)


@functools.lru_cache(maxsize=64)
def _photo(seed: int, quality: int = 85) -> bytes:
    small = np.random.default_rng(seed).integers(0, 255, (9, 12, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(small).resize((96, 72), Image.Resampling.BICUBIC).save(out, "JPEG", quality=quality)
    return out.getvalue()


def record(url: str, date: str, content_type: str, body: bytes) -> bytes:
    """A response as it lies in an archive."""
    http = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: {url}\r\nWARC-Date: {date}\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(http)}\r\n\r\n"
    )
    return gzip.compress(head.encode() + http + b"\r\n\r\n", compresslevel=1, mtime=0)
