"""What a page leads to: links to other pages, media that it shows, and what its markup says about following and use.

A quick pass that finds every reference; which of them belong to the content is for `pipeline` to judge, later.
"""

import re
from collections.abc import Iterator
from typing import TypeVar

import msgspec
from selectolax.lexbor import LexborHTMLParser, LexborNode

from schemas.urls import resolve

T = TypeVar("T")
_MEDIA_LIMIT = 500
_LINK_LIMIT = 5000
_LONGEST_TAG = 100_000
_BEST_WIDTH = 1600
_IMAGE_ENDING = re.compile(r"\.(?:jpe?g|png|webp|gif|avif)(?:[?#]|$)", re.IGNORECASE)
_SPACE, _NO_ADDRESS = re.compile(r"\s"), re.compile(r"[\"'<>{}]")
_SRCSET_ADDRESS, _SRCSET_SIZE = re.compile(r"[\s,]*([^\s,]\S*)"), re.compile(r"\s*([\d.]{1,8})([wx])")
_MAX_SOURCES = 100  # of a `<picture>`: each image in it has all of them
_SRCSET_LIMIT = 100
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset=[\"']?\s*([\w-]+)", re.IGNORECASE)
#: Lazy-loading attributes of images in use, the largest version first.
_LAZY = ("data-full", "data-hi-res-src", "data-orig-file", "data-large-file", "data-original", "data-lazy-src")
_LAZY_MORE = ("data-src", "data-lazy", "data-url", "data-medium-file")
#: Links to files that are no pages: not followed. What of them a page shows is found as media.
_FILES = re.compile(
    r"\.(?:jpe?g|png|gif|webp|avif|svg|ico|bmp|tiff?|mp4|webm|mov|avi|mkv|mp3|ogg|wav|flac|pdf|zip|gz|bz2|xz|7z|rar|tar|"
    r"exe|dmg|iso|apk|deb|rpm|css|js|json|xml|rss|woff2?|ttf|docx?|xlsx?|pptx?|epub)$",
    re.IGNORECASE,
)


class PageLinks(msgspec.Struct, frozen=True):
    """What was found, as absolute addresses, each once, in the order of the page."""

    pages: tuple[str, ...] = ()
    images: tuple[tuple[str, ...], ...] = ()  # of each image its candidates, the one to try first at the front
    videos: tuple[tuple[str, ...], ...] = ()  # and their subtitle tracks
    robots: tuple[str, ...] = ()  # contents of <meta name=robots> and of <meta name=weft>
    tdm_reservation: str = ""
    tdm_policy: str = ""


class Markup(msgspec.Struct, frozen=True):
    """A page's bytes, as `find_links` takes them."""

    url: str
    html: bytes
    charset: str = ""  # by the HTTP header


def find_links(page: Markup) -> PageLinks:
    """Links and media of a page. A tag too long for any parser to survive leaves the page without links."""
    if any(len(piece) > _LONGEST_TAG for piece in page.html.split(b">")):
        return PageLinks()
    tree = LexborHTMLParser(_decoded(page))
    base = page.url
    for node in tree.css("base[href]"):
        base = resolve(page.url, node.attributes.get("href") or "") or page.url
        break
    metas = [({name.lower(): value or "" for name, value in node.attributes.items()}) for node in tree.css("meta")]
    named = [(meta.get("name", "").strip().lower(), meta.get("content", "")) for meta in metas]
    return PageLinks(
        pages=_unique(_page_links(tree, base), _LINK_LIMIT),
        images=_unique(_images(tree, base, metas), _MEDIA_LIMIT),
        videos=_unique(_videos(tree, base), _MEDIA_LIMIT),
        robots=tuple(content for name, content in named if name in ("robots", "weft")),
        tdm_reservation=", ".join(content for name, content in named if name == "tdm-reservation"),
        tdm_policy=next((content for name, content in named if name == "tdm-policy"), ""),
    )


def _decoded(page: Markup) -> str:
    """Addresses are ASCII on nearly every page: a wrong guess costs little."""
    stated = _META_CHARSET.search(page.html[:4096])
    for charset in (page.charset, stated[1].decode() if stated else "", "utf-8"):
        if charset:
            try:
                return page.html.decode(charset)
            except (LookupError, UnicodeDecodeError, ValueError):
                continue
    return page.html.decode("latin-1")


