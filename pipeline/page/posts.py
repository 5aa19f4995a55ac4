"""The posts of a thread, and what is furniture in them and around them.

What stands at one place of the posts is furniture in all of them, however long it is, where it is never more than
fragments (names, ranks, dates, counts), says the same again, or shares most of its words (`Joined: 2014, Posts: 12`).
Around the posts only prose between the thread's title and the first of them may be content: the question.
"""

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from itertools import takewhile
from statistics import median

from pipeline.page.discussions import says_when, signatures, titles_leading_away
from pipeline.page.elements import CELLS, LAID_OUT
from pipeline.page.leaves import Leaf, Media, Text, upward
from pipeline.page.letters import furniture_of
from pipeline.page.post_notes import is_note
from pipeline.page.prose import SENTENCE_ENDS, TITLE_SHARE, home_of, shared
from pipeline.page.rows import Rows
from pipeline.page.thread_rows import FEWEST, Posts, posts_of
from pipeline.page.verdicts import Verdict, Verdicts
from pipeline.page.walk import Walk
from pipeline.page.weights import weight_of

_PLACES = 0.4  # of the posts have a text at a place that is one
_LEVELS, _NEAR = 4, 2  # parts around a text that make its place: replies may stand in what they reply to
_PROSE = 80  # characters
_LINE, _BLOCK = 60, 300  # characters of a fragment, and of several lines of them
_SAME = 0.5  # of what stands at a place of the posts was said before, or of its letters in words of most: furniture
_MOST = 0.6  # of the texts at a place have a word that says nothing of one
_OF_TITLE, _BEGINNING = 0.3, 20  # a title has so much of the page's, or begins with as many characters
_LONGEST_TITLE = 400  # characters
_BEHIND = 0.33  # of the weight of the posts: what weighs more behind them are further posts
_OF_TABLES = CELLS | {"tr", *LAID_OUT.values()}
#: Verdicts on what bears a name that speaks against it: of one post it may, but not of what all of them say.
_OF_NAMES = frozenset(("chrome", "little_prose"))
#: `Location:` ends no sentence, nor does a nickname in quotes.
_SENTENCE_ENDS = tuple(mark for mark in SENTENCE_ENDS if mark not in ':”"')
_ANSWERS = frozenset(("answer", "answers"))
_WORD = re.compile(r"[^\W\d_]+")
_Place = tuple[object, ...]


def leave_out_furniture(
    walk: Walk, texts: list[int], siblings: Sequence[Rows], title: str, verdicts: Verdicts
) -> set[int]:
    """Of a page that is a thread what is no part of its posts, and what is furniture in each of them.

    Gives the leaves that are what the posts say: the longest texts at one place of them.
    """
    read = [leaf for leaf in map(walk.leaves.__getitem__, texts) if isinstance(leaf, Text)]
    signed = signatures(walk) | furniture_of(walk)
    for index, text in zip(texts, read, strict=True):
        if index in signed or is_note(text):
            verdicts[index] = Verdict("furniture")
    for index in signed:
        if isinstance(walk.leaves[index], Media):
            verdicts[index] = Verdict("furniture")
    titles = [number for number, text in enumerate(read) if _is_title(text.text, title[:_LONGEST_TITLE])]
    stories = [at for at in titles_leading_away(walk) if getattr(walk.leaves[at], "role", "") == "heading"]
    posts = posts_of(walk, [weight_of(text) for text in read], texts, siblings, titles, stories)
    if posts is None:
        return set()
    never = _never_said(walk, texts, verdicts, posts)
    ways = _Ways(walk, set(posts.members))
    places = [[number for number in some if number not in never] for some in _places(read, posts, ways)]
    body = max(places, key=lambda some: sum(len(read[number].text) for number in some), default=[])
    for number in body:
        if (verdict := verdicts[texts[number]]) and verdict.rule in _OF_NAMES:
            verdicts[texts[number]] = None
    others = next((at for at in stories if at >= walk.containers[posts.members[-1]].last), len(walk.leaves))
    thread = _span(read[: bisect_left(texts, others)], posts, titles)
    above = _fragments(walk, read, range(thread.start, posts.texts.start)).difference(body)
    found = above.union(range(thread.start), range(thread.stop, len(read)))
    bodies = {home_of(walk, read[number]) for number in body} if len(posts.members) < FEWEST else set[int]()
    for some in places:
        if not some or some is body or any(home_of(walk, read[number]) in bodies for number in some):
            continue
        if _are_furniture([read[number] for number in some]):
            found.update(some)
    for number in found:
        if read[number].role != "caption" or number not in range(thread.start, thread.stop):
            verdicts[texts[number]] = Verdict("furniture")
    _leave_out_portraits(walk, posts, ways, [read[number] for number in body], verdicts)
    end = texts[thread.stop] if thread.stop < len(texts) else len(walk.leaves)
    _leave_out_images(walk, range(texts[thread.start] if thread.start else 0, end), verdicts)
    return {texts[number] for number in body if number not in found}


