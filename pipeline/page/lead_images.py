"""The images that a page states as its own: by Open Graph, JSON-LD or microdata."""

from collections.abc import Iterable
from typing import Any

from pipeline.image.refs import is_placeholder
from pipeline.page.markup import Markup, read_attributes
from schemas.urls import resolve

_NAMES = ("og:image", "og:image:url", "twitter:image")
#: Whose image is a portrait or a logo: of a thread Invision states that of whoever began it.
_MAKERS = frozenset(
    "Person Organization NewsMediaOrganization Corporation WebSite Brand DiscussionForumPosting".split()
)
_MARKED = ' itemprop="image"'
_MAX_MARKED = 12  # images by microdata; more are of a list


def lead_images(metas: dict[str, list[str]], things: list[dict[str, Any]], base: str) -> list[str]:
    """Those of its `<meta>`s, by name, and of the things that its JSON-LD describes."""
    stated = [value for name in _NAMES for value in metas.get(name, ())]
    for thing in things:
        images = thing.get("image") if "image" in thing and not _is_of_person(thing) else None
        for image in images if isinstance(images, list) else [images]:
            value = image.get("url") or image.get("contentUrl") if isinstance(image, dict) else image
            if isinstance(value, str):
                stated.append(value)
    return _addresses(stated, base)


def marked_images(markup: Markup, stated: list[dict[str, str]], base: str) -> list[str]:
    """Those that microdata calls the image of what the page is about: a list of things has one for each of them.

    `stated` are the attributes of the tags that state something.
    """
    tags = [attributes for attributes in stated if attributes.get("rel") == "image_src"]
    if marked := markup.bearing(_MARKED):
        tags += [read_attributes(markup.attributes[at]) for at in marked if markup.tags[at] == "img"]
        tags += [attributes for attributes in stated if attributes.get("itemprop") == "image"]
    found = _addresses((some.get("content") or some.get("href") or some.get("src") or "" for some in tags), base)
    return found if len(found) <= _MAX_MARKED else []


def _addresses(values: Iterable[str], base: str) -> list[str]:
    resolved = (resolve(base, value) for value in values if not is_placeholder(value))
    return list(dict.fromkeys(filter(None, resolved)))


def _is_of_person(thing: dict[str, Any]) -> bool:
    """Whether a thing is who made the page, or the whole site, or began a thread."""
    kinds = thing.get("@type")
    return any(isinstance(kind, str) and kind in _MAKERS for kind in (kinds if isinstance(kinds, list) else [kinds]))
