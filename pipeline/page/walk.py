"""One pass over a page's markup, in reading order, into flat lists: the containers, and the texts and media they hold.

Iterative, so that no depth of nesting overflows a stack. What is main content is not decided here; see
`pipeline.page.content`.
"""

import re
from collections.abc import Callable
from itertools import accumulate, count, islice

from pipeline.page.anchors import Anchors
from pipeline.page.backgrounds import backgrounds
from pipeline.page.code import language_of
from pipeline.page.comments import headed_comments
from pipeline.page.dialogs import leave_out_dialogs
from pipeline.page.elements import (
    BLOCKS,
    CELLS,
    CHROME_TAGS,
    CONTENT_TAGS,
    DRAWINGS,
    HEADINGS,
    NEVER_CHROME,
    PLAYERS,
    ROLES,
    SECTIONS,
    SKIPPED,
)
from pipeline.page.forms import Forms
from pipeline.page.inline import SET_BESIDE
from pipeline.page.leaves import Container, Leaf
from pipeline.page.markup import Markup
from pipeline.page.media import MediaOfWalk
from pipeline.page.names import CHROME_NAMES, FACTS, NAMES_OF_ITEMS, UNNAMED, Names, is_hidden, read_names
from pipeline.page.notices import notices
from pipeline.page.numbering import Numbering
from pipeline.page.openers import MOST
from pipeline.page.tables import CELL_END, TABLE_PARTS, Grid
from pipeline.page.tabs import Tabs
from pipeline.page.twins import copies_for_screens, is_shown_twin
from pipeline.page.words import ITEMS, without_ends_of_links

_SPECIAL = HEADINGS | CHROME_TAGS | CELLS | {"li", "ul", "ol", "pre", "figure", "figcaption"}
_BLOCK_ENDS = [f"/{tag}" for tag in BLOCKS]
_SPECIAL_ENDS = [f"/{tag}" for tag in HEADINGS | CELLS | {"li", "ul", "ol", "pre"}]
_SCRAP = 0.02  # a share of the page nobody would miss in a part that is named as hardly ever content
_UNNAMED = HEADINGS | {"pre"}  # what these are does not depend on names: a heading goes with its section
_DRAWN = re.compile(r' data="([^"]+\.(?:svg|png|jpe?g|gif|webp))"', re.IGNORECASE)


