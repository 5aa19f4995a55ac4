"""A captured page drawn again to be looked at, harmless: its parts marked as kept or dropped, or as it was."""

import html
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence

from selectolax.lexbor import LexborHTMLParser

from pipeline.page.charset import utf8_html
from pipeline.page.elements import SKIPPED, VOID
from pipeline.page.hostile import refuse_hostile
from pipeline.page.leaves import Media, Text
from pipeline.page.markup import unescape
from pipeline.page.parsed import ExtractSettings, ParsedPage
from schemas.documents import Page
from schemas.urls import resolve

#: What is written again; the words of other elements are kept, their tags are not.
_SHOWN = frozenset(
    "p div section article main header footer nav aside h1 h2 h3 h4 h5 h6 ul ol li dl dt dd table thead tbody tfoot tr "
    "td th caption blockquote pre code em strong b i u s sub sup small span a figure figcaption br hr address".split()
)
_UNREAD = SKIPPED | {"noscript", "button", "video", "script", "style"}


def annotate_page(
    page: Page,
    settings: ExtractSettings,
    reasons: Sequence[str],
    address: Callable[[str], str],
) -> str:
    """HTML for the body of a document of its own.

    `reasons` has an entry for each item of `explain_page`, in order, "" for what is kept. `address` gives where an
    image is to be loaded from, "" for not at all. Each part is an element with the id `b{number of the item}`, the
    class `kept` or `dropped`, and its reason in `data-why`. Raises `Drop("hostile_html")`.
    """
    parsed = ParsedPage(page, settings)
    walk, _ = parsed.full()
    texts = [number for number, leaf in enumerate(walk.leaves) if isinstance(leaf, Text)]
    ends = [walk.places[number] for number in texts]
    media: dict[int, list[int]] = {}
    for number, (leaf, place) in enumerate(zip(walk.leaves, walk.places, strict=True)):
        if isinstance(leaf, Media):
            media.setdefault(place, []).append(number)
    markup, out = parsed.markup, list[str]()
    met: set[int] = set()
    unread_until = -1

    def mark(number: int) -> str:
        reason = reasons[number]
        named = "" if number in met else f' id="b{number}"'
        met.add(number)
        return f'{named} class="{"dropped" if reason else "kept"}" data-why="{html.escape(reason or "kept")}"'

    for at, text in enumerate(markup.texts):
        if at > unread_until and text.strip():
            written = html.escape(unescape(text))
            place = bisect_left(ends, at)
            out.append(f"<mark{mark(texts[place])}>{written}</mark>" if place < len(texts) else written)
        for number in media.get(at, ()):
            leaf = walk.leaves[number]
            assert isinstance(leaf, Media)
            out.append(_drawn(leaf, mark(number), address))
        tag = markup.tags[at] if at < len(markup.tags) else None
        if tag is None or at <= unread_until:
            continue
        name = tag.removeprefix("/")
        if tag in _UNREAD and tag not in VOID:
            unread_until = markup.end_of(at)
        elif name in _SHOWN:
            out.append(f"<{tag}>")
    return "".join(out)


def _drawn(leaf: Media, mark: str, address: Callable[[str], str]) -> str:
    url = leaf.candidates[0] if leaf.candidates else ""
    source = address(url) if url and leaf.kind == "image" else ""
    label = html.escape(f"{leaf.kind} {leaf.alt or leaf.title or url}"[:120])
    if source:
        return f'<span{mark}><img src="{html.escape(source)}" alt="{label}" loading="lazy"></span>'
    return f'<span{mark}><span class="box">{label}</span></span>'


#: What could load, run, send or lead away; a sandbox and a policy forbid it too.
_REMOVED = (
    "script, link, meta, base, iframe, frame, object, embed, applet, template, portal, audio, video, source, track, "
    "form button, input, svg use, svg image, noscript"
)
_KEPT_ATTRIBUTES = frozenset("alt title class id width height align style colspan rowspan dir lang".split())


def harmless_page(page: Page, address: Callable[[str], str]) -> str:
    """The page as it was captured, with its styles, less all that loads, runs or leads away; images by `address`.

    Raises `Drop("hostile_html")`.
    """
    html_utf8 = utf8_html(page.html, page.charset)
    refuse_hostile(html_utf8)
    tree = LexborHTMLParser(html_utf8)
    for node in tree.css(_REMOVED):
        node.decompose()
    for node in tree.css("*"):
        source = _source_of(node.attributes) if node.tag == "img" else ""
        for name in list(node.attributes):
            if name not in _KEPT_ATTRIBUTES or "url(" in (node.attributes[name] or ""):
                del node.attrs[name]
        if source and (url := resolve(page.url, source)):
            node.attrs["src"] = address(url)
            node.attrs["loading"] = "lazy"
    return tree.html or ""


def _source_of(attributes: Mapping[str, str | None]) -> str:
    return next((value for name in ("src", "data-src", "data-original") if (value := attributes.get(name))), "")
