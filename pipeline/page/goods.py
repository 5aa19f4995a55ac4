"""The goods on a page that lists them: cards in a row, each with a picture, a link and a price, right below the title,
or more of them than stand beside a product.

Rules for articles take such cards for invitations to other pages, as they are below a product.
"""

import re
from functools import cached_property
from itertools import accumulate, groupby, islice

from pipeline.page.articles import STORY
from pipeline.page.comments import kind_of
from pipeline.page.evidence import Floats
from pipeline.page.labels import is_label
from pipeline.page.leaves import Container, Leaf, Media, Text, upward
from pipeline.page.metadata import Metadata
from pipeline.page.names import CHROME_NAMES
from pipeline.page.pictures import states_thing
from pipeline.page.prose import TITLE_SHARE, shared
from pipeline.page.tail import kept_characters
from pipeline.page.verdicts import Verdict, Verdicts
from pipeline.page.walk import Walk

_CURRENCY = (
    r"(?:[$€£¥₹₽₩₺₴₫]|USD|EUR|GBP|AUD|CAD|CHF|PLN|SEK|NOK|DKK|HUF|RON|CZK|TRY|BRL|INR|AED|SAR|"
    r"zł|Kč|kr|Ft|lei|руб|грн|円|元|원|ر\.س|د\.إ)"
)
_PRICE = re.compile(rf"{_CURRENCY}\s?\d|\d\s?{_CURRENCY}".lower())  # of small letters
_DIGIT = re.compile(r"\d")  # which all prices have: looked for first, as it is found fast
_BEFORE = 4  # characters, at most, of a currency and a space before the first digit
_PRICE_LINE = 80  # characters; a longer text tells of a price
_ROWS = 4  # so many siblings are a list of goods
_MOST = 0.8  # of them are cards: others may be of banners
_HEADED = 4  # levels up from the heading of some cards to a part that holds them, too
_CATALOGUE = 18  # so many are what a page is about, whatever heading they have: beside a product stand a dozen others
_CARD = 12  # texts
_POINTS, _POINT = 3, 0.25  # of a list without links, and how likely they are content, in the mean
_KEPT = 0.3  # a larger share of their texts that is kept already is as good as it gets
_PICTURE = "[picture]"  # stands for any
#: Verdicts that follow from where a card stands or leads, and not from what a part of it is.
_OF_PLACE = frozenset("teasers links outside evidence tail empty_section".split())
_LISTS = frozenset("ItemList CollectionPage OfferCatalog SearchResultsPage".split())


def keep_goods(walk: Walk, rows: list[list[int]], verdicts: Verdicts, metadata: Metadata) -> None:
    """Keeps the words and a picture of such cards where next to none of them is kept.

    Shops call their categories articles, too: one says something besides.
    """
    if states_thing(metadata) and _LISTS.isdisjoint(metadata.kinds):
        return
    says_much = kept_characters(walk, verdicts) >= STORY
    if metadata.says_article and says_much:
        return
    pictures = list(accumulate(map(_is_picture, walk.leaves), initial=0))
    if pictures[-1] < _ROWS:
        return
    sums, goods = _Sums(walk, pictures), list[list[Container]]()
    for row in rows:
        first, last = walk.containers[row[0]].first, walk.containers[row[-1]].last
        if pictures[last] - pictures[first] < _ROWS:
            continue
        members = [part for part in map(walk.containers.__getitem__, row) if part.first < part.last]
        if len(members) >= _ROWS and sum(map(sums.is_card, members)) >= _MOST * len(members):
            goods.append(members)
    headings = _headings(walk, verdicts, metadata.title) if goods else {}
    for members in goods:
        if len(members) >= _CATALOGUE or _are_below_title(walk, headings, members[0], says_much):
            _keep(walk, verdicts, members)


class _Sums:
    """How many pictures, prices, links and texts stand before each leaf."""

    def __init__(self, walk: Walk, pictures: list[int]) -> None:
        self._walk, self.pictures = walk, pictures
        links = [0] * (len(walk.leaves) + 1)
        for place, _ in walk.links:
            links[place] += 1
        self.links = list(accumulate(links[:-1], initial=0))
        self.texts = list(accumulate((isinstance(leaf, Text) for leaf in walk.leaves), initial=0))

    @cached_property
    def prices(self) -> list[int]:
        return list(accumulate(map(_is_price, self._walk.leaves), initial=0))

    def is_card(self, container: Container) -> bool:
        """Prices are looked for last, as this takes longest: few pages have such rows."""
        first, last = container.first, container.last
        if self.pictures[last] == self.pictures[first] or self.texts[last] - self.texts[first] > _CARD:
            return False
        return self.links[last] > self.links[first] and self.prices[last] > self.prices[first]


