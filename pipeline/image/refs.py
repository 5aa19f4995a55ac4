"""Where an `<img>` says its image is: every candidate address, best first."""

import re
from collections.abc import Mapping

from pipeline.image.assets import told_width
from pipeline.image.srcset import parse_srcset
from schemas.presigned import is_presigned
from schemas.urls import resolve

#: Lazy-loading attributes that hold one address, the largest version first.
LAZY_URLS = (
    "data-full",
    "data-hi-res-src",
    "data-orig-file",
    "data-large-file",
    "data-original",
    "data-lazy-src",
    "data-src",
    "data-lazy",
    "data-url",
    "data-medium-file",
)
#: How the names of attributes end that hold a srcset.
_SRCSETS = ("srcset", "src-set", "lazyset")

#: A candidate wider than this is taken only after those below it: it costs more than it gives.
BEST_WIDTH = 1600

_IMAGE_URL = re.compile(
    r"[^\s\"'<>{}](?:[^\s\"'<>{}.]|\.(?!(?:jpe?g|png|webp|gif|avif)(?:[?#]|\Z)))*+"
    r"\.(?:jpe?g|png|webp|gif|avif)(?:[?#]\S*+)?",
    re.IGNORECASE,
)
# The whole name comes first: it is read again for each of its words, and so may not be of any length.
_PLACEHOLDER = re.compile(
    r"(?<![\w-])(?=[\w-]{1,255}+\.(?:gif|png|svg|webp)(?:[?#]|$))(?:^|(?<=[/.])|[\w-]*[_-])"
    r"(?:blank|spacer|pixel|transparent|placeholder[\w-]*+|clear|1x1|loading|loader|lazy[_-]?load)"
    r"\d*(?:x\d+)?(?:[_-]?(?:image|img|gif|dot|px|white)|[_-]\d+x\d+)*\.",
    re.IGNORECASE,
)
#: The same with the hash that a build of the site adds, and what shops show of goods without a picture.
_PLACEHOLDER_FILE = re.compile(
    r"(?:(?:blank|spacer|pixel|transparent|placeholder|clear|1x1|loading|loader|lazy-?load)"
    r"[-_.](?=[a-z]{0,64}\d)[0-9a-z]{6,64}|no[-_]?(?:image|img|photo|picture|thumb|thumbnail)(?:[-_]available)?|"
    r"(?:image|img|product)?[-_]?placeholder)(?:[-_.]?\d+x\d+)?\.(?:gif|png|svg|webp|jpe?g)",
    re.IGNORECASE,
)
#: One of all these stands in each address of a placeholder: most need no closer look.
_STANDING_IN = tuple("blank spacer pixel transparent placeholder clear 1x1 loading loader lazy".split())
_NOTHING = tuple("noi no- no_ nop not".split())
#: Attributes of an `<img>` that say something else, though it may look like an address; not those of scripts.
_SAYING = frozenset("alt title name id class style value href src srcset lowsrc longdesc usemap content".split())
_NO_OTHERS = _SAYING.union(LAZY_URLS)
_NAMING = ("name", "key", "title", "alt", "caption")  # how data attributes end that hold the name of a file
_NOT_ADDRESSES = frozenset(("", "true", "false", "null", "none", "undefined", "lazy", "auto", "0", "1"))
_TEMPLATE = re.compile(r"(?:\{|%7b)(:?)([a-z_]{1,32})(?:\}|%7d)", re.IGNORECASE)
_DEFAULT_WIDTH = 1024
_MIN_WIDTH = re.compile(r"\(min-width:\s*+(\d{1,4}(?:\.\d{1,3})?)(px|em)", re.IGNORECASE)
_EM = 16  # pixels
_PREVIEW = 100  # pixels; below this width an image is a blurred preview of another
#: A preview by Wix, which its scripts replace by another size of the picture that stands before it in the address.
_BLURRED = re.compile(r"(https?://static\.wixstatic\.com/media/[^/?#]+)/v1/[^?#]*?[/,]blur_")
_IMAGE_PAGE = re.compile(r"[^/]*\.(?:jpe?g|png|webp|gif|avif|svg|tiff?|bmp|jxl|heic)", re.IGNORECASE)


def candidates(img: Mapping[str, str | None], sources: list[Mapping[str, str | None]], base: str) -> tuple[str, ...]:
    """Absolute addresses of one image from the attributes of `<img>` and of its `<picture>`'s `<source>`s.

    The first is the largest up to `BEST_WIDTH` pixels wide; the others follow as fallbacks. Placeholders and `data:`
    addresses are left out, and those that hold a key.
    """
    sized: list[tuple[int, str]] = []
    for attributes in (*sources, img):
        least = 0 if attributes is img else _width_of_source(attributes)
        for name, value in attributes.items():
            if value and name.endswith(_SRCSETS) and (name == "srcset" or name.startswith("data-")):
                sized += [(_width(descriptor) or least, url) for url, descriptor in parse_srcset(value)]
    usable: dict[str, None] = {}
    for url in dict.fromkeys(_ordered(sized, img)):
        if "{" in url or "%7" in url:
            url = fill_template(url, img)
        if not is_placeholder(url) and (resolved := resolve(base, url)) and not is_presigned(resolved):
            usable[resolved] = None
    found = tuple(usable)
    if found and (whole := _BLURRED.match(found[0])):
        found = (whole[1], *found)
    if len(found) > 1 and 0 < told_width(found[0]) < _PREVIEW:
        found = tuple(sorted(found, key=lambda url: 0 < told_width(url) < _PREVIEW))
    return found


