"""Images and videos for the phases that open them: where they lie, who is asked, and which address gives one."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from crawlers.captured import CapturedMedia, Location, Media, MediaSource
from crawlers.web_media import WebMedia
from jobs.phases.duplicates import URLS
from jobs.phases.task import Memory, Task
from schemas.deny import DenyList
from schemas.drops import Drop

T = TypeVar("T")


def read_locations(task: Task, partition: int, wanted: Collection[bytes] | None = None) -> dict[bytes, Location]:
    """Where the media of a partition lie; of these alone where they are named."""
    found: dict[bytes, Location] = {}
    for table in task.groups(URLS, "locations", partition):
        columns = (table.column(name).to_pylist() for name in ("key", "archive", "offset", "length", "record_url"))
        for key, *place in zip(*columns, strict=True):
            if wanted is None or key in wanted:
                found[key] = Location(*place)
    return found


def _archives(memory: Memory) -> list[str]:
    """The addresses of those that media may lie in."""
    return [archive.url for archive in memory.plan.inputs] if memory.plan.source == "archives" else []


def open_media(task: Task, locations: Mapping[bytes, Location], deny: DenyList, kind: str = "image") -> MediaSource:
    """What gives media of a kind while the task lasts: the archives, and the web where the settings say so."""
    config = task.config
    archives = task.memory.once(_archives)
    captured = task.enter(CapturedMedia(archives, locations, config.warc.cap(kind), config.warc.verify_digests))
    source: AbstractContextManager[MediaSource] = nullcontext(captured)
    if config.media.from_web:
        source = WebMedia(captured, config.media, config.consent, deny, kind)
    return task.enter(source)


def first_good(media: MediaSource, use: Callable[[Media], T], candidates: Sequence[str]) -> tuple[str, T]:
    """The first address whose response `use` takes, and what that gives.

    Raises the `Drop` that says most: one that is bad says more than that others are not there, and that all are
    drawings, which nothing decodes, more than that they are not there.
    """
    failure = Drop("not_captured")
    for url in media.order(candidates):
        try:
            return url, use(media.get(url))
        except Drop as drop:
            failure = drop if failure.reason == "not_captured" else failure
    if failure.reason in ("not_captured", "unsupported_type", "unsupported_format") and all(map(_is_svg, candidates)):
        failure = Drop("vector_image")
    raise failure


def _is_svg(url: str) -> bool:
    return url.partition("?")[0].lower().endswith((".svg", ".svgz"))
