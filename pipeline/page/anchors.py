"""Anchors: ids that a generator of manuals makes of the headings of its sections, for links to lead there.

They say what a section is about, not what it is: that on logins is called `login`, that on menus `menu`.
"""

import re
from functools import cached_property

from pipeline.page.elements import HEADINGS
from pipeline.page.markup import Markup
from pipeline.page.names import CHROME_NAMES, COMMENT_NAMES, WEAK_NAMES, Names, read_names
from pipeline.text.tokens import tokens

_ID = re.compile(r' id="([^"]+)"')
_NEAR = 8  # tags behind the beginning of a section: its heading stands among them
_MANUAL = 3  # sections whose ids are their headings, and no names of furniture: one may be called so by accident
_FURNITURE = CHROME_NAMES | COMMENT_NAMES | WEAK_NAMES


class Anchors:
    """Tells the ids of a page that are anchors, if it is written by such a generator."""

    def __init__(self, markup: Markup) -> None:
        self._markup = markup

    def without(self, at: int, written: str, names: Names) -> Names:
        """The names of the block that opens at a tag, without its id if that is an anchor."""
        named = _ID.search(written)
        if named is None or not self._is_anchor(at, named[1]) or not self._is_manual:
            return names
        return read_names(written.replace(named[0], ""))

    def _is_anchor(self, at: int, name: str) -> bool:
        """Whether the id of the block that opens at a tag has the words of the heading it begins with, and one more at
        most: Docutils may be told to begin them all alike."""
        inside = range(at + 1, min(at + _NEAR, len(self._markup.tags)))
        first = next((at for at in inside if self._markup.tags[at] in HEADINGS), None)
        if first is None:
            return False
        heading = " ".join(self._markup.texts[first + 1 : self._markup.end_of(first, _NEAR) + 1])
        words, said = tokens(name), tokens(heading)
        return bool(said) and said <= words and len(words) <= len(said) + 1

    @cached_property
    def _is_manual(self) -> bool:
        count = 0
        for tag in ("section", "div"):
            for at in self._markup.places(tag):
                named = _ID.search(self._markup.attributes[at])
                if named and _FURNITURE.isdisjoint(tokens(named[1])) and self._is_anchor(at, named[1]):
                    count += 1
                    if count == _MANUAL:
                        return True
        return False
