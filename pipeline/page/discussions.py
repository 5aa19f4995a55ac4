"""Whether a page is a thread by what it shows: neither its address nor its markup says so.

In a thread texts of several persons follow each other, each with a line that says who wrote it and when. So do the
comments below an article and the stories of a front page: these are told by what the page calls itself, by what the
parts around the texts are called, and by titles that lead away.
"""

import functools
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import accumulate, islice, pairwise

from pipeline.page.leaves import Leaf, Text, upward
from pipeline.page.metadata import Metadata
from pipeline.page.names import REVIEW_NAMES
from pipeline.page.prose import SENTENCE_ENDS
from pipeline.page.walk import Walk
from pipeline.page.weights import weight_of

_LINE = 140  # characters of a line that says who and when
_SIGNATURE = 100  # characters of one that says nothing else
_FEWEST = 2  # of them
_PLAIN = 3  # where no name says that they are of a thread
_SAYING = 0.6  # of what stands between two of them says something
_LEAST = 15  # by weight; a fragment of 50 characters
_OF_ARTICLE = 0.75  # of the page's prose: a page that calls itself an article says less itself
_SHARE, _MOST = 0.3, 0.5  # of the page's prose, at least; of a page whose names call its texts nothing but comments
_NEAR, _LEVELS = 4, 3  # leaves before such a line, and parts around it, that may say who
_TITLE = 25  # characters of a link that is the title of a story, though no heading
_ALIKE = 2  # of these parts are alike for all lines of one kind
#: In small letters, as what follows: to ignore case takes three times as long. All begin with a digit, as that is found
#: fast; what must not stand before it is looked at behind it.
_WHEN = re.compile(
    r"\d(?:(?<!\d.)(?:(?<=1)9|(?<=2)0)\d\d(?!\d)|(?<![\d:].)\d?:\d\d(?!\d)|(?<!\d.)\d?[./]\d\d?[./]\d\d"
    r"|(?<!\w.)\d?\d? ?(?:[smhdwy]|mo|min|hrs?)(?!\w)| ?(?:秒|分|分钟|小时|時間|天|日|周|週|个月|か月|年)前)"
)
#: The same without a number.
_SAID_WHEN = re.compile(
    r"\b(?:(?:ago|yesterday|today|gestern|heute|hier|aujourd|ayer|hoy|ontem|hoje|ieri|oggi|geleden|temu|önce"
    r"|sedan|siden|sitten|вчера|сегодня|назад)\b|(?:vor|il y a|hace|há|fa) \w)"
)
_YEAR = re.compile(r"\D*(?:19|20)\d\d\D*")  # a text with no other number
_PERSON = re.compile(
    r'href="[^"]*?(?:/@|/(?:users?|u|profiles?|profil|perfil|members?|membres?|miembros?|mitglied|people|nutzer|benutzer'
    r"|utilisateur|usuarios?)[/?.]|user[/?=]|memberlist|action=profile|uid[=-]|userid)"
)
#: Who wrote something, as trackers and archives of mail write it: Author: Ann Lee.
_FROM = re.compile(
    r"(?:author|from|sender|(?:posted|written|submitted|reported) by|von|verfasser|absender|autor|auteur|auteur·e|de|"
    r"автор|от|作者|发件人|差出人) ?[:：] ?[^\s\d][^\n]{1,60}$",
    re.IGNORECASE,
)
#: Above what is quoted, and who likes a post: lines that forums write, too.
_WRITTEN_BY_FORUMS = re.compile(
    r"(?:originally posted by|zitat von|quote from:) .{1,80}"
    r"|.{1,100}\b(?<!look )(?<!looks )(?<!more )likes? this(?: post)?\.?|.{1,100}\bgefällt das\.?"
)
_PERSONS = frozenset(
    "author user username userinfo poster avatar persona nick nickname commenter attribution profile member creator "
    "posted".split()
)
#: What the parts of threads are called that hold posts.
_OF_THREADS = frozenset("answer answers question questions topic forum forums qna".split())
#: The same, where nothing calls the posts comments: blogs call those below a story so.
_OF_POSTS = _OF_THREADS | frozenset("thread threads discussion reply replies message messages".split())
_OF_STORIES, _OF_POST = frozenset(("blog", "article", "hentry")), {"single", "post"}
_OF_MEMBER, _SIGN = {"member", "signature"}, {"sign"}
_COMMENTS = frozenset("comment comments".split())
_ARTICLES = frozenset("Article NewsArticle BlogPosting TechArticle Product Recipe Review Event Course".split())


