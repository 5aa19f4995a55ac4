"""Notices that ask readers to agree to cookies, told by what they say, as their names are often hashes."""

import re
from collections.abc import Collection

from pipeline.page.elements import NEVER_CHROME
from pipeline.page.leaves import Container, Leaf, Text, titles_of, upward
from pipeline.page.markup import Markup
from pipeline.text.words import phrase_list

_COOKIES = ("ookie", "OOKIE")  # one of these stands in each, in most languages; few texts need a closer look
#: What others call them.
_OWN_WORDS = {
    "ar": "الارتباط",
    "bg": "бисквитк",
    "ca": "galetes",
    "et": "küpsis",
    "fi": "eväste",
    "he": "עוגיות",
    "hr": "kolačić",
    "hu": "sütik",
    "is": "vafrakök",
    "ja": "クッキー",
    "ko": "쿠키",
    "lt": "slapuk",
    "lv": "sīkdat",
    "nb": "informasjonskaps",
    "no": "informasjonskaps",
    "ru": "куки",
    "sl": "piškotk",
    "sr": "колачић",
    "sv": "kakor",
    "th": "คุกกี้",
    "tr": "çerez",
}
_LANGUAGE = re.compile(r' (?:xml:)?lang="([a-z]{2})', re.IGNORECASE)
_FIRST, _LAST = 60, 100  # texts of a page, among which a notice stands
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
    texts = [(index, leaf.text) for index, leaf in enumerate(leaves) if isinstance(leaf, Text)]
    if len(texts) > _FIRST + _LAST:
        texts[_FIRST:-_LAST] = []
    said = "\n".join([text for _, text in texts])
    if not (signs := [sign for sign in (*_COOKIES, *_own_words(markup)) if sign in said]):
        return set()
    speaking = {index for index, text in texts for sign in signs if sign in text}
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


def _own_words(markup: Markup) -> tuple[str, ...]:
    """What cookies are called in the language that the page says it is in, if that has a word of its own."""
    stated = (_LANGUAGE.search(markup.attributes[at] or "") for at in markup.places("html"))
    word = next((_OWN_WORDS.get(language[1].lower(), "") for language in stated if language), "")
    return (word, word.capitalize()) if word else ()


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
