"""The numbers before the items of an ordered list, as HTML's standard has browsers count and write them."""

import re

import msgspec

from pipeline.page.markup import Markup

_START, _VALUE = re.compile(r' start="(-?\d{1,6})"'), re.compile(r' value="(-?\d{1,6})"')
_TYPE = re.compile(r' type="([aAiI])"')
_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
          (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip
_MOST_ROMAN = 3999
_MOST_TAGS = 10_000  # that are counted of a list: lists may stand in lists


class Numbering(msgspec.Struct, gc=False):
    """Of one list: the number of the next item, how it is written, and by how much they differ."""

    next: int = 1
    written: str = "1"
    step: int = 1

    @classmethod
    def of(cls, markup: Markup, at: int) -> "Numbering":
        """Of the `<ol>` that opens at a tag."""
        attributes = markup.attributes[at]
        if not attributes:
            return cls()
        step = -1 if " reversed" in attributes else 1
        start, kind = _START.search(attributes), _TYPE.search(attributes)
        first = int(start[1]) if start else 1 if step > 0 else _items(markup, at)
        return cls(first, kind[1] if kind else "1", step)

    def mark(self, attributes: str) -> str:
        """What stands before the item that opens with these attributes, such as `3.`."""
        stated = _VALUE.search(attributes) if attributes else None
        number = int(stated[1]) if stated else self.next
        self.next = number + self.step
        return f"{_written(number, self.written)}."


def without_second_number(mark: str, text: str) -> str:
    """The mark of an item without its number, where its author wrote the same before the text himself."""
    number = mark.lstrip()
    if number.endswith(". ") and text.startswith((number, f"{number[:-2]}) ")):
        return mark[: -len(number)]
    return mark


def _items(markup: Markup, at: int) -> int:
    """How many items the list that opens at a tag has itself, as far as they are counted."""
    found = depth = 0
    for tag in markup.tags[at + 1 : markup.end_of(at, _MOST_TAGS)]:
        found += tag == "li" and not depth
        depth += (tag in ("ol", "ul")) - (tag in ("/ol", "/ul"))
    return found


def _written(number: int, kind: str) -> str:
    if kind in "aA" and number > 0:
        letters = ""
        while number > 0:
            number, letter = divmod(number - 1, 26)
            letters = chr(ord(kind) + letter) + letters
        return letters
    if kind in "iI" and 0 < number <= _MOST_ROMAN:
        written = ""
        for value, sign in _ROMAN:
            times, number = divmod(number, value)
            written += sign * times
        return written.upper() if kind == "I" else written
    return str(number)