def _page_links(tree: LexborHTMLParser, base: str) -> Iterator[str]:
    for node in tree.css("a[href], area[href], link[rel][href]"):
        attributes = node.attributes
        rel = (attributes.get("rel") or "").lower().split()
        if "nofollow" in rel or (node.tag == "link" and not {"next", "prev", "canonical"} & set(rel)):
            continue
        url = resolve(base, attributes.get("href") or "")
        if url and not _FILES.search(url.partition("?")[0]):
            yield url


def _images(tree: LexborHTMLParser, base: str, metas: list[dict[str, str]]) -> Iterator[tuple[str, ...]]:
    for node in tree.css("img"):
        picture = node.parent if node.parent is not None and node.parent.tag == "picture" else None
        sources = picture.css("source")[:_MAX_SOURCES] if picture is not None else []
        if candidates := _candidates([*sources, node], base):
            yield candidates
    for node in tree.css("noscript"):  # scripting is off for this parser's users: its content may be plain text
        for inner in LexborHTMLParser(node.html or "").css("img") if not node.css_first("img") else ():
            if candidates := _candidates([inner], base):
                yield candidates
    for meta in metas:
        is_lead = meta.get("property", "").lower() in ("og:image", "og:image:url", "og:image:secure_url")
        if is_lead and (url := resolve(base, meta.get("content", ""))):
            yield (url,)


def _candidates(nodes: list[LexborNode], base: str) -> tuple[str, ...]:
    """Best first: the largest sized version up to 1600 pixels, larger ones, lazy addresses, `src`."""
    sized: list[tuple[int, str]] = []
    single: list[str] = []
    for node in nodes:
        attributes = node.attributes
        for name in ("srcset", "data-srcset", "data-lazy-srcset"):
            sized += _srcset(attributes.get(name) or "")
        single += [attributes.get(name) or "" for name in (*_LAZY, *_LAZY_MORE)]
        known = {*_LAZY, *_LAZY_MORE}
        single += [
            value
            for name, value in attributes.items()
            if value and name.startswith("data-") and name not in known and _is_image_address(value.strip())
        ]
        single.append((attributes.get("src") or "") if node.tag == "img" else "")
    fits = sorted((pair for pair in sized if 0 < pair[0] <= _BEST_WIDTH), key=lambda pair: -pair[0])
    over = sorted(pair for pair in sized if pair[0] > _BEST_WIDTH)
    unsized = [url for width, url in sized if not width]
    ordered = [url for _, url in (*fits, *over)] + single + unsized
    resolved = (resolve(base, url) for url in ordered if url.strip() and not url.strip().startswith(("data:", "#")))
    return tuple(dict.fromkeys(url for url in resolved if url))


def _is_image_address(value: str) -> bool:
    """Whether the value of any attribute looks like an address: it ends as images do, before or without a query."""
    ending = None if _SPACE.search(value) else _IMAGE_ENDING.search(value, 1)
    return ending is not None and not _NO_ADDRESS.search(value, 0, ending.start())


def _srcset(value: str) -> list[tuple[int, str]]:
    """Width and address of each entry; densities on the scale of a 600-pixel column. Commas in addresses are legal."""
    pairs: list[tuple[int, str]] = []
    position = 0
    while (entry := _SRCSET_ADDRESS.match(value, position)) and len(pairs) < _SRCSET_LIMIT:
        address, position = entry[1], entry.end()
        size = None
        if not address.endswith(","):
            end = value.find(",", position)
            end = len(value) if end < 0 else end
            size, position = _SRCSET_SIZE.match(value, position, end), end
        try:
            number = float(size[1]) if size else 0.0
        except ValueError:
            number = 0.0
        pairs.append((int(number if size and size[2] == "w" else 600 * number), address.rstrip(",")))
    return pairs


def _videos(tree: LexborHTMLParser, base: str) -> Iterator[tuple[str, ...]]:
    for node in tree.css("video"):
        listed = [node.attributes.get("src") or "", *(s.attributes.get("src") or "" for s in node.css("source"))]
        found = tuple(dict.fromkeys(url for value in listed if value and (url := resolve(base, value))))
        if found:
            yield found
        for track in node.css("track"):
            if url := resolve(base, track.attributes.get("src") or ""):
                yield (url,)


def _unique(items: Iterator[T], limit: int) -> tuple[T, ...]:
    found: dict[T, None] = {}
    for item in items:
        found.setdefault(item)
        if len(found) >= limit:
            break
    return tuple(found)
