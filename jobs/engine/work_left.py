"""How much of some work in parts is done, and how long the rest takes."""

import time
from collections.abc import Callable, Mapping

#: Before so much was seen nothing is foretold.
_LEAST_S, _LEAST_WORK = 5.0, 0.01
#: Below this share of a part its own pace says too little, and that of all parts is taken; below the other one where a
#: part has taken a minute.
_LEAST_SHARE, _LEAST_SHARE_LATER, _LATER_S = 0.05, 0.005, 60.0


class WorkLeft:
    """Parts are worked on one after the other; each is expected to take its share of the time.

    The part at hand goes on at its own pace; those to come are foretold by the time that the parts which were worked on
    have taken for their shares. What an earlier run has done counts as done and says nothing about the pace.
    """

    def __init__(self, shares: Mapping[str, float], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shares: dict[str, float] = {}
        self._done: dict[str, float] = {}  # of each, from 0 to 1
        self._worked: dict[str, float] = {}  # the same, in this run
        self._seconds: dict[str, float] = {}
        self._known_left: dict[str, float] = {}  # until when, by the clock
        self._at, self._since = "", clock()
        for part, share in shares.items():
            self.add(part, share)

    def add(self, part: str, share: float) -> None:
        """One more, behind all others."""
        self._shares[part] = share
        self._done[part] = self._worked[part] = self._seconds[part] = 0.0

    def begin(self, part: str) -> None:
        """This part is worked on; those before it in order are done."""
        self._stop()
        for name in self._shares:
            if name == part:
                break
            self._done[name] = 1.0
        self._at, self._since = part, self._clock()

    def reach(self, done: float, before: bool = False) -> None:
        """So much of the part at hand is done, from 0 to 1; `before`: by an earlier run. It never becomes less."""
        more = max(0.0, min(1.0, done) - self._done[self._at])
        self._done[self._at] += more
        if not before:
            self._worked[self._at] += more

    def foretell(self, seconds: float | None) -> None:
        """The part at hand knows itself how long it takes from now on; None: it does not."""
        self._known_left.pop(self._at, None)
        if seconds is not None:
            self._known_left[self._at] = self._clock() + seconds

    def end(self) -> None:
        """All is done."""
        self._stop()
        self._done = dict.fromkeys(self._shares, 1.0)
        self._at = ""

    @property
    def done(self) -> float:
        """From 0 to 1, of all parts by their shares."""
        total = sum(self._shares.values())
        return sum(self._shares[name] * done for name, done in self._done.items()) / total if total else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds; None while too little is known."""
        later = sum(share * (1 - self._done[name]) for name, share in self._shares.items() if name != self._at)
        own = self._own_left_s()
        pace = self._pace_s()
        if pace is None:
            return own if own is not None and not later else None
        if own is None and self._at:
            own = self._shares[self._at] * (1 - self._done[self._at]) * pace
        return later * pace + (own or 0.0)

    def _own_left_s(self) -> float | None:
        if self._at in self._known_left:
            return max(0.0, self._known_left[self._at] - self._clock())
        if not self._at:
            return None
        spent, worked = self._spent(self._at), self._worked[self._at]
        if spent < _LEAST_S or worked < (_LEAST_SHARE if spent < _LATER_S else _LEAST_SHARE_LATER):
            return None
        return spent / worked * (1 - self._done[self._at])

    def _pace_s(self) -> float | None:
        """Seconds for a share of 1, by all parts but those that know themselves: these wait for others."""
        names = [name for name in self._shares if name not in self._known_left]
        work = sum(self._shares[name] * self._worked[name] for name in names)
        seconds = sum(self._spent(name) for name in names)
        if seconds < _LEAST_S or work < _LEAST_WORK * sum(self._shares.values()):
            return None
        return seconds / work

    def _spent(self, name: str) -> float:
        return self._seconds[name] + (self._clock() - self._since if name == self._at else 0.0)

    def _stop(self) -> None:
        if self._at:
            self._seconds[self._at] = self._spent(self._at)
            self._since = self._clock()
            if self._at in self._known_left:
                self._known_left[self._at] = self._clock()


def about(seconds: float) -> str:
    """`less than a minute`, `about 12 min`, `about 3.5 h`, `about 4 days`: no more digits than are true."""
    if seconds < 45:
        return "less than a minute"
    if seconds < 90 * 60:
        return f"about {max(1, _rounded(seconds / 60)):g} min"
    if seconds < 48 * 3600:
        hours = seconds / 3600
        return f"about {round(2 * hours) / 2 if hours < 10 else round(hours):g} h"
    return f"about {round(seconds / 86400):g} days"


def _rounded(minutes: float) -> float:
    """To 1 below 10, to 5 above."""
    return round(minutes) if minutes < 10 else 5 * round(minutes / 5)


def clock_of(seconds: float) -> str:
    """`41 s`, `5 min 3 s`, `3 h 20 min`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"
