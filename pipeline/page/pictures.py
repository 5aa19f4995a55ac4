"""Pictures that belong to what is kept though no rule for texts says so: galleries of a product, pictures of items."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection
from itertools import accumulate, islice

from pipeline.image.assets import asset_of, name_of
from pipeline.image.refs import is_image_url
from pipeline.page.blocks import is_block_beside
from pipeline.page.elements import LAID_OUT
from pipeline.page.labels import is_label
from pipeline.page.leaves import Container, Leaf, Media, Text, upward
from pipeline.page.metadata import Metadata
from pipeline.page.prose import leads_away
from pipeline.page.verdicts import Verdict, Verdicts
from pipeline.page.walk import Walk

_WORD = re.compile(r"[A-Za-z0-9_-]+")
#: What a page about a thing says that it is about.
_THINGS = frozenset("Product ProductGroup IndividualProduct SomeProducts ProductModel Vehicle Accommodation".split())
#: Other things that are bought and reviewed: lists of goods call their items so, too.
_BOUGHT = frozenset(
    "SoftwareApplication MobileApplication WebApplication VideoGame Book Audiobook Car Motorcycle Hotel Hostel Resort "
    "BedAndBreakfast LodgingBusiness VacationRental Apartment House TouristTrip Offer AggregateOffer".split()
)
_MOST = 30  # pictures of a gallery; more are of all that there is
_LABEL = 25  # characters of text for each picture of a gallery that are still labels and buttons
_CARD = 4  # levels up that an item's words are looked for
_TO_ITEM = 4  # and from these on the item
_ITEMS = 3  # so many alike siblings are items of a list
_BESIDE, _SAID = 5, 0.6  # levels up from a picture to the words beside it, and the share of these that is kept
_PICTURES = 4  # an item has at most so many
#: Verdicts on a picture that follow from where it leads or stands, and not from what it stands in.
_OF_PLACE = frozenset("teasers head tail links outside little_prose evidence".split())
_BY_COLUMN = frozenset(("outside",))
#: Those on a caption that follow from where its figure stands.
_OF_CAPTIONS = frozenset("outside end beside evidence".split())
#: Verdicts on the words of a card that count as words left out, which those on its buttons and labels do not.
_OF_WORDS = frozenset("teasers head tail links outside evidence end empty_section".split())


def keep_galleries(walk: Walk, verdicts: Verdicts, metadata: Metadata) -> None:
    """The pictures that stand with one that the page states, and nothing to read between them, as those of a product.

    Beside the picture of an article others are of other articles.
    """
    if metadata.says_article and not says_product(metadata):
        return
    if not _keep_stated(walk, verdicts, metadata) and is_bought(metadata):
        _keep_shots(walk, verdicts)


def _keep_stated(walk: Walk, verdicts: Verdicts, metadata: Metadata) -> bool:
    """Whether there is more than one picture in the galleries around those that the page states; they are kept."""
    if not metadata.lead_images:
        return False
    stated = set(map(asset_of, metadata.lead_images))
    probes = {max(_WORD.findall(name_of(asset)), key=len, default="") for asset in stated}
    shown = [leaf for leaf in walk.leaves if isinstance(leaf, Media) and any(map(leaf.mentions, probes))]
    shown = [leaf for leaf in shown if _is_picture(leaf) and _is_stated(leaf, stated)]
    if not shown:
        return False
    sums, pictures = _Sums(walk), set[str]()
    for at in {_gallery_around(walk, sums, leaf) for leaf in shown} - {-1}:
        pictures |= _keep(walk, verdicts, walk.containers[at].first, walk.containers[at].last)
    return len(pictures) > 1


def _keep(walk: Walk, verdicts: Verdicts, first: int, last: int) -> set[str]:
    found = set[str]()
    for index in range(first, last):
        if isinstance(leaf := walk.leaves[index], Media) and _is_picture(leaf):
            verdicts[index] = None
            found.add(asset_of(leaf.candidates[0]))
    return found


def _keep_shots(walk: Walk, verdicts: Verdicts) -> None:
    """The first row of pictures with no words that lead nowhere: views of a thing whose stated picture is its sign."""
    rows: dict[tuple[int, str], list[Container]] = {}
    for container in walk.containers[1:]:
        if container.last == container.first + 1 and _is_shot(walk.leaves[container.first], verdicts[container.first]):
            rows.setdefault((container.parent, container.tag), []).append(container)
    said = [at for at, leaf in enumerate(walk.leaves) if isinstance(leaf, Text) and verdicts[at] is None]
    for row in rows.values():
        if len(row) >= _ITEMS and said and row[0].first < said[len(said) // 2]:
            _keep(walk, verdicts, row[0].first, row[-1].last)
            return


def _is_shot(leaf: Leaf, verdict: Verdict | None) -> bool:
    is_passed = verdict is None or verdict.rule in _OF_PLACE
    return is_passed and isinstance(leaf, Media) and _is_picture(leaf) and (not leaf.link or is_image_url(leaf.link))


def says_product(metadata: Metadata) -> bool:
    return metadata.page_type in ("product", "og:product") or states_thing(metadata)


def states_thing(metadata: Metadata) -> bool:
    return not _THINGS.isdisjoint(metadata.kinds)


def is_bought(metadata: Metadata) -> bool:
    """Whether what customers write on a page is of the thing that it is about."""
    return states_thing(metadata) or not _BOUGHT.isdisjoint(metadata.kinds) or metadata.is_at_goods


class _Sums:
    """How many images and characters of text a container holds."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        chars = [len(leaf.text) if isinstance(leaf, Text) else 0 for leaf in walk.leaves]
        headings = [isinstance(leaf, Text) and leaf.role == "heading" for leaf in walk.leaves]
        self._chars, self._headings = list(accumulate(chars, initial=0)), list(accumulate(headings, initial=0))
        images = [isinstance(leaf, Media) and leaf.kind == "image" for leaf in walk.leaves]
        self._images = list(accumulate(images, initial=0))

    def is_gallery(self, at: int) -> bool:
        """Whether a container holds pictures, and between them labels at most."""
        first, last = self._walk.containers[at].first, self._walk.containers[at].last
        images = self._images[last] - self._images[first]
        has_headings = self._headings[last] > self._headings[first]
        return images <= _MOST and not has_headings and self._chars[last] - self._chars[first] <= _LABEL * images


