"""Points for addresses by a function of the user's own, run in a child process with limits, as what reads markup is."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from crawlers.ranking import Link, PrioritySettings
from jobs.engine.isolation import IsolatedPool, IsolationSettings
from jobs.engine.own_code import check_settings, find, gives_by_yield
from schemas.drops import StepError, bounded
from schemas.settings import SettingsError

_TRIAL = Link("https://trial.example/page.html", "page", 1, "https://trial.example/", "en")


class GivePoints:
    """The function for a batch of links, as the child runs it: a number for each, or why it failed on that one.

    Raises `StepError` for what is no number.
    """

    def __init__(self, use: str, function: Callable[..., Any], settings: Mapping[str, Any]) -> None:
        self._use, self._function, self._settings = use, function, dict(settings)

    def __call__(self, links: Sequence[Link]) -> list[float | str]:
        return [self._of(link) for link in links]

    def _of(self, link: Link) -> float | str:
        try:
            points = self._function(link, **self._settings)
        except MemoryError:
            raise
        except (Exception, SystemExit) as error:  # whatever a user's code may raise on an odd address
            return bounded(f"{type(error).__name__}: {error}")
        if (number := _number(points)) is None:
            raise StepError(f"{_wrong(self._use, points)}, for {link.url}")
        return number


def find_points(priority: PrioritySettings) -> Callable[..., Any] | None:
    """The function that the settings name, tried once on a made-up link; None if they name none. Raises
    `SettingsError`."""
    if not priority.use:
        if priority.settings:
            raise SettingsError("priority.settings are those of a function, and priority.use names none")
        return None
    function = find(priority.use, {})
    if isinstance(function, type):
        raise SettingsError(f"step {priority.use}: a function gives points, not a class")
    if not inspect.signature(function).parameters:
        raise SettingsError(f"step {priority.use}: it must take a weft.Link")
    if gives_by_yield(function):
        raise SettingsError(f"step {priority.use}: it must return points, not yield them")
    settings = check_settings(priority.use, function, priority.settings, skip=1)
    try:
        points = function(_TRIAL, **settings)
    except (Exception, SystemExit):  # it may well fail on what is no real address: that says nothing of it
        return function
    if _number(points) is None:
        raise SettingsError(f"step {_wrong(priority.use, points)}")
    return function


def own_points(
    priority: PrioritySettings, function: Callable[..., Any], limits: IsolationSettings
) -> IsolatedPool[Sequence[Link], list[float | str]]:
    settings = check_settings(priority.use, function, priority.settings, skip=1)
    return IsolatedPool(GivePoints(priority.use, function, settings), limits, 1)


def _number(points: Any) -> float | None:
    try:
        number = None if isinstance(points, str | bytes) else float(points)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number is not None and math.isfinite(number) else None


def _wrong(use: str, points: Any) -> str:
    said = points if isinstance(points, float) else type(points).__name__
    return f"{use}: it must return a finite number, not {said}"
