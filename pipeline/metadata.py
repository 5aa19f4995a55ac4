"""What a page says of itself: title, author, date, licence, canonical address, consent, lead images."""

import re
from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec
from selectolax.lexbor import LexborHTMLParser

from pipeline.image_refs import is_placeholder
from schemas.consent import read_consent
from schemas.documents import Consent
from schemas.urls import host_of, registered_domain, resolve

_CREATIVE_COMMONS = re.compile(r"https?://(?:www\.)?creativecommons\.org/(?:licenses|publicdomain)/[\w./-]+")
_ROBOTS_NAMES = ("robots", "weft")


class Metadata(msgspec.Struct):
    """Filled from `<head>`, `rel=license` links and JSON-LD. Absent values are ""."""

    base: str
    title: str = ""
    author: str = ""
    date: str = ""
    language: str = ""
    licence: str = ""
    canonical_url: str = ""
    consent: Consent = Consent()
    lead_images: list[str] = []


def read_metadata(tree: LexborHTMLParser, url: str) -> Metadata:
    """Metadata of a parsed page; `base` is what its relative addresses are resolved against."""
    base_tag = tree.css_first("base[href]")
    base = resolve(url, base_tag.attributes.get("href") or "") if base_tag is not None else ""
    found = Metadata(base=base or url)
    metas = _metas(tree)
    things = list(_json_ld(tree))
    title = tree.css_first("title")
    found.title = _clean(_first(metas, "og:title") or (title.text() if title is not None else ""))
    found.author = _clean(_first(metas, "author", "article:author") or _name(things, "author"))
    found.date = _first(metas, "article:published_time", "date") or _string(things, "datePublished")
    root = tree.css_first("html")
    found.language = (root.attributes.get("lang") or "").strip() if root is not None else ""
    found.licence = _licence(tree, things, found.base)
    found.canonical_url = _canonical(tree, url, found.base)
    found.consent = read_consent(
        [value for name in _ROBOTS_NAMES for value in metas.get(name, [])],
        _first(metas, "tdm-reservation"),
        _first(metas, "tdm-policy"),
    )
    found.lead_images = _lead_images(metas, things, found.base)
    return found


def _metas(tree: LexborHTMLParser) -> dict[str, list[str]]:
    metas: dict[str, list[str]] = {}
    for node in tree.css("meta[content]"):
        attributes = node.attributes
        name = attributes.get("name") or attributes.get("property") or ""
        if name:
            metas.setdefault(name.strip().lower(), []).append((attributes.get("content") or "").strip())
    return metas


def _first(metas: dict[str, list[str]], *names: str) -> str:
    return next((value for name in names for value in metas.get(name, []) if value), "")


def _json_ld(tree: LexborHTMLParser) -> Iterator[dict[str, Any]]:
    """The articles and other things described by JSON-LD scripts; broken scripts say nothing."""
    for script in tree.css('script[type="application/ld+json"]'):
        try:
            pending = deque([msgspec.json.decode(script.text().strip() or "null")])
        except (msgspec.DecodeError, RecursionError):
            continue
        while pending:
            thing = pending.popleft()
            if isinstance(thing, list):
                pending += thing
            elif isinstance(thing, dict):
                yield thing
                pending.append(thing.get("@graph"))


def _string(things: list[dict[str, Any]], name: str) -> str:
    return next((value for thing in things if isinstance(value := thing.get(name), str) and value), "")


def _name(things: list[dict[str, Any]], name: str) -> str:
    for thing in things:
        value = thing.get(name)
        value = value[0] if isinstance(value, list) and value else value
        value = value.get("name") if isinstance(value, dict) else value
        if isinstance(value, str) and value:
            return value
    return ""


def _licence(tree: LexborHTMLParser, things: list[dict[str, Any]], base: str) -> str:
    for node in tree.css("a[rel~=license], link[rel~=license]"):
        href = (node.attributes.get("href") or "").strip()
        if href and href[0] != "#" and (licence := resolve(base, href)):
            return licence
    if licence := _string(things, "license"):
        return licence
    for node in tree.css('a[href*="creativecommons.org/"]'):
        if match := _CREATIVE_COMMONS.match(node.attributes.get("href") or ""):
            return match[0]
    return ""


def _canonical(tree: LexborHTMLParser, url: str, base: str) -> str:
    """The stated canonical address, if it lies on the same registered domain: others are mistakes or claims."""
    link = tree.css_first('link[rel="canonical"]')
    stated = resolve(base, link.attributes.get("href") or "") if link is not None else ""
    same = stated and registered_domain(host_of(stated)) == registered_domain(host_of(url))
    return stated if same else ""


def _lead_images(metas: dict[str, list[str]], things: list[dict[str, Any]], base: str) -> list[str]:
    stated = [value for name in ("og:image", "og:image:url", "twitter:image") for value in metas.get(name, [])]
    for thing in things:
        images = thing.get("image")
        for image in images if isinstance(images, list) else [images]:
            value = image.get("url") if isinstance(image, dict) else image
            if isinstance(value, str):
                stated.append(value)
    return list(
        dict.fromkeys(url for url in (resolve(base, value) for value in stated if not is_placeholder(value)) if url)
    )


def _clean(text: str) -> str:
    return " ".join(text.split())
