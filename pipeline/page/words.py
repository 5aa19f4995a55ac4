"""The part of a walk that reads running text: words, line ends, links, and what is not for reading.

See `pipeline.page.walk`.
"""

import re
from collections.abc import Iterable
from itertools import islice

from pipeline.page.code import CODE_ENDS, CODE_NAMES, GUTTERS, indented_line, is_gutter
from pipeline.page.elements import CELLS, HEADINGS, LAID_OUT
from pipeline.page.forms import Forms
from pipeline.page.inline import joined_lines, may_be_cut, shown_letters
from pipeline.page.leaves import Leaf, Text, upward
from pipeline.page.markup import Markup, unescape
from pipeline.page.names import is_box, is_hidden, is_titled, read_names
from pipeline.page.numbering import without_second_number
from pipeline.page.openers import LOOK_AHEAD, OPENERS, OpenersOfWalk
from pipeline.page.tables import CELL_END, collapse_row, is_short_row
from pipeline.text.words import phrase_list

_BLANKS = " \t\r\n"
_CELL = LAID_OUT["td"]
_BREAK = "\u2028"  # a `<br>`, until line ends of the source have become spaces
_AROUND = 4  # parts around numbers of lines
_CODE_NEAR = 8  # tags behind them that code may begin in
_RUN = 60  # characters without a tag between them, outside links: no entry of a menu has them
_SIGN = 40  # characters: more are no signs in a line
_NO_WAY_OFF = re.compile(r' href="(?:#[^"]|mailto:[^"?]|tel:)')
_BUTTONS = "button btn cart wish compare quick basket".split()  # names of links that may be buttons
_IN_BUTTON = 12  # tags
_OF_BOX = 12  # tags behind an element that tell whether it is a box of the text
ITEMS = 3  # so many parts written alike are of the items of a list
_FOOTERS = 30  # ways in which they are written that are looked for: those of items are written alike
_NOTES = frozenset(("footnotes", "endnotes"))  # what the end of an article that has them is called
_SAYING = 20  # characters that are more than a price or a date
_MARKS = frozenset("¶#§🔗")  # that lead to the heading they stand in
_BACK = frozenset("↩ ↑ ⤴ ⏎ ^ ⇑ ⬆".split())  # from a note to what it is of
_MARK, _VARIATIONS = 20, "\ufe0e\ufe0f"  # characters of such a mark, which may be written as references
_SUBHEADINGS = HEADINGS - {"h1"}


def is_place(written: str) -> bool:
    """Whether an `<a>` leads nowhere but is led to: it is often left open, and then reaches to the next one."""
    return " href=" not in written and (" name=" in written or " id=" in written)


def without_ends_of_links(markup: Markup, lengths: list[int]) -> list[int]:
    """So many characters before each tag, but 0 before the end of a link."""
    unlinked = lengths.copy()
    for end in markup.places("/a"):
        unlinked[end] = 0
    for at in markup.places("a"):
        if is_place(markup.attributes[at]):
            end = markup.end_of(at)
            unlinked[end] = lengths[end]
    return unlinked


