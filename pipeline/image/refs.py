"""Where an `<img>` says its image is: every candidate address, best first."""

import re
from collections.abc import Iterator, Mapping

from pipeline.image.srcset import parse_srcset
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
LAZY_SRCSETS = ("data-srcset", "data-lazy-srcset")

#: A candidate wider than this is taken only after those below it: it costs more than it gives.
BEST_WIDTH = 1600

_IMAGE_URL = re.compile(
    r"[^\s\"'<>{}](?:[^\s\"'<>{}.]|\.(?!(?:jpe?g|png|webp|gif|avif)(?:[?#]|\Z)))*+"
    r"\.(?:jpe?g|png|webp|gif|avif)(?:[?#]\S*+)?",
    re.IGNORECASE,
)
# The whole name comes first: it is read again for each of its words, and so may not be of any length.
_PLACEHOLDER = re.compile(
    r"(?<![\w-])(?=[\w-]{1,255}+\.(?:gif|png|svg)(?:[?#]|$))(?:^|(?<=[/.])|[\w-]*[_-])"
    r"(?:blank|spacer|pixel|transparent|placeholder[\w-]*+|clear|1x1|loading|loader|lazy[_-]?load)"
    r"\d*(?:x\d+)?(?:[_-]?(?:image|img|gif|dot|px|white)|[_-]\d+x\d+)*\.",
    re.IGNORECASE,
)


def candidates(img: Mapping[str, str | None], sources: list[Mapping[str, str | None]], base: str) -> tuple[str, ...]:
    """Absolute addresses of one image from the attributes of `<img>` and of its `<picture>`'s `<source>`s.

    The first is the largest up to `BEST_WIDTH` pixels wide; the others follow as fallbacks. Placeholders and `data:`
    addresses are left out.
    """
    sized: list[tuple[int, str]] = []
    for attributes in (*sources, img):
        for name in ("srcset", *LAZY_SRCSETS):
            if value := attributes.get(name):
                sized += [(_width(descriptor), url) for url, descriptor in parse_srcset(value)]
    fits = sorted((pair for pair in sized if 0 < pair[0] <= BEST_WIDTH), key=lambda pair: -pair[0])
    over = sorted((pair for pair in sized if pair[0] > BEST_WIDTH), key=lambda pair: pair[0])
    unsized = [pair for pair in sized if pair[0] == 0]
    ordered = [url for _, url in (*fits, *over)] + list(_single(img)) + [url for _, url in unsized]
    resolved = (resolve(base, url) for url in dict.fromkeys(ordered) if not is_placeholder(url))
    return tuple(dict.fromkeys(url for url in resolved if url))


def is_placeholder(url: str) -> bool:
    """Whether an address stands in for an image that a script will load."""
    return not url or url.startswith(("data:", "about:", "javascript:", "blob:", "#")) or bool(_PLACEHOLDER.search(url))


def is_image_url(value: str) -> bool:
    """Whether an attribute's value is an address that ends like an image's."""
    return bool(_IMAGE_URL.fullmatch(value.strip()))


def _single(img: Mapping[str, str | None]) -> Iterator[str]:
    for name in LAZY_URLS:
        if value := img.get(name):
            yield value.strip()
    for name, value in img.items():
        if value and name.startswith("data-") and name not in LAZY_URLS and is_image_url(value):
            yield value.strip()
    if src := img.get("src"):
        yield src.strip()


def _width(descriptor: str) -> int:
    """CSS pixels of a `640w` descriptor; densities are turned into widths on the scale of a 600-pixel column."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([wx])", descriptor)
    if match is None:
        return 0
    return int(match[1]) if match[2] == "w" else int(600 * float(match[1]))
