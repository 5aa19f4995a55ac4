"""Steps of the user's own: found by name, checked before any work begins, and run so that an error costs one item."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from jobs.config import BuildConfig, OwnModel, OwnStep
from jobs.engine.own_code import check_settings, find, gives_by_yield, hints_of, source_hash
from jobs.phases.own_fields import plain_fields, wrong_field
from jobs.phases.own_trial import wrong_result
from pipeline.image.codec import DecodedImage
from schemas.clips import Clip
from schemas.documents import Draft, Page
from schemas.drops import MAX_FAILURES_IN_A_ROW, Drop, StepError, bounded
from schemas.pairs import PairRef
from schemas.settings import SettingsError
from schemas.videos import VideoDraft

How = Literal["before", "after", "instead"]


class Place(msgspec.Struct, frozen=True):
    """A step of weft's that own steps can stand beside: what goes into it, and what comes out."""

    takes: type
    gives: type
    allows: tuple[How, ...] = ("before", "after", "instead")

    def types(self, how: How) -> tuple[type, type]:
        """What a step that stands so is given, and what it must return."""
        return {"before": (self.takes, self.takes), "after": (self.gives, self.gives)}.get(
            how, (self.takes, self.gives)
        )


#: In their order. Consent comes before all of them and has no place: nothing sees an item that asks not to be used.
PLACES: dict[str, Place] = {
    "url": Place(Page, Page),
    "extract": Place(Page, Draft),
    "language": Place(Draft, Draft),
    "text_rules": Place(Draft, Draft),
    "pii": Place(Draft, Draft),
    "pairs": Place(PairRef, PairRef, ("after",)),
    "videos": Place(VideoDraft, VideoDraft, ("after",)),
    "images": Place(DecodedImage, DecodedImage, ("after",)),
    "clips": Place(Clip, Clip, ("after",)),
}


class OwnCode(msgspec.Struct, frozen=True):
    """A step, scorer or captioner as the plan of a build remembers it: another source is another build."""

    use: str
    sha256: str  # of the file that it stands in, or of its own source where it stands in none


class OwnFunction:
    """A step of the user's own, as it is run: a function of one item.

    An error in it, or a field of another type, costs the item, `Drop("step_failed")`; many in a row stop the run and
    name the item, and so does a result of another type than the place asks for.
    """

    def __init__(self, use: str, function: Callable[..., Any], settings: Mapping[str, Any], gives: type) -> None:
        self.use, self._function, self._settings, self._gives = use, function, dict(settings), gives
        self._failures = 0

    def __call__(self, item: Any) -> Any:
        try:
            result = self._function(item, **self._settings)
            if isinstance(result, self._gives):
                if wrong := wrong_field(item, result):
                    raise TypeError(wrong)
                result = plain_fields(item, result)
        except Drop as drop:
            self._failures = 0
            raise Drop(drop.reason, bounded(drop.detail)) from None
        except (MemoryError, StepError):
            raise
        except (Exception, SystemExit) as error:  # whatever a user's code may raise on odd data
            detail = bounded(f"{self.use}: {type(error).__name__}: {error}")
            self._failures += 1
            if self._failures >= MAX_FAILURES_IN_A_ROW:
                raise StepError(f"{self._failures} failures in a row, last {item.kind} {item.url}: {detail}") from error
            raise Drop("step_failed", detail) from error
        if not isinstance(result, self._gives):
            raise StepError(f"{item.kind} {item.url}: {_wrong_result(self.use, type(result), self._gives)}")
        self._failures = 0
        return result


def find_step(step: OwnStep, given: Mapping[str, Callable[..., Any]]) -> tuple[str, How, OwnFunction]:
    """Place, side and function of a step. Raises `SettingsError` in one line for whatever is wrong with it."""
    named: list[How] = [how for how in ("before", "after", "instead") if getattr(step, how)]
    if len(named) != 1:
        raise SettingsError(f"step {step.use}: one of before, after and instead says where it stands")
    how, place = named[0], getattr(step, named[0])
    if place == "consent":
        raise SettingsError(f"step {step.use}: consent comes before everything; its settings are `consent`")
    if place not in PLACES:
        raise SettingsError(f"step {step.use}: there is no step {place}; there are {', '.join(PLACES)}")
    if how not in PLACES[place].allows:
        raise SettingsError(f"step {step.use}: it can stand {' or '.join(PLACES[place].allows)} {place}, not {how} it")
    takes, gives = PLACES[place].types(how)
    function = find(step.use, given)
    if isinstance(function, type):
        raise SettingsError(f"step {step.use}: a step is a plain function, not a class")
    if gives_by_yield(function):
        raise SettingsError(f"step {step.use}: it must return its item, not yield it")
    settings = check_settings(step.use, function, step.settings, skip=1)
    hints = hints_of(function)
    returned = hints.get("return", gives)
    if isinstance(returned, type) and not issubclass(returned, gives):
        raise SettingsError(_wrong_result(step.use, returned, gives))
    first = next(iter(inspect.signature(function).parameters), "")
    taken = hints.get(first, takes)
    if isinstance(taken, type) and not issubclass(takes, taken):
        raise SettingsError(f"step {step.use}: {how} {place} it is given a {takes.__name__}, not a {taken.__name__}")
    if "return" not in hints and (wrong := wrong_result(function, settings, takes, gives)) is not None:
        raise SettingsError(_wrong_result(step.use, wrong, gives))
    return place, how, OwnFunction(step.use, function, settings, gives)


def own_code(config: BuildConfig, given: Mapping[str, Callable[..., Any]]) -> list[OwnCode]:
    """What the plan remembers of the user's own code, in the order of the settings. Raises `SettingsError`."""
    own: list[OwnStep | OwnModel] = [*config.steps, *config.score_with, *config.caption_with]
    return [OwnCode(one.use, source_hash(find(one.use, given))) for one in own]


def _wrong_result(use: str, got: type, wanted: type) -> str:
    return f"step {use}: it must return a {wanted.__name__} or raise weft.Drop, not return {got.__name__}"