def _ordered(sized: list[tuple[int, str]], img: Mapping[str, str | None]) -> list[str]:
    """Addresses best first, of the candidates of a srcset and the attributes that hold one."""
    if not sized:
        return _single(img)
    fits = sorted((pair for pair in sized if 0 < pair[0] <= BEST_WIDTH), key=lambda pair: -pair[0])
    over = sorted((pair for pair in sized if pair[0] > BEST_WIDTH), key=lambda pair: pair[0])
    return [url for _, url in (*fits, *over)] + _single(img) + [url for width, url in sized if not width]


_ATTACHED = re.compile(r"attachment|action=dlattach|download/file\.php")


def is_image_page(url: str) -> bool:
    """Whether an address ends like a picture's: that of its file, or of the page about it, as `/wiki/File:Flag.svg`.

    Blogs and forums serve what was attached from addresses that say so.
    """
    name = url.partition("#")[0].partition("?")[0].rpartition("/")[2]
    return _IMAGE_PAGE.fullmatch(name) is not None or _ATTACHED.search(url) is not None


def fill_template(url: str, img: Mapping[str, str | None]) -> str:
    """An address in which a script would write a width, of those in `data-widths`; "" if it would write others."""
    if "{{" in url or "${" in url:
        return ""
    widths = [int(width) for width in re.findall(r"\d{2,5}", img.get("data-widths") or "")]
    fits = [width for width in widths if width <= BEST_WIDTH]
    width = max(fits) if fits else min(widths, default=_DEFAULT_WIDTH)
    written = {"width": f"{width}", "w": f"{width}", "size": f"{width}x"}
    if any(name.lower() not in written for _, name in _TEMPLATE.findall(url)):
        return ""
    return _TEMPLATE.sub(lambda found: f"{width}w" if found[1] else written[found[2].lower()], url)


def is_placeholder(url: str) -> bool:
    """Whether an address stands in for an image that a script will load."""
    if url in _NOT_ADDRESSES or url.startswith(("data:", "about:", "javascript:", "blob:", "#")):
        return True
    lowered = url.lower()
    is_named = any(map(lowered.__contains__, _STANDING_IN))
    if not is_named and not ("no" in lowered and any(map(lowered.__contains__, _NOTHING))):
        return False
    name = url.partition("#")[0].partition("?")[0].rpartition("/")[2]
    return bool(_PLACEHOLDER.search(url) or _PLACEHOLDER_FILE.fullmatch(name))


def is_image_url(value: str) -> bool:
    """Whether an attribute's value is an address that ends like an image's."""
    return bool(_IMAGE_URL.fullmatch(value.strip()))


def _single(img: Mapping[str, str | None]) -> list[str]:
    found = [value.strip() for name in LAZY_URLS if (value := img.get(name))]
    others = [
        (_smallness(name), value.strip())
        for name, value in img.items()
        if value and name not in _NO_OTHERS and ("/" in value or name.startswith("data-")) and _is_address(name, value)
    ]
    if others:
        found += [value for _, value in sorted(others, key=lambda other: other[0])]
    if src := img.get("src"):
        found.append(src.strip())
    return found


def _smallness(name: str) -> int:
    """How small the picture is, by what an attribute is called beside others of the same picture."""
    return any(word in name for word in ("small", "medium", "thumb")) - any(word in name for word in ("large", "zoom"))


def _is_address(name: str, value: str) -> bool:
    """Whether what scripts note beside an image is an address: of a name only with a folder."""
    if "/" not in value and name.endswith(_NAMING):
        return False
    return is_image_url(value) or (name.endswith("src") and value.lstrip().startswith(("http://", "https://", "/")))


def _width_of_source(source: Mapping[str, str | None]) -> int:
    """What a `<source>` of a `<picture>` says of its one address: its width, or that of the windows it is meant for."""
    stated = source.get("width") or ""
    if stated.isdecimal():
        return int(stated[:5])
    window = _MIN_WIDTH.search(source.get("media") or "")
    return min(BEST_WIDTH, int(float(window[1]) * (_EM if window[2] == "em" else 1))) if window else 0


def _width(descriptor: str) -> int:
    """CSS pixels of a `640w` descriptor; densities are turned into widths on the scale of a 600-pixel column."""
    if not descriptor:
        return 0
    return int(descriptor[:-1]) if descriptor[-1] == "w" else int(600 * float(descriptor[:-1]))
