"""Pictures that an element without words shows as its background: heroes, tiles of galleries, cards of builders."""

import re
from collections.abc import Iterator

from pipeline.image.refs import is_image_url, is_placeholder
from pipeline.page.leaves import pixels
from pipeline.page.markup import Markup, escape, read_attributes
from pipeline.text.tokens import names_of, tokens

_SIGNS = ("url(", " data-b", " data-lazy-b")
_ELEMENTS = frozenset("a div figure li section span".split())
_INSIDE = frozenset(("div", "/div", "span", "/span", None))  # what lies over a picture to darken it
_TAGS = 12  # in an element, at most
_MOST = 1_000  # elements with a background that are looked at
_SHOWN = re.compile(r"(?:^|;)\s*+background(?:-image)?\s*+:([^;]{0,400}?)url\(\s*+[\"']?([^\"')]++)")
_NUMBERS = re.compile(r"\d++")
_LAZY = re.compile(r"data-(?:lazy-)?(?:bg|background)(?:-?(?:image|img|url|src|set))?")
#: A pattern, or a piece of a sheet of signs.
_NO_PICTURE = re.compile(
    r"(?<!no-)repeat(?!\s*+:)|(?:position\s*+:|\))[^;]{0,80}?(?<=[\s:])-\d++(?:\.\d++)?px|ytimg\.com|vimeocdn\.com"
)
_SIDE = re.compile(r"(?:^|;)\s*+(width|height)\s*+:\s*+(\d{1,5}(?:\.\d+)?px)")
#: Of Tailwind and the like: how a picture lies in its element.
_FITTING = re.compile(r"(?<![\w-])bg-(?:cover|center|contain|no-repeat|top|bottom|left|right)(?![\w-])")
#: Names of files and elements that lie below words.
_BELOW = frozenset("background backgrounds bg overlay parallax pattern shape texture".split())
#: Names of those, of samples of colours, portraits, players and blurred previews.
_OTHERWISE = _BELOW | frozenset(
    "author avatar blur blurred button color colour cta flag icon logo lqip menu pixelated placeholder player poster "
    "portrait profile swatch swatches testimonial user video vjs".split()
)


def backgrounds(markup: Markup, lengths: list[int]) -> dict[int, str]:
    """By the tag that ends an element whose background is a picture: the same as the attributes of an `<img>`."""
    found: dict[int, str] = {}
    for at in markup.bearing(*_SIGNS)[:_MOST]:
        if markup.tags[at] not in _ELEMENTS:
            continue
        end = markup.end_of(at, _TAGS)
        is_empty = (
            end < at + _TAGS and not any(lengths[at + 1 : end + 1]) and _INSIDE.issuperset(markup.tags[at + 1 : end])
        )
        if is_empty and (image := _as_image(read_attributes(markup.attributes[at]))):
            found[end] = image
    return found


def backgrounds_with(markup: Markup, names: set[str]) -> Iterator[tuple[int, str]]:
    """Elements of any sort, with words over them or without, whose background has one of some names in its address.

    Each with the attributes of an `<img>`.
    """
    for at in markup.bearing(*_SIGNS)[:_MOST]:
        if any(map(markup.attributes[at].__contains__, names)):
            attributes = read_attributes(markup.attributes[at])
            address = _address(attributes, attributes.get("style", ""))
            if address and not is_placeholder(address):
                yield at, f' src="{escape(address)}"'


def _as_image(attributes: dict[str, str]) -> str:
    """The attributes of an `<img>` of the picture that an element shows as its background; "" for none."""
    style, label = attributes.get("style", ""), attributes.get("aria-label") or attributes.get("title") or ""
    is_said = attributes.get("role") == "img" and bool(label)
    named = f"{attributes.get('class', '')} {attributes.get('id', '')}"
    if attributes.get("role") == "presentation" or _NO_PICTURE.search(style):
        return ""
    if not is_said and not _OTHERWISE.isdisjoint(names_of(_FITTING.sub("", named))):
        return ""
    address = _address(attributes, style)
    if not address or is_placeholder(address) or ".svg" in address or not _BELOW.isdisjoint(_words_of_file(address)):
        return ""
    sides = "".join(f' {side}="{pixels(value)}"' for side, value in _SIDE.findall(style))
    return f' src="{escape(address)}" class="{escape(named)}" alt="{escape(label)}"{sides}'


def _address(attributes: dict[str, str], style: str) -> str:
    for name, value in attributes.items():
        if _LAZY.fullmatch(name):
            address = value.strip().removeprefix("url(").rstrip(")").strip("\"' ").partition(" ")[0]
            if is_image_url(address):
                return address
    shown = _SHOWN.search(style)
    return shown[2].strip() if shown else ""


def _words_of_file(address: str) -> frozenset[str]:
    name = address.partition("?")[0].rpartition("/")[2]
    return tokens(_NUMBERS.sub("", name))
