"""A few lines of a long text: where it holds what is searched for, and what of them that is."""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from jobs.dataset.text_index import UNSPACED

_LENGTH, _BEFORE = 400, 80  # characters
_MARKS = re.compile(r"^#{1,6} ", re.MULTILINE)
_WORD = re.compile(r"\w+")
#: A word of a text: its place, its end, and what is compared of it.
Word = tuple[int, int, str]
Span = tuple[int, int]


def excerpt_of(texts: Sequence[str], searched: Sequence[str]) -> list[tuple[str, bool]]:
    """The part of the texts with most of what is searched for, in pieces with whether each is that; else how prose
    begins.

    A search is a word, several in a row, or the beginning of one before a star; case and accents do not count.
    """
    prose = [_plainly(text) for text in texts if text.strip() and not text.startswith("#")]
    wanted = [terms for one in searched if (terms := _terms(one))]
    best, found = "", list[Span]()
    most = 0
    for text in map(_plainly, texts):
        words = list(_words(text))
        spans = [list(_spans(words, *terms)) for terms in wanted]
        if (hits := sum(map(bool, spans))) > most:
            best, most, found = text, hits, sorted(span for some in spans for span in some)
    if most:
        return _pieces(best, found)
    return [(_shown(prose[0], 0)[0], False)] if prose else []


def _plainly(text: str) -> str:
    """Without the marks of headings, which mean nothing in a line."""
    return _MARKS.sub("", text)


def _terms(searched: str) -> tuple[list[str], bool]:
    """The words in a row, and whether the last is a beginning."""
    return [word for _, _, word in _words(searched)], searched.endswith("*")


def _words(text: str) -> Iterator[Word]:
    """As the index of texts has them: of scripts without spaces each character is one."""
    for found in _WORD.finditer(text):
        at = found.start()
        for part in UNSPACED.split(found.group()):
            if part:
                yield at, at + len(part), _plain(part)
            at += len(part)


def _plain(word: str) -> str:
    """Without case and accents."""
    decomposed = unicodedata.normalize("NFD", word.casefold())
    return "".join(one for one in decomposed if not unicodedata.combining(one))


def _spans(words: Sequence[Word], terms: Sequence[str], is_beginning: bool) -> Iterator[Span]:
    if not terms:
        return
    for at in range(len(words) - len(terms) + 1):
        found = [word for _, _, word in words[at : at + len(terms)]]
        ends_well = found[-1].startswith(terms[-1]) if is_beginning else found[-1] == terms[-1]
        if ends_well and found[:-1] == list(terms[:-1]):
            yield words[at][0], words[at + len(terms) - 1][1]


def _shown(text: str, at: int) -> tuple[str, int]:
    """The part of a text around a place, and where it starts."""
    start = max(0, at - _BEFORE)
    if start:
        start = text.rfind(" ", max(0, start - 30), start) + 1 or start
    return text[start : start + _LENGTH] + (" …" if start + _LENGTH < len(text) else ""), start


def _pieces(text: str, found: Sequence[Span]) -> list[tuple[str, bool]]:
    cut, start = _shown(text, found[0][0])
    pieces, at = [("… ", False)] if start else [], 0
    for first, last in ((one - start, other - start) for one, other in found):
        if first >= at and last <= min(len(cut), _LENGTH):
            pieces += [(cut[at:first], False), (cut[first:last], True)]
            at = last
    return [(piece, is_hit) for piece, is_hit in [*pieces, (cut[at:], False)] if piece]
