"""Why a part of a page is not content."""

import msgspec

from pipeline.page.leaves import Container


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """The rule that leaves something out, the number it looked at, and the container that decided."""

    rule: str
    number: float = 0.0
    container: Container | None = None


Verdicts = list[Verdict | None]  # one a leaf; None: it is kept
