"""What scorers see of pages, and what their numbers decide."""

from collections.abc import Iterator
from functools import partial

import msgspec

from jobs.kinds.interleaved.page import PageWithImages
from jobs.phases.scoring import Hosts, Judge, ModelHost, Seen, of_all_images, open_models, screened_by
from jobs.phases.task import Task
from pipeline.alignment import assign, paragraphs, similarity_matrix
from pipeline.interleave import Illustration, Screening, lay_out
from schemas.drops import Drop, DropRow, each, on_page


class ScoredPage(msgspec.Struct, frozen=True):
    """One page of a batch and what the models say of it."""

    page: PageWithImages
    texts: list[str]
    seen: Seen

    @property
    def kind(self) -> str:
        return self.page.kind

    @property
    def url(self) -> str:
        return self.page.url


def score_pages(task: Task, pages: Iterator[PageWithImages], hosts: Hosts) -> Iterator[PageWithImages]:
    """Pages with their scores, less the images that these drop; as they are where no model is configured."""
    models = open_models(task, hosts)
    if models is None:
        yield from pages
        return
    judge = partial(judge_page, task, Judge(task), models)
    for batch in _batches(pages, task.config.scorers.batch_size):
        texts = [_paragraphs(page) for page in batch]
        shown = [item for page in batch for item in page.shown]
        images, beside = [item.image.data for item in shown], [_beside(item) for item in shown]
        seen = models.score(images, [text for own in texts for text in own], beside)
        yield from each(judge, _by_page(batch, texts, seen), task.tally)


def judge_page(task: Task, judge: Judge, models: ModelHost, item: ScoredPage) -> PageWithImages:
    """Drop single images by their scores, and note those of the rest. Raises `Drop("no_image_left")`."""
    kept, image_scores, rows = [], [], []
    for place, shown in enumerate(item.page.shown):
        try:
            image_scores.append(judge(item.seen, place))
        except Drop as drop:
            detail = on_page(drop.detail, item.url)
            task.tally.drop(DropRow(shown.url, "image", drop.reason, detail, item.url))
        else:
            kept.append(shown)
            rows.append(place)
    if not kept:
        raise Drop("no_image_left", f"of {len(item.page.shown)}")
    page = msgspec.structs.replace(item.page, shown=kept)
    similarity: list[list[float]] = []
    if judge.settings.clip.path:
        texts, embeddings = _paragraphs(page), item.seen.scored.text_embeddings
        if texts != item.texts:  # captions went with their images
            embeddings = models.score([], texts, []).scored.text_embeddings
        similarity = similarity_matrix(item.seen.scored.image_embeddings[rows], embeddings)
    screening = Screening(
        image_scores,
        of_all_images(image_scores),
        screened_by(judge.settings),
        similarity,
        assign(similarity) if similarity else [],
    )
    return msgspec.structs.replace(page, screening=screening)


def _batches(pages: Iterator[PageWithImages], num_images: int) -> Iterator[list[PageWithImages]]:
    """Pages until they have as many images as a model sees at a time."""
    batch: list[PageWithImages] = []
    for page in pages:
        batch.append(page)
        if sum(len(one.shown) for one in batch) >= num_images:
            yield batch
            batch = []
    if batch:
        yield batch


def _by_page(batch: list[PageWithImages], texts: list[list[str]], seen: Seen) -> Iterator[ScoredPage]:
    image, text = 0, 0
    for page, own in zip(batch, texts, strict=True):
        images, rows = slice(image, image + len(page.shown)), slice(text, text + len(own))
        yield ScoredPage(page, own, seen.only(images, rows))
        image, text = images.stop, rows.stop


def _paragraphs(page: PageWithImages) -> list[str]:
    return paragraphs(lay_out(page.draft, page.illustrations)[0])


def _beside(item: Illustration) -> str:
    """The text that stands with an image."""
    return item.ref.caption or item.ref.alt or item.ref.title
