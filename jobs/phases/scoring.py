"""Scores of images and texts: the models in a pool of processes or in this one, and what their scores decide."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
import numpy as np

from jobs.config import BuildConfig
from jobs.engine.engine import Engine, WorkerDied
from jobs.phases.own_models import Answer, OwnModels, judge_scores
from jobs.phases.recipe import Recipe
from jobs.phases.references import read_images, reference_names
from jobs.phases.task import Memory, Phase, Task, file_of
from model.scorers import BadModel, Floats, Models, Scored, ScorerSettings
from schemas.drops import Drop


class Seen(msgspec.Struct, frozen=True):
    """What all scorers say of a batch: weft's own, and for each image the answers of the user's."""

    scored: Scored
    own: list[dict[str, Answer]]

    def only(self, images: slice, texts: slice) -> "Seen":
        """Of these images and texts alone."""
        scored = self.scored
        part = Scored(
            scored.image_embeddings[images],
            scored.text_embeddings[texts],
            scored.nsfw[images],
            scored.aesthetic[images],
        )
        return Seen(part, self.own[images])


class ModelHost:
    """The models of a build in one process; batches of all tasks come one after the other."""

    def __init__(self, recipe: Recipe) -> None:
        """Raises `BadModel`, and `SettingsError` for models of the user's that cannot be made."""
        self._models = Models(recipe.config.scorers)
        self._own = OwnModels(recipe.config, recipe.given)

    def score(self, images: Sequence[bytes], texts: Sequence[str], beside: Sequence[str]) -> Seen:
        """`beside` has for each image the text that stands with it; the user's own models see that one."""
        return Seen(self._models.score(images, texts), self._own.score(images, beside))

    def caption(self, images: Sequence[bytes], beside: Sequence[str]) -> list[dict[str, Answer]]:
        """For each image what the user's captioners say of it."""
        return self._own.caption(images, beside)


#: What a pool gives: as many as there are processes that hold the models, or the one of this process.
Hosts = tuple[ModelHost, ...]


def wants_models(config: BuildConfig) -> bool:
    """Whether any model looks at the samples of a build."""
    return config.scorers.is_on or bool(config.score_with or config.caption_with)


@contextmanager
def model_pool(engine: Engine, recipe: Recipe) -> Iterator[Hosts]:
    """What looks at images, in processes that hold the models; nothing without any model.

    Raises `BadModel`, and `SettingsError` for models of the user's that cannot be made.
    """
    settings = recipe.config.scorers
    if not wants_models(recipe.config):
        yield ()
        return
    try:
        with engine.pool(ModelHost, (recipe,), settings.actors, settings.gpus_per_actor) as hosts:
            yield hosts
    except WorkerDied as error:
        raise BadModel(f"the process that loads the models died: {error}") from error


def open_models(task: Task, hosts: Hosts) -> ModelHost | None:
    """What scores and captions for a task; None without any model."""
    return hosts[task.index % len(hosts)] if hosts else None


def embed_references(task: Task, hosts: Hosts) -> None:
    """Embeddings of one list of evaluation images."""
    references, models = task.plan.references[task.index], open_models(task, hosts)
    if references.kind == "images" and models is not None:
        images = [image.data for _, image in read_images(references, task.config)]
        file = io.BytesIO()
        np.save(file, models.score(images, [], [""] * len(images)).scored.image_embeddings)
        task.put("embeddings.npy", file.getvalue())


def evaluation_embeddings(memory: Memory) -> tuple[Floats, list[str]] | None:
    """Embeddings and names of all evaluation images; None where they are not compared. For `Memory.once`."""
    config = memory.plan.config
    if not compares_embeddings(config.scorers) or not config.decontamination.images:
        return None
    arrays, names = [], []
    for index, references in enumerate(memory.plan.references):
        if references.kind == "images":
            arrays.append(np.load(io.BytesIO(memory.store.read(file_of(EMBEDDINGS.name, index, "embeddings.npy")))))
            names += reference_names(memory, index)
    return np.concatenate(arrays), names


EMBEDDINGS = Phase("embeddings", "references", embed_references)


def compares_embeddings(settings: ScorerSettings) -> bool:
    return bool(settings.clip.path) and settings.max_evaluation_similarity is not None


class Judge:
    """What the scores of one image decide, by the settings of a build."""

    def __init__(self, task: Task, settings: ScorerSettings | None = None) -> None:
        """`settings`, where a kind has limits of its own, in place of those of the build."""
        self.settings = settings or task.config.scorers
        self._own, self._evaluation = task.config.score_with, task.memory.once(evaluation_embeddings)

    def __call__(self, seen: Seen, place: int) -> dict[str, float]:
        """The scores of the image in this place of a batch. Raises the `Drop` of the first that it falls short of."""
        scores = judge_image(self.settings, self._evaluation, seen.scored, place)
        return scores | judge_scores(self._own, seen.own[place]) if self._own else scores


def of_all_images(image_scores: Sequence[dict[str, float]]) -> dict[str, float]:
    """Of a page or clip: the worst of nsfw, the means of the others."""
    names = image_scores[0] if image_scores else ()
    of = {name: [scores[name] for scores in image_scores] for name in names}
    return {name: max(of[name]) if name == "nsfw" else round(float(np.mean(of[name])), 4) for name in names}


def judge_image(
    settings: ScorerSettings, evaluation: tuple[Floats, list[str]] | None, scored: Scored, place: int
) -> dict[str, float]:
    """The scores of one image of a page. Raises `Drop`: nsfw, unaesthetic, unrelated, evaluation_image."""
    scores: dict[str, float] = {}
    if settings.nsfw.path:
        scores["nsfw"] = round(float(scored.nsfw[place]), 4)
        _at_most("nsfw", scores["nsfw"], settings.max_nsfw)
    if settings.aesthetic:
        scores["aesthetic"] = round(float(scored.aesthetic[place]), 4)
        _at_least("unaesthetic", scores["aesthetic"], settings.min_aesthetic)
    if settings.clip.path:
        own = scored.image_embeddings[place]
        if evaluation is not None and settings.max_evaluation_similarity is not None:
            cosines = evaluation[0] @ own
            nearest = int(np.argmax(cosines))
            if cosines[nearest] > settings.max_evaluation_similarity:
                raise Drop("evaluation_image", f"{evaluation[1][nearest]}, cosine {cosines[nearest]:.3f}")
        if len(scored.text_embeddings):
            scores["clip"] = round(float((scored.text_embeddings @ own).max()), 4)
            _at_least("unrelated", scores["clip"], settings.min_similarity)
    return scores


def screened_by(settings: ScorerSettings) -> list[str]:
    """The safety scorers that look at every image of a build."""
    return ["nsfw"] if settings.nsfw.path else []


def _at_most(reason: str, value: float, most: float | None) -> None:
    if most is not None and value > most:
        raise Drop(reason, f"{value:.4g} > {most:g}")


def _at_least(reason: str, value: float, least: float | None) -> None:
    if least is not None and value < least:
        raise Drop(reason, f"{value:.4g} < {least:g}")
