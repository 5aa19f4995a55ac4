"""Captions that a page states of its images in the words of schema.org: JSON-LD, and microdata in its markup."""

from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Any

import msgspec

from pipeline.image.refs import candidates
from pipeline.page.elements import VOID
from pipeline.page.leaves import collapse
from pipeline.page.markup import Markup, read_attributes, unescape
from schemas.urls import media_key, resolve

_TEXTS = ("caption", "description", "name")  # the first that is there is taken
_ADDRESSES = ("contentUrl", "url", "@id")
_MAX_THINGS = 10_000
_MAX_SCOPES = 1000
_MAX_TEXTS = 20  # of one image
_MAX_TAGS = 200  # of one image's markup

Stated = dict[bytes, list[str]]


def stated_captions(markup: Markup, base: str) -> Stated:
    """What is stated of ImageObjects, by `media_key` of their addresses; what is broken says nothing."""
    found: Stated = {}
    if "ImageObject" in markup.html:
        _read_microdata(found, markup, base)
    for script in markup.json_ld:
        if "ImageObject" in script:
            _read_json_ld(found, script, base)
    return found


def _read_json_ld(found: Stated, script: str, base: str) -> None:
    try:
        pending = deque([msgspec.json.decode(script.strip())])
    except (msgspec.DecodeError, RecursionError):
        return
    seen = 0
    while pending and seen < _MAX_THINGS:
        thing = pending.popleft()
        seen += 1
        if isinstance(thing, list):
            pending.extend(thing)
        elif isinstance(thing, dict):
            pending.extend(value for value in thing.values() if isinstance(value, dict | list))
            kinds = thing.get("@type")
            if "ImageObject" in (kinds if isinstance(kinds, list) else [kinds]):
                addresses = (thing.get(name) for name in _ADDRESSES)
                _add(found, thing, [resolve(base, value) for value in addresses if isinstance(value, str)])


def _read_microdata(found: Stated, markup: Markup, base: str) -> None:
    """An element whose itemtype is ImageObject, and inside it the elements with an itemprop."""
    written = markup.attributes
    scopes = (
        at
        for at, tag in enumerate(markup.tags)
        if tag is not None and "ImageObject" in written[at] and tag[0] != "/" and tag not in VOID
    )
    for scope in islice(scopes, _MAX_SCOPES):
        kinds = read_attributes(written[scope]).get("itemtype", "").split()
        if any(kind.rpartition("/")[2] == "ImageObject" for kind in kinds):
            _read_scope(found, markup, scope, base)


def _read_scope(found: Stated, markup: Markup, scope: int, base: str) -> None:
    at, end = scope + 1, markup.end_of(scope, _MAX_TAGS)
    texts: dict[str, str] = {}
    addresses: list[str] = []
    while at < end:
        tag, attributes = markup.tags[at], read_attributes(markup.attributes[at])
        names = attributes.get("itemprop", "").split()
        if tag == "img":
            addresses += candidates(attributes, [], base)
        elif {"contentUrl", "url"} & set(names):
            stated = next(filter(None, map(attributes.get, ("content", "href", "src"))), "")
            addresses.append(resolve(base, stated))
        for name in set(names) & set(_TEXTS) - texts.keys():
            texts[name] = attributes.get("content") or _text_of(markup, at)
        if "itemscope" in attributes and tag not in VOID:
            at = markup.end_of(at, _MAX_TAGS)  # its author, or whatever: what stands inside is said of that
        at += 1
    _add(found, texts, addresses)


def _text_of(markup: Markup, at: int) -> str:
    if markup.tags[at] in VOID:
        return ""
    return unescape("".join(markup.texts[at + 1 : markup.end_of(at, _MAX_TAGS) + 1]))


def _add(found: Stated, thing: dict[str, Any] | dict[str, str], addresses: Iterable[str]) -> None:
    texts = [collapse(text) for name in _TEXTS if isinstance(text := thing.get(name), str)]
    if text := next(filter(None, texts), ""):
        for key in dict.fromkeys(media_key(url) for url in addresses if url):
            known = found.setdefault(key, [])
            if len(known) < _MAX_TEXTS and text not in known:
                known.append(text)