def _never_said(walk: Walk, texts: list[int], verdicts: Verdicts, posts: Posts) -> set[int]:
    """The numbers of the texts that are hidden, or comments on the answers of a question.

    Where no part is called an answer, these are what is called comments.
    """
    are_answers = all(_ANSWERS.isdisjoint(part.names.words) for part in walk.containers)
    first, last = walk.containers[posts.members[0]].first, walk.containers[posts.members[-1]].last
    members = {walk.containers[at].first for at in posts.members}

    def is_never(verdict: Verdict | None) -> bool:
        if verdict is None or verdict.rule == "hidden":
            return verdict is not None
        part = verdict.container
        if part is None or not part.names.comments:
            return False
        holds_posts = part.first in members or (part.first <= first and last <= part.last)
        return not (are_answers and holds_posts)

    return {number for number, index in enumerate(texts) if is_never(verdicts[index])}


def _places(read: list[Text], posts: Posts, ways: "_Ways") -> list[list[int]]:
    """The numbers of the texts at each place that several posts have.

    With them go those before the posts in parts of the same names: the question may stand above the answers.
    """
    places: dict[_Place, list[int]] = defaultdict(list)
    homes: dict[_Place, set[int]] = defaultdict(set)
    known: dict[_Place, _Place] = {}  # places by the two parts that are next to a text
    for number in posts.texts:
        place, home = ways.of(read[number], _LEVELS)
        places[place].append(number)
        homes[place].add(home)
        known[ways.of(read[number], _NEAR)[0]] = place
    for number in range(posts.texts.start):
        near, _ = ways.of(read[number], _NEAR)
        if near in known and any(map(_is_name, near[1:])):
            places[known[near]].append(number)
    least = max(min(FEWEST, len(posts.members)), _PLACES * posts.count)
    return [some for place, some in places.items() if len(homes[place]) >= least]


def _is_name(part: object) -> bool:
    """Of a place; tags stand in angle brackets."""
    return isinstance(part, str) and not part.startswith("<")


class _Ways:
    """By which parts a text is reached. The rows of tables that lay out bear no names: there their number counts."""

    def __init__(self, walk: Walk, rows: Collection[int]) -> None:
        self._containers, self._rows = walk.containers, rows
        self._parts: dict[int, _Place] = {}
        children, self._numbers = [0] * (len(walk.containers) + 1), list[int]()  # among those of one parent
        for container in walk.containers:
            self._numbers.append(children[container.parent])
            children[container.parent] += 1

    def part(self, at: int) -> _Place:
        """The tag of a container, its number if it is of a table, and its names."""
        if at not in self._parts:
            container = self._containers[at]
            number = [self._numbers[at]] if container.tag in _OF_TABLES else []
            self._parts[at] = (f"<{container.tag}>", *number, *sorted(container.names.plain))
        return self._parts[at]

    def of(self, leaf: Leaf, levels: int) -> tuple[_Place, int]:
        """The innermost parts of the way to a leaf, up to its post, and the outermost of these."""
        home: int = leaf.container
        place: _Place = (leaf.role if isinstance(leaf, Text) else leaf.kind,)
        for level in range(levels):
            if home in self._rows:
                return (*place, self._containers[home].tag), home
            place = (*place, *self.part(home))
            if level == levels - 1 or self._containers[home].parent <= 0:
                break
            home = self._containers[home].parent
        return place, home


def _are_furniture(texts: list[Text]) -> bool:
    """Whether what stands at one place of the posts is furniture."""
    said = [text.text for text in texts]
    if len(set(said)) < _SAME * len(said):
        return True
    if texts[0].role in ("code", "quote"):
        return False
    return all(map(_is_fragment, said)) or _share_of_common_words(said) > _SAME


