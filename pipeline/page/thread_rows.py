"""The rows of a page that are the posts of a thread: alike by their names, and most of its prose."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate

import msgspec

from pipeline.page.rows import Rows
from pipeline.page.walk import Walk

FEWEST, NAMED = 3, 2  # posts of a thread that can be told from its furniture; of those that bear names
_PAGE, _POST = 0.4, 0.8  # posts hold at least this share of the page's prose, and none of them more than that
_OTHERS = 0.25  # the same as `_PAGE` for those that are called posts: the best answer may stand apart
_ALIKE = 0.9  # of the weight of the heaviest rows: those of more posts are the posts
_SAYING = 15  # by weight; a post of less says nothing
_OF_ALL = 0.4  # of the parts with names bear a word that tells nothing of one
#: What posts are called: the first of them may have more paragraphs than they are.
_CALLED = frozenset("answer comment message msg post postbit reply".split())
_IN_TURN = frozenset("alt even odd first last".split())  # of names: they tell a row from its neighbours


class Posts(msgspec.Struct, gc=False):
    """The containers of the posts, the numbers of their texts among those of the page, and how many posts they are."""

    members: list[int]
    texts: range
    count: int  # of those that say something: in tables a post may have rows for its buttons, too


def posts_of(
    walk: Walk, weights: list[int], texts: list[int], siblings: Sequence[Rows], titles: list[int], stories: list[int]
) -> Posts | None:
    """The rows of one name that hold most of the prose from the title on.

    Of those as heavy they are the most numerous, but such as are called posts come first.
    """
    sums, before = list(accumulate(weights, initial=0)), [0] * (len(walk.leaves) + 1)
    ignored = _of_all(walk)
    for index in texts:
        before[index + 1] = 1
    before = list(accumulate(before))  # so many texts before each leaf

    def held(at: int) -> int:
        return sums[before[walk.containers[at].last]] - sums[before[walk.containers[at].first]]

    def heaviest_of(some: Iterable[Rows], share: float = _PAGE, called: bool = False) -> list[int]:
        best, heaviest, is_told = list[int](), 0, False  # the last: whether the best are called posts
        for rows in some:
            begin = max((number for number in titles if number < rows.start), default=0)
            least = max(share * (sums[-1] - sums[begin]), 0.5 * sums[begin], _ALIKE * heaviest, 1)
            if sums[rows.stop] - sums[rows.start] < least:
                continue
            members = _of_one_name(walk, [at for at in rows.members if held(at)], held, ignored)
            if _are_stories(walk, members, stories):
                continue
            said = list(map(held, members))
            names = walk.containers[members[0]].names.plain if members else frozenset[str]()
            if len(said) < (NAMED if names else FEWEST) or max(said) > _POST * sum(said) or sum(said) < least:
                continue
            told = not names.isdisjoint(_CALLED)
            if called and not told:
                continue
            if len(said) > len(best) or (told and not is_told):
                best, heaviest, is_told = members, max(heaviest, sum(said)), told
        return best

    best = heaviest_of(siblings) or heaviest_of(_pairs(walk, before)) or heaviest_of(siblings, _OTHERS, called=True)
    if not best:
        return None
    first, last = walk.containers[best[0]].first, walk.containers[best[-1]].last
    return Posts(best, range(before[first], before[last]), sum(held(at) >= _SAYING for at in best))


def _pairs(walk: Walk, before: list[int]) -> Iterator[Rows]:
    """Two parts that stand in one, of one tag and the same names: a post and its answer."""
    alike: dict[object, list[int]] = defaultdict(list)
    for at, container in enumerate(walk.containers):
        if container.names.plain and before[container.first] < before[container.last]:
            alike[container.parent, container.tag, container.names.plain].append(at)
    for members in alike.values():
        if len(members) == NAMED:
            first, last = walk.containers[members[0]].first, walk.containers[members[1]].last
            yield Rows(walk.containers[members[0]].tag, members, before[first], before[last])


def _are_stories(walk: Walk, members: list[int], titles: list[int]) -> bool:
    """Whether most of some rows have one of some headings, which lead to other threads."""
    spans = ((walk.containers[at].first, walk.containers[at].last) for at in members)
    return 2 * sum(bisect_left(titles, first) < bisect_left(titles, last) for first, last in spans) > len(members)


def _of_all(walk: Walk) -> frozenset[str]:
    """Words of names that most parts of a page bear, as those that a site begins all of its names with."""
    named = Counter(container.names.plain for container in walk.containers if container.names.plain)
    bearing: dict[str, int] = defaultdict(int)
    for names, parts in named.items():
        for word in names:
            bearing[word] += parts
    return frozenset(word for word, parts in bearing.items() if parts >= _OF_ALL * named.total()) - _CALLED


def _of_one_name(walk: Walk, members: list[int], held: Callable[[int], int], ignored: frozenset[str]) -> list[int]:
    """Those of some parts that share half of their names with the heaviest of one name, or have none as it has none.

    Some names are ignored, but not where a part has no others.
    """
    named = {at: (names := walk.containers[at].names.plain - _IN_TURN) - ignored or names for at in members}
    weights = Counter[frozenset[str]]()
    for at, names in named.items():
        weights[names] += held(at)
    like = max(weights, key=lambda names: weights[names], default=frozenset[str]())

    def is_like(names: frozenset[str]) -> bool:
        return bool(names) == bool(like) and len(names & like) >= 0.5 * min(len(names), len(like))

    return [at for at, names in named.items() if is_like(names)]
