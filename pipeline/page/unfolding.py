"""Text that stands hidden in the page where its visible text stops, behind a button such as Read more."""

import re

from pipeline.page.markup import Markup, unescape
from pipeline.page.names import is_for_readers
from pipeline.text.words import phrase_list

_SHOWN, _HIDDEN = 60, 60  # characters of prose before, and of what goes on
_COPY, _COMPARED = 30, 2_000  # characters that tell a text from another, and of the one that is looked through
_NEAR, _TAGS = 10, 300  # tags between the text and the button; and of the text
_BUTTON, _WORDS = 4, 40  # tags between the button and its words, and characters of these
_ID = re.compile(r' id="([^"]+)"')
_LEADING_AWAY = re.compile(r' href="(?!#|javascript:|")')
_AROUND = " .…·:+-–—›»>‹«<→↓▼▾⌄∨⌃▲()[]"


def goes_on(markup: Markup, at: int, shown: str) -> bool:
    """Whether the hidden element that opens at a tag holds prose that follows on the text that is `shown` before it.

    A button right behind it, or right before, opens it: by what it says, or by naming it. A text that begins as the
    one before it does is the whole of which that is the first lines.
    """
    written, end = markup.attributes[at], markup.end_of(at, _TAGS)
    if markup.tags[end : end + 1] != [f"/{markup.tags[at]}"] or is_for_readers(written):
        return False
    if not (_is_opened_behind(markup, end, _ID.search(written)) or _is_opened_before(markup, at)):
        return False
    before = " ".join(unescape(shown[:_COMPARED]).split())
    hidden = " ".join(unescape("".join(markup.texts[at + 1 : end + 1])).split())
    is_copy = hidden[:_COPY] in before or before[:_COPY] in hidden
    return len(before) >= _SHOWN and len(hidden) >= _HIDDEN and not is_copy


def _is_opened_behind(markup: Markup, end: int, named: re.Match[str] | None) -> bool:
    for place in range(end + 1, min(end + _NEAR, len(markup.tags))):
        if markup.texts[place].strip():
            return _unfolds(markup, place)
        if named and f' aria-controls="{named[1]}"' in (markup.attributes[place] or ""):
            return True
    return False


def _is_opened_before(markup: Markup, at: int) -> bool:
    places = range(at, max(0, at - _NEAR), -1)
    said = next((place for place in places if markup.texts[place].strip()), 0)
    return said > 0 and _unfolds(markup, said)


def _unfolds(markup: Markup, place: int) -> bool:
    """Whether the words before a tag are those of a button that shows the rest, and no link to another page."""
    said = " ".join(unescape(markup.texts[place].strip()[: _WORDS + 1]).split())
    if len(said) > _WORDS or said.strip(_AROUND).lower() not in phrase_list("unfold"):
        return False
    around = range(max(0, place - _BUTTON), place)
    return not any(markup.tags[at] == "a" and _LEADING_AWAY.search(markup.attributes[at]) for at in around)
