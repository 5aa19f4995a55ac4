"""Which images of a page are taken: each asset once, no decoration, and those that the page states as its own."""

import re

from pipeline.image.assets import asset_of, file_of, look_of, name_of
from pipeline.page.backgrounds import backgrounds_with
from pipeline.page.decoration import DECORATION
from pipeline.page.leaves import Leaf, Media, Text
from pipeline.page.markup import Markup
from pipeline.text.tokens import tokens
from schemas.drops import Drop

_MAX_STATED = 100
_LEAST_NAME = 4  # characters; a shorter name says nothing of what it names
#: Other pictures of a page have these names, too.
_COMMON_NAMES = frozenset(
    "image photo picture cover main hero default header banner featured large original file".split()
)
_WALL = 4  # drawings in a row, with no word between them
_SAID = 4  # words; a longer alt text says what is shown
_WORD = re.compile(r"[A-Za-z0-9_-]+")


def refuse_images(leaves: list[Leaf]) -> dict[int, Drop]:
    """The image references that are not taken, by the id of their leaf, and why by what their markup says.

    A copy of an image before it gives that its addresses: the best of both come first. An address of another scheme
    names another image.
    """
    refusals: dict[int, Drop] = {}
    seen: dict[str, Media] = {}  # by address, by asset, and by asset and kind of file
    files: dict[str, int] = {}  # by its name, what kind of file the first of them is
    walls = _walls_of_marks(leaves)
    last, last_at = "", -2  # of the image before: what it looks like, and its place
    for at, leaf in enumerate(leaves):
        if not isinstance(leaf, Media) or leaf.kind != "image":
            continue
        if not leaf.candidates:
            refusals[id(leaf)] = Drop("no_address")
            continue
        if leaf.decoration:
            refusals[id(leaf)] = Drop("icon", leaf.decoration)
            continue
        if at in walls:
            refusals[id(leaf)] = Drop("icon", "one of a row of drawings without words")
            continue
        first = leaf.candidates[0]
        asset = f"{first[:5]}{asset_of(first)}"
        look = look_of(asset)
        name, kind = file_of(first)
        is_other = kind > 0 and files.get(name, kind) != kind
        is_beside = look == last and last_at == at - 1  # with no word between them
        copied = seen.get(first) or seen.get(f"{kind}{asset}") or (None if is_other else seen.get(asset))
        copied = copied or seen.get(f"{look} {leaf.alt}" if leaf.alt else "")
        copied = copied or (seen[look] if is_beside and not is_other else None)
        last, last_at = look, at
        if copied:
            refusals[id(leaf)] = Drop("repeated_image")
            copied.absorb(leaf)
        else:
            for url in leaf.candidates:
                asset, (name, kind) = f"{url[:5]}{asset_of(url)}", file_of(url)
                seen[url] = seen[asset] = seen[f"{kind}{asset}"] = leaf
                if kind:
                    files.setdefault(name, kind)
            seen[f"{look} {leaf.alt}"] = leaf
        seen.setdefault(look, copied or leaf)
    return refusals


def _walls_of_marks(leaves: list[Leaf]) -> set[int]:
    """The places of drawings that follow each other with no word between them: marks of who buys from a firm."""
    found, row = set[int](), list[int]()
    for at, leaf in enumerate(leaves):
        if isinstance(leaf, Media) and leaf.kind == "image" and leaf.figure < 0 and _is_mark(leaf):
            row = row if row and row[-1] == at - 1 else []
            row.append(at)
            found.update(row[-_WALL:] if len(row) >= _WALL else ())
    return found


def _is_mark(leaf: Media) -> bool:
    if not leaf.mentions(".svg"):
        return False
    address = next(iter(leaf.candidates), "").partition("?")[0]
    return address.endswith(".svg") and len(leaf.alt.split()) <= _SAID


def figures_without_image(leaves: list[Leaf], refusals: dict[int, Drop]) -> set[int]:
    """Figures all of whose images were refused: their captions go with them, but not those that say whom one quotes."""
    shown = {leaf.figure for leaf in leaves if isinstance(leaf, Media) and id(leaf) not in refusals}
    shown |= {leaf.figure for leaf in leaves if isinstance(leaf, Text) and leaf.role == "quote"}
    return {leaf.figure for leaf in leaves if id(leaf) in refusals and leaf.figure >= 0} - shown


def stated_images(markup: Markup, stated: list[str], base: str, min_px: int) -> list[tuple[int, Media]]:
    """The images that a page shows and states as its own, each once where it stands first, with the number of its tag.

    Marks of the site are not among them. Where no image shown has an address that is a size of a stated one, one that
    lies behind words as a background is looked for, and then one of the same name.
    """
    assets = {asset: name_of(asset) for asset in map(asset_of, stated[:_MAX_STATED])}
    assets = {asset: name for asset, name in assets.items() if not DECORATION & tokens(name)}
    probes = {max(_WORD.findall(name), key=len, default="") for name in assets.values()}
    same: dict[str, tuple[int, Media]] = {}
    alike: dict[str, tuple[int, Media]] = {}
    for at in markup.places("img") if assets else ():
        first = at
        while markup.tags[first - 1] == "source":
            first -= 1
        shown_by = markup.attributes[at] if first == at else " ".join(markup.attributes[first : at + 1])
        if not any(map(shown_by.__contains__, probes)):
            continue
        *sources, written = markup.attributes[first : at + 1]
        image = Media.image(written, sources, "", base, (0, -1), min_px)
        if not image.candidates or image.decoration:
            continue
        shown = set(map(asset_of, image.candidates))
        for asset, name in assets.items():
            if asset in shown:
                same.setdefault(asset, (at, image))[1].absorb(image)
            elif len(name) >= _LEAST_NAME and name.lower() not in _COMMON_NAMES and name in map(name_of, shown):
                alike.setdefault(name, (at, image))[1].absorb(image)
    for at, written in backgrounds_with(markup, probes) if assets and not same else ():
        image = Media.image(written, [], "", base, (0, -1), min_px)
        for asset in set(map(asset_of, image.candidates)) & assets.keys():
            same.setdefault(asset, (at, image))
    return list((same or alike).values())


def is_among(images: list[Media], leaves: list[Leaf]) -> bool:
    """Whether one of the images stands among these leaves, in whatever size."""
    assets = {asset_of(url) for image in images for url in image.candidates}
    shown = (leaf for leaf in leaves if isinstance(leaf, Media) and leaf.kind == "image" and not leaf.decoration)
    return any(not assets.isdisjoint(map(asset_of, leaf.candidates)) for leaf in shown)
