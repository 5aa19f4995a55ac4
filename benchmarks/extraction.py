"""Text, images and their places: weft beside trafilatura, readability-lxml and resiliparse on pages with known answers.

    python -m benchmarks.extraction PAGES [--only CONTENDER]... [--worst N] [--stages]

PAGES holds NAME/source.html and NAME/expected.html: what a reader should see, images in place. Measures:

* text: F1 of the bags of word tokens, mean over pages.
* images: precision, recall and F1 over the images of all pages. An image is found when one of its addresses is one of
  the expected image's addresses (src, srcset, lazy attributes). Expected images without any address but `data:` are
  left out, and repetitions on one page count once; so are those that declare a side under 50 pixels: icons are no
  content. Images of formulas count as the text that they show, in answers and in what is given.
* false images: on pages whose answer has none.
* places: of the images found, the share whose offset in the text is within 2 % of the text's length.
* pages per CPU second, rounds of all contenders interleaved.

The pages are split in halves by a hash of their names: the method was tuned looking at the first half only.
"""

import argparse
import difflib
import hashlib
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable
from itertools import compress, pairwise
from pathlib import Path
from typing import Any

import msgspec
from selectolax.lexbor import LexborHTMLParser, LexborNode

from pipeline.image.refs import candidates
from pipeline.page.charset import utf8_html
from pipeline.page.extract import extract_page
from pipeline.page.formulas import formula_of_image
from pipeline.page.hostile import refuse_hostile
from pipeline.page.judgement import weigh
from pipeline.page.markup import Markup, escape
from pipeline.page.metadata import read_metadata
from pipeline.page.parsed import ExtractSettings
from pipeline.page.walk import Walk
from schemas.documents import Draft, ImageRef, Page, TextBlock
from schemas.drops import Drop

BASE = "http://fakehost/test/page.html"
ROUNDS = 3
MIN_DECLARED_PX = 50
INLINE = frozenset(
    "a abbr b bdi bdo cite code data del dfn em font hi i ins kbd label mark q ref s samp small span strike strong sub "
    "sup time tt u var wbr".split()
)
_TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")


class Shown(msgspec.Struct):
    """What is shown of a page: its tokens, and its images, each a set of addresses and a place among the tokens."""

    tokens: list[str]
    images: list[tuple[frozenset[str], int]]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pages", type=Path)
    parser.add_argument("--only", action="append", help="these contenders only", choices=list(CONTENDERS))
    parser.add_argument("--worst", type=int, default=0, help="list the pages of the tuned half that weft does worst on")
    parser.add_argument("--stages", action="store_true", help="show where weft's time goes, and nothing else")
    arguments = parser.parse_args()
    if arguments.stages:
        report_stages([(page / "source.html").read_bytes() for page in pages_in(arguments.pages)])
        return
    contenders = arguments.only or list(CONTENDERS)
    pages, seconds = pages_in(arguments.pages), {}
    runs = {name: run_all(name, pages) for name in contenders}
    halves = {"tuned half": [is_tuned(page.name) for page in pages]}
    halves["held-out half"] = [not tuned for tuned in halves["tuned half"]]
    for title, members in {**halves, "all": [True] * len(pages)}.items():
        chosen = list(compress(pages, members))
        if chosen:
            seconds = time_all([(page / "source.html").read_bytes() for page in chosen], contenders)
            report(title, chosen, {name: list(compress(shown, members)) for name, shown in runs.items()}, seconds)
    if arguments.worst:
        list_worst(list(compress(pages, halves["tuned half"])), arguments.worst)


def is_tuned(name: str) -> bool:
    return hashlib.sha256(name.encode()).digest()[1] % 2 == 0


def run_all(name: str, pages: list[Path]) -> list["Shown"]:
    return [once(READERS[name](CONTENDERS[name]((page / "source.html").read_bytes()))) for page in pages]


def report(title: str, pages: list[Path], runs: dict[str, list["Shown"]], seconds: dict[str, float]) -> None:
    answers = answers_of(pages)
    print(f"{title}: {len(pages)} pages, {sum(len(answer.images) for answer in answers)} images")
    print(f"{'':<20}{'text F1':>8}{'image P':>9}{'R':>7}{'F1':>7}{'false':>7}{'placed':>8}{'pages/CPU s':>13}")
    for name, shown in runs.items():
        print(f"{name:<20}{score(shown, answers)}{len(pages) / seconds[name]:>13.0f}")
    print(f"{'parse and walk':<20}{len(pages) / seconds['parse and walk']:>59.0f}\n")


