"""Who wrote a page, and when: as its `<meta>`s, JSON-LD, microdata and microformats say."""

import re
from typing import Any

from pipeline.page.elements import VOID
from pipeline.page.markup import Markup, read_attributes, unescape

_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
#: What libraries, archives and newsrooms call these.
_AUTHORS = ("citation_author", "dc.creator", "dcterms.creator", "parsely-author", "sailthru.author")
_DATES = tuple(
    "og:article:published_time citation_publication_date citation_date dc.date.issued dcterms.issued dcterms.created "
    "dc.date dcterms.date parsely-pub-date sailthru.date pubdate publish-date publication_date".split()
)
_MOST_AUTHORS = 10
_WRITTEN = ("Article", "Posting", "Recipe")  # ends of the names of types that somebody wrote
#: What the themes of WordPress and microformats call these.
_CLASSES_OF_AUTHORS = (' class="author vcard"', ' class="p-author', ' class="url fn')
_CLASSES_OF_DATES = (' class="entry-date', ' class="dt-published')
_NEAR_TITLE = 40  # tags
_LONGEST_MARKED, _MARKED_TAGS = 80, 40  # characters, and tags, of what is marked as an author or a date


def author_of(metas: dict[str, list[str]], things: list[dict[str, Any]], markup: Markup) -> str:
    """A name before the address of a profile, which is what Open Graph has in its place."""
    stated = [
        first(metas, "author"),
        first(metas, "article:author"),
        _names(_articles_first(things), "author"),
        first(metas, *_AUTHORS),
    ]
    named = next((value for value in stated if value and not _ADDRESS.match(value)), "")
    signs = (' itemprop="author"', ' rel="author"', *_CLASSES_OF_AUTHORS)
    marked = named or next(filter(None, (_marked(markup, sign) for sign in signs)), "")
    return marked or next(filter(None, stated), "")


def date_of(metas: dict[str, list[str]], things: list[dict[str, Any]], markup: Markup) -> str:
    stated = first(metas, "article:published_time", "date") or string(_articles_first(things), "datePublished")
    stated = stated or first(metas, *_DATES)
    signs = (' itemprop="datePublished"', *_CLASSES_OF_DATES)
    return stated or next(filter(None, (_marked(markup, sign) for sign in signs)), "") or _only_time(markup)


def _only_time(markup: Markup) -> str:
    """The only time that the page states as such, if it stands beside the title."""
    times = [at for at in markup.places("time") if " datetime=" in markup.attributes[at]]
    titles = markup.places("h1")
    if len(times) != 1 or len(titles) != 1 or abs(times[0] - titles[0]) > _NEAR_TITLE:
        return ""
    return _value_of(markup, times[0])


def _marked(markup: Markup, sign: str) -> str:
    """What the elements say that bear an attribute; "" where they differ, as in a list of stories."""
    found = ""
    for at in markup.bearing(sign):
        if (value := _value_of(markup, at)) and value != found:
            if found:
                return ""
            found = value
    return found


def _value_of(markup: Markup, at: int) -> str:
    """The value of an item of microdata, or its name: as an attribute says it, or its words if they are few."""
    end = at if markup.tags[at] in VOID else markup.end_of(at, _MARKED_TAGS)
    last = min(end, len(markup.tags) - 1)
    named = (place for place in range(at + 1, last) if ' itemprop="name"' in (markup.attributes[place] or ""))
    if place := next(named, 0):
        at, end = place, place if markup.tags[place] in VOID else markup.end_of(place, _MARKED_TAGS)
    said = read_attributes(markup.attributes[at])
    text = said.get("content") or said.get("datetime") or unescape("".join(markup.texts[at + 1 : end + 1]))
    text = clean(text).removeprefix("By ").removeprefix("by ")
    return text if len(text) <= _LONGEST_MARKED and not _ADDRESS.match(text) else ""


def _names(things: list[dict[str, Any]], name: str) -> str:
    """Of the first thing that names any: all, with commas between."""
    for thing in things:
        stated = thing.get(name)
        values = stated[:_MOST_AUTHORS] if isinstance(stated, list) else [stated]
        if names := list(dict.fromkeys(filter(None, (_name(value, things) for value in values)))):
            return ", ".join(names)
    return ""


def _name(value: Any, things: list[dict[str, Any]]) -> str:
    if isinstance(value, dict) and "name" not in value and isinstance(known := value.get("@id"), str):
        value = next((other for other in things if other.get("@id") == known and "name" in other), value)
    value = value.get("name") if isinstance(value, dict) else value
    return value if isinstance(value, str) else ""


def _articles_first(things: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What JSON-LD says of the page's article before what it says of the page and its site."""
    return sorted(things, key=lambda thing: not str(thing.get("@type")).rstrip("']").endswith(_WRITTEN))


def string(things: list[dict[str, Any]], name: str) -> str:
    return next((value for thing in things if isinstance(value := thing.get(name), str) and value), "")


def first(metas: dict[str, list[str]], *names: str) -> str:
    return next((value for name in names for value in metas.get(name, []) if value), "")


def clean(text: str) -> str:
    return " ".join(text.split())
