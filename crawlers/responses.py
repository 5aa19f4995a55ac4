"""What a response means to a crawl: whether it may be read and kept, and where it leads."""

import re
from collections.abc import Iterable

import msgspec

from crawlers.crawl_config import CrawlConfig
from crawlers.exchange import Exchange
from crawlers.fetch import Judge
from crawlers.items import Item
from crawlers.pages import charset_of
from crawlers.scope import crawl_url, in_scope
from crawlers.sitemaps import MAX_SITEMAP_BYTES, SitemapEntry
from crawlers.sniff import is_avif, is_image, is_subtitles, is_video
from schemas.consent import merge_consent, read_consent, refusal_by
from schemas.documents import Consent
from schemas.drops import Drop
from schemas.images import is_svg
from schemas.links import PageLinks, PageSource, refresh_target
from schemas.response_signals import header_signals, markup_signals

_HTML_TYPES = ("text/html", "application/xhtml+xml", "")
_ENCODED = "gzip, br, zstd"
_LANGUAGE = re.compile(r"[a-z]{2,8}(?:-[a-z0-9]{1,8})*")
#: By kind: `Accept` and `Accept-Encoding`. Media are packed already.
ASKED_AS = {
    "page": ("text/html, application/xhtml+xml, */*;q=0.1", _ENCODED),
    "sitemap": ("application/xml, text/xml, text/plain, */*;q=0.1", _ENCODED),
    "image": ("image/avif, image/webp, image/*, */*;q=0.1", "identity"),
    "video": ("video/*, text/vtt, */*;q=0.1", "identity"),  # and its subtitles
}
_MAX_SITEMAP_DEPTH = 3
_HEAD = 1_024  # bytes that tell what a body is


class Found(msgspec.Struct, frozen=True):
    """Where a response leads. `refusal`: the signal by which it asks not to be used; its links may be followed.
    `unread`: why the links of a page were not looked for. `cut`: so many of them were left out. `bare`: its markup,
    where its scripts are to be run."""

    items: tuple[Item, ...] = ()
    refusal: str = ""
    unread: str = ""
    cut: int = 0
    bare: PageSource | None = None
    licences: tuple[str, ...] = ()  # addresses of RSL documents that a page names


def judge_of(kind: str, config: CrawlConfig) -> Judge:
    """Judges a response by its headers, before its body is read: the cap in bytes. Raises `Drop`."""

    def judge(status: int, headers: dict[str, str]) -> int:
        is_media = status == 200 and kind in ("image", "video")
        directives = config.consent.image_directives
        if is_media and (words := refusal_by(header_consent(headers), directives, config.consent)):
            raise Drop("opt_out", words)
        stated = headers.get("content-type", "").partition(";")[0].strip().lower()
        if status == 200 and kind == "page" and stated not in _HTML_TYPES:
            raise Drop("unsupported_type", stated[:80])
        return cap_of(kind, config)

    return judge


def cap_of(kind: str, config: CrawlConfig) -> int:
    """Bytes that a body may have."""
    fetch = config.fetch
    caps = {"image": fetch.max_image_bytes, "video": fetch.max_video_bytes, "sitemap": MAX_SITEMAP_BYTES}
    return caps.get(kind, fetch.max_page_bytes)


def header_consent(headers: dict[str, str], url: str = "") -> Consent:
    """The signals of a response's headers."""
    robots = headers.get("x-robots-tag", "").split("\n")
    consent = read_consent(robots, headers.get("tdm-reservation", ""), headers.get("tdm-policy", ""))
    return msgspec.structs.replace(consent, signals=header_signals(headers, url))


def is_encoded(exchange: Exchange) -> bool:
    """Whether a body is to be decompressed before it can be looked at."""
    return exchange.headers.get("content-encoding", "").strip().lower() not in ("", "identity", "none")


