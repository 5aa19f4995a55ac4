"""Threads that neither their address nor their markup calls so: rows that persons wrote, each at a time of its own.

Lists of stories have persons and dates as well, but titles that lead on, and no posts or answers; what readers wrote
below an article stands below its prose.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence

from pipeline.page.cards import is_linked_heading
from pipeline.page.leaves import Container, Leaf, Text
from pipeline.page.posts import posts_of
from pipeline.page.rows import Rows
from pipeline.page.trim import TITLE_SHARE, says_day, shared
from pipeline.page.walk import Walk
from pipeline.page.weights import weight_of
from pipeline.text.words import phrase_list

_MOST = 0.6  # of the posts have what posts have
_ABOVE = 0.25  # of the weight of the posts: what weighs more above them is an article, and they are comments on it
_TITLE = 20  # characters
_WHEN = 80  # characters of a line that says when
_NAMES = frozenset("answer answers comment message messages post postbit reply replies".split())
#: Where the names of persons lead.
_PERSON = re.compile(
    r'href="[^"]*(?:/users?/|/u/|/@|/members?[/.]|/people/|/profiles?/|profile|user=|uid=|author/|mode=viewprofile)',
    re.IGNORECASE,
)
_TIME = re.compile(r"\b\d\d?:\d\d\b|\b\d{4}-\d\d-\d\d\b|\b\d\d?[./]\d\d?[./](?:\d\d){1,2}\b")
_NUMBER = re.compile(r"(?:post |no\.? |nr\.? )?#\s?\d{1,5}", re.IGNORECASE)


def is_thread(walk: Walk, texts: list[int], siblings: Sequence[Rows], title: str) -> bool:
    """Whether most of a page's prose stands in posts."""
    posts = posts_of(walk, texts, siblings)
    if posts is None:
        return False
    rows = [walk.containers[at] for at in posts.members]
    weights = [weight_of(leaf) if isinstance(leaf, Text) else 0 for leaf in walk.leaves]
    held = sum(sum(weights[row.first : row.last]) for row in rows)
    if sum(weights[: rows[0].first]) > _ABOVE * held:
        return False
    links = [place for place, _ in walk.links]

    def names_person(row: Container) -> bool:
        inside = walk.links[bisect_left(links, row.first) : bisect_left(links, row.last)]
        return any(_PERSON.search(written) for _, written in inside)

    def says(test: Callable[[Leaf], bool]) -> bool:
        return sum(any(map(test, walk.leaves[row.first : row.last])) for row in rows) >= _MOST * len(rows)

    are_named = sum(not row.names.words.isdisjoint(_NAMES) for row in rows) >= _MOST * len(rows)
    return (
        says(_says_when)
        and sum(map(names_person, rows)) >= _MOST * len(rows)
        and (are_named or says(_is_of_post))
        and not says(lambda leaf: _leads_on(leaf, title))
    )


def _says_when(leaf: Leaf) -> bool:
    if not isinstance(leaf, Text) or len(leaf.text) > _WHEN:
        return False
    words = leaf.text.lower()
    return says_day(words) or bool(_TIME.search(words)) or any(ago in words for ago in phrase_list("ago"))


def _is_of_post(leaf: Leaf) -> bool:
    """Whether a text is the number of a post, or a link to answer or to report it."""
    if not isinstance(leaf, Text) or len(leaf.text) > _WHEN:
        return False
    said = leaf.text.strip(" .:•·|-»«[]()").lower()
    return bool(_NUMBER.fullmatch(said)) or said in phrase_list("post_buttons")


def _leads_on(leaf: Leaf, title: str) -> bool:
    """Whether a text is the title of another page: names are shorter, and posts repeat that of their thread."""
    if not isinstance(leaf, Text) or len(leaf.text) < _TITLE or not is_linked_heading(leaf):
        return False
    return shared(leaf.text, title) < TITLE_SHARE
