"""What a page says of itself: title, author, date, licence, canonical address, consent, lead images."""

import functools
import html
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from pipeline.page.addresses import ends_in_title, is_of_board, is_of_goods, is_of_question, is_of_story, is_of_thread
from pipeline.page.authorship import author_of, clean, date_of, first, string
from pipeline.page.forms import INGREDIENT
from pipeline.page.lead_images import lead_images, marked_images
from pipeline.page.markup import Markup, read_attributes, unescape
from pipeline.page.recipes import listed
from schemas.consent import read_consent
from schemas.documents import Consent
from schemas.response_signals import ROBOTS_NAMES, RSL_TYPE, Statements
from schemas.urls import PageBase, host_of, registered_domain, resolve

_CREATIVE_COMMONS = re.compile(r"https?://(?:www\.)?creativecommons\.org/(?:licenses|publicdomain)/[\w./-]+")
_MICRODATA, _ITEMS = re.compile(r'itemtype="https?://schema\.org/(\w+)"'), 'itemtype="http'
_ARTICLES = frozenset("Article BlogPosting NewsArticle ReportageNewsArticle Recipe".split())
_INDEXES = frozenset(("CollectionPage", "SearchResultsPage"))
_THREADS = frozenset(("DiscussionForumPosting",))
_QUESTIONS = frozenset(("qa", "question"))
#: Those that nobody means to show: a title may speak of `&lt;b&gt;` or `&nbsp;`.
_REFERENCE = re.compile(r"&(?:#\d{2,6}|#x[\da-f]{2,5}|amp|quot|apos);", re.IGNORECASE)
_CONTROLS = re.compile(r"[\x00-\x1f]")
_STATING = ("html", "meta", "base", "link")
_TELLING = ("canonical", "licens", "image")  # one of these stands in each `<link>` that is asked for something
_MAX_BASE = 4_096  # characters, which every relative address of the page would have

_Stated = list[tuple[str, dict[str, str]]]  # tags that state something, and their attributes


class Metadata(msgspec.Struct):
    """Filled from `<head>`, `rel=license` links, JSON-LD and microdata. Absent values are ""."""

    base: str
    title: str = ""
    author: str = ""
    date: str = ""
    language: str = ""
    licence: str = ""
    canonical_url: str = ""
    consent: Consent = Consent()
    stated: Statements = Statements()
    """All that the markup says about the use of the page."""

    lead_images: list[str] = []
    page_type: str = ""
    """What Open Graph calls it: article, website, product."""
    kinds: frozenset[str] = frozenset()
    """The types of the things that JSON-LD and microdata describe."""

    is_thread: bool = False
    """Whether it says, or its address, that what readers wrote is its content."""

    is_question: bool = False
    """Whether it says, or its address, that it is a question with its answers."""

    is_at_story: bool = False
    """Whether its address is that of one story."""

    is_at_goods: bool = False
    """Whether its address is that of one thing for sale."""

    listed: str = ""
    """The letters of the ingredients and steps that JSON-LD lists."""

    is_recipe: bool = False
    """Whether it lists any, or something on the page is called so."""

    @property
    def says_article(self) -> bool:
        """Whether the page calls itself an article. Plugins of blogs say so to Open Graph of any list of posts, too."""
        if self.is_thread or not _INDEXES.isdisjoint(self.kinds):
            return False
        return self.page_type == "article" or not _ARTICLES.isdisjoint(self.kinds)