def _is_picture(leaf: Media) -> bool:
    return leaf.kind == "image" and bool(leaf.candidates) and not leaf.decoration


def _is_stated(leaf: Media, stated: Collection[str]) -> bool:
    return any(asset_of(url) in stated for url in leaf.candidates)


def _gallery_around(walk: Walk, sums: _Sums, leaf: Media) -> int:
    """The widest container around a picture that is a gallery; -1 for none."""
    widest = -1
    for at in upward(walk.containers, leaf.container):
        if not sums.is_gallery(at):
            break
        widest = at
    return widest


def keep_pictures_with_words(walk: Walk, verdicts: Verdicts, metadata: Metadata) -> None:
    """The pictures of kept words: those of items of a list, wherever they lead, and those beside them."""
    may_list = not metadata.says_article or says_product(metadata)
    rules = _OF_PLACE if may_list else _BY_COLUMN
    ruled = [at for at, verdict in enumerate(verdicts) if verdict and verdict.rule in rules]
    left_out = [(at, leaf) for at in ruled if isinstance(leaf := walk.leaves[at], Media)]
    words = _Words(walk, verdicts) if left_out else None
    for at, leaf in left_out:
        verdict = verdicts[at]
        is_outside = verdict is not None and verdict.rule in _BY_COLUMN
        if words and (
            (may_list and words.have_in_item(leaf))
            or (is_outside and (words.have_beside(leaf) or words.have_in_block(at, leaf)))
        ):
            verdicts[at] = None
    _keep_captions(walk, verdicts)


