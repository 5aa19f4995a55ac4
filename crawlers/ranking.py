"""In what order a crawl goes: points for addresses, by its settings and by a function of the user's own."""

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from crawlers.crawl_status import Status, count
from crawlers.patterns import check_patterns, matches
from schemas.drops import MAX_FAILURES_IN_A_ROW, Drop, StepError
from schemas.settings import Settings, settings_hash

MOST_BAND = 127
_BANDS_A_POINT = 8


class Link(msgspec.Struct, frozen=True):
    """An address that was found, as a function that gives points sees it."""

    url: str
    kind: str  # page, image, video or sitemap
    depth: int = 0  # links away from a seed; media have that of their page
    found_on: str = ""  # "" of a seed
    language: str = ""  # that the page declares on which it stands: `en`, `pt-br`
    links: int = 1  # pages that lead there, of those that were seen


class PrioritySettings(Settings, frozen=True):
    """Points of addresses: those with more come first, of a host and among hosts. Nothing set: in order of links."""

    patterns: dict[str, float] = msgspec.field(default_factory=dict)
    """Points by regular expressions of RE2; all count that match an address somewhere."""
    languages: dict[str, float] = msgspec.field(default_factory=dict)
    """Points by the language that a page declares, for the addresses on it: `pt` is also that of `pt-br`."""
    points_per_doubling: float = 0.0
    """Points for each doubling of the pages that lead to an address."""
    use: str = ""
    """`module:function`, of your own: it is given a `weft.Link` and returns points."""
    settings: dict[str, Any] = msgspec.field(default_factory=dict)
    """Of that function."""

    def __post_init__(self) -> None:
        check_patterns(self.patterns)
        for name, points in (*self.patterns.items(), *self.languages.items()):
            if not math.isfinite(points):
                raise ValueError(f"the points of `{name}` are {points}, and must be a finite number")


#: What a function of the user's own says of links, in their order: points, or in words why there are none.
OwnPoints = Callable[[Sequence[Link]], Sequence[float | str]]


class Ranking:
    """Gives points. `own` is the user's function, which runs elsewhere; `source` changes when its code does."""

    def __init__(
        self, settings: PrioritySettings = PrioritySettings(), own: OwnPoints | None = None, source: str = ""
    ) -> None:
        self._settings, self._own = settings, own
        self.is_used = settings != PrioritySettings()
        self.name = f"{settings_hash(settings)} {source}" if self.is_used else ""
        self._failures = 0

    async def points(self, links: Sequence[Link], status: Status) -> list[float]:
        """Of each link. What the user's function fails on has the points of the settings alone, and is counted in
        `status`. Raises `StepError` where it fails many times in a row."""
        points = [self._by_settings(link) for link in links]
        if self._own is None or not links:
            return points
        try:
            own = await asyncio.to_thread(self._own, links)
        except Drop as drop:  # the process that it ran in
            self._failed(links[0], drop.reason, drop.reason, status)
            return points
        for number, (link, more) in enumerate(zip(links, own, strict=True)):
            if isinstance(more, str):
                self._failed(link, "step_failed", more, status)
            else:
                self._failures = 0
                points[number] += more
        return points

    def _by_settings(self, link: Link) -> float:
        settings = self._settings
        points = sum(more for pattern, more in settings.patterns.items() if matches(pattern, link.url))
        if settings.languages and link.language:
            fits = [name for name in settings.languages if f"{link.language}-".startswith(f"{name.lower()}-")]
            points += settings.languages[max(fits, key=len)] if fits else 0.0
        return points + settings.points_per_doubling * math.log2(max(1, link.links))

    def _failed(self, link: Link, reason: str, detail: str, status: Status) -> None:
        count(status.drops, f"points of an address: {reason}")
        self._failures += 1
        if self._failures >= MAX_FAILURES_IN_A_ROW:
            raise StepError(f"{self._settings.use}: {self._failures} failures in a row, last {link.url}: {detail}")


def band_of(score: float) -> int:
    """What scores are rounded to where hosts are compared, so that there are few of them: to an eighth of a point, of
    many points to an eighth of them."""
    return max(-MOST_BAND, min(MOST_BAND, round(_BANDS_A_POINT * math.asinh(score))))