def read_metadata(markup: Markup, url: str, codec: Callable[[], str] = str) -> Metadata:
    """Metadata of a page; `base` is what its relative addresses are resolved against, `codec` gives that of their
    queries."""
    stated = _stated(markup)
    bases = (attributes.get("href") for tag, attributes in stated if tag == "base")
    found = Metadata(base=base_of(bases, url, codec))
    metas = _metas(stated)
    things = list(json_ld(markup.json_ld))
    found.title = clean(_read_again(first(metas, "og:title")) or _title(markup))
    described = things + [entity for thing in things if isinstance(entity := thing.get("mainEntity"), dict)]
    found.author = clean(_read_again(author_of(metas, described, markup)))
    found.date = date_of(metas, described, markup)
    found.language = next((_language(some) for tag, some in stated if tag == "html"), "")
    found.licence = _licence(stated, things, found.base)
    found.canonical_url = _canonical(stated, url, found.base)
    found.consent = read_consent(
        [value for name in metas if name in ROBOTS_NAMES for value in metas[name]],
        first(metas, "tdm-reservation"),
        first(metas, "tdm-policy"),
    )
    found.stated = _statements(metas, stated, markup, found.base)
    found.page_type = first(metas, "og:type").lower()
    found.kinds = frozenset(_kinds(things, markup))
    found.listed = listed(described)
    found.is_recipe = bool(found.listed) or bool(markup.bearing(INGREDIENT))
    is_told = "Discourse" in first(metas, "generator") or not _THREADS.isdisjoint(found.kinds)
    is_told = is_told or is_of_thread(url) or bool(markup.bearing(' id="phpbb"'))
    found.is_thread = is_told and not is_of_board(url)
    found.is_question = found.page_type in _QUESTIONS or "QAPage" in found.kinds or is_of_question(url)
    found.is_at_story = is_of_story(url) or (found.says_article and ends_in_title(url))
    found.is_at_goods = is_of_goods(url)
    found.lead_images = lead_images(metas, things, found.base)
    if not found.lead_images:
        found.lead_images = marked_images(markup, [attributes for _, attributes in stated], found.base)
    return found


def _stated(markup: Markup) -> _Stated:
    """The root, `<meta>`s and `<base>`s, and of links those that may speak of the page itself."""
    written, places = markup.attributes, {tag: markup.places(tag) for tag in _STATING}
    places["link"] = [at for at in places["link"] if _is_telling(written[at])]
    related = [at for at in markup.places("a") if "rel=" in written[at] or "creativecommons" in written[at]]
    places["a"] = _outside_captions([at for at in related if _is_licence(written[at])], markup)
    return [(tag, read_attributes(written[at])) for tag, some in places.items() for at in some]


def _outside_captions(places: list[int], markup: Markup) -> list[int]:
    """Those of some tags that speak of more than one picture; both stand in order, and each is looked at once."""
    outside: list[int] = []
    captions, end = iter(markup.places("figcaption") if places else ()), 0
    opens = next(captions, len(markup.tags))
    for at in places:
        while opens < at:
            end = max(end, markup.end_of(opens))
            opens = next(captions, len(markup.tags))
        if at >= end:
            outside.append(at)
    return outside


def _is_telling(written: str) -> bool:
    lowered = written.lower()
    return any(map(lowered.__contains__, _TELLING))


def _statements(metas: dict[str, list[str]], stated: _Stated, markup: Markup, base: str) -> Statements:
    """All that markup says about the use of its page."""
    return Statements(
        tuple((name, value) for name in metas if name in ROBOTS_NAMES for value in metas[name]),
        ", ".join(metas.get("tdm-reservation", [])),
        first(metas, "tdm-policy"),
        tuple(
            address
            for tag, attributes in stated
            if tag == "link"
            and attributes.get("type", "").strip().lower() == RSL_TYPE
            and "license" in attributes.get("rel", "").lower().split()
            and (address := resolve(base, attributes.get("href", "")))
        ),
        tuple(markup.rsl),
    )


def base_of(hrefs: Iterable[str | None], url: str, codec: Callable[[], str]) -> PageBase:
    """What the relative addresses of a page are resolved against, by the `href`s of its `<base>`s; `codec` gives that
    of their queries."""
    href = next((href for href in hrefs if href is not None), "")
    base = (resolve(url, href) if href else "") or url
    found = PageBase(base if len(base) <= _MAX_BASE else url)
    found.codec = functools.cache(codec)
    return found