class Walk(MediaOfWalk):
    """Walks a page on construction; `containers` and `leaves` are its outcome, both in document order.

    A part whose tag makes it chrome is passed over unless it holds more than `chrome_share` of the page's characters
    outside links. With `passes_over` false it is walked all the same, so that it can be shown. A part whose names alone
    make it chrome, or that is hidden, is walked: what it holds decides; but not a scrap whose names speak as clearly
    against it as `told`. `flagged` has the containers that are any of these. A `<noscript>` is read only on a page that
    shows less outside it than inside, and so are shadow trees.
    """

    def __init__(
        self,
        markup: Markup,
        base: str,
        min_declared_px: int = 50,
        chrome_share: float = 0.4,
        passes_over: bool = True,
        told: float = -1.2,
    ) -> None:
        self.containers: list[Container] = [Container("root", -1, "paragraph", UNNAMED, 0)]
        self.leaves: list[Leaf] = []
        self.places: list[int] = []  # of the leaves: the number of the tag behind them
        self.flagged: list[int] = []
        self.facts: list[int] = []  # those that say what a product is
        self.drawn: list[int] = []  # the containers of players and charts
        self.graphics: set[int] = set()  # those of drawings
        self.links: list[tuple[int, str]] = []  # the number of the leaf that a link begins in or before, and its tag
        self._markup, self.base, self._min_declared_px = markup, base, min_declared_px
        self._chrome_share, self._passes_over, self._told = chrome_share, passes_over, told
        self._at = self._container = 0  # the number of the tag that is looked at, and of the open block
        self._figure = -1
        self._buffer: list[str] = []
        self._blank, self._line = 0, -1  # so many parts of it are known to be blank
        self._footers: dict[str, bool] = {}
        self._articles, self._are_cards = 0, markup.tags.count("article") >= ITEMS  # open ones; and all
        self._link_chars = 0
        self._link = ""  # attributes of the open <a>
        self._is_linked = False  # inside one that leads away
        self._preformatted = 0
        self._quotes: list[bool] = []  # of the open <q>s, whether marks are written around them
        self._data_tables: list[Grid | None] = []  # of the open tables: None for those that hold no data
        self._noscript = 0
        self._mute = 0  # open elements whose text is not for reading
        self._muted: list[bool] = []  # of the open elements that may be such: whether they are
        self._lists = 0  # open ones
        self._mark = ""  # of the heading or list item whose text has not begun
        self._video: list[str] | None = None  # the attributes of the open <video> and its sources
        self._caption_of = -1  # container of the open caption
        self._figures: list[tuple[int, int, int]] = []  # open ones: container, and the figure and caption around it
        self._sources: list[str] = []
        self._below: dict[int, bool] = {}
        lengths = list(map(len, map(str.strip, markup.texts)))
        self._lengths = lengths
        unlinked = without_ends_of_links(markup, lengths)
        self._copies = copies_for_screens(markup)
        self._unseen = leave_out_dialogs(markup, unlinked) | self._copies.keys()
        self._backgrounds = backgrounds(markup, lengths)
        self._forms, self._anchors, self._tabs = Forms(markup), Anchors(markup), Tabs(markup)
        self._unlinked = list(accumulate(unlinked, initial=0))
        self._prose = self._outside_links(-1, len(lengths))
        self._reads_noscript, self._reads_shadow = self._is_in_noscript(), self._is_in_shadow()
        self._pieces = zip(count(), markup.texts, lengths, markup.tags, markup.attributes, strict=False)
        self._run()
        self._flush()
        while self._container >= 0:  # nothing stays open, whatever was taken for markup
            self._end(self.containers[self._container])
        if headed := headed_comments(self.containers, self.leaves, self.facts):
            self.flagged = sorted({*self.flagged, *headed})
        self.notices = notices(self.containers, self.leaves, self.places, markup)

    def _run(self) -> None:
        actions, buffer, shown_behind = self._actions(), self._buffer, self._backgrounds
        for at, text, length, tag, written in self._pieces:
            if text and (length or buffer or self._preformatted) and not self._mute:
                buffer.append(text)
                if self._is_linked:
                    self._link_chars += length
            if tag is None:
                continue
            if shown_behind and at in shown_behind:
                self._background(at, tag)
            action = actions.get(tag)
            if action is not None:
                self._at = at
                action(tag, written)
                continue
            if tag[0] == "/":
                continue
            if self._preformatted and written and tag in ("span", "code") and self._is_passed_over_in_code(at, written):
                continue
            if tag in SET_BESIDE and not text and buffer and self._parts_words(at):
                buffer.append(" ")
            elif buffer and "-" in tag and self._is_beside_another(at):
                self._flush()
            if written and "src=" in written and (tag == "span" or "-" in tag):
                self._at = at
                self._image_of_empty(written)
            if (
                (tag in SKIPPED and not (self._reads_shadow and tag == "template"))
                or (at in self._unseen and not self._is_unread_copy(at))
                or (written and is_hidden(written) and self._is_passed_over_as_hidden(tag, at, written))
            ):
                self._at = at
                if tag in DRAWINGS:
                    self.graphics.add(self._container)
                if "-" in tag and tag not in SKIPPED and self._share() > MOST:
                    continue
                self._pass_over(self._markup.end_of(at))
                if tag == "iframe":
                    self._embed([written])
                elif tag == "object" and (drawn := _DRAWN.search(written)):
                    self._image("img", f' src="{drawn[1]}"')

    def _pass_over(self, end: int) -> None:
        """Goes on behind the tag `end`."""
        next(islice(self._pieces, end - self._at, end - self._at), None)

    def _actions(self) -> dict[str, Callable[[str, str], object]]:
        """What to do at a tag; nothing is to be done at the others but to look whether they are hidden."""
        actions: dict[str, Callable[[str, str], object]] = dict.fromkeys(BLOCKS, self._open)
        actions |= dict.fromkeys(_SPECIAL, self._open_special)
        actions |= dict.fromkeys(_BLOCK_ENDS, self._close)
        actions |= dict.fromkeys(_SPECIAL_ENDS, self._close_special)
        return actions | {
            "a": self._open_link,
            "/a": self._close_link,
            "label": self._open_label,
            "/label": self._close,
            "br": self._break,
            "math": self._math,
            "sup": self._raise,
            "sub": self._lower,
            "q": self._open_quote,
            "/q": self._close_quote,
            **dict.fromkeys(("mi", "mn", "mo", "mtext"), self._append_space),  # the symbols of a formula
            "hr": lambda *_: self._flush(),
            **dict.fromkeys(("img", "amp-img", "amp-anim"), self._image),
            "source": self._source,
            "picture": self._picture,
            "/picture": self._picture,
            "noscript": self._open_muted,
            "/noscript": self._close_muted,
            "button": self._open_muted,  # its words are for clicking, but what opens a section is its heading
            "/button": self._close_muted,
            "video": self._open_video,
            "/video": self._close_video,
            "amp-video": self._open_video,
            "/amp-video": self._close_video,
            **dict.fromkeys(PLAYERS, self._embed_player),
            "embed": lambda _, written: self._embed([written]),
        }

    def _open(self, tag: str, written: str) -> bool:
        """A block. False if it is passed over."""
        if (self._preformatted or self._data_tables) and self._is_part_of_text(tag, written):
            return False
        if tag in TABLE_PARTS:
            self._open_table_part(tag)
        if tag == "p" and self.containers[self._container].tag in CELLS and self._fills_cell():
            return True
        if self._buffer:
            self._flush()
        return self._begin(tag, written)

    def _begin(self, tag: str, written: str) -> bool:
        containers, above = self.containers, self._container
        role = ROLES.get(tag) or containers[above].role
        names = self._names(written) if written else UNNAMED
        self._container = len(containers)
        containers.append(Container(tag, above, role, names, len(self.leaves)))
        self._articles += tag in CONTENT_TAGS
        if self._at in self._unseen and not self._is_unread_copy(self._at):
            containers[-1].names = names = Names(names.words, True)
            return self._open_flagged(tag, True, names)
        if names is UNNAMED:
            return True
        if not names.is_flagged and not names.is_drawn and not names.is_caption:
            return True
        if names.is_drawn:
            self.drawn.append(self._container)
        if names.is_caption and tag not in SECTIONS:
            self._open_figure(tag, written)
        if not names.is_flagged or (tag in _UNNAMED and not names.is_hidden):
            return True
        return self._open_flagged(tag, False, names)

    def _names(self, written: str) -> Names:
        """What the block that opens is called, by its attributes and by what opens or leads to it."""
        names = read_names(written)
        has_id = " id=" in written
        if has_id and names.is_flagged:
            names = self._anchors.without(self._at, written, names)
        if names.is_hidden and (self._is_shown(written, names) or is_shown_twin(self._markup, self._at, written)):
            names = names.shown()
        if has_id:
            names = self._tabs.named(written, names)
            if FACTS in names.words:
                self.facts.append(len(self.containers))
        return names

    def _open_flagged(self, tag: str, is_chrome: bool, names: Names) -> bool:
        """A block that may be something other than content. False if it is passed over."""
        self.flagged.append(self._container)
        if not is_chrome and not self._is_told(tag, names):
            return True
        share = self._share()
        if share > (self._chrome_share if is_chrome else _SCRAP):
            return True
        self.containers[self._container].chrome = share
        if self._passes_over:
            self._pass_over(self._markup.end_of(self._at))
            self._close(f"/{tag}", "")
            return False
        return True

    def _is_told(self, tag: str, names: Names) -> bool:
        """Whether its names leave no doubt that a scrap is chrome. The page's own items may be called menu or promo."""
        if not names.strong or names.hint > self._told or tag in NEVER_CHROME or "sidebar" in names.words:
            return False
        ends_item = "footer" in names.words and self._ends_item()
        return not ends_item and not (names.words & CHROME_NAMES <= NAMES_OF_ITEMS and self._is_prose(self._at))

    def _open_label(self, tag: str, written: str) -> None:
        if is_hidden(written):
            self._pass_over(self._markup.end_of(self._at))
        elif self._forms.is_label(self._at, written) and self._open(tag, written):
            self._open_flagged(tag, True, UNNAMED)

    def _open_special(self, tag: str, written: str) -> None:
        """A block of which something is to be remembered."""
        if tag in CELLS:
            self._open_cell(tag, written)
            return
        above = self.containers[self._container]
        if tag == "pre" and above.tag in CELLS and self._is_one_line():
            self._append_space()  # code in a table: the row stays one text
            return
        if not self._open(tag, written):
            return
        if tag == "li":
            self._mark = "  " * (self._lists - 1) + (above.numbering.mark(written) if above.numbering else "-") + " "
        elif tag in ("ul", "ol"):
            self._lists += 1
            self.containers[-1].numbering = Numbering.of(self._markup, self._at) if tag == "ol" else None
        elif tag in HEADINGS:
            number = self._mark.lstrip() if above.tag == "li" and self._mark.endswith(". ") else ""
            self._mark = "#" * int(tag[1]) + " " + number
        elif tag == "pre":
            self._preformatted += 1
            if language := language_of(self._markup, self._at):
                self._mark = f"```{language}\n"
        elif tag in CHROME_TAGS:
            if not self._is_content(tag, written):
                self._open_flagged(tag, True, UNNAMED)
        elif not self.containers[-1].names.is_caption:
            self._open_figure(tag, written)

    def _close(self, tag: str, _written: str) -> None:
        container = self.containers[self._container]
        if container.tag != tag[1:]:  # the end of something that was only text: see Markup
            return
        if tag == "/tr":
            self._lay_out_row()
        if self._buffer:
            self._flush()
        if tag == "/table" and self._data_tables:
            self._data_tables.pop()
        self._end(container)

    def _end(self, container: Container) -> None:
        if self._figures and self._figures[-1][0] == self._container:
            _, self._figure, self._caption_of = self._figures.pop()
        container.last, container.end = len(self.leaves), len(self.containers)
        self._articles -= container.tag in CONTENT_TAGS
        self._container = container.parent

    def _close_special(self, tag: str, written: str) -> None:
        container = self.containers[self._container]
        if container.tag != tag[1:]:
            return
        if container.tag in CELLS:
            if self._caption_of == self._container and not self._is_in_data():
                self._flush()  # of a picture in a cell above
            else:
                self._buffer.append(CELL_END)
            self._end(container)
            return
        self._close(tag, written)
        if tag == "/pre":
            self._preformatted -= 1
            if not self._preformatted:
                self._mark = ""
        elif tag in ("/ul", "/ol"):
            self._lists -= 1
        else:
            self._mark = ""
