"""What there is to see of each text of a page: one row of numbers a text, by which `pipeline.page.scorer` judges it.

Nothing here decides. Names, tags, links, lengths, the parts around a text, the rows of alike siblings it stands in,
what the rules say, and what the page says of itself are numbers beside one another; how much each of them counts was
learnt from pages whose content is known (`benchmarks/content_model.py`).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.page.leaves import Text
from pipeline.page.metadata import Metadata
from pipeline.page.rows import Rows, rows_of, same_places
from pipeline.page.trim import SENTENCE_ENDS, TITLE_SHARE, shared
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


def evidence(walk: Walk, texts: list[int], metadata: Metadata, verdicts: Verdicts, region: int) -> Evidence:
    """That on the leaves `texts` of a walk; `verdicts` and `region` are of the rules."""
    sight = _Sight(walk, texts)
    shown = [(verdict := verdicts[at]) is None or verdict.rule != "hidden" for at in texts]
    columns = (
        _own(sight, shown) | _order(sight, metadata) | _windows(sight) | _parts(sight) | _named(sight) | _rows(sight)
    )
    columns |= _ruled(sight, [verdicts[at] for at in texts], region) | _page(sight, metadata)
    filled = np.empty((len(columns), sight.count), np.float32)  # a column lies in one piece: scorers ask by column
    for at, column in enumerate(columns.values()):
        filled[at] = column
    places = same_places(walk.containers, sight.read, sight.rows, sight.first.tolist(), sight.last.tolist())
    return Evidence(filled.T, list(columns), places, sight.rows)


class _Sight:
    """The texts and containers of a page as arrays, and running sums over the texts."""

    def __init__(self, walk: Walk, texts: list[int]) -> None:
        read = [leaf for leaf in map(walk.leaves.__getitem__, texts) if isinstance(leaf, Text)]
        self.walk, self.read, self.count = walk, read, len(read)
        self.at = np.arange(self.count)
        self.lengths = np.array([len(text.text) for text in read], float)
        self.linked = np.minimum(np.array([text.link_chars for text in read], float), self.lengths)
        self.ends = np.array([text.text.endswith(SENTENCE_ENDS) for text in read])
        self.levels = np.array([text.mark.count("#") if text.role == "heading" else 0 for text in read])
        self.is_prose = (self.lengths >= 80) | self.ends
        self.weights = np.maximum(0.0, self.lengths - 1.5 * self.linked) * np.where(self.is_prose, 1.0, 0.3)
        self.share = self.linked / self.lengths
        self.weight, self.link_chars, self.chars = map(_sums, (self.weights, self.linked, self.lengths))
        self.linked_headings = _sums((self.levels > 0) & (self.share > 0.5))
        self.total = self.weight[-1] + 1e-9
        is_text = np.zeros(len(walk.leaves) + 1, int)
        is_text[np.array(texts, int) + 1] = 1
        before = is_text.cumsum()  # so many texts before each leaf
        self.first = before[[container.first for container in walk.containers]]
        self.last = before[[container.last for container in walk.containers]]
        self.parents = np.array([max(0, container.parent) for container in walk.containers])
        self.home = np.array([text.container for text in read], int)
        self.held = self.weight[self.last] - self.weight[self.first]
        self.held_share = self.held / self.total
        self.rows = rows_of(walk.containers, self.first.tolist(), self.last.tolist())

    def links(self, first: Any, last: Any) -> Any:
        """The share of links in the characters of a run of texts."""
        chars = self.chars[last] - self.chars[first]
        return (self.link_chars[last] - self.link_chars[first]) / (chars + 1e-9)


def _sums(values: Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(values)])


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
        "seen in all": np.array([max(1, seen[text.text]) for text in sight.read]),
    }


def _order(sight: _Sight, metadata: Metadata) -> Columns:
    """Where it stands among the texts, beside the title and the headings."""
    is_heading, at = sight.levels > 0, sight.at
    headings = np.flatnonzero(is_heading).tolist()
    title = next((index for index in headings if shared(sight.read[index].text, metadata.title) >= TITLE_SHARE), None)
    last_heading = np.maximum.accumulate(np.where(is_heading, at, -1))
    lengths = np.log1p(sight.lengths)
    return {
        "after the title": _after(title, at),
        "after the first h1": _after(next((index for index in headings if sight.levels[index] == 1), None), at),
        "after a heading": np.minimum(at - last_heading, _SIGHT),
        "links of its heading": np.where(last_heading >= 0, sight.share[last_heading], -1.0),
        "place": at / sight.count,
        "place in the prose": sight.weight[:-1] / sight.total,
        "length of the text before": np.append(-1.0, lengths[:-1]),
        "length of the text behind": np.append(lengths[1:], -1.0),
    }


def _after(found: int | None, at: Floats) -> Floats | float:
    return -2.0 * _SIGHT if found is None else np.clip(at - found, -_SIGHT, 4 * _SIGHT)


def _windows(sight: _Sight) -> Columns:
    columns: Columns = {}
    for wide in _WINDOWS:
        low, high = np.maximum(0, sight.at - wide), np.minimum(sight.count, sight.at + wide + 1)
        columns[f"prose within {wide} texts"] = np.log1p((sight.weight[high] - sight.weight[low]) / (high - low))
        columns[f"links within {wide} texts"] = sight.links(low, high)
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
    containers, home = sight.walk.containers, sight.home
    columns: dict[str, Any] = {f"in {tag}": np.full(sight.count, -1.0) for tag in _TAGS}
    columns |= {f"named {flag}": np.full(sight.count, -1.0) for flag in (*_FLAGS, "strong, outermost")}
    for at in [at for at, container in enumerate(containers) if container.tag in _TAGS]:
        columns[f"in {containers[at].tag}"][sight.first[at] : sight.last[at]] = sight.held_share[at]
    for at in sight.walk.flagged:
        names, inside, share = containers[at].names, slice(sight.first[at], sight.last[at]), sight.held_share[at]
        for flag in _FLAGS:
            if getattr(names, flag):
                columns[f"named {flag}"][inside] = share
        if names.strong:
            outer = columns["named strong, outermost"][inside]
            np.maximum(outer, share, out=outer)
    above = sight.parents
    hints = np.array([container.names.hint for container in containers])
    against, speaking, nearest, depth = np.minimum(hints, 0), np.maximum(hints, 0), hints, np.ones(len(hints))
    depth[0] = 0
    for _ in range(_DOUBLINGS):  # each sees twice as far up as the one before
        against, speaking = np.minimum(against, against[above]), np.maximum(speaking, speaking[above])
        nearest = np.where(nearest, nearest, nearest[above])
        depth, above = depth + depth[above], above[above]
    told = {"names against it": against, "names for it": speaking, "nearest name": nearest, "depth": depth}
    return columns | {name: values[home] for name, values in told.items()}


def _rows(sight: _Sight) -> Columns:
    """The outermost and innermost rows of siblings of one tag around it, and the largest of the page."""
    held = sight.held.tolist()
    rows = [some for some in sight.rows if some.tag != "tr"]
    said = [_said_of(sight, some, held) for some in rows]
    columns: Columns = {}
    for which, order in (("outer", 1), ("inner", -1)):
        table = np.full((sight.count, len(_SAID_OF_ROWS)), -1.0)
        for some, values in list(zip(rows, said, strict=True))[::order]:
            table[some.start : some.stop] = values
        columns |= {f"{which} rows: {name}": table[:, at] for at, name in enumerate(_SAID_OF_ROWS)}
    columns["page: share of its largest rows"] = max((values[2] for values in said), default=0.0)
    columns["page: count of its largest rows"] = max((values[0] for values in said if values[2] > 0.2), default=0)
    return columns


def _said_of(sight: _Sight, rows: Rows, held: list[float]) -> tuple[float, ...]:
    count, start, stop = len(rows.members), rows.start, rows.stop
    prose, headings = sum(held[at] for at in rows.members), sight.linked_headings[stop] - sight.linked_headings[start]
    links = sight.links(start, stop)
    return count, prose / count, prose / sight.total, links, (stop - start) / count, headings / count


def _ruled(sight: _Sight, verdicts: Verdicts, region: int) -> Columns:
    """What the rules say of it, and of the whole page."""
    at, first, last = sight.at, sight.first[region], sight.last[region]
    said = np.array([_RULES.get(verdict.rule, 0) if verdict else -1 for verdict in verdicts])
    kept, near = _sums(said < 0), (np.maximum(0, at - 4), np.minimum(sight.count, at + 5))
    prose = float(sight.weights[said < 0].sum())
    return {
        "left out by a rule": said >= 0,
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
