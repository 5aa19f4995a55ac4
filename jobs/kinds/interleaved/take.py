"""What *extract* hands on of pages that may become samples: drafts by domain, and keys by which pages are compared."""

import msgspec
import numpy as np

from jobs.phases.extract import DRAFTS, PAGES, Wanted
from jobs.phases.known_pages import page_keys
from jobs.phases.references import text_index
from jobs.phases.slices import order_of
from jobs.phases.steps import Extracted
from jobs.phases.task import Task
from pipeline.decontamination import decontaminate_text
from schemas.buckets import bucket_of
from schemas.documents import Draft
from schemas.drops import Drop
from schemas.urls import host_of, registered_domain


class TakeDrafts:
    """Drafts in the bucket of their domain, a row for each page by its address, and the images that it wants."""

    def __init__(self, task: Task, wanted: Wanted) -> None:
        self._task, self._wanted = task, wanted
        self._texts = task.memory.once(text_index)
        self._drafts, self._pages = task.writer("drafts", DRAFTS, "order"), task.writer("pages", PAGES)
        self.sizes = np.zeros(task.plan.partitions, np.int64)

    def take(self, found: Extracted) -> None:
        """Raises the `Drop` of a page without a draft, and of one that repeats an evaluation text."""
        if found.drop[0]:
            raise Drop(*found.drop)
        draft = found.draft
        assert draft is not None
        if self._texts is not None:
            draft = decontaminate_text(draft, self._texts, self._task.config.decontamination)
        self._count(draft)
        self.add(draft)

    def add(self, draft: Draft) -> None:
        """Hand on a draft."""
        plan, config = self._task.plan, self._task.config
        partition = bucket_of(registered_domain(host_of(draft.url)).encode(), plan.partitions)
        keys = page_keys(draft, config)
        draft = draft if config.without_keys else msgspec.structs.replace(draft, keys=keys)
        packed = msgspec.json.encode(draft)
        order = order_of(config.seed, b"%d" % draft.uid)
        self._drafts.add(partition, draft.uid, order, draft.url, packed, size=len(packed) + 200)
        self.sizes[partition] += len(packed)
        self._wanted.add((url for image in draft.images for url in image.candidates), partition)
        row = (keys.url, keys.text, keys.bands, draft.fetch_time, draft.uid, partition, draft.url)
        self._pages.add(bucket_of(keys.url, plan.buckets), *row, size=500)

    def _count(self, draft: Draft) -> None:
        tally = self._task.tally
        for what, count in draft.redacted.items():
            tally.redacted(what, count)
        for row in draft.dropped:
            tally.saw(row.kind)
            tally.drop(row)
        for kind, kept in (("image", len(draft.images)), ("paragraph", len(draft.texts))):
            tally.saw(kind, kept)
            tally.kept(kind, kept)
