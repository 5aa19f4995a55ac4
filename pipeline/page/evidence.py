"""What there is to see of each text of a page: one row of numbers a text, by which `pipeline.page.scorer` judges it.

Nothing here decides. Names, tags, links, lengths, the parts around a text, the rows of alike siblings it stands in,
what the rules say, and what the page says of itself are numbers beside one another; how much each of them counts was
learnt from pages whose content is known (`benchmarks/content_model.py`).
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.page.leaves import Text
from pipeline.page.metadata import Metadata
from pipeline.page.prose import ENDS, TITLE_SHARE, shared
from pipeline.page.rows import Rows, rows_of, same_places, siblings
from pipeline.page.verdicts import Verdicts
from pipeline.page.walk import Walk

Floats = NDArray[Any]
Columns = dict[str, Floats | float]

_SIGHT = 50  # texts: farther is far
_DOUBLINGS = 6  # 64 levels up
_PARTS = 6  # around a text, from the innermost out
_WINDOWS = (3, 8, 20)  # texts before and after
_TAGS = ("main", "section")
_FLAGS = ("strong", "comments", "is_hidden")
_NAMED = (*(f"in {tag}" for tag in _TAGS), *(f"named {flag}" for flag in _FLAGS), "named strong, outermost")
_RULES = {"hidden": 1, "chrome": 2, "outside": 3, "links": 4}
#: What pages say of themselves, in JSON-LD or microdata, and to Open Graph.
_SIGNS = ("Product", "DiscussionForumPosting", "QAPage", "ItemList")
_TYPES = ("article", "website", "product")
_SAID_OF_ROWS = ("count", "prose of each", "share", "links", "texts of each", "linked headings of each")


class Evidence(NamedTuple):
    """A row for each text of a page, the names of the columns, and the texts that stand at one place of alike parts."""

    rows: Floats
    columns: list[str]
    places: list[list[int]]  # see `same_places`
    siblings: list[Rows]  # see `rows_of`
    sizes: Floats  # the characters of each text


def evidence(
    walk: Walk,
    texts: list[int],
    metadata: Metadata,
    verdicts: Verdicts,
    region: int,
    alike: Sequence[list[int]] | None = None,
) -> Evidence:
    """That on the leaves `texts` of a walk; `verdicts` and `region` are of the rules, `alike` are its `siblings`."""
    sight = _Sight(walk, texts, siblings(walk.containers) if alike is None else alike)
    shown = [(verdict := verdicts[at]) is None or verdict.rule != "hidden" for at in texts]
    columns = (
        _own(sight, shown) | _order(sight, metadata) | _windows(sight) | _parts(sight) | _named(sight) | _rows(sight)
    )
    columns |= _ruled(sight, [verdicts[at] for at in texts], region) | _page(sight, metadata)
    filled = np.empty((len(columns), sight.count), np.float32)  # a column lies in one piece: scorers ask by column
    for at, column in enumerate(columns.values()):
        filled[at] = column
    places = same_places(walk.containers, sight.read, sight.rows, sight.starts, sight.stops)
    return Evidence(filled.T, list(columns), places, sight.rows, sight.lengths)


class _Sight:
    """The texts and containers of a page as arrays, and running sums over the texts."""

    def __init__(self, walk: Walk, texts: list[int], alike: Sequence[list[int]]) -> None:
        read = [leaf for leaf in map(walk.leaves.__getitem__, texts) if isinstance(leaf, Text)]
        self.walk, self.read, self.count = walk, read, len(read)
        self.at = np.arange(self.count)
        self.lengths = np.array([text.said for text in read], float)
        written = np.array([len(text.text) for text in read], float)
        self.linked = np.minimum(np.array([text.link_chars for text in read], float), written) * self.lengths / written
        self.ends = np.array([text.text[-1:] in ENDS for text in read])
        self.levels = np.array([text.mark.count("#") if text.role == "heading" else 0 for text in read])
        self.is_prose = (self.lengths >= 80) | self.ends
        self.weights = np.maximum(0.0, self.lengths - 1.5 * self.linked) * np.where(self.is_prose, 1.0, 0.3)
        self.share = self.linked / self.lengths
        self.weight, self.link_chars, self.chars = map(_sums, (self.weights, self.linked, self.lengths))
        self.linked_headings = _sums((self.levels > 0) & (self.share > 0.5))
        self.total = self.weight[-1] + 1e-9
        before = [0] * (len(walk.leaves) + 1)
        for index in texts:
            before[index + 1] = 1
        before = list(accumulate(before))  # so many texts before each leaf
        self.starts = [before[container.first] for container in walk.containers]
        self.stops = [before[container.last] for container in walk.containers]
        self.first, self.last = np.array(self.starts), np.array(self.stops)
        self.parents = np.array([container.parent for container in walk.containers])
        self.parents[0] = 0  # of the root
        self.home = np.array([text.container for text in read], int)
        self.held = self.weight[self.last] - self.weight[self.first]
        self.held_share = self.held / self.total
        self.rows = rows_of(walk.containers, alike, self.starts, self.stops)

    def links(self, first: Any, last: Any) -> Any:
        """The share of links in the characters of a run of texts."""
        chars = self.chars[last] - self.chars[first]
        return (self.link_chars[last] - self.link_chars[first]) / (chars + 1e-9)


def _sums(values: Floats) -> Floats:
    sums = np.zeros(len(values) + 1)
    values.cumsum(out=sums[1:])
    return sums


def _own(sight: _Sight, shown: list[bool]) -> Columns:
    """Of the text itself. Nobody has seen one before that was not shown: scripts show copies in its stead."""
    seen: dict[str, int] = {}
    again = []
    for text, is_shown in zip(sight.read, shown, strict=True):
        again.append(seen.get(text.text, 0))
        seen[text.text] = again[-1] + is_shown
    return {
        "length": np.log1p(sight.lengths),
        "links": sight.share,
        "sentence": sight.ends,
        "prose": sight.is_prose,
        "heading level": sight.levels,
        "list": np.array([text.role == "list" for text in sight.read]),
        "capitals": np.array([text.text.isupper() for text in sight.read]),
        "seen before": np.array(again),
        "seen in all": np.maximum(1, [seen[text.text] for text in sight.read]),
    }


def _order(sight: _Sight, metadata: Metadata) -> Columns:
    """Where it stands among the texts, beside the title and the headings."""
    is_heading, at = sight.levels > 0, sight.at
    headings = np.flatnonzero(is_heading).tolist()
    title = next((index for index in headings if shared(sight.read[index].text, metadata.title) >= TITLE_SHARE), None)
    last_heading = np.maximum.accumulate(np.where(is_heading, at, -1))
    lengths = np.full(sight.count + 2, -1.0)  # with a text before the first and one behind the last
    lengths[1:-1] = np.log1p(sight.lengths)
    return {
        "after the title": _after(title, at),
        "after the first h1": _after(next((index for index in headings if sight.levels[index] == 1), None), at),
        "after a heading": np.minimum(at - last_heading, _SIGHT),
        "links of its heading": np.where(last_heading >= 0, sight.share[last_heading], -1.0),
        "place": at / sight.count,
        "place in the prose": sight.weight[:-1] / sight.total,
        "length of the text before": lengths[:-2],
        "length of the text behind": lengths[2:],
    }


def _after(found: int | None, at: Floats) -> Floats | float:
    return -2.0 * _SIGHT if found is None else np.minimum(np.maximum(at - found, -_SIGHT), 4 * _SIGHT)


def _windows(sight: _Sight) -> Columns:
    wide = np.array(_WINDOWS)[:, None]  # a row each: all are looked through at once
    low, high = np.maximum(0, sight.at - wide), np.minimum(sight.count, sight.at + wide + 1)
    prose = np.log1p((sight.weight[high] - sight.weight[low]) / (high - low))
    columns: Columns = {}
    for texts, within, links in zip(_WINDOWS, prose, sight.links(low, high), strict=True):
        columns[f"prose within {texts} texts"] = within
        columns[f"links within {texts} texts"] = links
    return columns


def _parts(sight: _Sight) -> Columns:
    """The parts that hold it, from the innermost out."""
    columns: Columns = {}
    held, texts = np.log1p(sight.held), np.log1p(sight.last - sight.first)
    links, at = sight.links(sight.first, sight.last), sight.home
    for part in range(_PARTS):
        columns[f"prose of part {part}"] = held[at]
        columns[f"links of part {part}"] = links[at]
        columns[f"texts of part {part}"] = texts[at]
        if part in (2, 4):
            columns[f"share of part {part}"] = sight.held_share[at]
        at = sight.parents[at]
    return columns


def _named(sight: _Sight) -> Columns:
    """Elements and names around it: the share of the page's prose in the innermost of each, -1 for none."""
    containers, held_share = sight.walk.containers, sight.held_share.tolist()
    columns: dict[str, Any] = dict(zip(_NAMED, np.full((len(_NAMED), sight.count), -1.0), strict=True))
    for at in [at for at, container in enumerate(containers) if container.tag in _TAGS]:
        columns[f"in {containers[at].tag}"][sight.starts[at] : sight.stops[at]] = held_share[at]
    end = 0  # of the last outermost part that is called chrome
    for at in sight.walk.flagged:
        names, start, stop = containers[at].names, sight.starts[at], sight.stops[at]
        if start == stop or not (names.strong or names.comments or names.is_hidden):
            continue
        for flag in _FLAGS:
            if getattr(names, flag):
                columns[f"named {flag}"][start:stop] = held_share[at]
        if names.strong and at >= end:
            columns["named strong, outermost"][start:stop] = held_share[at]
            end = containers[at].end
    return columns | _hinted(sight)


