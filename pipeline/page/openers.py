"""The part of a walk that tells what a page hides until a reader opens it; see `pipeline.page.walk`."""

import re
from collections.abc import Collection
from itertools import takewhile

from pipeline.page.elements import HEADINGS, MEDIA, VOID
from pipeline.page.inline import InlineOfWalk
from pipeline.page.names import PANELS, Names, is_put_away, read_names
from pipeline.page.twins import is_shown_twin

#: How many tags are looked at for what an element holds.
LOOK_AHEAD = 300
_NEAR, _BEFORE = 8, 12  # tags behind a button that may hold what it opens, and before that the button
_OPENS = re.compile(r' aria-controls="([^"]+)"')
MOST = 0.6  # a share of the page that is never hidden
_ID = re.compile(r' id="([^"]+)"')
_ANSWER = 20  # characters; fewer are no answer
_QUESTION_ENDS = ("?", "？", "؟")
OPENERS = HEADINGS | {"dt", "summary"}  # whose button opens a section and is its heading
_SAYING = 20  # characters that are more than a caption


class OpenersOfWalk(InlineOfWalk):
    """What a walk asks of buttons and of what stands hidden behind them."""

    _prose: int
    _unlinked: list[int]  # before each tag, the characters outside links

    def _outside_links(self, start: int, end: int) -> int:
        """How many characters stand between two tags, but not right before the end of a link."""
        last = len(self._unlinked) - 1
        return self._unlinked[min(end + 1, last)] - self._unlinked[min(start + 1, last)]

    def _is_passed_over_as_hidden(self, tag: str, at: int, written: str) -> bool:
        if tag in VOID or tag in MEDIA or is_shown_twin(self._markup, at, written) or self._is_of_line(at, written):
            return False
        if tag == "span" and self._has_text() and self._goes_on(at):
            return False
        return "-" not in tag or read_names(written).is_hidden  # a site's own element may be a tab

    def _opens_text(self, written: str) -> bool:
        """Whether a `<button>` names what stands behind it, and that is for reading: its words are the heading.

        Or it asks what that answers, and names nothing: scripts open it by its place.
        """
        end = self._markup.end_of(self._at, LOOK_AHEAD)
        named = _OPENS.search(written)
        if not named or "aria-expanded=" not in written:
            return self._is_answered(end)
        panel = f' id="{named[1]}"'
        places = range(end, min(end + _NEAR, len(self._markup.attributes)))
        return any(panel in (self._markup.attributes[at] or "") and self._is_prose(at) for at in places)

    def _is_answered(self, end: int) -> bool:
        """Whether a button that ends at a tag is a question, and a sentence stands behind it outside links."""
        said = " ".join("".join(self._markup.texts[self._at + 1 : end + 1]).split())
        if not said.endswith(_QUESTION_ENDS):
            return False
        behind = self._markup.tags[end + 1 : end + 1 + _NEAR]
        until = next((at for at, tag in enumerate(behind) if tag in ("button", "a")), len(behind))
        return self._outside_links(end, end + until + 1) >= _ANSWER

    def _share(self) -> float:
        """The share of the page's characters outside links that the element which opens here holds."""
        return self._outside_links(self._at, self._markup.end_of(self._at)) / max(1, self._prose)

    def _is_shown(self, written: str, names: Names) -> bool:
        """Whether what is hidden is what a script will show, or what a reader opens.

        The first is most of the page or holds its only title, and is no dialog, the second stands behind the button or
        link that names it.
        """
        if not names.strong and (self._share() > MOST or self._holds_title()):
            return True
        if not self._is_prose(self._at):
            return False
        if self._goes_on(self._at):
            return True
        first = max(0, self._at - _BEFORE)
        if tags := [tag for tag in self._markup.tags[first : self._at] if tag]:
            closed = [tag[1:] for tag in takewhile(lambda tag: tag[0] == "/", reversed(tags))]
            around = self.containers[self._container].names.words
            opens = not OPENERS.isdisjoint(closed) or is_put_away(written) or not PANELS.isdisjoint(around)
            if "button" in closed and (opens or self._is_asked(first)):
                return True
        named = _ID.search(written)
        openers = (f'="{named[1]}"', f'="#{named[1]}"') if named else ()
        before = list(filter(None, self._markup.attributes[first : self._at]))
        return any(opener in said for said in before for opener in openers)

    def _is_asked(self, first: int) -> bool:
        """Whether the last button from a tag on asks what stands behind it answers."""
        tags = self._markup.tags
        button = next((at for at in range(self._at - 1, first - 1, -1) if tags[at] == "button"), -1)
        said = "".join(self._markup.texts[button + 1 : self._at]).rstrip() if button >= 0 else ""
        return said.endswith(_QUESTION_ENDS)

    def _holds_title(self) -> bool:
        """Whether the only `<h1>` of the page stands in the element that opens here, and words behind it."""
        titles = self._markup.places("h1")
        if len(titles) != 1 or titles[0] <= self._at:
            return False
        end = self._markup.end_of(self._at)
        return titles[0] < end and self._outside_links(self._markup.end_of(titles[0]), end) >= _SAYING

    def _is_prose(self, at: int) -> bool:
        """Whether what opens at a tag holds words, most of them outside links."""
        end = self._markup.end_of(at, LOOK_AHEAD)
        return 2 * self._outside_links(at, end) > sum(self._lengths[at + 1 : end + 1])

    def _holds(self, tags: Collection[str]) -> bool:
        """Whether one of these stands inside the element that opens here."""
        end = self._markup.end_of(self._at, LOOK_AHEAD)
        return not set(tags).isdisjoint(self._markup.tags[self._at : end])