def require_kind(kind: str, exchange: Exchange, max_bytes: int) -> None:
    """Whether a body is what was asked for, by its bytes. Raises `Drop`: unsupported_type, and those of `decoded`."""
    head = exchange.body[:_HEAD]
    if is_encoded(exchange) and kind in ("image", "video"):
        head = exchange.decoded(max_bytes)[:_HEAD]
    match kind:
        case "image":
            is_good = is_image(head) or is_avif(head) or is_svg(head)
        case "video":
            is_good = is_video(head) or is_subtitles(head)
        case "page":
            is_good = not (is_image(head) or is_video(head) or head.startswith((b"%PDF", b"PK\x03\x04")))
        case _:
            is_good = True
    if not is_good:
        stated = exchange.headers.get("content-type", "")[:60]
        raise Drop("unsupported_type", f"not a{'n' * (kind == 'image')} {kind}: {head[:16]!r}, {stated}")


def markup_of(exchange: Exchange, max_bytes: int) -> PageSource:
    """The markup of a page. Raises `Drop`: too_large, truncated_body, bad_encoding."""
    charset = charset_of(exchange.headers.get("content-type", ""))
    return PageSource(exchange.url, exchange.decoded(max_bytes), charset)


def in_page(item: Item, exchange: Exchange, links: PageLinks, config: CrawlConfig) -> Found:
    """The pages and media that a page leads to, as far as it lets us."""
    stated = read_consent(links.robots, links.tdm_reservation, links.tdm_policy)
    markup = msgspec.structs.replace(stated, signals=markup_signals(links.stated, item.url))
    consent = merge_consent(header_consent(exchange.headers, item.url), markup)
    signal = refusal_by(consent, config.consent.page_directives, config.consent)
    language = (links.language or exchange.headers.get("content-language", "")).strip().lower().replace("_", "-")
    items: list[Item] = []
    follows = not {"nofollow", "none"} & set(consent.robots)
    refresh = links.refresh or refresh_target(exchange.headers.get("refresh", ""), item.url)
    if follows and refresh and item.redirects < config.fetch.max_redirects:
        moved = Item(crawl_url(refresh), "page", item.depth, item.redirects + 1, found_on=item.url)
        if not item.depth or in_scope(moved.url, item.url, config.scope):  # a seed may have moved anywhere
            items.append(moved)
    if follows and item.depth < config.scope.max_depth:
        items += [
            Item(crawl_url(url), "page", item.depth + 1, found_on=item.url)
            for url in links.pages
            if in_scope(url, item.url, config.scope)
        ]
    if not signal:
        for kind, wanted, media in (("image", config.images, links.images), ("video", config.videos, links.videos)):
            items += [Item(first, kind, item.depth, 0, tuple(others), item.url) for first, *others in media if wanted]
    language = language if _LANGUAGE.fullmatch(language) else ""
    items = [msgspec.structs.replace(item, language=language) for item in items] if language else items
    return Found(tuple(items), signal, cut=links.cut, licences=links.stated.licences)


def without_media(found: Found) -> Found:
    """What a page leads to that asks not to be used: other pages."""
    return msgspec.structs.replace(found, items=tuple(item for item in found.items if item.kind == "page"))


def in_sitemap(item: Item, entries: Iterable[SitemapEntry], config: CrawlConfig) -> Found:
    """What a sitemap lists: pages in the scope of the site that named it, further sitemaps, media. One that lies with
    another host speaks for the site whose robots.txt names it."""
    items, site = [], item.found_on or item.url
    for entry in entries:
        match entry.kind:
            case "page" if in_scope(entry.url, site, config.scope):
                items.append(Item(crawl_url(entry.url), "page", item.depth + 1, found_on=item.url))
            case "sitemap" if item.depth < _MAX_SITEMAP_DEPTH:
                items.append(Item(entry.url, "sitemap", item.depth + 1, found_on=site))
            case "image" if config.images:
                items.append(Item(entry.url, "image", 0, found_on=item.url))
            case "video" if config.videos:
                items.append(Item(entry.url, "video", 0, found_on=item.url))
    return Found(tuple(items))
