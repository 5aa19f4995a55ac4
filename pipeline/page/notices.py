"""Notices that ask readers to agree to cookies, told by what they say, as their names are often hashes."""

from collections.abc import Collection

from pipeline.page.elements import NEVER_CHROME
from pipeline.page.leaves import Container, Leaf, Text, titles_of, upward
from pipeline.page.markup import Markup
from pipeline.text.words import phrase_list

#: One of these stands in each: few texts of a page need a closer look.
_COOKIES = (
    "ookie COOKIE куки Куки бисквитк колачић クッキー 쿠키 çerez Çerez eväste Eväste piškotk kolačić sütik vafrakök "
    "informasjonskaps slapuk küpsis sīkdat kakor galetes คุกกี้ الارتباط עוגיות"
).split()
_NOTICE = 800  # characters of a text that asks; a longer one is a policy
_MOSTLY, _MOST = 0.7, 3000  # of a notice, what speaks of cookies; its characters
_NEAR = 24  # tags behind the text, or before it, that hold what is to be pressed
_PRESSED = frozenset(("button", "input"))
_LEADS_NOWHERE = (' href="#', ' href="javascript', ' role="button"')


def notices(containers: list[Container], leaves: list[Leaf], places: list[int], markup: Markup) -> set[int]:
    """The leaves of such notices: of each the text that asks, and the part around it that speaks of cookies mostly.

    Beside it stands something to press, which no chapter of a policy has: `places` are the tags behind the leaves. A
    page whose title speaks of cookies is about them.
    """
    said = "\n".join([leaf.text for leaf in leaves if isinstance(leaf, Text)])
    if not (signs := [sign for sign in _COOKIES if sign in said]):
        return set()
    speaking = {
        index
        for index, leaf in enumerate(leaves)
        if isinstance(leaf, Text) and any(sign in leaf.text for sign in signs)
    }
    asking = [index for index in speaking if _asks(leaves[index]) and _is_to_press(markup, places[index])]
    if not asking or not speaking.isdisjoint(titles_of(leaves)):
        return set()
    found = set(asking)
    for index in asking:
        for at in upward(containers, leaves[index].container):
            part = containers[at]
            inside = range(part.first, part.last)
            if part.tag in NEVER_CHROME or not _speaks_mostly(leaves, inside, speaking):
                break
            found.update(inside)
    return found


def _asks(leaf: Leaf) -> bool:
    if not isinstance(leaf, Text) or len(leaf.text) > _NOTICE:
        return False
    said = leaf.text.lower()
    return any(map(said.__contains__, phrase_list("consent")))


def _speaks_mostly(leaves: list[Leaf], inside: range, speaking: Collection[int]) -> bool:
    lengths = {at: len(leaf.text) for at in inside if isinstance(leaf := leaves[at], Text)}
    whole = sum(lengths.values())
    return whole <= _MOST and sum(length for at, length in lengths.items() if at in speaking) >= _MOSTLY * whole


def _is_to_press(markup: Markup, place: int) -> bool:
    """Whether a button, or a link that leads nowhere, stands near a tag."""
    for at in range(max(0, place - _NEAR), min(place + _NEAR, len(markup.tags))):
        written = markup.attributes[at] or ""
        if markup.tags[at] in _PRESSED or (markup.tags[at] == "a" and any(map(written.__contains__, _LEADS_NOWHERE))):
            return True
    return False
