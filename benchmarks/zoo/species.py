"""What the zoo holds: classes of input, each with a maker and an oracle."""

import random
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from schemas.drops import Drop

_ROOT = Path(__file__).parents[2]


class Finding(Exception):
    """Raised by an oracle: a promise that does not hold, in a few words that are the same for each such item."""


class Species(NamedTuple):
    """A class of input.

    `make` draws an item; `judge` does with it what weft does, returns for what, and raises `Finding` where a promise
    does not hold. `limit_s` is what one item may take.
    """

    name: str
    make: Callable[[random.Random], bytes]
    judge: Callable[[bytes], str]
    limit_s: float = 10.0


def judged(item: tuple[str, bytes]) -> str:
    """The oracle of a class as it runs in a child: `ok:` and what became of the item, or the finding."""
    from benchmarks.zoo.classes import CLASSES

    name, data = item
    try:
        return f"ok: {CLASSES[name].judge(data)}"
    except Drop as drop:
        return f"ok: {drop.reason}" if drop.reason != "internal_error" else f"internal error {drop.detail[:60]}"
    except Finding as finding:
        return str(finding)
    except MemoryError:
        return "out of memory"
    except Exception as error:
        return f"{type(error).__name__} in {_place_of(error)}"


def _place_of(error: Exception) -> str:
    """The innermost function of ours that an exception passed."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_ROOT) and ".venv" not in frame.filename]
    frame = ours[-1] if ours else frames[-1]
    return f"{Path(frame.filename).stem}.{frame.name}"


def slug(finding: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", finding.lower()).strip("-")[:80]


def require(holds: bool, finding: str) -> None:
    if not holds:
        raise Finding(finding)
