"""A small web site as WARC files, made on the spot: the input of the tests of whole builds."""

import io
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

_WORDS = (
    "the a of and to in with that have be river mountain painter window garden letter morning engine harbour winter "
    "colour method story bridge copper signal lantern valley paper machine orchard museum station weather island "
    "carefully slowly often never under above between across beside becomes remembers carries opens follows"
).split()


def photo(seed: int, width: int = 320, height: int = 240) -> bytes:
    """A JPEG of coloured noise, different for each seed."""
    small = np.random.default_rng(seed).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).save(out, "JPEG", quality=85)
    return out.getvalue()


def prose(seed: int, sentences: int = 12) -> str:
    """English-looking text that passes the text rules."""
    rng = random.Random(seed)
    made = []
    for _ in range(sentences):
        words = rng.choices(_WORDS, k=rng.randint(9, 16))
        made.append(f"The {' '.join(words)} and the {rng.choice(_WORDS)} of {rng.choice(_WORDS)}.")
    return " ".join(made)


def article(seed: int, images: list[str]) -> str:
    """A page of paragraphs with an image after each."""
    parts = [
        f"<p>{prose(seed * 100 + number)}</p><img src='{url}' alt='picture {number}'>"
        for number, url in enumerate(images)
    ]
    body = "".join(parts) + f"<p>{prose(seed * 100 + 99)}</p>"
    head = f"<head><title>Article {seed}</title></head>"
    return f"<html>{head}<body><article><h1>Article {seed}</h1>{body}</article></body></html>"


def write_archive(
    path: Path,
    records: list[tuple[str, bytes, str]],
    date: str = "2026-03-01T10:00:00Z",
    dates: Sequence[str] = (),
) -> Path:
    """Records are (address, body, content type); the body of a page is HTML. `dates`: one for each."""
    with path.open("wb") as file:
        writer = WARCWriter(file, gzip=path.name.endswith(".gz"))
        for number, (url, body, content_type) in enumerate(records):
            headers = StatusAndHeaders("200 OK", [("Content-Type", content_type)], protocol="HTTP/1.1")
            record = writer.create_warc_record(
                url,
                "response",
                payload=io.BytesIO(body),
                http_headers=headers,
                warc_headers_dict={
                    "WARC-Date": dates[number] if dates else date,
                    "WARC-Record-ID": f"<urn:uuid:00000000-0000-0000-0000-{number:012d}>",
                },
            )
            writer.write_record(record)
    return path


def write_site(folder: Path, archives: int = 3, pages: int = 8) -> list[Path]:
    """Archives of pages on several domains, two images each; an image may lie in another archive than its page."""
    folder.mkdir(parents=True, exist_ok=True)
    records: list[list[tuple[str, bytes, str]]] = [[] for _ in range(archives)]
    for number in range(archives * pages):
        home = number % archives
        site = f"https://site{number % 5}.example"
        images = [f"{site}/img/{number}-{side}.jpg" for side in ("a", "b")]
        html = article(number, [*images, "/img/missing.jpg"] if number % 4 == 0 else images)
        records[home].append((f"{site}/page{number}.html", html.encode(), "text/html; charset=utf-8"))
        for offset, url in enumerate(images):
            records[(home + offset) % archives].append((url, photo(2 * number + offset), "image/jpeg"))
        if number % 6 == 5:
            records[home].append(
                (
                    f"{site}/short{number}.html",
                    b'<p>This page is in English but it is a little too short to be of any use.</p><img src="/x.jpg">',
                    "text/html",
                )
            )
    return [write_archive(folder / f"part-{index}.warc.gz", part) for index, part in enumerate(records)]
