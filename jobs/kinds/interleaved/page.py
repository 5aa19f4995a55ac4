"""A page with its images: what is handed from the phase that opens images to the one that writes samples."""

from collections.abc import Iterator, Set

import msgspec

from jobs.kinds.staging import Staging, read_staged
from jobs.phases.task import Phase, Task
from pipeline.corpus_rules import content_keys
from pipeline.interleave import Illustration, Screening
from schemas.documents import Draft, ImageRef, StoredImage


class PageWithImages(msgspec.Struct, frozen=True):
    """A page and its images, in reading order."""

    draft: Draft
    shown: list[Illustration]
    screening: Screening = Screening()
    contents: list[bytes] = []  # keys of all images that were fetched, once some of them are dropped as frequent

    @property
    def kind(self) -> str:
        return self.draft.kind

    @property
    def url(self) -> str:
        return self.draft.url

    @property
    def illustrations(self) -> dict[ImageRef, Illustration]:
        return {item.ref: item for item in self.shown}


def stage(staging: Staging, page: PageWithImages) -> None:
    """Hand a page on."""
    bare = msgspec.structs.replace(page, shown=[_with_data(item, b"") for item in page.shown])
    staging.add(msgspec.json.encode(bare), [item.image.data for item in page.shown])


def staged_pages(task: Task, phase: Phase) -> Iterator[PageWithImages]:
    """The pages that a task of an earlier phase handed on, in order."""
    for record, images in read_staged(task, phase):
        bare = msgspec.json.decode(record, type=PageWithImages)
        shown = [_with_data(item, data) for item, data in zip(bare.shown, images, strict=True)]
        yield msgspec.structs.replace(bare, shown=shown)


def keys_of_image(image: StoredImage) -> tuple[bytes, bytes]:
    """The keys by which an image is counted."""
    return content_keys(image.original_sha256, image.phash)


def is_frequent(image: StoredImage, keys: Set[bytes]) -> str:
    """Which of the keys of an image is among the frequent: sha256, phash, or "" if none."""
    of_bytes, of_look = keys_of_image(image)
    return "sha256" if of_bytes in keys else "phash" if of_look in keys else ""


def _with_data(item: Illustration, data: bytes) -> Illustration:
    return msgspec.structs.replace(item, image=msgspec.structs.replace(item.image, data=data))