class WordsOfWalk(OpenersOfWalk):
    """What a walk does with words until a block ends and they become a leaf."""

    leaves: list[Leaf]
    links: list[tuple[int, str]]
    places: list[int]
    _figure: int
    _caption_of: int
    _mark: str
    _link: str
    _link_chars: int
    _prose: int
    _is_linked: bool
    _is_action_open: bool = False  # inside a link that is a button, and a text of its own
    _noscript: int
    _reads_noscript: bool
    _mute: int
    _muted: list[bool]
    _articles: int
    _are_cards: bool
    _forms: Forms
    _footers: dict[str, bool]  # by how they are written, whether they are of items

    def _flush(self) -> None:
        """What was read since the last block boundary becomes a leaf."""
        if not self._buffer:
            return
        text = unescape("".join(self._buffer))
        if not text.isascii():
            if not self._preformatted and may_be_cut(text):
                text = unescape("".join(map(joined_lines, self._buffer)))
            text = shown_letters(text, is_code=self._preformatted > 0)
        link_chars, self._link_chars = self._link_chars, 0
        self._buffer.clear()
        self._blank, self._line = 0, -1
        if self._preformatted:
            text = "" if self._is_gutter(text) else text.strip("\n").rstrip()
        elif _BREAK in text and CELL_END in text and (self._is_in_data() or is_short_row(text, _BREAK)):
            text = collapse_row(text.replace(_BREAK, " "))
        elif _BREAK in text:
            is_code = "\xa0" in text and self._ends_code()
            lines = map(indented_line if is_code else collapse_row, text.split(_BREAK))
            text = "\n".join(line for line in lines if line)
        else:
            text = collapse_row(text)
        if text and self._mark:
            self._mark = without_second_number(self._mark, text)
        if text:
            role = "caption" if self._caption_of >= 0 else self.containers[self._container].role
            self._append(Text(text, role, self._mark, self._container, link_chars, self._figure))
            self._mark = ""

    def _is_gutter(self, text: str) -> bool:
        """Whether the code that ends here is the numbers of lines, or, in a cell of such a name, of a single one.

        Numbers that neither stand in a cell, nor are named so, nor have code behind them may be what a program wrote.
        """
        around = [self.containers[at] for at in islice(upward(self.containers, self._container), _AROUND)]
        if any(not GUTTERS.isdisjoint(part.names.words) for part in around[:2]) and text.strip().isdecimal():
            return True
        is_beside = any(part.tag in CELLS or not GUTTERS.isdisjoint(part.names.words) for part in around)
        return is_gutter(text) and (is_beside or "pre" in self._markup.tags[self._at + 1 : self._at + 1 + _CODE_NEAR])

    def _ends_code(self) -> bool:
        """Whether the text that ends here is code outside `<pre>`."""
        if self._markup.tags[self._at - 1] in CODE_ENDS:
            return True
        around = islice(upward(self.containers, self._container), 2)
        return any(not CODE_NAMES.isdisjoint(self.containers[at].names.words) for at in around)

    def _append(self, leaf: Leaf) -> None:
        self.leaves.append(leaf)
        self.places.append(self._at)

    def _open_link(self, _: str, written: str) -> None:
        if is_hidden(written) and not self._holds(("img",)):  # that of a picture is often hidden from screen readers
            self._pass_over(self._markup.end_of(self._at))
            return
        if not self._preformatted and any(map(written.__contains__, _BUTTONS)) and self._is_action():
            self._flush()
            self._is_action_open = True
        if "#" in written and self._is_permalink():
            self._pass_over(self._at + 1)
            return
        if self._buffer and self._markup.tags[self._at - 1] == "/a" and not self._markup.texts[self._at]:
            self._buffer.append(" ")  # a row of buttons: styles part them
        self._link = written
        self.links.append((len(self.leaves), written))
        # a place in the same page, as of a footnote or heading, is not a way off, nor is an address to write to
        self._is_linked = not (_NO_WAY_OFF.search(written) or is_place(written))

    def _is_action(self) -> bool:
        """Whether the link that opens here is a button of a shop, such as Add to cart: a text of its own."""
        end = self._markup.end_of(self._at, _IN_BUTTON)
        said = " ".join("".join(self._markup.texts[self._at + 1 : end + 1]).split())
        return said.lower() in phrase_list("actions")

    def _is_permalink(self) -> bool:
        """Whether the link that opens here is only the mark by which a heading or a name is pointed at, or that leads
        back from a note."""
        said = self._markup.texts[self._at + 1].strip()
        if len(said) > _MARK or self._markup.tags[self._at + 1] != "/a":
            return False
        said = unescape(said).rstrip(_VARIATIONS)
        if said not in _MARKS:
            return said in _BACK and _NO_WAY_OFF.search(self._markup.attributes[self._at]) is not None
        return said == "¶" or self.containers[self._container].tag in OPENERS

    def _close_link(self, *_: str) -> None:
        if self._is_action_open:
            self._flush()
        self._link, self._is_linked, self._is_action_open = "", False, False

    def _break(self, *_: str) -> None:
        if self._buffer and self._parts_paragraphs():
            self._flush()
        else:
            self._buffer.append("\n" if self._preformatted else " " if self._is_in_data() else _BREAK)

    def _parts_paragraphs(self) -> bool:
        """Whether two ends of a line are that of a paragraph, as in pages that tables lay out."""
        if self.containers[self._container].tag != _CELL or self._is_linked:
            return False
        return "".join(self._buffer[-2:]).rstrip(_BLANKS).endswith(_BREAK)

    def _append_space(self, *_: str) -> None:
        if self._buffer:
            self._buffer.append(" ")

    def _open_muted(self, tag: str, written: str) -> None:
        if tag == "noscript":
            is_read = self._reads_noscript
        else:
            around = self.containers[self._container].tag
            is_read = around in OPENERS or around == "th" or self._opens_text(written) or self._holds(HEADINGS)
        self._muted.append(not is_read)
        self._mute += not is_read
        self._noscript += tag == "noscript" and not is_read

    def _is_in_noscript(self) -> bool:
        """Whether most of what the page says stands in `<noscript>`, as in forums that scripts draw.

        A page that a browser has written out has markup there as text: the trackers that it did not ask.
        """
        places = self._markup.places("noscript")
        return self._is_inside(at for at in places if not self._markup.texts[at + 1].lstrip().startswith("&lt;"))

    def _is_in_shadow(self) -> bool:
        """Whether most of what the page says stands in shadow trees that it declares itself, by `<template>`."""
        return self._is_inside(self._markup.bearing(' shadowrootmode="'))

    def _is_inside(self, places: Iterable[int]) -> bool:
        """Whether most of the page's prose stands in some elements."""
        inside, end = 0, -1
        for at in places:
            if at > end:
                end = self._markup.end_of(at)
                inside += self._outside_links(at, end)
        return inside > 0.5 * self._prose

    def _is_beside_another(self, at: int) -> bool:
        """Whether an element of the page's own that opens at a tag follows another, with no word between: blocks do.

        By themselves such elements are inline. Signs that follow each other are, too: they are alike, and short.
        """
        tag, before, between = self._markup.tags[at] or "", self._markup.tags[at - 1] or "", self._markup.texts[at]
        if before[:1] != "/" or "-" not in before or between.strip():
            return False
        if self._preformatted or self._data_tables:
            return False
        return before[1:] != tag or not between or sum(map(len, self._buffer)) > _SIGN

    def _holds_paragraphs(self) -> bool:
        """Whether most of what the element that opens here says are long runs of words outside links."""
        end = self._markup.end_of(self._at, LOOK_AHEAD)
        runs = (self._outside_links(at - 1, at) for at in range(self._at + 1, end + 1))
        return 2 * sum(run for run in runs if run >= _RUN) > sum(self._lengths[self._at + 1 : end + 1])

    def _is_content(self, tag: str, written: str) -> bool:
        """Whether an element that is chrome elsewhere is none here.

        That is the header of an article, of a section, or of a page if it says more than the title, the end of a card
        that says when, a form with nothing to fill in, a box of the text with a title, or a picture that leads nowhere,
        and the answer to a question that a site's builder writes into a menu.
        """
        if tag == "nav":
            return self._holds_paragraphs()
        if tag == "footer":
            if not _NOTES.isdisjoint(read_names(written).words):
                return True
            is_of_quote = self.containers[self._container].role == "quote"  # and says who said it
            return is_of_quote or (self._articles > 0 and self._are_cards and self._holds(("time",)))
        if tag == "header":
            if self._articles > 0 or self._heads_section():
                return True
            return self._holds(("h1",)) and self._holds_paragraphs()
        if tag not in ("form", "aside"):
            return False
        if tag == "form":
            return not self._forms.is_filled_in(self._at, written)
        near = filter(None, self._markup.attributes[self._at + 1 : self._at + _OF_BOX])
        return is_box(written) or is_titled(near) or (self._articles > 0 and self._is_picture())

    def _is_picture(self) -> bool:
        """Whether the element that opens here holds a figure and no link."""
        return self._holds(("figure",)) and not self._holds(("a",))

    def _heads_section(self) -> bool:
        """Whether the header that opens here is that of a section: it holds a heading, and neither menu nor form."""
        around = self.containers[self.containers[-1].parent]
        return around.tag == "section" and self._holds(_SUBHEADINGS) and not self._holds(("nav", "form", "h1"))

    def _close_muted(self, tag: str, _: str) -> None:
        was_muted = self._muted.pop() if self._muted else False
        self._mute -= was_muted
        self._noscript -= tag == "/noscript" and was_muted

    def _ends_item(self) -> bool:
        """Whether the part named footer that opens here is one of several written alike, and says more than a price."""
        if self._outside_links(self._at, self._markup.end_of(self._at, LOOK_AHEAD)) < _SAYING:
            return False
        written = self._markup.attributes[self._at]
        if written not in self._footers and len(self._footers) < _FOOTERS:
            self._footers[written] = self._markup.attributes.count(written) >= ITEMS
        return self._footers.get(written, False)
