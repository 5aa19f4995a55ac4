"""The videos of a page, with every text that goes with each: `<video>`, og:video, VideoObject, links to video files."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from selectolax.lexbor import LexborHTMLParser, LexborNode

from pipeline.page.charset import utf8_html
from pipeline.page.metadata import json_ld
from pipeline.page.parsed import ParsedPage
from pipeline.text.pii import PiiRules
from pipeline.video.captions import without_personal_data
from schemas.documents import Consent, Page
from schemas.presigned import is_presigned
from schemas.urls import resolve
from schemas.videos import VideoDraft, VideoText

VIDEO_FILE = re.compile(r"\.(?:mp4|m4v|webm|mkv|mov|ogv|avi|mpe?g)(?:[?#]|$)", re.IGNORECASE)
_MAX_VIDEOS = 200
_MAX_ELEMENTS, _MAX_SOURCES = 200, 50
_MAX_CHARACTERS = 5_000
_MAX_BETWEEN = 50  # line breaks and the like between a video and its text
_TEXT_TAGS = ("p", "h1", "h2", "h3", "h4", "blockquote", "dd", "li")
#: A page without any of these shows no video.
_SIGNS = (b"<video", b"og:video", b"VideoObject", b".mp4", b".webm", b".mov", b".m4v", b".mkv", b".ogv")


def may_show_video(html: bytes) -> bool:
    """Whether a search is worthwhile."""
    lowered = html.lower()
    return any(sign.lower() in lowered for sign in _SIGNS)


def take_videos(parsed: ParsedPage, page: Page, pii: PiiRules, consent: Consent) -> tuple[VideoDraft, ...]:
    """The videos of a page, each once, in the order in which they are named, personal data taken from their texts."""
    if not may_show_video(page.html):
        return ()
    metadata = parsed.metadata
    tree = LexborHTMLParser(utf8_html(page.html, page.charset))
    found: dict[str, tuple[list[str], list[VideoText], list[str]]] = {}
    for candidates, texts, tracks in (
        *_elements(tree, metadata.base),
        *stated_videos(list(json_ld(parsed.markup.json_ld)), metadata.base),
        *_open_graph(tree, metadata.base),
        *_links(tree, metadata.base),
    ):
        urls = [url for url in dict.fromkeys(candidates) if url and not is_presigned(url)]
        known = next((found[url] for url in urls if url in found), None)
        if known is None and urls and len(found) < _MAX_VIDEOS:
            known = ([], [], [])
        if known is not None:
            known[0].extend(urls)
            known[1].extend(texts)
            known[2].extend(tracks)
            for url in urls:
                found[url] = known
    unique = {id(known): known for known in found.values()}.values()
    drafts = (
        VideoDraft(
            uid=page.uid,
            candidates=tuple(dict.fromkeys(urls)),
            texts=tuple(dict.fromkeys(texts)),
            tracks=tuple(dict.fromkeys(tracks)),
            page_url=page.url,
            page_title=metadata.title,
            licence=metadata.licence,
            consent=consent,
            fetch_time=page.fetch_time,
            warc_file=page.warc_file,
            warc_offset=page.warc_offset,
        )
        for urls, texts, tracks in unique
    )
    return tuple(without_personal_data(draft, pii) for draft in drafts)


_Found = Iterator[tuple[list[str], list[VideoText], list[str]]]


def _elements(tree: LexborHTMLParser, base: str) -> _Found:
    for node in islice(tree.css("video"), _MAX_ELEMENTS):
        sources = [node, *islice(node.css("source"), _MAX_SOURCES)]
        urls = [resolve(base, value) for one in sources for name in ("src", "data-src") if (value := _of(one, name))]
        texts = [("title", _of(node, "title")), ("label", _of(node, "aria-label"))]
        figure = _above(node, "figure")
        caption = figure.css_first("figcaption") if figure is not None else None
        texts += [("figcaption", caption.text(separator=" ") if caption is not None else "")]
        texts += [("paragraph", text) for text in _neighbours(figure or node)]
        kept = [track for track in node.css("track") if _of(track, "kind") in ("", "subtitles", "captions")]
        yield urls, _texts(texts), [resolve(base, src) for track in kept if (src := _of(track, "src"))]


def stated_videos(things: list[dict[str, Any]], base: str) -> _Found:
    """Addresses and texts of the VideoObjects of JSON-LD."""
    nested = [part for thing in things for part in _videos_of(thing)]
    for thing in [*things, *nested]:
        kinds = thing.get("@type")
        if "VideoObject" in (kinds if isinstance(kinds, list) else [kinds]):
            urls = [resolve(base, url) for url in (thing.get("contentUrl"),) if isinstance(url, str)]
            texts = [(name, value) for name in ("description", "name") if isinstance(value := thing.get(name), str)]
            yield urls, _texts(texts), []


def _videos_of(thing: dict[str, Any]) -> list[dict[str, Any]]:
    videos = thing.get("video")
    return [part for part in (videos if isinstance(videos, list) else [videos]) if isinstance(part, dict)]


def _open_graph(tree: LexborHTMLParser, base: str) -> _Found:
    """What the page states as its own video; its own description goes with it."""
    metas: dict[str, list[str]] = {}
    for node in tree.css("meta[property]"):
        metas.setdefault(_of(node, "property").lower(), []).append(_of(node, "content"))
    names = ("og:video:secure_url", "og:video:url", "og:video")
    urls = [resolve(base, value) for name in names for value in metas.get(name, []) if VIDEO_FILE.search(value)]
    texts = [("description", value) for value in metas.get("og:description", [])]
    yield urls, _texts(texts + [("name", value) for value in metas.get("og:title", [])]) if urls else [], []


def _links(tree: LexborHTMLParser, base: str) -> _Found:
    for node in tree.css("a[href]"):
        if VIDEO_FILE.search(_of(node, "href")):
            texts = [("title", _of(node, "title")), ("link", node.text(separator=" "))]
            yield [resolve(base, _of(node, "href"))], _texts(texts), []


def _texts(pairs: list[tuple[str, str]]) -> list[VideoText]:
    collapsed = ((source, " ".join(text.split())[:_MAX_CHARACTERS]) for source, text in pairs)
    return [VideoText(source, text) for source, text in collapsed if text]


def _neighbours(node: LexborNode) -> list[str]:
    """The paragraph after a video, and the one before, at its level or the one above."""
    for place in (node, node.parent):
        if place is None:
            continue
        found = []
        for step in ("next", "prev"):
            other = getattr(place, step)
            for _ in range(_MAX_BETWEEN):
                if other is None or (other.tag in _TEXT_TAGS and other.text(strip=True)):
                    break
                other = getattr(other, step) if other.tag in ("-text", "_comment", "br", "script", "-comment") else None
            else:
                other = None
            if other is not None:
                found.append(other.text(separator=" "))
        if found:
            return found
    return []


def _above(node: LexborNode, tag: str) -> LexborNode | None:
    at = node.parent
    while at is not None and at.tag != tag:
        at = at.parent
    return at


def _of(node: LexborNode, name: str) -> str:
    return (node.attributes.get(name) or "").strip()
