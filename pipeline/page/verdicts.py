"""Why a part of a page is not content."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec

from pipeline.page.leaves import Container


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """The rule that leaves something out, the number it looked at, and the container that decided."""

    rule: str
    number: float = 0.0
    container: Container | None = None


Verdicts = list[Verdict | None]  # one a leaf; None: it is kept


class Weighed(NamedTuple):
    """What the evidence said of a page before it is trimmed."""

    changed: bool = False
    """Something is kept, or left out, that the rules did not."""
    likely: Collection[int] = frozenset()
    """Leaves that it takes for content: the address and the hours at the end of a firm's page are no scraps."""
    places: Sequence[Sequence[int]] = ()
    """Leaves that stand at one place of a page's rows: the dates of a list of posts are no bylines."""
