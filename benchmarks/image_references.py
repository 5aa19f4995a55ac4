"""What must hold of the images of any page, whether or not somebody wrote down its answer.

    python -m benchmarks.image_references FOLDER... [--list WHAT] [--seconds]

A FOLDER holds NAME/source.html, or ID.html.gz beside a truth.jsonl.gz whose rows have `id`, `kind` and `url`. Counts,
by kind of page:

* stated: pages that state an image of their own (og:image, twitter:image, JSON-LD) and show it in an `<img>` somewhere,
  and the share of them on which it is kept.
* twice: kept images that are a copy of one kept before them, and the share of the kept ones.
* captioned: kept images that have a caption.
* placeholders: kept images whose first address stands in for another.
* formulas: kept images that their alt text or address says are formulas.

What is the same picture is judged here by a rule of its own, coarser than that of the extraction: the name at the
end of the address, without extensions and sizes, in whatever folders but numbered ones. The pages are split in halves
as those commands split them that score their texts: the method was tuned looking at the first half only.
"""

import argparse
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec
from selectolax.lexbor import LexborHTMLParser

from benchmarks.extraction import is_tuned
from benchmarks.truth import known_pages
from pipeline.image.refs import candidates
from pipeline.page.charset import utf8_html
from pipeline.page.extract import extract_page
from pipeline.page.markup import Markup
from pipeline.page.metadata import read_metadata
from schemas.documents import Page
from schemas.drops import Drop

_EXTENSION = re.compile(r"\.(?:jpe?g|png|webp|gif|avif|svg|jfif|bmp|tiff?)$", re.IGNORECASE)
_SIZE = re.compile(
    r"[-_.@](?:\d{2,5}x\d{0,5}|x\d{2,5}|\d{2,4}(?:w|px)|\dx|scaled|large|medium|small|grande|thumb|thumbnail|preview)"
    r"(?:_crop_center)?$|^(?:\d{2,4}px-|thumb(?:nail)?_|(?:small|medium|large)_)|=[swh]\d+\S*$|\._[A-Z0-9,_-]+_$",
)
_PLACEHOLDER = re.compile(
    r"(?:^|/)(?:blank|spacer|placeholder|transparent|1x1|loading|loader|lazy)(?:[_.-][0-9a-z]+)?\.(?:png|gif|svg)",
    re.IGNORECASE,
)
_FORMULA = re.compile(r"/math/render/|latex\.codecogs|latex\.php|cht=tx|mathtex|/mathml?/|[?/]tex[?/.]", re.IGNORECASE)
_SERVING = re.compile(
    r"(?:w|h|c|f|q|fl|width|height|quality|fill|filters|al|resize|default|compressed-original|false|padthumb\\w+)(?:[=_:.]|$)"
)
_LEAST_NAME = 5  # characters; a shorter name says little
_MIN_DECLARED_PX = 50


class Counts(msgspec.Struct):
    pages: int = 0
    stated: int = 0  # pages
    stated_kept: int = 0
    kept: int = 0  # images from here on
    twice: int = 0
    captioned: int = 0
    placeholders: int = 0
    formulas: int = 0

    def add(self, other: "Counts") -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def __str__(self) -> str:
        return (
            f"{self.pages:>6}{self.stated:>8}{self.stated_kept / max(1, self.stated):>8.3f}{self.kept:>8}"
            f"{self.twice:>7}{self.twice / max(1, self.kept):>8.3f}{self.captioned:>11}"
            f"{self.placeholders:>7}{self.formulas:>9}"
        )


class Found(msgspec.Struct):
    """What is counted, as lines to look at."""

    stated: list[str] = []
    twice: list[str] = []
    placeholders: list[str] = []
    formulas: list[str] = []


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--list", choices=Found.__struct_fields__, help="show these, of the tuned half")
    parser.add_argument("--seconds", action="store_true", help="pages per CPU second, the best of three rounds")
    arguments = parser.parse_args()
    for folder in arguments.folders:
        report(folder, arguments.list)
        if arguments.seconds:
            print(f"{folder.name}: {pages_per_second([page for _, _, page, _ in pages_of(folder)]):.0f} pages/CPU s\n")


