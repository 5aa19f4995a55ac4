"""Main text by kind of page: weft beside the extractors that pip has, on pages of a `truth.jsonl.gz`.

    python -m benchmarks.extraction_by_kind TRUTH.jsonl.gz [--half tuned|held-out|all] [--only CONTENDER]... [--worst N]
        [--hide-addresses] [--hide-names]

The score of a page is the F1 of its lower-cased words as a multiset, that of a kind the mean over its pages; of weft
precision, recall and the confidence that it gave are shown too. Speed is pages per CPU second.
An extractor that is not installed is left out, and said so. `--worst` lists pages, of the tuned half only.
`--hide-addresses` gives all pages one address, which says nothing: what is read off an address must be told otherwise.
`--hide-names` writes a hash for each word of every class and id, as many sites do: no name tells anything then.
On the tuned half weft must reach `floors_by_kind.json`: below, the command names the kinds and ends with exit code 1.
"""

import argparse
import hashlib
import re
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
from selectolax.lexbor import LexborHTMLParser

from benchmarks.truth import HALVES, KnownPage, known_pages, overlap, words
from pipeline.page.extract import extract_page
from schemas.documents import Page, TextBlock
from schemas.drops import Drop

NO_ADDRESS = "https://site.example/page"
_NAMED = re.compile(rb"""(\s(?:class|id)\s*=\s*)("[^"]*"|'[^']*')""", re.IGNORECASE)
FLOORS = Path(__file__).with_name("floors_by_kind.json")


class Score(msgspec.Struct):
    """Of one page."""

    f1: float
    precision: float
    recall: float
    confidence: float


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("truth", type=Path)
    parser.add_argument("--half", choices=HALVES, default="tuned", help="by a hash of the domain")
    parser.add_argument("--only", action="append", choices=list(CONTENDERS), help="these contenders only")
    parser.add_argument("--worst", type=int, default=0, help="list the pages of the tuned half that weft does worst on")
    parser.add_argument("--hide-addresses", action="store_true", help="give every page an address that says nothing")
    parser.add_argument("--hide-names", action="store_true", help="write a hash for each word of every class and id")
    arguments = parser.parse_args()
    pages = list(known_pages(arguments.truth, arguments.half))
    if arguments.hide_addresses:
        pages = [msgspec.structs.replace(page, url=NO_ADDRESS) for page in pages]
    if arguments.hide_names:
        pages = [msgspec.structs.replace(page, html=without_names(page.html)) for page in pages]
    missing = [name for name, (module, _) in CONTENDERS.items() if find_spec(module) is None]
    print(f"{len(pages)} pages, {arguments.half}" + (f"; not installed: {', '.join(missing)}" if missing else ""))
    scores = {}
    for name in arguments.only or CONTENDERS:
        if name not in missing:
            scores[name], seconds = run(CONTENDERS[name][1], pages)
            print(row(name, pages, scores[name]) + f"{len(pages) / seconds:>10.0f} pages/CPU s", flush=True)
    if "weft" in scores:
        report_weft(pages, scores["weft"])
        if arguments.half == "tuned" and arguments.worst:
            list_worst(pages, scores["weft"], arguments.worst)
        is_pinned = arguments.half == "tuned" and not (arguments.hide_addresses or arguments.hide_names)
        if is_pinned and (fallen := below_floors(pages, scores["weft"])):
            sys.exit("below the floor: " + ", ".join(fallen))


def below_floors(pages: list[KnownPage], scores: list[Score]) -> list[str]:
    """What fell below `floors_by_kind.json`, each with its text F1 and its floor; kinds without pages cannot."""
    floors = msgspec.json.decode(FLOORS.read_bytes(), type=dict[str, float])
    reached = {kind: mean_f1(some) for kind, some in (by_kind(pages, scores) | {"all": scores}).items()}
    return [
        f"{kind} {reached[kind]:.3f} of {floor:.3f}"
        for kind, floor in floors.items()
        if kind in reached and reached[kind] < floor
    ]


def without_names(html: bytes) -> bytes:
    """A page whose classes and ids are hashes, the same for the same word, as tools that write styles make them."""

    def hashed(named: re.Match[bytes]) -> bytes:
        made = (b"css-" + hashlib.sha256(word).hexdigest()[:6].encode() for word in named[2][1:-1].split())
        return named[1] + b'"' + b" ".join(made) + b'"'

    return _NAMED.sub(hashed, html)


def run(contender: Callable[[KnownPage], tuple[str, float]], pages: list[KnownPage]) -> tuple[list[Score], float]:
    """The scores of a contender, and its CPU seconds."""
    scores, seconds = [], 0.0
    for page in pages:
        started = time.process_time()
        text, confidence = contender(page)
        seconds += time.process_time() - started
        scores.append(Score(*overlap(words(text), words(page.text)), confidence))
    return scores, seconds


