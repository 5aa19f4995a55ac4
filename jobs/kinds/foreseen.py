"""The parts of a build that its progress counts, in the order in which they are run, foreseen from its plan."""

from collections.abc import Callable, Iterator, Sequence

from jobs.engine.build_progress import Part
from jobs.phases.fetch import MEDIA, is_fetching
from jobs.phases.frequency import compares_addresses
from jobs.phases.plan import Plan
from jobs.phases.scoring import compares_embeddings

#: Shares of time are those of CPU seconds in builds of pages with photos; a part takes 1 beside them.
_EXTRACT, _OPEN, _WRITE, _SCORE, _CUT, _FETCH = 60.0, 20.0, 4.0, 40.0, 100.0, 100.0
_KNOWN_MEDIA = "reading which media are at hand"
_SIMILAR = Part("bands", "finding near-duplicates", 2.0, ("bands", "stars-", "groups", "similar"))


def foreseen(plan: Plan) -> list[Part]:
    """Those of a build, or of `weft fetch-pairs` where its inputs are lists."""
    kinds = [kind for kind in ("interleaved", "pairs", "clips") if kind in plan.config.kinds]
    parts = _again(plan) if plan.retries else []
    parts += list(_read(plan) if plan.source == "archives" else [Part("lists", "reading lists", 5.0)])
    for kind in kinds:
        parts += _COMPARE[kind](plan) if kind in _COMPARE else []
    if is_fetching(plan.config.media) and (plan.source == "archives" or plan.config.lists.downloader == "weft"):
        parts += _fetch(plan, kinds)
    has_embedded = False
    for kind in kinds:
        if not has_embedded and plan.references and compares_embeddings(plan.config.scorers):
            has_embedded = True
            parts = [*parts, *_make(kind, plan, [Part("embeddings", "embedding evaluation sets", 2.0)])]
        else:
            parts += _make(kind, plan, [])
    return parts


def _again(plan: Plan) -> list[Part]:
    return [
        Part("known-media", _KNOWN_MEDIA),
        Part("ask-again", "listing what is asked for again"),
        Part(MEDIA, "fetching from the web", _FETCH),
        Part("fetch", "reading what was fetched"),
    ]


def _read(plan: Plan) -> Iterator[Part]:
    if plan.references:
        yield Part("references", "reading evaluation sets")
    yield Part("extract", "reading archives", _EXTRACT)
    if plan.video_lists:
        yield Part("video-lists", "reading lists of videos")
    for kind, name in (("interleaved", "known"), ("pairs", "pair-known"), ("clips", "clip-known")):
        if plan.onto is not None and kind in plan.config.kinds:
            yield Part(name, "reading what is there")
    if plan.known_media and not plan.retries:
        yield Part("known-media", _KNOWN_MEDIA)
    yield Part("urls", "comparing addresses")


def _compare_pages(plan: Plan) -> Iterator[Part]:
    yield Part("texts", "comparing texts")
    if plan.config.near_duplicates:
        yield _SIMILAR
    if plan.onto is not None:
        yield Part("known-counts", "counting what is there")
    if compares_addresses(plan.config):
        yield Part("counts", "counting paragraphs and images", 2.0)
        yield Part("frequent", "finding what is frequent")


def _compare_pairs(plan: Plan) -> Iterator[Part]:
    yield Part("pair-counts", "comparing pairs")
    if plan.config.pairs.max_tokens is not None:
        yield Part("pair-words", "counting words of captions")


_COMPARE: dict[str, Callable[[Plan], Iterator[Part]]] = {"interleaved": _compare_pages, "pairs": _compare_pairs}


def _fetch(plan: Plan, kinds: Sequence[str]) -> Iterator[Part]:
    if plan.retries:
        yield Part("located", "placing what was fetched")
        return
    if not plan.config.media.from_build:
        for kind in kinds:
            name = {"interleaved": "ask-images", "pairs": "ask-pair-images", "clips": "ask-videos"}[kind]
            yield Part(name, "listing what is wanted of the web")
        yield Part(MEDIA, "fetching from the web", _FETCH)
    yield Part("fetch", "reading what was fetched")
    yield Part("located", "placing what was fetched")


def _make(kind: str, plan: Plan, embeddings: list[Part]) -> Iterator[Part]:
    """`embeddings`: what is done before the first phase that scores."""
    writes = _SCORE if _scores(plan) else _WRITE
    if kind == "interleaved":
        yield Part("assemble", "opening images of pages", _OPEN)
        if plan.config.corpus.max_image_places is not None:
            yield Part("contents", "comparing images")
        yield from embeddings
        yield Part("publish", "writing pages", writes)
        if plan.onto is not None:
            yield Part("spare-00", "sparing what is not replaced", 1.0, ("spare-",))
            yield Part("supersede", "listing what is replaced")
    elif kind == "pairs":
        yield Part("pair-images", "opening images of pairs", _OPEN)
        if plan.onto is not None:
            yield Part("pair-known-contents", "reading images that are there")
        yield Part("pair-contents", "comparing images of pairs")
        yield from embeddings
        yield Part("pair-publish", "writing pairs", writes)
        if plan.onto is not None:
            yield Part("pair-supersede", "listing pairs that are replaced")
    else:
        yield from embeddings
        yield Part("clips", "cutting clips", _CUT)
        if plan.onto is not None:
            yield Part("clip-supersede", "listing clips that are replaced")


def _scores(plan: Plan) -> bool:
    """Whether models look at images and texts."""
    config = plan.config
    return config.scorers != type(config.scorers)() or bool(config.score_with or config.caption_with)
