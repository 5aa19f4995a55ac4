"""Cells of a table that say something by an icon alone: what it is called is the cell's text.

Tables that compare plans or products say yes and no so.
"""

import re

from pipeline.page.elements import CELLS, DRAWINGS
from pipeline.page.markup import Markup
from pipeline.page.names import is_for_readers, is_hidden
from pipeline.page.twins import is_hidden_from_readers_alone, is_shown_twin

_CALLED = re.compile(r' (?:aria-label|title)="([^"]{1,60})"')
_ENDS = frozenset(f"/{tag}" for tag in CELLS)
_TAGS, _LONGEST = 40, 60  # in such a cell; characters of a label
#: What is there to be pressed, or is a picture, which is read as one.
_OTHERS = frozenset("a button img input label picture select table".split())


def label_of_icon(markup: Markup, at: int) -> str:
    """What the icon is called that is all of the cell which opens at a tag; "" where something else stands in it.

    Its own attributes say so, the title of its drawing, or words for screen readers beside it.
    """
    called = told = ""
    has_icon = False
    place, end = at + 1, min(at + _TAGS, len(markup.tags) - 1)
    while place < end and not markup.texts[place].strip():
        tag, written = markup.tags[place] or "", markup.attributes[place] or ""
        if tag in _ENDS:
            return called or (told if has_icon else "")
        if tag in _OTHERS or is_shown_twin(markup, place, written):
            return ""
        is_away = is_hidden(written)
        if (found := _CALLED.search(written)) and (not is_away or is_hidden_from_readers_alone(written)):
            called = called or found[1].strip()
        has_icon = has_icon or tag in DRAWINGS or _is_empty(markup, place)
        if is_away or tag in DRAWINGS:
            inside, place = place, markup.end_of(place, _TAGS)
            if tag in DRAWINGS or is_for_readers(written):
                told = told or _said(markup, inside, place)
        place += 1
    return ""


def _said(markup: Markup, at: int, end: int) -> str:
    said = " ".join("".join(markup.texts[at + 1 : end + 1]).split())
    return said if len(said) <= _LONGEST else ""


def _is_empty(markup: Markup, at: int) -> bool:
    return markup.tags[at + 1] == f"/{markup.tags[at]}" and not markup.texts[at + 1].strip()
