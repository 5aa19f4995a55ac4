"""Main text of pages whose answer nobody wrote down: where weft and other extractors disagree.

    python -m benchmarks.agreement FOLDER... [--half looked-at|untouched|all] [--lost N]

Reads all .html below the folders. A sentence that two of the three others keep is likely content, one that none of them
keeps is likely not: weft's recall of the first and precision by the second, means over pages, show losses that no page
with an answer has. Neither is a quality: what all others lose counts for nothing, and they read all as articles.
The pages are split in halves by a hash of their names; `--lost` lists, of the half that is looked at, the pages that
lose most of what the others keep.
"""

import argparse
import hashlib
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.extraction_by_kind import CONTENDERS
from benchmarks.truth import KnownPage

OTHERS = ("trafilatura full", "readability-lxml", "resiliparse")
HALVES = ("looked-at", "untouched", "all")
_ADDRESS = re.compile(rb'(?:property="og:url"\s+content|rel="canonical"\s+href)="(https?://[^"]+)"')
_SENTENCE = re.compile(r"\n+|(?<=[.!?。])\s+")
_LONG, _COMPARED = 40, 60  # letters: fewer are no sentence; so many of a sentence are compared
_FEWEST = 3  # sentences that others agree on: of fewer no share is taken


class Agreement(msgspec.Struct):
    """Of a page: what the others agree on, what of it weft loses, and the share of its own that some other keeps."""

    path: Path
    agreed: int
    lost: list[str]
    shared: float | None


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--half", choices=HALVES, default="looked-at", help="by a hash of the file's name")
    parser.add_argument(
        "--lost", type=int, default=0, help="list the pages that lose most, of the half that is looked at"
    )
    arguments = parser.parse_args()
    for folder in arguments.folders:
        found = [agreement(path) for path in pages_below(folder, arguments.half)]
        recalls = [1 - len(one.lost) / one.agreed for one in found if one.agreed >= _FEWEST]
        shares = [one.shared for one in found if one.shared is not None]
        print(f"{folder.name}, {arguments.half}: {len(found)} pages", end="")
        if recalls and shares:
            print(f", recall {statistics.mean(recalls):.3f} ({len(recalls)} pages)", end="")
            print(f", precision {statistics.mean(shares):.3f} ({len(shares)} pages)", end="")
        print()
        if arguments.half == "looked-at":
            list_lost(found, arguments.lost)


def pages_below(folder: Path, half: str) -> Iterator[Path]:
    for path in sorted(folder.rglob("*.html")):
        is_looked_at = hashlib.sha256(path.name.encode()).digest()[0] % 2 == 0
        if half == "all" or is_looked_at == (half == "looked-at"):
            yield path


def agreement(path: Path) -> Agreement:
    html = path.read_bytes()
    stated = _ADDRESS.search(html)
    url = stated[1].decode("utf-8", "replace") if stated else "https://page.invalid/"
    page = KnownPage(path.name, "page", url, html, "", "", 0)
    mine, *others = (CONTENDERS[name][1](page)[0] for name in ("weft", *OTHERS))
    kept, theirs = letters(mine), [letters(text) for text in others]
    sentences = {said: written for text in others for said, written in sentences_of(text)}
    agreed = {said for said in sentences if sum(said in text for text in theirs) >= 2}
    own = [said for said, _ in sentences_of(mine)]
    return Agreement(
        path,
        len(agreed),
        [written for said, written in sentences.items() if said in agreed and said not in kept],
        statistics.mean(any(said in text for text in theirs) for said in own) if own else None,
    )


def sentences_of(text: str) -> Iterator[tuple[str, str]]:
    """The first letters of each sentence, by which it is known, and how it is written."""
    for written in _SENTENCE.split(text):
        said = letters(written)
        if len(said) >= _LONG:
            yield said[:_COMPARED], " ".join(written.split())


def letters(text: str) -> str:
    return re.sub(r"\W+", "", text.lower())


def list_lost(found: list[Agreement], count: int) -> None:
    for one in sorted(found, key=lambda one: -sum(map(len, one.lost)))[:count]:
        print(f"    {one.path}: {len(one.lost)} of {one.agreed} sentences")
        for written in one.lost[:3]:
            print(f"        {written[:100]}")


if __name__ == "__main__":
    main()