class Scores(msgspec.Struct, frozen=True):
    """Of one contender over some pages; see the module."""

    text_f1: float
    image_precision: float
    image_recall: float
    image_f1: float
    false_images: int
    placed: float

    def __str__(self) -> str:
        images = f"{self.image_precision:>9.3f}{self.image_recall:>7.3f}{self.image_f1:>7.3f}"
        return f"{self.text_f1:>8.3f}{images}{self.false_images:>7}{self.placed:>8.3f}"


def score(shown: list[Shown], answers: list[Shown]) -> Scores:
    text = statistics.mean(token_f1(got, want) for got, want in zip(shown, answers, strict=True))
    found = wanted = given = false = placed = 0
    for got, want in zip(shown, answers, strict=True):
        pairs = match_images(got, want)
        found, wanted, given = found + len(pairs), wanted + len(want.images), given + len(got.images)
        false += len(got.images) if not want.images else 0
        placed += count_placed(got, want, pairs)
    precision, recall = found / max(1, given), found / max(1, wanted)
    f1 = 2 * precision * recall / max(1e-9, precision + recall)
    return Scores(text, precision, recall, f1, false, placed / max(1, found))


def score_weft(pages: list[Path]) -> Scores:
    """What the floors of floors.json are held against."""
    return score(
        [once(shown_by_weft(run_weft((page / "source.html").read_bytes()))) for page in pages], answers_of(pages)
    )


def answers_of(pages: list[Path]) -> list[Shown]:
    return [once(shown_by_html((page / "expected.html").read_text("utf-8"))) for page in pages]


def pages_in(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("*/source.html"))


def token_f1(got: Shown, want: Shown) -> float:
    common = sum((Counter(got.tokens) & Counter(want.tokens)).values())
    return 2 * common / max(1, len(got.tokens) + len(want.tokens))


def match_images(got: Shown, want: Shown) -> list[tuple[int, int]]:
    """Pairs of indexes, each image used once."""
    pairs, free = [], list(range(len(want.images)))
    for index, (addresses, _) in enumerate(got.images):
        match = next((other for other in free if addresses & want.images[other][0]), None)
        if match is not None:
            free.remove(match)
            pairs.append((index, match))
    return pairs


def count_placed(got: Shown, want: Shown, pairs: list[tuple[int, int]]) -> int:
    """How many images stand where they should: after the same text, within 2 % of its length.

    The texts are aligned first, so that a paragraph that only one side has moves no image after it.
    """
    if not pairs:
        return 0
    places = [0.0] * (len(got.tokens) + 1)
    matcher = difflib.SequenceMatcher(None, got.tokens, want.tokens, autojunk=False)
    for _, start, stop, other_start, other_stop in matcher.get_opcodes():
        for at in range(start, stop + 1):
            share = (at - start) / max(1, stop - start)
            places[at] = other_start + share * (other_stop - other_start)
    allowed = max(2, 0.02 * len(want.tokens))
    return sum(abs(places[got.images[index][1]] - want.images[other][1]) <= allowed for index, other in pairs)


def list_worst(pages: list[Path], count: int) -> None:
    rows = []
    for page, got, want in zip(pages, run_all("weft", pages), answers_of(pages), strict=True):
        pairs = match_images(got, want)
        faults = (
            len(want.images) - len(pairs),
            len(got.images) - len(pairs),
            len(pairs) - count_placed(got, want, pairs),
        )
        rows.append((token_f1(got, want), faults, page.name, len(got.tokens), len(want.tokens)))
    rows.sort(key=lambda row: row[0] - 0.05 * sum(row[1]))
    for f1, (missed, extra, misplaced), name, given, wanted in rows[:count]:
        images = f"images missed {missed}, extra {extra}, misplaced {misplaced}"
        print(f"    {f1:.3f} {name:<36} tokens {given}/{wanted}, {images}")


def time_all(sources: list[bytes], contenders: list[str]) -> dict[str, float]:
    """CPU seconds for all pages, the median of interleaved rounds."""
    runs: dict[str, Callable[[bytes], Any]] = {name: CONTENDERS[name] for name in contenders}
    runs["parse and walk"] = parse_and_walk
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            started = time.process_time()
            for source in sources:
                run(source)
            seconds[name].append(time.process_time() - started)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def report_stages(sources: list[bytes]) -> None:
    """CPU milliseconds a page of each step of an extraction, the least of the rounds."""
    settings, seconds = ExtractSettings(), Counter[str]()
    for _ in range(ROUNDS):
        taken = Counter[str]()
        for source in sources:
            clock = [time.process_time()]
            html = utf8_html(source)
            refuse_hostile(html)
            clock.append(time.process_time())
            markup = Markup(html)
            clock.append(time.process_time())
            metadata = read_metadata(markup, BASE)
            clock.append(time.process_time())
            walk = Walk(markup, metadata.base)
            clock.append(time.process_time())
            weigh(walk, settings.content, metadata)
            clock.append(time.process_time())
            steps = ("charset and bounds", "parse, write out, cut", "metadata", "walk", "decide")
            taken.update({step: end - start for step, (start, end) in zip(steps, pairwise(clock), strict=True)})
        seconds = taken if not seconds or taken.total() < seconds.total() else seconds
    for step, spent in seconds.items():
        print(f"{step:<24}{1000 * spent / len(sources):>8.2f} ms a page")


