"""Forms: what a reader fills in is none of a page's content. But some forms are only wrapped around it."""

import re
from bisect import bisect_left
from functools import cached_property

from pipeline.page.markup import Markup

_NEAR = 12  # tags behind the form of a whole page that tell what it is
_IN_LABEL = 30  # tags of the name of a field
_ENDS = ("/li", "/div", "/p", "/td", "/span")
_ROWS = 4  # so many goods are a list of them
_IN_ROW = 40  # tags of a row of a table
_TICKED = 'type="checkbox"'
_GALLERY = 3  # pictures; fewer are drawn on buttons
_ID, _FOR = re.compile(r' id="([^"]+)"'), re.compile(r' for="([^"]+)"')
_NAME = re.compile(r' name="([^"]*)"')
_TYPE = re.compile(r' type="([^"]*)"')
_DESCRIPTION = ' itemprop="description"'
_INGREDIENTS = "recipeIngredient"
_MADE_OF = f' itemprop="{_INGREDIENTS}"'
INGREDIENT = "ngredient"  # as classes and microdata write it
_NO_FIELDS = frozenset(("hidden", "submit", "button", "image", "reset"))


class Forms:
    """Tells the forms of a page that are to be filled in from others.

    Others are the form around a whole page of ASP.NET, one that holds paragraphs and no field: forums write each
    post into one, or all of a thread, which sends what moderators choose; shops each of some goods, a row of them,
    which compares them, or the pictures of one, whose buttons show the next; what a part is made of, row by row, to
    find others like it; and one around what the page is about:
    Magento 1, Zen Cart and osCommerce put all of a product into what adds it to the cart.
    """

    def __init__(self, markup: Markup) -> None:
        self._markup = markup

    def is_filled_in(self, at: int, written: str) -> bool:
        """Of the form that opens at a tag."""
        near = (written, *filter(None, self._markup.attributes[at + 1 : at + _NEAR]))
        if any("aspnetForm" in said or "__VIEWSTATE" in said for said in near):
            return False
        end = self._markup.end_of(at)
        if _is_between(self._subjects, at, end):
            return False
        pictures = _count_between(self._pictures, at, end)
        if pictures and at in self._cards:
            return False
        if _is_between(self._fields, at, end):
            return (pictures < _GALLERY or not self._only_chooses(at, end)) and not self._ticks_data(at, end)
        return not _is_between(self._paragraphs, at, end) and pictures < _GALLERY

    def _only_chooses(self, first: int, last: int) -> bool:
        """Whether all fields between two tags are boxes to tick, all of one name: goods to be compared."""
        fields = self._fields[bisect_left(self._fields, first) : bisect_left(self._fields, last)]
        written = [self._markup.attributes[at] or "" for at in fields]
        names = {named[1] for said in written if (named := _NAME.search(said))}
        return all(map(_is_mark, written)) and len(names) == 1

    def _ticks_data(self, first: int, last: int) -> bool:
        """Whether all fields between two tags are boxes in rows of two texts or more: what a part is found alike by."""
        fields = self._fields[bisect_left(self._fields, first) : bisect_left(self._fields, last)]
        if len(fields) < _ROWS or not all(_TICKED in (self._markup.attributes[at] or "") for at in fields):
            return False
        return all(map(self._stands_in_data, fields))

    def _stands_in_data(self, at: int) -> bool:
        """Whether the row of a table that a tag stands in has two cells with words."""
        tags, texts = self._markup.tags, self._markup.texts
        first = next((place for place in range(at, max(0, at - _IN_ROW), -1) if tags[place] == "tr"), -1)
        if first < 0:
            return False
        said, is_said = 0, False
        for place in range(first + 1, min(first + _IN_ROW, len(tags))):
            is_said = is_said or bool(texts[place].strip())
            if tags[place] in ("/td", "/th"):
                said, is_said = said + is_said, False
            elif tags[place] == "/tr":
                break
        return said > 1

    def is_option(self, at: int) -> bool:
        """Whether the `<label>` that opens at a tag says what a reader may choose: one of what a list is filtered by.

        It holds what is to be marked, or stands behind it and before nothing: styles open other parts by such a field.
        Cooks mark the ingredients that they have.
        """
        markup, end = self._markup, self._markup.end_of(at, _IN_LABEL)
        if self._is_recipe and any(said and INGREDIENT in said for said in markup.attributes[at - 1 : end]):
            return False
        if any(markup.tags[inside] == "input" and _is_mark(markup.attributes[inside]) for inside in range(at, end)):
            return True
        is_behind = markup.tags[at - 1] == "input" and _is_mark(markup.attributes[at - 1])
        return is_behind and (markup.tags[end + 1 : end + 2] or [""])[0] in _ENDS

    def is_label(self, at: int, written: str) -> bool:
        """Whether the `<label>` that opens at a tag is of a field, and no heading of what one opens by its style."""
        return self.is_option(at) or self.names_field(at, written)

    def names_field(self, at: int, written: str) -> bool:
        """Whether the `<label>` that opens at a tag says what a reader is to write or choose in a field."""
        end = self._markup.end_of(at, _IN_LABEL)
        if any(self._is_written_in(inside) for inside in range(at + 1, end)):
            return True
        named = _FOR.search(written)
        return named is not None and named[1] in self._ids

    def _is_written_in(self, at: int) -> bool:
        tag, written = self._markup.tags[at], self._markup.attributes[at] or ""
        return tag in ("select", "textarea") or (tag == "input" and _is_field(written) and not _is_mark(written))

    @cached_property
    def _is_recipe(self) -> bool:
        return bool(self._markup.bearing(_INGREDIENTS)) or any(_INGREDIENTS in said for said in self._markup.json_ld)

    @cached_property
    def _cards(self) -> set[int]:
        """The forms that hold a picture and a link each, where these are several: shops add each of some goods so."""
        linked = self._markup.places("a")
        spans = [(at, self._markup.end_of(at)) for at in self._markup.places("form")]
        cards = {at for at, end in spans if _is_between(self._pictures, at, end) and _is_between(linked, at, end)}
        return cards if len(cards) >= _ROWS else set()

    @cached_property
    def _ids(self) -> set[str]:
        """Of the fields that are written in."""
        found = (at for at in self._fields if self._is_written_in(at))
        ids = (_ID.search(self._markup.attributes[at] or "") for at in found)
        return {named[1] for named in ids if named}

    @cached_property
    def _fields(self) -> list[int]:
        written = self._markup.attributes
        inputs = [at for at in self._markup.places("input") if _is_field(written[at])]
        return sorted([*inputs, *self._markup.places("textarea"), *self._markup.places("select")])

    @cached_property
    def _subjects(self) -> list[int]:
        """Where the page says what it is about: its title, or in microdata the description of a thing, or what it is
        made of."""
        markup = self._markup
        return sorted([*markup.places("h1"), *markup.bearing(_DESCRIPTION), *markup.bearing(_MADE_OF)])

    @cached_property
    def _paragraphs(self) -> list[int]:
        return sorted([*self._markup.places("p"), *self._markup.places("article")])

    @cached_property
    def _pictures(self) -> list[int]:
        return self._markup.places("img")


def _is_field(written: str) -> bool:
    kind = _TYPE.search(written)
    return kind is None or kind[1].strip().lower() not in _NO_FIELDS


def _is_mark(written: str | None) -> bool:
    return written is not None and ('type="checkbox"' in written or 'type="radio"' in written)


def _is_between(places: list[int], first: int, last: int) -> bool:
    return _count_between(places, first, last) > 0


def _count_between(places: list[int], first: int, last: int) -> int:
    return bisect_left(places, last) - bisect_left(places, first)
