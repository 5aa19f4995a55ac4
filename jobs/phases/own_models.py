"""Scorers and captioners of the user's own: functions of a batch of images and texts, run where the models are."""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from PIL import Image

from jobs.config import BuildConfig, OwnModel, OwnScorer
from jobs.engine.own_code import check_settings, find, makes_callables
from pipeline.captions import CaptionRules
from pipeline.text.pii import redact_text
from pipeline.video.settings import VideoCaptionRules
from schemas.drops import MAX_FAILURES_IN_A_ROW, Drop, StepError, bounded
from schemas.images import STORED_FORMATS, on_white, open_image
from schemas.settings import SettingsError

_NAME = re.compile(r"[a-z][a-z0-9_]*")
#: Scores that weft's own scorers have, and what texts of pages, lists and videos are called by where they stood.
_SCORES = ("nsfw", "aesthetic", "clip")
_SOURCES = (*CaptionRules().sources, *VideoCaptionRules().sources)


class Answer(msgspec.Struct, frozen=True):
    """What a model of the user's says of one image: a number or a text, or why it failed."""

    value: Any = None
    failure: str = ""
    redacted: dict[str, int] = {}  # placeholders in a text, by kind


class OwnModels:
    """The user's scorers and captioners in one process. Classes are instantiated here, once."""

    def __init__(self, config: BuildConfig, given: Mapping[str, Callable[..., Any]]) -> None:
        """Raises `SettingsError` where a class cannot be made."""
        self._scorers = [(one.name, _Model(one, given, float)) for one in config.score_with]
        self._captioners = [(one.name, _Model(one, given, str)) for one in config.caption_with]
        self._pii = config.pii

    def score(self, images: Sequence[bytes], texts: Sequence[str]) -> list[dict[str, Answer]]:
        """For each image a number by the name of each scorer. `texts` are what stands with each image."""
        return _by_image(self._scorers, images, texts)

    def caption(self, images: Sequence[bytes], texts: Sequence[str]) -> list[dict[str, Answer]]:
        """The same, a text by the name of each captioner: what it reads off an image may be somebody's number."""
        found = _by_image(self._captioners, images, texts)
        return [{name: self._without_personal_data(answer) for name, answer in of_one.items()} for of_one in found]

    def _without_personal_data(self, answer: Answer) -> Answer:
        counts: Counter[str] = Counter()
        return answer if answer.failure else Answer(redact_text(answer.value, self._pii, counts), redacted=dict(counts))


class _Model:
    """One scorer or captioner: many items failing one after the other stop the run."""

    def __init__(self, own: OwnModel, given: Mapping[str, Callable[..., Any]], returns: type) -> None:
        made = find(own.use, given)
        self._use, self._returns, self._failures = own.use, returns, 0
        if isinstance(made, type):
            settings = check_settings(own.use, made, own.settings, skip=0)
            try:
                self._function, self._settings = made(**settings), {}
            except (Exception, SystemExit) as error:  # the user's code: a model that is not there, say
                raise SettingsError(f"{own.use}: {type(error).__name__}: {error}") from None
        else:
            self._function, self._settings = made, check_settings(own.use, made, own.settings, skip=2)

    def __call__(self, images: Sequence[Image.Image], texts: Sequence[str]) -> list[Answer]:
        try:
            return self._answers(images, texts)
        except (Exception, SystemExit) as error:  # as above; then items are tried one by one, so that one costs itself
            if isinstance(error, StepError):
                raise
            return [self._one(image, text) for image, text in zip(images, texts, strict=True)]

    def _one(self, image: Image.Image, text: str) -> Answer:
        try:
            (answer,) = self._answers([image], [text])
        except StepError:
            raise
        except (Exception, SystemExit) as error:
            self._failures += 1
            detail = bounded(f"{self._use}: {type(error).__name__}: {error}")
            if self._failures >= MAX_FAILURES_IN_A_ROW:
                raise StepError(f"{self._failures} failures in a row, last with {text[:80]!r}: {detail}") from error
            return Answer(failure=detail)
        self._failures = 0
        return answer

    def _answers(self, images: Sequence[Image.Image], texts: Sequence[str]) -> list[Answer]:
        found = list(self._function(images, texts, **self._settings))
        if len(found) != len(images):
            raise StepError(f"{self._use} must return one {self._returns.__name__} an image: {len(images)} images, "
                            f"{len(found)} answers")  # fmt: skip
        return [Answer(self._typed(value)) for value in found]

    def _typed(self, value: Any) -> Any:
        if self._returns is str:
            if not isinstance(value, str):
                raise StepError(f"{self._use} must return texts, not {type(value).__name__}")
            text = " ".join(value.split())
            text.encode()  # raises for half a surrogate pair, which no file can hold: that costs the image alone
            return text
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise StepError(f"{self._use} must return numbers, not {type(value).__name__}") from None
        return round(number, 4)