def run_weft(source: bytes) -> Draft | None:
    try:
        return extract_page(Page(uid=0, url=BASE, html=source))
    except Drop:
        return None


def run_trafilatura(source: bytes) -> str:
    import trafilatura

    found = trafilatura.extract(
        source, url=BASE, output_format="xml", include_images=True, include_comments=False, fast=True
    )
    return found or ""


def run_readability(source: bytes) -> str:
    import readability

    try:
        return str(readability.Document(source.decode("utf-8", "replace")).summary())
    except Exception:  # it raises on pages that it finds nothing in
        return ""


def run_resiliparse(source: bytes) -> str:
    from resiliparse.extract.html2text import extract_plain_text

    return str(extract_plain_text(source.decode("utf-8", "replace"), main_content=True, alt_texts=False))


def parse_and_walk(source: bytes) -> int:
    """The least that an extractor must do: parse, and look at every node."""
    root = LexborHTMLParser(source.decode("utf-8", "replace")).root
    return sum(len(node.tag or "") for node in root.traverse(include_text=True)) if root is not None else 0


def once(shown: Shown) -> Shown:
    """Each image at its first place: a page that repeats an icon a hundred times must not decide the score."""
    seen: set[str] = set()
    images = []
    for addresses, place in shown.images:
        if not addresses & seen:
            images.append((addresses, place))
        seen |= addresses
    return Shown(shown.tokens, images)


def shown_by_weft(draft: Draft | None) -> Shown:
    shown = Shown([], [])
    for block in draft.blocks if draft is not None else ():
        if isinstance(block, TextBlock):
            shown.tokens += tokens(block.text)
        elif isinstance(block, ImageRef):
            shown.images.append((frozenset(block.candidates), len(shown.tokens)))
    return shown


def shown_by_html(html: str) -> Shown:
    """Tokens and images of an answer, or of a contender's HTML. Inline tags part no words: 19<sup>th</sup> is one."""
    shown, pending = Shown([], []), ""
    root = LexborHTMLParser(html).root
    stack: list[LexborNode | None] = [root]
    while stack:
        node = stack.pop()
        if node is None:  # the end of a block
            pending += " "
        elif node.tag == "-text":
            pending += node.text_content or ""
        elif node.tag == "img" and (formula := formula_of_image(written(node))):
            pending += formula
        elif node.tag == "img":
            shown.tokens += tokens(pending)
            pending = ""
            found = frozenset(candidates(node.attributes, [], BASE))
            sides = (node.attributes.get("width"), node.attributes.get("height"))
            if found and not any(side and side.isdigit() and 0 < int(side) < MIN_DECLARED_PX for side in sides):
                shown.images.append((found, len(shown.tokens)))
        elif node.tag not in ("script", "style", "title"):
            if node.tag not in INLINE:
                pending += " "
                stack.append(None)
            stack += reversed(list(node.iter(include_text=True)))
    shown.tokens += tokens(pending)
    return shown


def written(node: LexborNode) -> str:
    """The attributes of a tag as markup writes them."""
    return "".join(f' {name}="{escape(value or "")}"' for name, value in node.attributes.items())


def tokens(text: str) -> list[str]:
    return [token.lower() for token in _TOKEN.findall(text)]


CONTENDERS: dict[str, Callable[[bytes], Any]] = {
    "weft": run_weft,
    "trafilatura fast": run_trafilatura,
    "readability-lxml": run_readability,
    "resiliparse": run_resiliparse,
}
READERS: dict[str, Callable[[Any], Shown]] = {
    "weft": shown_by_weft,
    "trafilatura fast": lambda xml: shown_by_html(xml.replace("<graphic ", "<img ")),
    "readability-lxml": shown_by_html,
    "resiliparse": lambda text: Shown(tokens(text), []),
}

if __name__ == "__main__":
    main()
