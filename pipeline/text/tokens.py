"""Class names, ids and file names cut into tokens, so that word lists match whole words: `icon`, never `silicon`."""

import functools
import re
from itertools import takewhile

_CUTS = re.compile(r"[^0-9A-Za-z]+|(?<=[a-z])(?=[A-Z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])")


#: In a class they speak of what an element has or lacks, not of what it is: `has-sidebar`, `anchorWithStickyNavbar`.
_STATES = frozenset("has no with without not is hide show contains".split())
_MODULES = frozenset(("widget", "widgets"))  # in Elementor everything is one
_SPLIT = re.compile(r"[^0-9A-Za-z]+")
#: What a tool made up: `1ad9x` and `a4nav2`, but not `ad300x250`; and whatever follows the marks of such tools.
_HASH = re.compile(r"\d+(?!x\d)[A-Za-z]|[A-Za-z]++\d+(?!x\d)[A-Za-z]")
_HASHING = frozenset(("css", "sc", "jsx", "jss", "emotion"))
#: `meta` names the line of date and author in these, and in itself; `recipe-meta` and `product-meta` are content.
_ARTICLES = frozenset("article blog content crawler entry item meta news page post single story".split())
#: What WordPress says of each post, and what it is filed under: `product_cat-cookies` and `tag-ads` name the shelf.
_POST = re.compile(r"(?:^|\s)(?:hentry|status-publish|type-(?:post|page|product))(?:\s|$)")
_FILED = re.compile(r"(?:\w+_)?(?:cat|category|tag)-")


@functools.lru_cache(maxsize=65536)
def tokens(text: str) -> frozenset[str]:
    """`relatedPosts share-bar_2` -> related, posts, share, bar, 2."""
    return frozenset(token.lower() for token in _CUTS.split(text) if token)


def names_of(classes: str) -> frozenset[str]:
    """The tokens of a class attribute, each class only as far as it says what its element is."""
    named = classes.split()
    if ("hentry" in classes or "status-publish" in classes or "type-" in classes) and _POST.search(classes):
        named = [name for name in named if not _FILED.match(name)]
    return frozenset[str]().union(*map(_of_class, named)) if len(named) != 1 else _of_class(named[0])


@functools.lru_cache(maxsize=65536)
def _of_class(name: str) -> frozenset[str]:
    if any(map(str.isdigit, name)):
        name = _without_hashes(name)
    said = list(takewhile(lambda token: token not in _STATES, (cut.lower() for cut in _CUTS.split(name) if cut)))
    if name.startswith("elementor"):
        said = [word for word in said if word not in _MODULES]
    if "meta" in said and _ARTICLES.issuperset(said):
        said.append("postmeta")
    return frozenset(said)


def _without_hashes(name: str) -> str:
    pieces, kept = _SPLIT.split(name), []
    for before, piece in zip(["", *pieces], pieces, strict=False):
        if not _HASH.match(piece) and before not in _HASHING:
            kept.append(piece)
    return "-".join(kept)
