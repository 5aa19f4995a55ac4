"""What all pages of the viewer share: the dataset, the templates, the processes that read hostile bytes."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property, partial
from typing import Any, TypeVar

import jinja2
from aiohttp import web

from crawlers.archive_index import Archives
from jobs.config import BuildConfig, warc_settings
from jobs.dataset.compare import compare
from jobs.dataset.page_lookup import build_config, build_recipe
from jobs.engine.isolation import Isolated, IsolationSettings
from jobs.report.hostile import main_text, thumbnail, whole_text
from jobs.view.flags import flags_of
from jobs.view.library import Library, NoSample
from jobs.view.listed import Listed
from jobs.view.review import Review
from jobs.view.work import Explained, draw_sheet, explain_captured, look_at
from schemas.dataset import DATASET
from schemas.documents import Page
from schemas.storage import Store

I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741
_BOUNDS = IsolationSettings(timeout_s=30.0)


class Context:
    """Opened once for a dataset; safe for several threads."""

    def __init__(
        self,
        store: Store,
        templates: jinja2.Environment,
        tokenizers: list[str],
        archives: Sequence[str] = (),
        own_steps: bool = False,
        flags: str = "",
        embeddings: str = "",
        compared_with: str = "",
    ) -> None:
        """`archives`: where captured pages are looked up; `own_steps`: run what the dataset's builder wrote.

        `flags` is the file of the reader's flags, by default beside the dataset, `embeddings` one of embeddings of
        images; `compared_with` is another dataset. Raises `NotADataset`, `FlagsError`, `QueryError`, and `OSError`.
        """
        self.store, self.tokenizers, self._named, self._own_steps = store, tokenizers, archives, own_steps
        self.has_changed, self._opened = False, self._stated()
        self.library = Library(store, embeddings, compared_with)
        self.compared_with = compared_with
        self.compared = compare(self.library.index) if compared_with else []
        self.flags = flags_of(store, flags)
        self.review: Review | None = None
        self._templates = templates
        self._children: list[Isolated[Any, Any]] = []
        self._lock = threading.Lock()

    def look_again(self) -> None:
        """See whether the dataset is still the one that was opened: builds go on, append, and remove."""
        with suppress(OSError):
            self.has_changed = self._stated() != self._opened

    def _stated(self) -> bytes:
        try:
            return hashlib.sha256(self.store.read(DATASET)).digest()
        except FileNotFoundError:
            return b""

    def draw_review(self, size: int, kind: str = "", condition: str = "") -> None:
        """Draw samples to judge. Raises `QueryError`, and `NoSample` where there is nothing of the kind."""
        kind = kind or (self.library.kinds or [""])[0]
        if kind not in self.library.kinds:
            raise NoSample(f"this dataset has no {kind or 'samples'}")
        self.review = Review(self.library.index, kind, size, condition)

    @cached_property
    def archives(self) -> Archives:
        """Those that the user names, and what the build itself has fetched."""
        fetched = [f"media/warc/{name}" for name in self.store.list("media/warc") if name.endswith(".warc.gz")]
        own = [str(self.store.fs.unstrip_protocol(self.store.path(name))) for name in fetched if "/." not in name]
        return Archives([*self._named, *own], warc_settings(self.config))

    @cached_property
    def listed(self) -> Listed:
        """What may not be shown."""
        settings = self.config.consent.hash_lists
        return Listed(self.library.index, settings, self._isolated(partial(look_at, settings)))

    @cached_property
    def config(self) -> BuildConfig:
        """The settings of the build."""
        return build_config(self.store)

    @cached_property
    def draw_sheet(self) -> Callable[[bytes], bytes]:
        """The contact sheet of a clip."""
        return self._isolated(draw_sheet)

    @cached_property
    def thumbnail(self) -> Callable[[bytes], bytes]:
        """A small picture of an image or a clip."""
        return self._isolated(thumbnail)

    @cached_property
    def main_text(self) -> Callable[[Page], tuple[str, str]]:
        """The title of a page and the beginning of its main text."""
        return self._isolated(partial(main_text, self.config))

    @cached_property
    def whole_text(self) -> Callable[[Page], str]:
        """The main text of a page."""
        return self._isolated(partial(whole_text, self.config))

    @cached_property
    def explain(self) -> Callable[[Page], Explained]:
        """A page with the verdict on each of its parts."""
        recipe, notes = build_recipe(self.store, own_steps=self._own_steps)
        return self._isolated(partial(explain_captured, recipe, notes))

    def _isolated(self, step: Callable[[I], O]) -> Callable[[I], O]:
        """`step` in a process of its own, one item at a time. Raises `Drop` when that dies or takes too long."""
        child = Isolated(step, _BOUNDS)
        self._children.append(child)

        def run(item: I) -> O:
            with self._lock:
                return child(item)

        return run

    def render(self, request: web.Request, template: str, **values: Any) -> web.Response:
        """A page by its template."""
        html = self._templates.get_template(template).render(
            dataset_url=self.store.url,
            kinds=self.library.kinds,
            path=request.path,
            finished=self.library.dataset is not None,
            has_changed=self.has_changed,
            has_flags=len(self.flags) > 0,
            has_compared=bool(self.compared),
            has_review=self.review is not None,
            **values,
        )
        return web.Response(text=html, content_type="text/html", charset="utf-8")

    def close(self) -> None:
        for child in self._children:
            child.close()
        self.library.index.close()


CONTEXT = web.AppKey("context", Context)