def shows_thread(walk: Walk, metadata: Metadata) -> bool:
    """Whether what several persons wrote, one after the other, is what the page is about."""
    if not _ARTICLES.isdisjoint(metadata.kinds) or "QAPage" in metadata.kinds:
        return False
    if not (dated := _dated(walk)):
        return False
    sums = list(accumulate((weight_of(leaf) if isinstance(leaf, Text) else 0 for leaf in walk.leaves), initial=0))
    found = [(lines, share) for lines in dated if (share := _share(lines, sums)) >= _SHARE]
    if not found:
        return False
    persons = _Persons(walk)  # looked for last: most pages have next to nothing between their dates
    return any(_sign_posts(walk, lines, share, persons, metadata.page_type) for lines, share in found)


def _sign_posts(walk: Walk, lines: list[int], share: float, persons: "_Persons", page_type: str) -> bool:
    """Whether what stands between some lines, a share of the page's prose, is posts by several persons."""
    if not persons.sign(lines) or _lead_away(walk, lines):
        return False
    names = _names_around(walk, lines)
    if not names.isdisjoint(REVIEW_NAMES):
        return False
    are_comments = not _COMMENTS.isdisjoint(names)
    if not names.isdisjoint(_OF_THREADS if are_comments else _OF_POSTS):
        return True
    least = _MOST if page_type != "article" else _OF_ARTICLE if are_comments else 2.0
    return len(lines) >= _PLAIN and share >= least and not _are_of_blog(names) and persons.stand_beside(lines)


def _share(lines: list[int], sums: list[int]) -> float:
    """Of the page's prose what stands between some lines; 0 where most of it is fragments."""
    said = [sums[last] - sums[first] for first, last in pairwise(lines)]
    saying = [weight for weight in said if weight >= _LEAST]
    if len(saying) < max(1, _SAYING * len(said)):
        return 0.0
    return sum(saying) * len(lines) / max(1, len(said) * sums[-1])


def _are_of_blog(names: set[str]) -> bool:
    """Whether names around comments are of a story: blogs of old say nothing else of what they are."""
    return not names.isdisjoint(_OF_STORIES) or names >= _OF_POST


def _dated(walk: Walk) -> list[list[int]]:
    """The lines that say when, by their kind: those in parts of the same tags and names, however deep."""
    kinds: dict[object, list[int]] = defaultdict(list)
    for index, leaf in enumerate(walk.leaves):
        if isinstance(leaf, Text) and says_when(leaf):
            parts = [walk.containers[at] for at in islice(upward(walk.containers, leaf.container), _ALIKE)]
            named = [(part.tag, part.names.plain) for part in parts]
            kinds[tuple(named)].append(index)
    return [lines for lines in kinds.values() if len(lines) >= _FEWEST]


class _Persons:
    """The leaves that say who, by a label, a link or the name of what they stand in."""

    def __init__(self, walk: Walk) -> None:
        self._walk, self._called = walk, _parts_of_persons(walk)
        linked = (index for index, written in walk.links if _leads_to_person(written))
        self._told = sorted(_labelled(walk).union(linked))
        self._all = sorted({*self._told, *_named(walk, self._called)})

    def sign(self, lines: list[int]) -> bool:
        """Whether between most of some lines and the next one says who, or right before."""
        ends = [*lines[1:], len(self._walk.leaves)]
        near = sum(_is_any(self._all, line - _NEAR, end) for line, end in zip(lines, ends, strict=True))
        return near >= _SAYING * len(lines)

    def stand_beside(self, lines: list[int]) -> bool:
        """Whether most of some lines stand beside one, or say so themselves."""
        beside = (self._told_at(line) for line in lines)
        return sum(beside) >= _SAYING * len(lines)

    def _told_at(self, line: int) -> bool:
        return _is_named(self._walk, self._called, line) or _is_any(self._told, line - _NEAR, line + 1)


def _labelled(walk: Walk) -> set[int]:
    """The leaves that say by a label who wrote something; it may be one of the cells of a row."""
    lines = ((index, leaf.text) for index, leaf in enumerate(walk.leaves) if isinstance(leaf, Text))
    short = ((index, text) for index, text in lines if len(text) <= _LINE and (":" in text or "：" in text))
    return {index for index, text in short if any(map(_FROM.match, text.split(" | ")))}


@functools.lru_cache(maxsize=4096)  # asked of one page several times
def _leads_to_person(written: str) -> bool:
    return _PERSON.search(written.lower()) is not None


def _has_time(text: str) -> bool:
    said = text.lower()
    return _WHEN.search(said) is not None or _SAID_WHEN.search(said) is not None


