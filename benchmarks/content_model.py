"""Learns `pipeline/page/scorer.json` and `name_hints.json` from pages whose main text is known.

    python -m benchmarks.content_model TRUTH.jsonl.gz [--pages FOLDER]... [--check]

TRUTH is read up to its tuned half (`benchmarks/truth.py`), of each FOLDER of NAME/source.html and NAME/expected.html
the pages of the tuned half too. With `--check` nothing is written: the model and the meaning of names are learnt five
times without a fifth of the domains, and that fifth is extracted by them as the shipped code does.
"""

import argparse
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import numpy as np

from benchmarks.extraction import BASE, is_tuned, pages_in
from benchmarks.labels import shares_known
from benchmarks.trees import Floats, Learning, learn
from benchmarks.truth import KnownPage, known_pages, overlap, words
from pipeline.page import names as naming
from pipeline.page import scorer as scoring
from pipeline.page.charset import utf8_html
from pipeline.page.content import by_rules
from pipeline.page.content_settings import ContentSettings
from pipeline.page.evidence import evidence
from pipeline.page.extract import extract_page
from pipeline.page.judgement import rules_for
from pipeline.page.leaves import Text
from pipeline.page.markup import Markup
from pipeline.page.metadata import read_metadata
from pipeline.page.parsed import ExtractSettings
from pipeline.page.scorer import Scorer
from pipeline.page.walk import Walk
from schemas.documents import Page
from schemas.drops import Drop

_TARGET = Path(__file__).parents[1] / "pipeline" / "page"
_FOLDS = 5
_DOMAINS, _DOUBT = 6, 4.0  # a word of names counts if so many domains use it; so many more say that it means nothing
_NAMES = ("names against it", "names for it", "nearest name")
_LEARNT = 0.4  # pages of which less of the known text was found in the markup teach nothing


class Example(msgspec.Struct):
    """A page as the model sees it; `known` is 1 for texts that belong, `weights` say how much a text matters."""

    page: KnownPage
    rows: Floats
    columns: list[str]
    known: Floats
    sizes: Floats
    weights: Floats
    texts: list[str]
    names: list[frozenset[str]]  # of the containers
    parents: list[int]
    homes: list[int]  # the containers of the texts


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("truth", type=Path)
    parser.add_argument("--pages", type=Path, action="append", default=[])
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    pages = list(known_pages(arguments.truth, "tuned"))
    for folder in arguments.pages:
        pages += [known_article(page) for page in pages_in(folder) if is_tuned(page.name)]
    examples = [example for page in pages if (example := read(page)) is not None]
    if arguments.check:
        cross_validate(examples)
        return
    model, hints = learnt(examples, set())
    (_TARGET / "scorer.json").write_bytes(msgspec.json.encode(model))
    (_TARGET / "name_hints.json").write_bytes(msgspec.json.format(msgspec.json.encode(hints), indent=0))
    texts = sum(len(some.texts) for some in learners(examples))
    print(f"{len(examples)} pages, {texts} texts, {len(model.columns)} columns, {len(hints)} words of names")


def learnt(examples: list[Example], without: set[int]) -> tuple[Scorer, dict[str, float]]:
    """What ships, learnt without these folds."""
    chosen = [some for some in learners(examples) if some.page.fold not in without]
    rows, known, weights = table(examples, chosen, without)
    trees = learn(rows, known, weights, Learning())
    typical = [round(float(value), 4) for value in np.median(rows[known > 0], 0)]
    hints = {word: round(hint, 2) for word, hint in sorted(name_hints(examples, without).items())}
    scorer = Scorer(
        columns=examples[0].columns,
        typical=typical,
        base=trees.base,
        questions=trees.questions,
        limits=trees.limits,
        answers=trees.answers,
    )
    return scorer, hints


def known_article(folder: Path) -> KnownPage:
    walk = Walk(Markup((folder / "expected.html").read_bytes()), BASE)
    text = "\n".join(leaf.text for leaf in walk.leaves if isinstance(leaf, Text))
    fold = sum(folder.name.encode()) % _FOLDS
    return KnownPage(folder.name, "page", BASE, (folder / "source.html").read_bytes(), text, folder.name, fold)


def read(page: KnownPage) -> Example | None:
    """None for a page without any text."""
    markup = Markup(utf8_html(page.html))
    metadata = read_metadata(markup, page.url)
    walk = Walk(markup, metadata.base, told=-np.inf)  # what names tell is only learnt here
    indexes = [index for index, leaf in enumerate(walk.leaves) if isinstance(leaf, Text)]
    if not indexes:
        return None
    verdicts, region = by_rules(walk, rules_for(metadata, ContentSettings()))
    rows, columns, *_ = evidence(walk, indexes, metadata, verdicts, region)
    leaves = [leaf for leaf in walk.leaves if isinstance(leaf, Text)]
    texts = [leaf.text for leaf in leaves]
    known = np.array([share > 0.5 for share in shares_known(texts, page.text)], float)
    sizes = np.array([words(text).total() for text in texts], float)
    return Example(
        page,
        rows,
        columns,
        known,
        sizes,
        weights_of(known, sizes) * (2.0 if page.kind == "page" else 1.0),
        texts,
        [container.names.words for container in walk.containers],
        [container.parent for container in walk.containers],
        [leaf.container for leaf in leaves],
    )


