"""What pages, pairs and videos want of the web and no archive holds: fetched into archives beside the dataset, each
address once, at the pace of the host that serves it; later phases read archives alone.

The tasks that read drafts tell what they want, in the bucket of the host that is asked (`Asks`). A crawl of media
fetches it. *fetch* reads from its frontiers what became of each address, *located* tells the tasks that open media.
"""

import os
from collections.abc import Collection, Sequence

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crawlers.items import ASKED, Item
from crawlers.media_settings import MediaSettings, media_crawl
from crawlers.outcomes import read_outcomes
from crawlers.proxy_settings import check_proxies
from crawlers.scope import partition_of
from jobs.crawl.mirror import at_hand
from jobs.phases.late import CAME, FETCH_NAME, number_of
from jobs.phases.run import Phases
from jobs.phases.task import Fetched, Memory, Phase, Task
from schemas.buckets import bucket_of, first_of_each
from schemas.commits import read_done
from schemas.dataset import DATASET
from schemas.deny import DenyList, read_deny_list
from schemas.settings import SettingsError
from schemas.storage import Store
from schemas.urls import absolute_url, media_key

MEDIA = "media"  # the folder of what was fetched, laid out as that of a crawl
_WARCS, FRONTIERS = "media/warc", "media/work/frontier"
_FRONTIER = ".sqlite"  # behind the number of a worker
ASKED_ROWS = {ASKED: pa.binary()}
_OUTCOMES = {
    "key": pa.binary(),
    "file": pa.string(),  # "" where there is a reason
    "offset": pa.int64(),
    "length": pa.int64(),
    "record_url": pa.string(),
    "reason": pa.string(),
    "detail": pa.string(),
}
_LOCATED = {
    "key": pa.binary(),
    "archive": pa.int32(),  # -1 where there is a reason
    **{name: kind for name, kind in _OUTCOMES.items() if name not in ("key", "file")},
}


def is_fetching(media: MediaSettings) -> bool:
    """Whether a build has media that no archive of its inputs holds."""
    return media.from_web or bool(media.from_build)


class Asks:
    """What a task wants of the web, each list of addresses once."""

    def __init__(self, task: Task, deny: DenyList, captured: Collection[bytes]) -> None:
        self._partitions = task.memory.fetched.partitions
        self._rows, self._deny, self._captured = task.writer("asked", ASKED_ROWS), deny, captured
        self._asked: set[bytes] = set()

    def add(self, candidates: Sequence[str], kind: str) -> None:
        """Ask for an image or video by its addresses, unless one of them is captured or denied."""
        if any(media_key(url) in self._captured for url in candidates) or any(map(self._deny.denies, candidates)):
            return
        known = {absolute_url(url): url for url in reversed(candidates)}
        urls = [url for url in map(absolute_url, candidates) if url]
        key = media_key("\n".join((kind, *urls)))
        if not urls or key in self._asked:
            return
        self._asked.add(key)
        via = tuple(known[url] for url in urls[:1] if media_key(known[url]) != media_key(url))
        item = Item(urls[0], kind, fallbacks=tuple(dict.fromkeys(urls[1:])), via=via)
        packed = msgspec.msgpack.encode(item)
        self._rows.add(partition_of(item.url, self._partitions), packed, size=len(packed) + 100)


def fetch_media(phases: Phases, asking: Sequence[Phase], wanting: Sequence[Phase], status_port: int = 0) -> None:
    """Fetch what the phases `asking` find to be wanted; `wanting` have written which partition wants which address.
    Meanwhile its state is served at `status_port` of this machine (0: is not).

    Raises `SettingsError` where a build that is to be read from has fetched nothing or credentials of a proxy are
    missing, and `CrawlError`.
    """
    if not is_fetching(phases.plan.config.media):
        return
    if not phases.plan.retries:  # which has fetched before it reads a page
        fetch_asked(phases, asking, status_port)
    phases.run(LOCATED, wanting)


def fetch_asked(phases: Phases, asking: Sequence[Phase], status_port: int = 0) -> None:
    """The same up to what became of each address."""
    from jobs.crawl.media import fetch_wanted  # here: most builds reach no network

    media, store = phases.plan.config.media, phases.store
    check_proxies(media.fetch.proxies)
    source = Store(media.from_build) if media.from_build else store
    fetched = _fetched(store, source, media)
    phases.fetchers = fetched.partitions
    if not media.from_build:
        for phase in asking:
            phases.run(phase)
        if len(read_done(store, FETCH.name).commits) < fetched.partitions:
            config = media_crawl(media, phases.plan.config.consent, fetched.partitions)
            files = [
                [name for phase in asking for name in phases.files(phase, "asked", worker)]
                for worker in range(fetched.partitions)
            ]
            deny = read_deny_list(store)
            with phases.shown.stage(MEDIA) as shown:
                fetch_wanted(store, MEDIA, config, deny, files, phases.engine, media.max_hours, shown, status_port)
    phases.run(FETCH, asking)