def _hinted(sight: _Sight) -> Columns:
    """What the names of all that is around it hint at, and how deep it stands."""
    above = sight.parents
    hints = np.array([container.names.hint for container in sight.walk.containers])
    against, speaking, nearest, depth = np.minimum(hints, 0), np.maximum(hints, 0), hints, np.ones(len(hints))
    depth[0] = 0
    for _ in range(_DOUBLINGS):  # each sees twice as far up as the one before
        if not above.any():
            break
        against, speaking = np.minimum(against, against[above]), np.maximum(speaking, speaking[above])
        nearest = np.where(nearest, nearest, nearest[above])
        depth, above = depth + depth[above], above[above]
    told = {"names against it": against, "names for it": speaking, "nearest name": nearest, "depth": depth}
    return {name: values[sight.home] for name, values in told.items()}


def _rows(sight: _Sight) -> Columns:
    """The outermost and innermost rows of siblings of one tag around it, and the largest of the page."""
    rows = [some for some in sight.rows if some.tag != "tr"]
    said = _said_of(sight, rows)
    columns: Columns = {}
    for which, order in (("outer", 1), ("inner", -1)):
        around = np.full(sight.count, len(rows))
        for number, some in list(enumerate(rows))[::order]:
            around[some.start : some.stop] = number
        told = said.take(around, axis=1)
        columns |= {f"{which} rows: {name}": values for name, values in zip(_SAID_OF_ROWS, told, strict=True)}
    counts, _, shares, *_ = said[:, :-1]
    columns["page: share of its largest rows"] = shares.max(initial=0.0)
    columns["page: count of its largest rows"] = counts[shares > 0.2].max(initial=0.0)
    return columns