def weights_of(known: Floats, sizes: Floats) -> Floats:
    """Each page counts about as much as any other, each text as many words as it has of the page's main text."""
    weights = sizes / max(20.0, (known * sizes).sum())
    others = known < 0.5
    if (spoiling := weights[others].sum()) > 2:
        weights[others] *= 2 / spoiling
    return np.asarray(np.minimum(weights, 0.25) + 0.002)


def learners(examples: list[Example]) -> list[Example]:
    """The pages of which enough of the known text was found."""
    return [
        some for some in examples if (some.known * some.sizes).sum() > _LEARNT * max(1, words(some.page.text).total())
    ]


def name_hints(examples: list[Example], without: set[int]) -> dict[str, float]:
    """For words of names the logarithm of the odds that what they hold is content, by domain, doubt included."""
    told: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for some in examples:
        if some.page.fold not in without:
            for word, share in _shares_by_name(some).items():
                told[word][some.page.domain].append(share)
    hints = {}
    for word, domains in told.items():
        if len(domains) >= _DOMAINS and len(word) > 2 and word.isalpha():
            chance = (sum(map(statistics.mean, domains.values())) + _DOUBT / 2) / (len(domains) + _DOUBT)
            hints[word] = float(np.log(chance / (1 - chance)))
    return hints


def _shares_by_name(some: Example) -> dict[str, float]:
    """For each word of names around any text: the share of content in what it holds."""
    around: list[frozenset[str]] = []
    for names, parent in zip(some.names, some.parents, strict=True):
        around.append(names | around[parent] if parent >= 0 else names)
    held, content = Counter[str](), Counter[str]()
    for home, weight, known in zip(some.homes, some.weights.tolist(), some.known.tolist(), strict=True):
        for word in around[home]:
            held[word] += weight
            content[word] += weight * known
    return {word: content[word] / total for word, total in held.items() if total}


def hinted(some: Example, hints: dict[str, float]) -> Floats:
    """The rows of a page by these hints, not by those that ship."""
    against, speaking, nearest = [0.0], [0.0], [0.0]
    for names, parent in zip(some.names[1:], some.parents[1:], strict=True):
        known = [hints[word] for word in names if word in hints]
        hint = max(0.0, *known) + min(0.0, *known) if known else 0.0
        against.append(min(against[parent], hint))
        speaking.append(max(speaking[parent], hint))
        nearest.append(hint or nearest[parent])
    rows = some.rows.copy()
    for name, values in zip(_NAMES, (against, speaking, nearest), strict=True):
        rows[:, some.columns.index(name)] = np.array(values)[some.homes]
    return rows


def table(examples: list[Example], chosen: list[Example], without: set[int]) -> tuple[Any, Any, Any]:
    """Rows, truth and weights; what names mean is told by other domains than those of the page."""
    hints = {fold: name_hints(examples, without | {fold}) for fold in range(_FOLDS)}
    rows = np.concatenate([hinted(some, hints[some.page.fold]) for some in chosen])
    known = np.concatenate([some.known for some in chosen])
    weights = np.concatenate([some.weights for some in chosen])
    return rows, known, weights / weights.mean()


def cross_validate(examples: list[Example]) -> None:
    """Means by kind of the shipped code, each fold by a model that saw none of its domains, and of the rules alone."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for fold in range(_FOLDS):
        with shipping(*learnt(examples, {fold})):
            for some in examples:
                if some.page.fold == fold:
                    found[some.page.kind].append((extracted(some.page, 0.0), extracted(some.page, 1.0)))
    print(f"{'':<16}{'pages':>6}{'model':>8}{'rules':>8}")
    known = [pair for kind, pairs in found.items() if kind != "page" for pair in pairs]
    for kind, pairs in (*sorted(found.items()), ("all but page", known)):
        model, rules = map(statistics.mean, zip(*pairs, strict=True))
        print(f"{kind:<16}{len(pairs):>6}{model:>8.3f}{rules:>8.3f}")


@contextmanager
def shipping(model: Scorer, hints: dict[str, float]) -> Iterator[None]:
    """The extraction decides by this model inside."""
    with patch.object(scoring, "scorer", lambda: model), patch.object(naming, "name_hints", lambda: hints):
        for cached in (scoring._trees, naming.read_names):
            cached.cache_clear()
        yield
    for cached in (scoring._trees, naming.read_names):
        cached.cache_clear()


def extracted(page: KnownPage, least: float) -> float:
    """The text F1 of a page whose rules are left where the evidence promises more by `least`; 1: never."""
    content = ContentSettings(min_gain=least, article_gain=least) if least else ContentSettings()
    try:
        draft = extract_page(Page(uid=0, url=page.url, html=page.html), ExtractSettings(content=content))
    except Drop:
        return overlap(words(""), words(page.text))[0]
    return overlap(words("\n".join(block.text for block in draft.texts)), words(page.text))[0]


if __name__ == "__main__":
    main()
