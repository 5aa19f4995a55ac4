"""Scores of images and texts: the models in a pool of Ray actors or in this process, and what their scores decide."""

import functools
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec
import numpy as np

from jobs.engine.engine import Engine, WorkerDied
from jobs.kinds.interleaved.staging import Illustrated
from jobs.phases.plan import read_plan
from jobs.phases.references import read_images
from model.scorers import BadModel, Floats, Models, Scored, ScorerSettings
from pipeline.alignment import assign, paragraphs, similarity_matrix
from pipeline.interleave import Screening, lay_out
from schemas.commits import Attempt, Commit
from schemas.drops import Counts, Drop, DropRow, Tally, each
from schemas.storage import Store

Score = Callable[[Sequence[bytes], Sequence[str]], Scored]


def _load(settings: ScorerSettings) -> Score:
    return Models(settings).score


@contextmanager
def scorer_pool(engine: Engine, settings: ScorerSettings) -> Iterator[tuple[Score, ...]]:
    """What scores, in processes that hold the models; nothing without any model. Raises `BadModel`."""
    if not settings.is_on:
        yield ()
        return
    try:
        with engine.pool(_load, (settings,), settings.actors, settings.gpus_per_actor) as actors:
            yield actors
    except WorkerDied as error:
        raise BadModel(f"the process that loads the models died: {error}") from error


def open_scorer(settings: ScorerSettings, actors: tuple[Score, ...], index: int) -> Score | None:
    """The function by which task `index` scores; None without any model."""
    return actors[index % len(actors)] if actors else None


def embed_references(output: str, actors: tuple[Any, ...], index: int) -> Commit:
    """Embeddings of one list of evaluation images."""
    plan, store = read_plan(output), Store(output)
    references = plan.references[index]
    score = open_scorer(plan.config.scorers, actors, index)
    with Attempt(store, "embeddings", index) as attempt:
        if references.kind == "images" and score is not None:
            images = [image.data for _, image in read_images(references, plan.config)]
            file = io.BytesIO()
            np.save(file, score(images, []).image_embeddings)
            attempt.put(f"work/embeddings/{index:06d}.npy", file.getvalue())
        return attempt.commit(Counts())


@functools.lru_cache(maxsize=2)
def evaluation_embeddings(output: str) -> tuple[Floats, list[str]] | None:
    """Embeddings and names of all evaluation images; None where they are not compared. Each process loads them once."""
    plan, store = read_plan(output), Store(output)
    if not compares_embeddings(plan.config.scorers) or not plan.config.decontamination.images:
        return None
    arrays, names = [], []
    for index, references in enumerate(plan.references):
        if references.kind == "images":
            arrays.append(np.load(io.BytesIO(store.read(f"work/embeddings/{index:06d}.npy"))))
            names += msgspec.json.decode(store.read(f"work/references/{index:06d}.names.json"), type=list[str])
    return np.concatenate(arrays), names


def compares_embeddings(settings: ScorerSettings) -> bool:
    return bool(settings.clip.path) and settings.max_evaluation_similarity is not None


def score_pages(
    pages: Iterator[Illustrated], output: str, actors: tuple[Any, ...], index: int, tally: Tally
) -> Iterator[Illustrated]:
    """Pages with their scores, less the images that these let go; as they are where no model is configured."""
    settings = read_plan(output).config.scorers
    score = open_scorer(settings, actors, index)
    if score is None:
        yield from pages
        return
    judge = partial(judge_page, settings, score, evaluation_embeddings(output), tally)
    for batch in _batches(pages, settings.batch_size):
        texts = [paragraphs(lay_out(page.draft, page.illustrations)[0]) for page in batch]
        images = [item.image.data for page in batch for item in page.shown]
        scored = score(images, [text for own in texts for text in own])
        yield from each(judge, _by_page(batch, texts, scored), tally)


class ScoredPage(msgspec.Struct, frozen=True):
    """One page of a batch and what the models say of it."""

    page: Illustrated
    texts: list[str]
    scored: Scored

    @property
    def kind(self) -> str:
        return self.page.kind

    @property
    def url(self) -> str:
        return self.page.url


def _batches(pages: Iterator[Illustrated], num_images: int) -> Iterator[list[Illustrated]]:
    """Pages until they have as many images as a model sees at a time."""
    batch: list[Illustrated] = []
    for page in pages:
        batch.append(page)
        if sum(len(one.shown) for one in batch) >= num_images:
            yield batch
            batch = []
    if batch:
        yield batch


def _by_page(batch: list[Illustrated], texts: list[list[str]], scored: Scored) -> Iterator[ScoredPage]:
    image, text = 0, 0
    for page, own in zip(batch, texts, strict=True):
        images = slice(image, image + len(page.shown))
        part = Scored(
            scored.image_embeddings[images],
            scored.text_embeddings[text : text + len(own)],
            scored.nsfw[images],
            scored.aesthetic[images],
        )
        yield ScoredPage(page, own, part)
        image, text = image + len(page.shown), text + len(own)


def judge_page(
    settings: ScorerSettings,
    score: Score,
    evaluation: tuple[Floats, list[str]] | None,
    tally: Tally,
    item: ScoredPage,
) -> Illustrated:
    """Let single images go by their scores, and note those of the rest. Raises `Drop("no_image_left")`."""
    kept, image_scores, rows = [], [], []
    for place, shown in enumerate(item.page.shown):
        try:
            image_scores.append(judge_image(settings, evaluation, item.scored, place))
        except Drop as drop:
            tally.drop(DropRow(shown.url, "image", drop.reason, f"{drop.detail}, on {item.url}"))
        else:
            kept.append(shown)
            rows.append(place)
    if not kept:
        raise Drop("no_image_left", f"of {len(item.page.shown)}")
    page = msgspec.structs.replace(item.page, shown=kept)
    similarity: list[list[float]] = []
    if settings.clip.path:
        texts, embeddings = paragraphs(lay_out(page.draft, page.illustrations)[0]), item.scored.text_embeddings
        if texts != item.texts:  # captions went with their images
            embeddings = score([], texts).text_embeddings
        similarity = similarity_matrix(item.scored.image_embeddings[rows], embeddings)
    screening = Screening(
        image_scores,
        _of_page(image_scores),
        screened_by(settings),
        similarity,
        assign(similarity) if similarity else [],
    )
    return msgspec.structs.replace(page, screening=screening)


def _of_page(image_scores: list[dict[str, float]]) -> dict[str, float]:
    """The worst of nsfw, the means of the others."""
    names = list(image_scores[0])
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
