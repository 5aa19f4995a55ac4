"""No regular expression of weft takes more than linear time, whatever a page says."""

import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.linear import grows_faster
from tests.patterns import SCANNING, Hard, Used, patterns_of_weft

_LENGTH = 4096  # characters; a pattern that tries again from each of them takes some ten milliseconds
_GENERIC = (
    "a_a_",
    "a-",
    "a ",
    " ",
    "\n",
    "\t \n",
    "\r\n",
    "0",
    "0.",
    "1 2",
    "a",
    "A",
    "é",
    "<",
    "<a ",
    "<!--",
    "</",
    "a=",
)
_GENERIC += (
    "(",
    "[",
    "{",
    '"',
    "'",
    "\\",
    "%20",
    "&amp;",
    "http://",
    "a@a.",
    "a.jpg",
    "/a",
    "//",
    "#",
    "::",
    "a,",
    ";",
    "**",
)

_STRINGS = 3000  # of the comparison with the plain forms

USED, UNKNOWN = patterns_of_weft()


def ways(used: Used) -> Iterator[Callable[[Any], object]]:
    for method in used.methods - SCANNING:
        yield getattr(used.pattern, method)
    if used.methods & SCANNING:
        yield lambda text: sum(1 for _ in used.pattern.finditer(text))


@pytest.mark.parametrize("used", USED, ids=lambda used: used.name)
def test_a_pattern_is_linear(used: Used) -> None:
    hard = Hard(used.pattern)
    for parts in sorted(hard.parts() | {("", part, end) for part in _GENERIC for end in ("", "!", "\0")}):
        for way in ways(used):
            found = grows_faster(way, lambda length: hard.text(parts, length), _LENGTH)  # noqa: B023
            assert not found, f"{used.name} {used.pattern.pattern!r}: {found} on {parts}"


#: What patterns say in the form that anyone would write first, which takes quadratic time or worse.
PLAIN = {
    "pipeline.captions._FILE": r"\S+\.(?:jpe?g|png|gif|webp|avif|bmp|tiff?|svg|heic)\b",
    "pipeline.captions._SLUG": r"[\w%]+(?:[-_+][\w%]+)+",
    "pipeline.image.refs._IMAGE_URL": r"[^\s\"'<>{}]+\.(?:jpe?g|png|webp|gif|avif)(?:[?#]\S*)?",
    "pipeline.image.refs._PLACEHOLDER": r"(?:^|[/_.-])(?:blank|spacer|pixel|transparent|placeholder[\w-]*|clear|1x1|"
    r"loading|loader|lazy[_-]?load)\d*(?:x\d+)?(?:[_-]?(?:image|img|gif|dot|px|white)|[_-]\d+x\d+)*"
    r"\.(?:gif|png|svg|webp)(?:[?#]|$)",
    "pipeline.page.leaves._PIXELS": r"\s*(\d{1,5})(?:\.\d+)?\s*(?:px)?\s*",
}
_PIECES = (
    "a b 1 12 é 字 _ - + % . .. / : ? # ' < > ( ) x px image img gif .jpg .png .gif .jpeg .JPG .svg blank 1x1".split()
)
_PIECES += ["placeholder", "loading", "lazy", "load", "spacer", "http://a.b/", " ", "\n", "\t", "\u00a0"]


@pytest.mark.parametrize("name", PLAIN)
def test_a_pattern_finds_what_its_plain_form_finds(name: str) -> None:
    used = next(used for used in USED if used.name == name)
    plain, rng = re.compile(PLAIN[name], used.pattern.flags), random.Random(name)
    for _ in range(_STRINGS):
        text = "".join(rng.choices(_PIECES, k=rng.randrange(1, 9)))
        if used.methods <= {"search", "match", "fullmatch"}:
            (method,) = used.methods
            found, wanted = (getattr(pattern, method)(text) for pattern in (used.pattern, plain))
            assert (found and found.groups()) == (wanted and wanted.groups()), text
        else:
            assert used.pattern.sub(" ", text) == plain.sub(" ", text), text


def test_no_pattern_is_made_of_what_others_write() -> None:
    """What is put together as a program runs could be of any form: wildcards are matched by code of our own."""
    assert UNKNOWN == []