def _kinds(things: list[dict[str, Any]], markup: Markup) -> Iterator[str]:
    for thing in things:
        kinds = thing.get("@type")
        yield from (kind for kind in (kinds if isinstance(kinds, list) else [kinds]) if isinstance(kind, str))
    for at in markup.bearing(_ITEMS):
        if item := _MICRODATA.search(markup.attributes[at]):
            yield item[1]


def _is_licence(written: str) -> bool:
    return "creativecommons" in written or ("rel=" in written and "licens" in written.lower())


def _title(markup: Markup) -> str:
    """The first `<title>` that is none of a drawing."""
    end = 0  # of the drawings before it
    drawings = iter(markup.places("svg"))
    drawn = next(drawings, len(markup.tags))
    for at in markup.places("title"):
        while drawn < at:
            end = max(end, markup.end_of(drawn))
            drawn = next(drawings, len(markup.tags))
        if at >= end:
            return unescape(markup.texts[at + 1])
    return ""


def _metas(stated: _Stated) -> dict[str, list[str]]:
    metas: dict[str, list[str]] = {}
    for tag, attributes in stated:
        if tag != "meta" or "content" not in attributes:
            continue
        named = (attributes.get(by, "").strip().lower() for by in ("name", "property"))  # some bear one of each
        for name in dict.fromkeys(filter(None, named)):
            metas.setdefault(name, []).append(attributes["content"].strip())
    return metas


def json_ld(scripts: list[str]) -> Iterator[dict[str, Any]]:
    """The articles and other things described by JSON-LD scripts; broken scripts say nothing."""
    for script in scripts:
        try:
            pending = deque([_decoded(_unwrapped(script) or "null")])
        except (msgspec.DecodeError, RecursionError):
            continue
        while pending:
            thing = pending.popleft()
            if isinstance(thing, list):
                pending += thing
            elif isinstance(thing, dict):
                yield thing
                pending.append(thing.get("@graph"))


def _unwrapped(script: str) -> str:
    """What stands between the signs by which XHTML, and browsers of old, were told what is a script."""
    script = script.strip()
    for sign in ("<!--", "//", "/*", "<![CDATA[", "*/"):
        script = script.removeprefix(sign).lstrip()
    for sign in (";", "*/", "-->", "]]>", "/*", "//", ";"):
        script = script.removesuffix(sign).rstrip()
    return script


def _decoded(script: str) -> Any:
    """What a script says; line ends within its strings are against the rules, and common."""
    try:
        return msgspec.json.decode(script)
    except msgspec.DecodeError:
        return msgspec.json.decode(_CONTROLS.sub(" ", script))


def _language(root: dict[str, str]) -> str:
    """Of the root element; XHTML has its own name for it."""
    return root.get("lang", "").strip() or root.get("xml:lang", "").strip()


def _read_again(text: str) -> str:
    """A value that was written for markup before it was written into an attribute or JSON: `&#8211;`, `&amp;`."""
    return _REFERENCE.sub(lambda found: html.unescape(found[0]), text) if "&" in text else text


def _licence(stated: _Stated, things: list[dict[str, Any]], base: str) -> str:
    for tag, attributes in stated:
        is_stated = tag in ("a", "link") and "license" in attributes.get("rel", "").lower().split()
        href = attributes.get("href", "").strip() if is_stated else ""
        if href and href[0] != "#" and (licence := resolve(base, href)):
            return licence
    if licence := string(things, "license"):
        return licence
    matches = (_CREATIVE_COMMONS.match(attributes.get("href", "")) for tag, attributes in stated if tag == "a")
    return next((match[0] for match in matches if match), "")


def _canonical(stated: _Stated, url: str, base: str) -> str:
    """The stated canonical address, if it lies on the same registered domain: others are mistakes or claims."""
    links = (some for tag, some in stated if tag == "link" and "canonical" in some.get("rel", "").lower().split())
    href = next(links, {}).get("href")
    address = resolve(base, href) if href else ""
    same = address and registered_domain(host_of(address)) == registered_domain(host_of(url))
    return address if same else ""