def _by_image(
    models: Sequence[tuple[str, _Model]], images: Sequence[bytes], texts: Sequence[str]
) -> list[dict[str, Answer]]:
    answers: list[dict[str, Answer]] = [{} for _ in images]
    if models and images:
        opened = [on_white(open_image(data, STORED_FORMATS)) for data in images]
        for name, model in models:
            for place, answer in enumerate(model(opened, texts)):
                answers[place][name] = answer
    return answers


def check_models(config: BuildConfig, given: Mapping[str, Callable[..., Any]]) -> None:
    """Names, and how they are called, before any work begins. Raises `SettingsError`."""
    for models, taken in ((config.score_with, _SCORES), (config.caption_with, _SOURCES)):
        names = [one.name for one in models]
        for one in models:
            made = find(one.use, given)
            check_settings(one.use, made, one.settings, skip=0 if isinstance(made, type) else 2)
            if isinstance(made, type) and not makes_callables(made):
                raise SettingsError(
                    f"{one.use}: the class has no __call__, by which it would be given images and texts"
                )
            if not _NAME.fullmatch(one.name) or one.name in taken or names.count(one.name) > 1:
                raise SettingsError(f"{one.use}: {one.name!r} is no name for it: a-z, 0-9 and _, and not taken")


def judge_scores(scorers: Sequence[OwnScorer], answers: Mapping[str, Answer]) -> dict[str, float]:
    """The numbers of one image. Raises `Drop`: step_failed, and `module:name` for one outside its limits."""
    scores: dict[str, float] = {}
    for own in scorers:
        answer = answers[own.name]
        if answer.failure:
            raise Drop("step_failed", answer.failure)
        value = scores[own.name] = answer.value
        reason = f"{prefix_of(own.use)}:{own.name}"
        if own.at_least is not None and not value >= own.at_least:
            raise Drop(reason, f"{value:.4g} < {own.at_least:g}")
        if own.at_most is not None and not value <= own.at_most:
            raise Drop(reason, f"{value:.4g} > {own.at_most:g}")
        if not math.isfinite(value):
            raise Drop("step_failed", f"{own.use}: {value}")
    return scores


def texts_said(answers: Mapping[str, Answer]) -> tuple[dict[str, str], Counter[str]]:
    """What captioners say of one image, by their names, and the placeholders in it. Raises `Drop`: step_failed."""
    counts: Counter[str] = Counter()
    for answer in answers.values():
        if answer.failure:
            raise Drop("step_failed", answer.failure)
        counts.update(answer.redacted)
    return {name: answer.value for name, answer in answers.items() if answer.value}, counts


def prefix_of(use: str) -> str:
    """The first part of the reasons that weft gives in the name of a module of the user's."""
    name = re.sub(r"[^a-z0-9_]", "_", use.partition(":")[0].rpartition(".")[2].lower()).strip("_")
    return name if _NAME.fullmatch(name) else "own"