def _said_of(sight: _Sight, rows: list[Rows]) -> Floats:
    """What is said of rows: a column for each of some, and a last one for no rows."""
    held, said = sight.held.tolist(), np.full((len(_SAID_OF_ROWS), len(rows) + 1), -1.0)
    start, stop = np.array([some.start for some in rows], int), np.array([some.stop for some in rows], int)
    count = np.array([len(some.members) for some in rows], float)
    prose = np.array([sum([held[at] for at in some.members]) for some in rows], float)
    headings = sight.linked_headings[stop] - sight.linked_headings[start]
    said[:, :-1] = (
        count,
        prose / count,
        prose / sight.total,
        sight.links(start, stop),
        (stop - start) / count,
        headings / count,
    )
    return said


def _ruled(sight: _Sight, verdicts: Verdicts, region: int) -> Columns:
    """What the rules say of it, and of the whole page."""
    at, first, last = sight.at, sight.first[region], sight.last[region]
    said = np.array([_RULES.get(verdict.rule, 0) if verdict else -1 for verdict in verdicts])
    is_kept = said < 0
    kept, near = _sums(is_kept), (np.maximum(0, at - 4), np.minimum(sight.count, at + 5))
    prose = float(sight.weights[is_kept].sum())
    return {
        "left out by a rule": ~is_kept,
        **{f"left out by {rule}": said == number for rule, number in _RULES.items()},
        "kept by the rules nearby": (kept[near[1]] - kept[near[0]]) / (near[1] - near[0]),
        "in the region": (at >= first) & (at < last),
        "away from the region": np.minimum(np.where(at < first, first - at, np.maximum(0, at - last + 1)), _SIGHT),
        "page: share of the region": float(sight.held_share[region]),
        "page: prose that the rules keep": float(np.log1p(prose)),
        "page: share that the rules keep": prose / float(sight.total),
    }


def _page(sight: _Sight, metadata: Metadata) -> Columns:
    """Of the whole page: the same for all its texts."""
    columns: Columns = {
        "page: prose": float(np.log1p(sight.total)),
        "page: links": float(sight.link_chars[-1] / sight.chars[-1]),
        "page: texts": float(np.log1p(sight.count)),
        "page: share of long texts": float((sight.is_prose & (sight.share < 0.5)).mean()),
        "page: long texts": float((sight.weights >= 80).sum()),
        "page: linked headings": float(sight.linked_headings[-1]),
    }
    columns |= {f"page: says {sign}": float(sign in metadata.kinds) for sign in _SIGNS}
    columns["page: says Article"] = float(metadata.says_article)
    return columns | {f"page: of type {kind}": float(metadata.page_type == kind) for kind in _TYPES}
