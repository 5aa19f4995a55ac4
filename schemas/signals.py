"""What was said about the use of a page, image or video, by whom, and what follows from all of it together.

A `Signal` is one statement as it was read. `decide` takes all of them: the most restrictive wins.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

#: `conditional`: allowed under conditions, such as a payment, that nobody here can meet or judge.
Verdict = Literal["yes", "no", "conditional", "unknown"]

#: Every signal that is read, and what it says. docs/consent.md has the clauses.
SIGNALS: dict[str, str] = {
    "content-usage": "IETF AIPREF: a dictionary of usages, `train-ai=n`",
    "content-signal": "Cloudflare's Content Signals: `ai-train=no`",
    "rsl": "a document of Really Simple Licensing that covers the address",
    "robots": "robots directives of a header or meta tag: `noai`",
    "tdm-reservation": "TDM Reservation Protocol: `1`",
    "plus:DataMining": "the data-mining property of XMP, by the PLUS vocabulary",
    "c2pa.training-mining": "an assertion of a C2PA manifest",
    "cawg.training-mining": "the same by the Creator Assertions Working Group",
}
_ORDER: tuple[Verdict, ...] = ("no", "conditional", "yes", "unknown")
_LONGEST_VALUE, _MOST = 500, 16


class Signal(msgspec.Struct, frozen=True, omit_defaults=True):
    """One statement. `origin` is the file, header, tag or metadata it stood in, `value` its words, cut at 500 letters.

    `time` is when that was fetched: ISO 8601, UTC; "" where the archive does not say.
    """

    signal: str
    origin: str
    value: str
    verdict: Verdict = "unknown"
    time: str = ""

    @property
    def words(self) -> str:
        """For the detail of a drop."""
        return f"{self.signal}: {self.value} ({self.origin})"


class Decision(msgspec.Struct, frozen=True):
    """What follows from all signals, and the one that decided."""

    verdict: Verdict = "unknown"
    by: Signal | None = None


def said(signal: str, origin: str, value: str, verdict: Verdict = "unknown", time: str = "") -> Signal:
    """A signal, its value cut to what a record should hold, and without what no text should hold."""
    printable = "".join(letter if letter.isprintable() else " " for letter in value[:_LONGEST_VALUE])
    return Signal(signal, origin[:_LONGEST_VALUE], printable.strip(), verdict, time)


def bounded(signals: Iterable[Signal]) -> tuple[Signal, ...]:
    """Each once; of more than a record should hold the most restrictive."""
    found = list(dict.fromkeys(signals))
    if len(found) > _MOST:
        found = sorted(found, key=lambda signal: _ORDER.index(signal.verdict))[:_MOST]
    return tuple(found)


def most_restrictive(verdicts: Iterable[Verdict]) -> Verdict:
    """`no` before `conditional` before `yes` before `unknown`."""
    found = set(verdicts)
    return next((verdict for verdict in _ORDER if verdict in found), "unknown")


def decide(signals: Iterable[Signal]) -> Decision:
    """The verdict over all, by the first signal that has it."""
    by_verdict: dict[Verdict, Signal] = {}
    for signal in signals:
        by_verdict.setdefault(signal.verdict, signal)
    verdict = most_restrictive(by_verdict)
    return Decision(verdict, by_verdict.get(verdict))
