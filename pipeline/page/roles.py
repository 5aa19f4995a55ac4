"""Tables that a site builds of other elements and names by ARIA's roles: to a reader they are tables, too."""

import re
from collections.abc import Mapping, Sequence

from pipeline.page.elements import NO_DATA

_ROLE = re.compile(r' role="(table|grid|treegrid|row|columnheader|rowheader|cell|gridcell)"')
#: In the attributes of the rows.
ROW = ' role="row"'
_TAGS = {
    **dict.fromkeys(("table", "grid", "treegrid"), "table"),
    "row": "tr",
    **dict.fromkeys(("columnheader", "rowheader"), "th"),
    **dict.fromkeys(("cell", "gridcell"), "td"),
}
#: What is more than a row or a cell, whatever role it has.
_MORE = frozenset(("a", "button", "img", "input"))


def name_tables(tags: list[str | None], written: Sequence[str], ends: Mapping[int, int]) -> None:
    """Elements that are tables by their roles, and their rows and cells, get the tags of such.

    Only those that name columns or rows, and hold what tables of data do: cards are laid out in grids as well.
    """
    behind = 0
    for at, said in enumerate(written):
        if at < behind or not said or at not in ends or _role_of(tags[at], said) != "table" or tags[at] in _MORE:
            continue
        inside = range(at + 1, behind := ends[at])
        if not NO_DATA.isdisjoint(tags[inside.start : inside.stop]):
            continue
        parts = {place: role for place in inside if (role := _role_of(tags[place], written[place] or ""))}
        if not {"tr", "th"} <= set(parts.values()):
            continue
        if any(tags[place] in _MORE or place not in ends for place in parts):
            continue
        for place, name in {at: "table", **parts}.items():
            tags[place], tags[ends[place]] = name, f"/{name}"


def _role_of(tag: str | None, said: str) -> str:
    """The tag that an element has by its role, "" for none."""
    found = _ROLE.search(said) if tag and "role=" in said else None
    return _TAGS[found[1]] if found else ""
