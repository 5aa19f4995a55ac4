"""Tabs and other parts that a link or button of the page opens or leads to: its words are their heading.

The heading of such a part stands in the bar of tabs, far from what it is over, and names it by its id.
"""

import re
from functools import cached_property

from pipeline.page.comments import name_of_headed
from pipeline.page.markup import Markup, unescape
from pipeline.page.names import CHROME_NAMES, FACTS, Names

_LEADS = re.compile(r' (href(?=="#)|aria-controls|data-target|data-bs-target)="#?([A-Za-z][^"\s/?]*)"')
_ID = re.compile(r' id="([^"]+)"')
_WORDS = 12  # tags: more are no title of a tab


class Tabs:
    """Tells which parts of a page are opened by words that announce reviews, delivery or other goods."""

    def __init__(self, markup: Markup) -> None:
        self._markup = markup

    def named(self, written: str, names: Names) -> Names:
        """The names of the block that opens with some attributes, and what the title of its tab calls it.

        What says what a product is is neither hidden nor a dialog, however it opens.
        """
        if not self._panels or not (found := _ID.search(written)) or found[1] not in self._panels:
            return names
        name, opens = self._panels[found[1]]
        if name == FACTS and opens:
            return Names((names.words - CHROME_NAMES) | {name}, False)
        return Names(names.words | {name}, names.is_hidden)

    @cached_property
    def _panels(self) -> dict[str, tuple[str, bool]]:
        """What the parts are called, by their ids, and whether they open where they are led to."""
        found: dict[str, tuple[str, bool]] = {}
        for tag in ("a", "button"):
            for at in self._markup.places(tag):
                written = self._markup.attributes[at] or ""
                may_lead = '="#' in written or "aria-controls" in written or "target=" in written
                leads = _LEADS.search(written) if may_lead else None
                if leads and leads[2] not in found and (name := name_of_headed(self._said(at))):
                    found[leads[2]] = name, leads[1] != "href"
        return found

    def _said(self, at: int) -> str:
        end = self._markup.end_of(at, _WORDS)
        return unescape(" ".join(self._markup.texts[at + 1 : end + 1]))