def _is_picture(leaf: Leaf) -> bool:
    return isinstance(leaf, Media) and leaf.kind == "image"


def _is_price(leaf: Leaf) -> bool:
    if not isinstance(leaf, Text) or len(leaf.text) > _PRICE_LINE:
        return False
    said = leaf.text.lower()
    digit = _DIGIT.search(said)
    return digit is not None and _PRICE.search(said, max(0, digit.start() - _BEFORE)) is not None


def _headings(walk: Walk, verdicts: Verdicts, title: str) -> dict[int, bool]:
    """The headings that are shown, each with whether it is the page's title."""
    found = {}
    for index, (leaf, verdict) in enumerate(zip(walk.leaves, verdicts, strict=True)):
        if isinstance(leaf, Text) and leaf.role == "heading" and not (verdict and verdict.rule in ("chrome", "hidden")):
            found[index] = leaf.mark == "# " or shared(leaf.text, title) >= TITLE_SHARE
    return found


def _are_below_title(walk: Walk, headings: dict[int, bool], card: Container, says_much: bool) -> bool:
    """Whether the last heading before some cards is the page's title: other goods have a heading of their own.

    One deep in a part beside them is that of a filter. Where a page says much of its own, that is what it is about.
    """
    around = set(upward(walk.containers, card.parent))
    for index in sorted((index for index in headings if index < card.first), reverse=True):
        if headings[index] or says_much:
            return headings[index]
        levels = upward(walk.containers, walk.leaves[index].container)
        if any(at in around for at in islice(levels, 1, 1 + _HEADED)):
            return False
    return False


def _keep(walk: Walk, verdicts: Verdicts, members: list[Container]) -> None:
    """Keeps what was left out for where it stands or leads, or for a weak name of a card or of what is around it.

    A card may say its name twice, for two layouts, and show a second picture under the pointer: one is enough.
    """
    texts = [at for card in members for at in range(card.first, card.last) if isinstance(walk.leaves[at], Text)]
    if sum(verdicts[at] is None for at in texts) > _KEPT * len(texts):
        return
    for card in members:
        said = set[str]()
        for at in range(card.first, card.last):
            leaf, verdict = walk.leaves[at], verdicts[at]
            if isinstance(leaf, Text):
                shows = leaf.text
            else:
                shows = _PICTURE if leaf.kind == "image" and _PICTURE not in said and not leaf.decoration else ""
            if shows and shows not in said and not is_label(shows):
                said.add(shows)
                verdicts[at] = None if verdict is None or _is_of_place(verdict, card) else verdict


def _is_of_place(verdict: Verdict, card: Container) -> bool:
    around = verdict.container
    if verdict.rule == "little_prose" and around is not None:
        return around.first <= card.first and card.last <= around.last
    return verdict.rule in _OF_PLACE


def keep_facts(walk: Walk, verdicts: Verdicts) -> None:
    """Keeps what a shop says of a product under headings such as Specifications, wherever that stands."""
    for container in map(walk.containers.__getitem__, walk.facts):
        level = 0
        for at in range(container.first, container.last):
            leaf, verdict = walk.leaves[at], verdicts[at]
            if not isinstance(leaf, Text):
                continue
            if leaf.role == "heading":
                if level and leaf.mark.count("#") <= level and kind_of(leaf.text) != "facts":
                    break  # of something else that opens with it
                level = level or leaf.mark.count("#")
            if verdict and (verdict.rule in _OF_PLACE or _is_of_dialog(verdict)) and not is_label(leaf.text):
                verdicts[at] = None


def keep_points(walk: Walk, texts: list[int], chance: Floats, verdicts: Verdicts) -> None:
    """Keeps what a shop says of a product in points or a table without links, apart from the rest."""
    for part, run in groupby(range(len(texts)), lambda number: _points_around(walk, texts[number], verdicts)):
        numbers = list(run)
        if part >= 0 and len(numbers) >= _POINTS and chance[numbers].mean() >= _POINT:
            for number in numbers:
                verdicts[texts[number]] = None


def _points_around(walk: Walk, index: int, verdicts: Verdicts) -> int:
    """The list or table that a text is a point or a row of, if it is outside the main part; -1 for any other."""
    leaf, verdict = walk.leaves[index], verdicts[index]
    if verdict is None or verdict.rule != "outside" or not isinstance(leaf, Text):
        return -1
    return walk.containers[leaf.container].parent if leaf.role in ("list", "table") and not leaf.link_chars else -1


def _is_of_dialog(verdict: Verdict) -> bool:
    """Whether a text is left out for nothing but that it opens above the page."""
    around = verdict.container
    return verdict.rule == "chrome" and around is not None and around.names.words & CHROME_NAMES == {"modal"}