def check_source(media: MediaSettings) -> None:
    """Raises `SettingsError` where a build whose media are to be taken has fetched nothing."""
    if media.from_build:
        _frontiers_of(Store(media.from_build))


def _frontiers_of(source: Store) -> list[str]:
    frontiers = [name for name in source.list(FRONTIERS) if name.endswith(_FRONTIER)]
    if not frontiers:
        raise SettingsError(f"media.from_build: {source.url} has fetched nothing")
    return frontiers


def fetched_archives(memory: Memory) -> list[str]:
    """The archives that *located* numbers behind the inputs: all is fetched by then."""
    source = Store(memory.fetched.output)
    names = [name for name in source.list(_WARCS) if name.endswith(".warc.gz") and name[0] != "."]
    return [source.fs.unstrip_protocol(source.path(f"{_WARCS}/{name}")) for name in names]


def _numbers(memory: Memory) -> dict[str, int]:
    """The same by their names."""
    first = len(memory.plan.media_archives)
    return {name.rpartition("/")[2]: first + number for number, name in enumerate(memory.once(fetched_archives))}


def _fetched(store: Store, source: Store, media: MediaSettings) -> Fetched:
    """What is decided before anything is fetched; decided once."""
    frontiers = [f"{worker:03d}{_FRONTIER}" for worker in range(media.partitions or os.cpu_count() or 1)]
    if media.from_build:
        frontiers = _frontiers_of(source)
        if not source.exists(DATASET) and len(read_done(source, FETCH.name).commits) < len(frontiers):
            raise SettingsError(f"media.from_build: {media.from_build} is still fetching; let it come to its end first")
    where = source.root if source.is_local else source.url  # a relative path means another folder to another process
    store.put_if_absent(Fetched.NAME, msgspec.json.encode(Fetched(where, frontiers)))
    return msgspec.json.decode(store.read(Fetched.NAME), type=Fetched)


def read_frontier(task: Task, asking: Sequence[Phase]) -> None:
    """Tell what became of each address that one worker was asked for, in the bucket of its key."""
    outcomes, fetched = task.writer("outcomes", _OUTCOMES), task.memory.fetched
    name = fetched.frontiers[task.index]
    build = "".join(name.rpartition("-")[:2])  # archives of an append are named for it, as its frontiers are
    came = set[int]()
    with at_hand(Store(fetched.output), f"{FRONTIERS}/{name}") as path:
        for found in read_outcomes(path):
            place = found.place
            where = ("", -1, -1) if place is None else (build + place.file, place.offset, place.length)
            row = (found.key, *where, found.record_url, found.reason, found.detail)
            outcomes.add(bucket_of(found.key, task.plan.buckets), *row, size=300)
            if task.plan.retries and place is not None:
                came.add(number_of(found.key))
    if task.plan.retries:
        late = task.rows(asking, "late")
        came.update(map(number_of, late.column("key").to_pylist()) if late is not None else ())
        task.put(CAME, np.array(sorted(came), "<i8").tobytes())


def locate(task: Task, wanting: Sequence[Phase]) -> None:
    """For one bucket of addresses: tell the partitions that want them where they lie now, or why they do not."""
    located = task.writer("located", _LOCATED)
    wanted, outcomes = task.rows(wanting, "wanted"), task.rows(FETCH, "outcomes")
    if wanted is None or outcomes is None:
        return
    outcomes = first_of_each(
        outcomes, "key", [("length", "descending"), ("file", "ascending"), ("reason", "ascending")]
    )
    outcomes = outcomes.filter(pc.field("first"))
    numbers = task.memory.once(_numbers)
    files = [numbers.get(name, -1) for name in outcomes.column("file").to_pylist()]
    outcomes = outcomes.append_column("archive", pa.array(files, pa.int32())).select(list(_LOCATED))
    wanted = wanted.select(["key", "partition"]).group_by(["key", "partition"]).aggregate([])
    found = wanted.join(outcomes, "key", join_type="inner").sort_by([("partition", "ascending"), ("key", "ascending")])
    located.add_table(found.column("partition").to_numpy().astype(np.int32), found)


FETCH = Phase(FETCH_NAME, "fetched", read_frontier)
LOCATED = Phase("located", "buckets", locate)
