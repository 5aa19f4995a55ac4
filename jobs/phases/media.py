"""Images and videos for the phases that open them: where they lie, and which address gives one."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TypeVar

import msgspec
import pyarrow as pa

from crawlers.captured import CapturedMedia, Location, Media, MediaSource
from jobs.phases.duplicates import URLS
from jobs.phases.fetch import LOCATED, fetched_archives, is_fetching
from jobs.phases.task import Memory, Task
from schemas.denied_hashes import DeniedHashes
from schemas.documents import StoredImage
from schemas.drops import Drop

T = TypeVar("T")


class Located(msgspec.Struct, frozen=True):
    """By `media_key`: where media lie, and why those that were fetched in vain do not."""

    places: dict[bytes, Location] = {}
    lost: dict[bytes, tuple[str, str]] = {}


def read_locations(
    task: Task, partition: int, wanted: Collection[bytes] | None = None, fetched: bool = True
) -> Located:
    """Where the media of a partition lie, in the inputs and, if it was `fetched`, of the web; of these alone where they
    are named."""
    found, lost = dict[bytes, Location](), dict[bytes, tuple[str, str]]()
    if fetched and is_fetching(task.config.media):
        for table in task.groups(LOCATED, "located", partition):
            reasons = (table.column(name).to_pylist() for name in ("key", "reason", "detail"))
            for (key, *why), place in zip(zip(*reasons, strict=True), _places(table), strict=True):
                if wanted is None or key in wanted:
                    if place.archive >= 0:
                        found[key] = place
                    else:
                        lost[key] = (why[0] or "not_captured", why[1])
    if task.plan.source == "archives":
        for table in task.groups(URLS, "locations", partition):
            for key, place in zip(table.column("key").to_pylist(), _places(table), strict=True):
                if wanted is None or key in wanted:
                    found[key] = place
    return Located(found, lost)


def _places(table: pa.Table) -> Iterator[Location]:
    columns = (table.column(name).to_pylist() for name in ("archive", "offset", "length", "record_url"))
    return (Location(*place) for place in zip(*columns, strict=True))


def open_media(task: Task, located: Located, kind: str = "image") -> CapturedMedia:
    """What gives media of a kind while the task lasts, out of archives."""
    config, optional = task.config, task.plan.earlier_archives
    archives = task.memory.once(_archives)
    archives = [*archives, *(task.memory.once(fetched_archives) if is_fetching(config.media) else ())]
    cap, verify = config.warc.cap(kind), config.warc.verify_digests
    return task.enter(CapturedMedia(archives, located.places, cap, verify, located.lost, optional))


def _archives(memory: Memory) -> list[str]:
    """The addresses of those that media may lie in."""
    return memory.plan.media_archives


def unless_denied(hashes: DeniedHashes, use: Callable[[Media], StoredImage]) -> Callable[[Media], StoredImage]:
    """`use`, and a `Drop("denied")` for an image that a deny list names by a hash."""
    if not hashes:
        return use

    def judged(media: Media) -> StoredImage:
        image = use(media)
        if entry := hashes.entry((image.original_sha256, image.sha256), (image.phash,), image.data):
            raise Drop("denied", entry)
        return image

    return judged


def first_good(media: MediaSource, use: Callable[[Media], T], candidates: Sequence[str]) -> tuple[str, T]:
    """The first address whose response `use` takes, and what that gives.

    Raises the `Drop` that says most: that one is bad says more than that others are not there.
    """
    failure = Drop("not_captured")
    for url in media.order(candidates):
        try:
            return url, use(media.get(url))
        except Drop as drop:
            failure = drop if failure.reason == "not_captured" else failure
    raise failure