def by_kind(pages: list[KnownPage], scores: list[Score]) -> dict[str, list[Score]]:
    kinds: dict[str, list[Score]] = defaultdict(list)
    for page, score in zip(pages, scores, strict=True):
        kinds[page.kind].append(score)
    return dict(sorted(kinds.items()))


def mean_f1(scores: list[Score]) -> float:
    return statistics.mean(score.f1 for score in scores)


def row(name: str, pages: list[KnownPage], scores: list[Score]) -> str:
    kinds = "  ".join(f"{kind[:7]} {mean_f1(some):.3f}" for kind, some in by_kind(pages, scores).items())
    return f"{name:<18} F1 {mean_f1(scores):.3f}   {kinds}"


def report_weft(pages: list[KnownPage], scores: list[Score]) -> None:
    print(f"{'weft by kind':<18}{'pages':>6}{'F1':>8}{'P':>8}{'R':>8}{'confidence':>12}")
    for kind, some in (*by_kind(pages, scores).items(), ("all", scores)):
        means = (
            statistics.mean(getattr(score, name) for score in some)
            for name in ("f1", "precision", "recall", "confidence")
        )
        print(f"{kind:<18}{len(some):>6}" + "{:>8.3f}{:>8.3f}{:>8.3f}{:>12.3f}".format(*means))
    print("F1 by confidence:", *(f"<= {least + 0.1:.1f}: {mean:.3f} ({n})" for least, mean, n in calibration(scores)))


def calibration(scores: list[Score]) -> list[tuple[float, float, int]]:
    """For each tenth of confidence: where it begins, the mean F1 of its pages, and how many they are."""
    tenths: dict[int, list[Score]] = defaultdict(list)
    for score in scores:
        tenths[min(9, int(10 * score.confidence))].append(score)
    return [(tenth / 10, mean_f1(some), len(some)) for tenth, some in sorted(tenths.items())]


def list_worst(pages: list[KnownPage], scores: list[Score], count: int) -> None:
    ranked = sorted(zip(scores, pages, strict=True), key=lambda pair: pair[0].f1)
    for score, page in ranked[:count]:
        said = f"P {score.precision:.2f} R {score.recall:.2f} confidence {score.confidence:.2f}"
        print(f"    {score.f1:.3f} {page.name} {page.kind:<14} {said} {page.url[:70]}")


def run_weft(page: KnownPage) -> tuple[str, float]:
    try:
        draft = extract_page(Page(uid=0, url=page.url, html=page.html))
    except Drop:
        return "", 0.0
    return "\n".join(block.text for block in draft.blocks if isinstance(block, TextBlock)), draft.confidence


def run_trafilatura(fast: bool) -> Callable[[KnownPage], tuple[str, float]]:
    def read(page: KnownPage) -> tuple[str, float]:
        import trafilatura

        return trafilatura.extract(page.html, url=page.url, include_comments=False, fast=fast) or "", 0.0

    return read


def quiet(reader: Callable[[KnownPage], Any]) -> Callable[[KnownPage], tuple[str, float]]:
    """A contender that gives "" where it raises."""

    def read(page: KnownPage) -> tuple[str, float]:
        try:
            return str(reader(page) or ""), 0.0
        except Exception:  # on pages that it finds nothing in
            return "", 0.0

    return read


def run_readability(page: KnownPage) -> str:
    import readability

    summary = readability.Document(page.html.decode("utf-8", "replace")).summary()
    body = LexborHTMLParser(summary).body
    return body.text(separator=" ") if body is not None else ""


def run_resiliparse(page: KnownPage) -> str:
    from resiliparse.extract.html2text import extract_plain_text

    return str(extract_plain_text(page.html.decode("utf-8", "replace"), main_content=True, alt_texts=False))


def run_newspaper(page: KnownPage) -> str:
    import newspaper

    article = newspaper.Article(page.url, fetch_images=False)
    article.download(input_html=page.html.decode("utf-8", "replace"))
    article.parse()
    return str(article.text)


def run_boilerpy(page: KnownPage) -> str:
    from boilerpy3 import extractors

    return str(extractors.ArticleExtractor().get_content(page.html.decode("utf-8", "replace")))


#: By name: the module that must be there, and what reads a page.
CONTENDERS: dict[str, tuple[str, Callable[[KnownPage], tuple[str, float]]]] = {
    "weft": ("pipeline", run_weft),
    "trafilatura fast": ("trafilatura", run_trafilatura(fast=True)),
    "trafilatura full": ("trafilatura", run_trafilatura(fast=False)),
    "readability-lxml": ("readability", quiet(run_readability)),
    "resiliparse": ("resiliparse", quiet(run_resiliparse)),
    "newspaper4k": ("newspaper", quiet(run_newspaper)),
    "boilerpy3": ("boilerpy3", quiet(run_boilerpy)),
}

if __name__ == "__main__":
    main()