def _keep_captions(walk: Walk, verdicts: Verdicts) -> None:
    """What figures say of pictures that are kept."""
    lost: dict[int, Text] = {}
    for index, verdict in enumerate(verdicts):
        leaf = walk.leaves[index]
        if verdict is not None and verdict.rule in _OF_CAPTIONS and isinstance(leaf, Text) and leaf.role == "caption":
            lost[index] = leaf
    if not lost:
        return
    pictures = (leaf for leaf, verdict in zip(walk.leaves, verdicts, strict=True) if verdict is None)
    figures = {leaf.figure for leaf in pictures if isinstance(leaf, Media) and leaf.kind == "image"} - {-1}
    for index, caption in lost.items():
        if caption.figure in figures:
            verdicts[index] = None


def _counts(text: Text, verdict: Verdict | None) -> bool:
    """Whether a text counts as words of what it stands in: a caption that was left out goes with its picture."""
    return verdict is None or (verdict.rule in _OF_WORDS and text.role != "caption" and not is_label(text.text))


class _Words:
    """Of a container how much is kept of its words, and whether it is of few pictures, or an item of a list."""

    def __init__(self, walk: Walk, verdicts: Verdicts) -> None:
        # a card's buttons and labels are left out of every card: they tell nothing of whether its words are kept
        leaves = zip(walk.leaves, verdicts, strict=True)
        said = [len(leaf.text) if isinstance(leaf, Text) and _counts(leaf, verdict) else 0 for leaf, verdict in leaves]
        kept = [0 if verdict else size for size, verdict in zip(said, verdicts, strict=True)]
        self._walk, self._containers = walk, walk.containers
        self._said, self._kept = list(accumulate(said, initial=0)), list(accumulate(kept, initial=0))
        self._media = list(accumulate([isinstance(leaf, Media) for leaf in walk.leaves], initial=0))
        self._rows: Counter[tuple[int, str]] = Counter()
        self._texts = [index for index, size in enumerate(kept) if size]

    def have_in_item(self, leaf: Media) -> bool:
        """Whether most words of the item of a list that a picture stands in are kept."""
        at, share = self._around(leaf, _CARD)
        return share > 0.5 and self._has_few_pictures(at) and self._is_item(at) and _is_picture(leaf)

    def have_beside(self, leaf: Media) -> bool:
        """Whether those are that a picture stands beside: builders of sites set most in a column of their own."""
        at, share = self._around(leaf, _BESIDE)
        return share >= _SAID and self._has_few_pictures(at) and _is_picture(leaf) and not leads_away(leaf)

    def have_in_block(self, at: int, leaf: Media) -> bool:
        """Whether the nearest text that is kept, before or behind a picture, stands in a block beside its own."""
        here = bisect_left(self._texts, at)
        near = self._texts[max(0, here - 1) : here + 1]
        # addresses are looked at last: they are not read of most pictures that are left out
        is_beside = any(is_block_beside(self._walk, leaf, text) for text in near)
        return is_beside and _is_picture(leaf) and not leads_away(leaf)

    def _around(self, leaf: Media, levels: int) -> tuple[int, float]:
        """The smallest container with words among so many around a picture, and the share of these that is kept."""
        for at in islice(upward(self._containers, leaf.container), levels):
            first, last = self._containers[at].first, self._containers[at].last
            if said := self._said[last] - self._said[first]:
                return at, (self._kept[last] - self._kept[first]) / said
        return -1, 0.0

    def _has_few_pictures(self, at: int) -> bool:
        container = self._containers[at]
        return self._media[container.last] - self._media[container.first] <= _PICTURES

    def _is_item(self, at: int) -> bool:
        """Whether a container is one of several alike, or little more than a part of one."""
        rows = self._rows = self._rows or Counter(map(self._row_of, self._containers))
        around = (self._containers[part] for part in islice(upward(self._containers, at), _TO_ITEM))
        return any(rows[self._row_of(some)] >= _ITEMS for some in around)

    def _row_of(self, part: Container) -> tuple[int, str]:
        """What a part is beside, and its tag: the cells of a grid are beside each other, in whatever row."""
        is_cell = part.tag == LAID_OUT["td"]
        return (self._containers[part.parent].parent if is_cell else part.parent), part.tag