def _is_fragment(text: str) -> bool:
    """Whether a text is a few short lines none of which is a sentence."""
    lines = text.split("\n")
    if not any(map(str.isalpha, text)):
        return len(text) < _BLOCK  # the number of a post
    return len(text) < _BLOCK and all(len(line) < _LINE and not line.endswith(_SENTENCE_ENDS) for line in lines)


def _is_dated_line(text: Text) -> bool:
    """Whether a text is a line, though a longer one, that says when somebody wrote."""
    return "\n" not in text.text and says_when(text) and not text.text.endswith(_SENTENCE_ENDS)


def _share_of_common_words(said: list[str]) -> float:
    """The share of letters in words that most of some texts have, in the middle of these."""
    words = [_WORD.findall(text.lower()) for text in said]
    known = Counter(word for some in words for word in set(some))
    common = {word for word, count in known.items() if count >= _MOST * len(said)}
    return median(sum(len(word) for word in some if word in common) / max(1, sum(map(len, some))) for some in words)


def _span(read: list[Text], posts: Posts, titles: list[int]) -> range:
    """The numbers of the texts from the title to the last post, or to the end where there is more behind the posts."""
    first, last = posts.texts.start, posts.texts.stop
    behind, held = sum(map(weight_of, read[last:])), sum(map(weight_of, read[first:last]))
    above = [number for number in titles if number < first]
    begin = max([number for number in above if read[number].role == "heading"] or above, default=0)  # tags repeat it
    return range(begin, last if behind <= _BEHIND * held else len(read))


def _fragments(walk: Walk, read: list[Text], numbers: range) -> set[int]:
    """Those of some texts that are fragments, no headings, and in no part that holds prose; all, if none does."""
    dated = {number for number in numbers if _is_dated_line(read[number])}
    saying = {home_of(walk, read[at]) for at in numbers if at not in dated and weight_of(read[at]) >= _PROSE}
    return {
        number
        for number in numbers
        if read[number].role not in ("heading", "code")
        and (not saying or number in dated or _is_fragment(read[number].text))
        and home_of(walk, read[number]) not in saying
    }


def _is_title(text: str, title: str) -> bool:
    """Whether a text is the page's title, or begins with it: what the thread is marked with may stand behind."""
    if len(text) > min(_LONGEST_TITLE, 2 * len(title) + _LINE):  # what is longer shares too little with it
        return False
    if shared(text, title) >= TITLE_SHARE:
        return len(text) >= _OF_TITLE * len(title)
    if text[:_BEGINNING] != title[:_BEGINNING] or len(text) < _BEGINNING:
        return False
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(text, title, strict=False)))
    return same >= 0.5 * len(text)


def _leave_out_portraits(walk: Walk, posts: Posts, ways: _Ways, saying: list[Text], verdicts: Verdicts) -> None:
    """Pictures that stand at one place of most posts, outside the parts of what these say and not between those."""
    bodies = {home_of(walk, leaf) for leaf in saying}
    begins: dict[int, int] = {}  # by what paragraphs stand in, the first leaf of these
    for home in bodies:
        if (around := walk.containers[home].parent) not in posts.members:
            begins[around] = min(begins.get(around, len(walk.leaves)), walk.containers[home].first)
    places: dict[_Place, dict[int, int]] = defaultdict(dict)
    span = range(walk.containers[posts.members[0]].first, walk.containers[posts.members[-1]].last)
    for index in span:
        leaf = walk.leaves[index]
        if isinstance(leaf, Text) or any(at in bodies for at in upward(walk.containers, leaf.container)):
            continue
        if index > begins.get(leaf.container, index):
            continue
        place, home = ways.of(leaf, _LEVELS)
        places[place].setdefault(home, index)
    for some in places.values():
        if len(some) >= max(FEWEST, _PLACES * posts.count):
            for index in some.values():
                verdicts[index] = Verdict("furniture")


def _leave_out_images(walk: Walk, thread: range, verdicts: Verdicts) -> None:
    """Pictures that several posts show, and those around the thread, of which the leaves are given."""
    images = [
        (index, leaf.candidates[0])
        for index, leaf in enumerate(walk.leaves)
        if isinstance(leaf, Media) and leaf.kind == "image" and leaf.candidates
    ]
    shown = Counter(url for _, url in images)
    for index, url in images:
        if index not in thread or shown[url] >= FEWEST:
            verdicts[index] = Verdict("furniture")