def report(folder: Path, listed: str | None) -> None:
    tables: dict[bool, dict[str, Counts]] = {True: {}, False: {}}
    for name, kind, page, tuned in pages_of(folder):
        found = Found()
        counts = count(page, found)
        for key in (kind, "all"):
            tables[tuned].setdefault(key, Counts()).add(counts)
        for line in getattr(found, listed) if listed and tuned else ():
            print(f"    {name} {kind}: {line}")
    for tuned, table in tables.items():
        print(f"{folder.name}, {'tuned' if tuned else 'held-out'} half")
        print(
            f"{'':<16}{'pages':>6}{'stated':>8}{'kept':>8}{'images':>8}{'twice':>7}{'share':>8}{'captioned':>11}"
            f"{'blank':>7}{'formulas':>9}"
        )
        for kind in sorted(table, key=lambda kind: (kind == "all", kind)):
            print(f"{kind:<16}{table[kind]}")
        print()


def pages_of(folder: Path) -> Iterator[tuple[str, str, Page, bool]]:
    """Name, kind, page and whether it may be looked at; those of a folder without a table of truth have no kind."""
    if (truth := folder / "truth.jsonl.gz").exists():
        for half in ("tuned", "held-out"):
            for known in known_pages(truth, half):
                page = Page(uid=0, url=known.url or f"https://{known.name}.example/", html=known.html)
                yield known.name, known.kind, page, half == "tuned"
        return
    for path in sorted(folder.glob("*/source.html")):
        name = path.parent.name
        page = Page(uid=0, url=f"http://{name}.example/test/page.html", html=path.read_bytes())
        yield name, "page", page, is_tuned(name)


def count(page: Page, found: Found) -> Counts:
    try:
        draft = extract_page(page)
    except Drop:
        return Counts(pages=1)
    kept = [block for block in draft.images if block.candidates]
    counts, seen = Counts(pages=1, kept=len(kept)), set[str]()
    counts.captioned = sum(bool(image.caption) for image in kept)
    for image in kept:
        pictures = {picture for url in image.candidates if (picture := picture_of(url))}
        found.twice += [image.candidates[0]] if pictures & seen else []
        seen |= pictures
        found.placeholders += [image.candidates[0]] if _PLACEHOLDER.search(image.candidates[0]) else []
        is_formula = image.alt.startswith("{\\") or _FORMULA.search(image.candidates[0])
        found.formulas += [image.candidates[0]] if is_formula else []
    counts.twice, counts.placeholders, counts.formulas = map(len, (found.twice, found.placeholders, found.formulas))
    if shown := stated_and_shown(page):
        counts.stated, counts.stated_kept = 1, not shown.isdisjoint(seen)
        found.stated += [] if counts.stated_kept else sorted(shown)
    return counts


def stated_and_shown(page: Page) -> set[str]:
    """The pictures that a page states as its own and has in an `<img>`, but for marks of the site."""
    html = utf8_html(page.html, page.charset)
    metadata = read_metadata(Markup(html), page.url)
    stated = {picture for url in metadata.lead_images if (picture := picture_of(url))}
    stated = {name for name in stated if not re.search(r"logo|icon|avatar|default|placeholder", name, re.IGNORECASE)}
    shown = set[str]()
    for node in LexborHTMLParser(html).css("img") if stated else ():
        sources: list[Mapping[str, str | None]] = (
            [source.attributes for source in node.parent.css("source")] if node.parent else []
        )
        sides = (node.attributes.get("width"), node.attributes.get("height"))
        if not any(side and side.isdigit() and 0 < int(side) < _MIN_DECLARED_PX for side in sides):
            shown |= stated.intersection(map(picture_of, candidates(node.attributes, sources, metadata.base)))
    return shown


def picture_of(url: str) -> str:
    """What an address calls its picture: its path if that ends in no name to speak of."""
    inner = re.search(r".+(https?(?::|%3A)(?:/|%2F).+)", url, re.IGNORECASE)
    path = unquote(unquote(inner[1])).split("?")[0].split("&")[0] if inner else unquote(urlsplit(url).path)
    before, name = "", path.rpartition("/")[2]
    while name != before:
        before, name = name, _SIZE.sub("", _EXTENSION.sub("", name))
    is_telling = len(name) >= _LEAST_NAME and re.search(r"\d{3}|[a-z]{5}", name, re.IGNORECASE) and not name.isdecimal()
    if not is_telling or _SERVING.match(name):
        return path
    asked = "" if inner or _EXTENSION.search(path) else urlsplit(url).query  # of a script that serves pictures
    return "/".join([*filter(str.isdecimal, path.split("/")), name.lower(), asked])


def pages_per_second(pages: list[Page]) -> float:
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        for page in pages:
            try:
                extract_page(page)
            except Drop:
                continue
        best = min(best, time.process_time() - started)
    return len(pages) / best


if __name__ == "__main__":
    main()
