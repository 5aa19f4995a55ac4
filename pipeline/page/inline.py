"""The part of a walk that reads what stands inside a line of text and is more than its words; see `pipeline.page.walk`.

What styles alone say is written out: raised numbers, which would run into those before them (10<sup>8</sup>), and the
marks around a `<q>`.
"""

import re

from pipeline.page.elements import BLOCKS, HEADINGS
from pipeline.page.leaves import Leaf, Text, upward
from pipeline.page.markup import unescape
from pipeline.page.tables import RowsOfWalk
from pipeline.page.twins import is_hidden_from_readers_alone, text_of
from pipeline.page.unfolding import goes_on

_SIGNS = str.maketrans("0123456789+-−=()ni", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿⁱ")
_LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_RAISED = re.compile(r"[-+−]?(?:\d{1,5}|\d{0,4}[ni](?:[-+−]\d{1,4})?)")
_LOWERED_NUMBER = re.compile(r"\d{1,5}")
_FRACTIONS = ("/", "⁄")
_TAGS, _LINE = 8, 12  # in a raised number, as those of a link to a footnote; before a line ends
_IN_HEADING = 100  # tags
_SAYING = re.compile(r"[^\W\d_]{2}")
_WORD = 5  # letters: fewer may be the sign of a unit
_ENDING = 3  # letters at the end of a word: fewer may be the first of one that is parted, as names are
_PIECES = 40  # of a line, before what goes on with it
_INSIDE = 4  # tags in a `<span>` before its first word
#: What may open right behind another such and be set beside it.
SET_BESIDE = frozenset("span time small em strong del ins".split())
_PARTING = frozenset(
    "/span /time /b /strong /em /i /a /label /small /cite /ins /del /s".split()
)  # ends of elements set side by side
_CURRENCIES = frozenset("$€£¥₹₽₩₺")
_ICONS = ("icon", "Icon", "material", "glyph", "fa-")  # of names: their words stand for drawings
_LABEL = re.compile(r' aria-label="([^"]*+)"')
_QUOTES = "\"'«»‹›“”„‚‘’「『"
_INVISIBLE = ("\u00ad", "\u200b", "\ufeff")  # soft hyphen, zero-width space, stray byte order mark
_OF_ICON_FONTS = re.compile("[\ue000-\uf8ff]")  # mean nothing but in the letters of the page
_WIDE = re.compile("[\u2e80-\uff60\U00020000-\U0003ffff]")
#: Lines of Chinese and Japanese are cut anywhere: no space stands for the end of one between such characters.
_CUT = re.compile(
    "(?<=[\u2e80-\u312f\u3190-\ua4cf\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\U00020000-\U0003ffff])[ \t\r]*+\n\\s*+"
    "(?=[\u2e80-\u312f\u3190-\ua4cf\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\U00020000-\U0003ffff])"
)


def joined_lines(text: str) -> str:
    """A text whose lines were cut between wide characters without the ends of these; see the segment breaks of CSS
    Text 3."""
    return _CUT.sub("", text) if "\n" in text else text


def may_be_cut(text: str) -> bool:
    """Whether a text has any wide characters, and more than one line."""
    return "\n" in text and _WIDE.search(text) is not None


def shown_letters(text: str, is_code: bool) -> str:
    """A text without what nobody sees, and, but in code, without the signs of icon fonts."""
    for invisible in _INVISIBLE:
        text = text.replace(invisible, "")
    return text if is_code else _OF_ICON_FONTS.sub("", text)


class InlineOfWalk(RowsOfWalk):
    """What a walk does at the tags inside a line."""

    leaves: list[Leaf]
    places: list[int]
    _blank: int
    _copies: dict[int, int]  # by what is said on screens of another size, that which is read
    _mute: int
    _quotes: list[bool]  # of the open `<q>`s, whether marks are written around them

    def _raise(self, _: str, written: str) -> None:
        """A number above the line, behind another: a power, a footnote, or the first half of a fraction."""
        if self._before().isdigit():
            self._write_in_signs(_RAISED, _SIGNS)

    def _lower(self, _: str, written: str) -> None:
        """A number below the line: only that of a fraction is told apart."""
        if self._before() in _FRACTIONS:
            self._write_in_signs(_LOWERED_NUMBER, _LOWERED)

    def _before(self) -> str:
        """The last character of the line that is read, "" at its beginning."""
        return next((piece[-1] for piece in reversed(self._buffer) if piece), "")

    def _write_in_signs(self, number: re.Pattern[str], signs: dict[int, int]) -> None:
        if self._mute or self._preformatted:
            return
        at, end = self._at, self._markup.end_of(self._at, _TAGS)
        if self._markup.tags[end : end + 1] != [f"/{self._markup.tags[at]}"]:
            return
        said = "".join(self._markup.texts[at + 1 : end + 1]).strip()
        if number.fullmatch(said):
            self._buffer.append(said.translate(signs))
            self._pass_over(end)

    def _open_quote(self, _: str, written: str) -> None:
        end = self._markup.end_of(self._at, _TAGS)
        said = "".join(self._markup.texts[self._at + 1 : end + 1]).strip()
        is_marked = not said or not {said[0], self._before()}.isdisjoint(_QUOTES)
        self._quotes.append(not (is_marked or self._mute or self._preformatted))
        if self._quotes[-1]:
            self._buffer.append("“")

    def _close_quote(self, *_: str) -> None:
        if self._quotes and self._quotes.pop():
            self._buffer.append("”")

    def _parts_words(self, at: int) -> bool:
        """Whether the `<span>` that opens here only parts a word from a number, as in <span>10</span><span>minutes, or
        from what begins as a new line does, as in <span>In stock</span><span>Ships today.

        The sign of a unit, as in 268kcal, is no word. So does one that begins with a capital, as no part of a word
        does, and of alike spans, which styles set side by side, each that is no single letter.
        """
        around = (self._markup.tags[at - 1], self._markup.tags[at])
        if self._preformatted or around[0] not in _PARTING:
            return False
        if "/time" in around or (around == ("/span", "time")):
            return True
        before, behind = self._buffer[-1][-_ENDING:], next(filter(None, self._markup.texts[at + 1 : at + _INSIDE]), "")
        alike = self._markup.attributes[at] if self._markup.tags[at - 2] == "span" else ""
        if alike and self._markup.attributes[at - 2] == alike:
            return min(len(self._markup.texts[at - 1].strip()), len(behind.strip())) > 1
        if behind[:1].isupper() and behind[1:2].islower():
            is_whole = len(before) == _ENDING and before.isalpha() and (before[1:].islower() or before.isupper())
            return is_whole or before[-1:].isdigit() or before[-1:] in "%)"
        if before[-1:].isdigit():
            return (behind[:_WORD].isalpha() and len(behind) >= _WORD) or behind[:1] in _CURRENCIES
        return before[-1:].isalpha() and behind[:1].isdigit()

    def _is_of_line(self, at: int, written: str) -> bool:
        """Whether what opens at a tag is hidden from screen readers alone, and is words in the middle of a line, or
        some of those of a heading that tells such readers all of it."""
        if not is_hidden_from_readers_alone(written) or any(map(written.__contains__, _ICONS)):
            return False
        end = self._markup.end_of(at, _LINE)
        said = "".join(self._markup.texts[at + 1 : end + 1])
        if "_" in said or not _SAYING.search(said) or not BLOCKS.isdisjoint(self._markup.tags[at:end]):
            return False
        if (heading := self.containers[self._container].tag) in HEADINGS:
            before = range(at, max(-1, at - _IN_HEADING), -1)
            opened = next((place for place in before if self._markup.tags[place] == heading), at)
            label = _LABEL.search(self._markup.attributes[opened])
            return label is not None and "".join(said.split()) in "".join(label[1].split())
        return self._has_text() and self._text_behind(end)

    def _goes_on(self, at: int) -> bool:
        """Whether the hidden element that opens at a tag goes on with the prose before it, behind a button for more."""
        shown = "".join(self._buffer[-_PIECES:])
        if not self._has_text():  # the button may be a link
            behind = self.leaves[max(self.containers[self._container].first, len(self.leaves) - 2) :]
            shown = next((text.text for text in reversed(behind) if isinstance(text, Text) and not text.link_chars), "")
        return goes_on(self._markup, at, shown)

    def _is_unread_copy(self, at: int) -> bool:
        """Whether what opens at a tag says on some screens what stands on others in a menu or the like."""
        read = self._copies.get(at, at)
        if read >= at:
            return False
        said = "".join(unescape(text_of(self._markup, read)).split())
        here = set(upward(self.containers, self._container))
        for place, leaf in zip(reversed(self.places), reversed(self.leaves), strict=True):
            if place <= read:
                break
            if isinstance(leaf, Text) and said in "".join(leaf.text.split()):
                around = (self.containers[some] for some in upward(self.containers, leaf.container) if some not in here)
                return any(part.chrome >= 0 or part.names.strong for part in around)
        return said not in "".join(unescape("".join(self._buffer[-2 * _PIECES :])).split())

    def _text_behind(self, at: int) -> bool:
        """Whether words follow a tag before a block or line ends."""
        tags = self._markup.tags
        for place in range(at + 1, min(at + _LINE, len(tags))):
            if self._lengths[place]:
                return True
            tag = (tags[place] or "").removeprefix("/")
            if tag in BLOCKS or tag in ("br", "img", "hr"):
                return False
        return False

    def _has_text(self) -> bool:
        while self._blank < len(self._buffer) and not self._buffer[self._blank].strip():
            self._blank += 1
        return self._blank < len(self._buffer)