def _says_when(leaf: Leaf) -> bool:
    return isinstance(leaf, Text) and says_when(leaf)


def says_when(leaf: Text) -> bool:
    """Whether a text is a line that says when, or ends with one: below what is signed with it."""
    if leaf.said <= _LINE:
        return _has_time(leaf.text)
    _, is_line, last = leaf.text.rpartition("\n")
    return bool(is_line) and len(last) <= _LINE and _has_time(last)


def signatures(walk: Walk) -> set[int]:
    """The leaves of a thread that say who wrote something, or when beside or in a part about who did, and no more.

    And what a member signs with: in manuals those names are of what a function is called with. A text that begins with
    a sign of address is an answer to somebody.
    """
    linked = {index for index, written in walk.links if _leads_to_person(written)}
    called = _parts_of_persons(walk)
    signed = (part for part in walk.containers if part.names.words >= _OF_MEMBER or part.names.words == _SIGN)
    found = {index for part in signed for index in range(part.first, part.last)}
    labelled = _labelled(walk)
    found |= {index for index in labelled if any(map(_says_when, walk.leaves[max(0, index - 1) : index + 2]))}
    for index, leaf in enumerate(walk.leaves):
        if not isinstance(leaf, Text) or leaf.role in ("quote", "code", "table") or leaf.said > _SIGNATURE:
            continue
        if _is_written_by_forum(leaf.text.lower()):
            found.add(index)
            continue
        if leaf.text.startswith("@") or leaf.text.endswith(SENTENCE_ENDS):
            continue
        if index in linked and leaf.link_chars > 0.5 * len(leaf.text):
            found.add(index)
        elif says_when(leaf) and not _YEAR.fullmatch(leaf.text):
            is_beside = index in linked or not labelled.isdisjoint((index - 1, index + 1))
            if is_beside or _is_named(walk, called, index, _ALIKE):
                found.add(index)
    return found


def _is_written_by_forum(said: str) -> bool:
    """Whether a line is one of these; how it begins or ends is looked at first, as this tells of most lines."""
    may_be = said.endswith(("this", "this.", "post", "post.", "das", "das.")) or said.startswith(("o", "z", "q"))
    return may_be and _WRITTEN_BY_FORUMS.fullmatch(said) is not None


def _is_any(places: list[int], first: int, last: int) -> bool:
    """Whether one of some sorted places is from the first one given up to the last, that excluded."""
    return bisect_left(places, first) < bisect_left(places, last)


def _named(walk: Walk, parts: set[int]) -> Iterator[int]:
    """The leaves that stand in some parts, which are called persons."""
    known: dict[int, bool] = {}
    for index, leaf in enumerate(walk.leaves) if parts else ():
        at = leaf.container
        if at not in known:
            known[at] = _is_named(walk, parts, index)
        if known[at]:
            yield index


def _parts_of_persons(walk: Walk) -> set[int]:
    return {at for at, part in enumerate(walk.containers) if not part.names.words.isdisjoint(_PERSONS)}


def _is_named(walk: Walk, parts: set[int], index: int, levels: int = _LEVELS) -> bool:
    """Whether a leaf stands in one of some parts, no more than so many levels up."""
    return not parts.isdisjoint(islice(upward(walk.containers, walk.leaves[index].container), levels))


def _lead_away(walk: Walk, lines: list[int]) -> bool:
    """Whether most of what stands between the lines has a title that leads to a page of its own: stories of a list."""
    titles = titles_leading_away(walk)
    titled = sum(_is_any(titles, first, last) for first, last in pairwise(lines))
    return 2 * titled >= len(lines) - 1


def titles_leading_away(walk: Walk) -> list[int]:
    """The leaves that are nothing but one link to another page, which is none about a person."""
    links = Counter(index for index, _ in walk.links)
    beside = {index for index, written in walk.links if "#" in written or _leads_to_person(written)}
    return [
        index
        for index, leaf in enumerate(walk.leaves)
        if links[index] == 1 and index not in beside and isinstance(leaf, Text) and _is_title(leaf)
    ]


def _is_title(leaf: Text) -> bool:
    if leaf.link_chars <= 0.5 * len(leaf.text) or (leaf.role != "heading" and len(leaf.text) < _TITLE):
        return False
    return not _has_time(leaf.text)


def _names_around(walk: Walk, lines: list[int]) -> set[str]:
    """The words of the names of all parts that the lines stand in."""
    return {
        word
        for line in lines
        for at in upward(walk.containers, walk.leaves[line].container)
        for word in walk.containers[at].names.words
    }
