"""Why a part of a page is not content."""

import msgspec


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """The rule that leaves something out, the number it looked at, and the container that decided."""

    rule: str
    number: float = 0.0
    container: int = 0


Verdicts = list[Verdict | None]  # one a leaf; None: it is kept
