"""robots.txt captures of others, given beside the archives: each page and medium is judged by that of its host which
was captured nearest before it.

Archives are read, and their pages parsed, as without them, but what they give is held (*parse*). Captures of robots.txt
(*robots*) and what is to be judged meet by registered domain (*robots-verdicts*). Then what is held is taken up, less
what may not be used, by the phase that else reads the archives: all that follows is the same.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import ClassVar

import fsspec
import msgspec
import pyarrow as pa

from crawlers.captured_robots import CapturedRobots, RobotsCapture, read_robots_captures
from crawlers.warc_records import Capture, page_of_capture
from jobs.engine.isolation import Isolated
from jobs.kinds.staging import Staging, read_staged, remove_staged
from jobs.phases.extract import EXTRACT, Captures, Taker, Wanted, pages_in, write_sizes
from jobs.phases.recipe import Recipe
from jobs.phases.run import Phases
from jobs.phases.steps import Extracted
from jobs.phases.task import Phase, Task
from pipeline.consent import refuse_opt_out
from schemas.buckets import bucket_of
from schemas.documents import Consent
from schemas.drops import Drop, DropRow, each
from schemas.signals import Signal, bounded
from schemas.urls import host_of, registered_domain

_CAPTURES = {"url": pa.string(), "time": pa.string(), "fails": pa.bool_(), "text": pa.string(), "location": pa.string()}
_ASKED = {"uid": pa.int64(), "task": pa.int32(), "url": pa.string(), "time": pa.string()}
_VERDICTS = {"uid": pa.int64(), "reason": pa.string(), "detail": pa.string(), "signals": pa.binary()}


class Held(msgspec.Struct, frozen=True):
    """A page of an archive with what its parse gave, or a medium that lies there; until its verdict is known."""

    kind: ClassVar[str] = "page"

    uid: int
    url: str
    found: Extracted | None = None  # of a page
    capture: Capture | None = None  # of a medium
    archive: int = 0  # in which it lies


def read_robots(task: Task) -> None:
    """Read some archives of robots.txt captures."""
    rows, buckets = task.writer("robots", _CAPTURES), task.plan.buckets
    for archive in task.plan.robots_of(task.index):
        with fsspec.open(archive.url, "rb") as file:
            size = archive.size if archive.size >= 0 else file.seek(0, 2)
            file.seek(0)
            for one in read_robots_captures(file, archive.url, size, task.config.warc, task.tally):
                text = one.text or ""
                row = (one.url, one.time, one.text is None, text, one.location)
                rows.add(_bucket(one.url, buckets), *row, size=len(text) + 300)


def parse(task: Task, recipe: Recipe) -> None:
    """Read some archives of the plan, as *extract* does, and hold what they give."""
    staging, asked = Staging(task, "zstd"), task.writer("asked", _ASKED)
    # A yes may stand in a robots.txt: whether there is one is asked when that is known.
    read = task.enter(Isolated(recipe.changed({"consent.require_yes": False}).read, task.config.isolation))

    def hold(held: Held, time: str) -> None:
        staging.add(msgspec.json.encode(held), [])
        asked.add(_bucket(held.url, task.plan.buckets), held.uid, task.index, held.url, time, size=300)

    def hold_medium(number: int, capture: Capture, lies_in: int) -> None:
        uid, bare = task.plan.uid_of(number, capture.number), msgspec.structs.replace(capture, headers={}, site=())
        hold(Held(uid, capture.url, capture=bare, archive=lies_in), capture.fetch_time)

    def take(number: int, capture: Capture) -> None:
        uid, archive = task.plan.uid_of(number, capture.number), task.plan.inputs[number].url
        found = read(page_of_capture(capture, uid, archive, task.config.warc))
        hold(Held(uid, capture.url, found), capture.fetch_time)

    for number in task.plan.inputs_of(task.index):
        for _ in each(partial(take, number), pages_in(task, number, partial(hold_medium, number)), task.tally):
            task.tally.kept("page")


def judge(task: Task) -> None:
    """For some registered domains: the verdict on each page and medium, for the task that holds it."""
    verdicts, asked = task.writer("verdicts", _VERDICTS), task.rows(PARSE, "asked")
    if asked is None:
        return
    found = task.rows(ROBOTS, "robots")
    robots = CapturedRobots([] if found is None else list(_captures(found, asked)))
    for batch in asked.sort_by([("url", "ascending"), ("uid", "ascending")]).to_batches(max_chunksize=10_000):
        for row in batch.to_pylist():
            verdict = robots.judge(row["url"], row["time"], task.config.consent)
            packed = msgspec.json.encode(verdict.signals)
            verdicts.add(row["task"], row["uid"], verdict.reason, verdict.detail, packed, size=len(packed) + 200)


def _captures(found: pa.Table, asked: pa.Table) -> Iterator[RobotsCapture]:
    """Those of domains of which something is to be judged."""
    domains = {_domain(url) for url in asked.column("url").to_pylist()}
    for batch in found.to_batches(max_chunksize=1_000):
        for row in batch.to_pylist():
            if _domain(row["url"]) in domains:
                text = None if row["fails"] else row["text"]
                yield RobotsCapture(row["url"], row["time"], text, row["location"])


def admit(task: Task, takers: Sequence[Callable[[Task, Wanted], Taker]]) -> None:
    """Take up what *parse* has held, less what may not be used."""
    wanted, places = Wanted(task), Captures(task)
    opened, verdicts = [taker(task, wanted) for taker in takers], _Verdicts(task)
    tally = task.tally

    def take(held: Held) -> None:
        signals = verdicts.of(held.uid)
        if held.found is not None:
            found = _with_signals(held.found, signals)
            refuse_opt_out(_consent_of(found), task.config.consent)
            for taker in opened:
                taker.take(found)
            tally.kept("page")

    def pages() -> Iterator[Held]:
        for record, _ in read_staged(task, PARSE):
            held = msgspec.json.decode(record, type=Held)
            if held.capture is None:
                tally.saw("page")
                yield held
                continue
            try:
                verdicts.of(held.uid)
                places.add(held.capture, held.archive)
            except Drop as drop:
                tally.saw("record")
                tally.drop(DropRow(held.url, "record", drop.reason, drop.detail))

    for _ in each(take, pages(), tally):
        pass
    write_sizes(task, opened)


class _Verdicts:
    """Those on what one task holds, by uid."""

    def __init__(self, task: Task) -> None:
        rows = task.rows(JUDGE, "verdicts")
        self._rows = None if rows is None else rows.sort_by("uid").combine_chunks()
        self._uids = None if self._rows is None else self._rows.column("uid").to_numpy()

    def of(self, uid: int) -> tuple[Signal, ...]:
        """Every signal. Raises `Drop` where the use is refused."""
        assert self._rows is not None
        assert self._uids is not None
        row = self._rows.slice(int(self._uids.searchsorted(uid)), 1).to_pylist()[0]
        assert row["uid"] == uid
        if row["reason"]:
            raise Drop(row["reason"], row["detail"])
        return msgspec.json.decode(row["signals"], type=tuple[Signal, ...])


def _with_signals(found: Extracted, signals: tuple[Signal, ...]) -> Extracted:
    """What a page gave, each with what its site says of its use."""

    def more(consent: Consent) -> Consent:
        return msgspec.structs.replace(consent, signals=bounded((*signals, *consent.signals)))

    draft = found.draft and msgspec.structs.replace(found.draft, consent=more(found.draft.consent))
    pairs = tuple(msgspec.structs.replace(one, consent=more(one.consent)) for one in found.pairs.pairs)
    videos = tuple(msgspec.structs.replace(one, consent=more(one.consent)) for one in found.videos)
    return msgspec.structs.replace(
        found, draft=draft, pairs=msgspec.structs.replace(found.pairs, pairs=pairs), videos=videos
    )


def _consent_of(found: Extracted) -> Consent:
    """Of the page: all that it gave has the same."""
    given = (found.draft, *found.pairs.pairs, *found.videos)
    return next((one.consent for one in given if one is not None), Consent())


def _domain(url: str) -> str:
    return registered_domain(host_of(url))


def _bucket(url: str, buckets: int) -> int:
    return bucket_of(_domain(url).encode("utf-8", "replace"), buckets)


ROBOTS = Phase("robots", "robots_tasks", read_robots)
PARSE = Phase("parse", "inputs", parse)
JUDGE = Phase("robots-verdicts", "buckets", judge)
#: In the place of the phase that reads archives, and under its name.
ADMIT = Phase(EXTRACT.name, EXTRACT.over, admit)


def extract_by_robots(phases: Phases, takers: Sequence[Callable[[Task, Wanted], Taker]]) -> None:
    """Read the archives of a build, and judge their pages by captures of robots.txt."""
    parsed = phases.run(PARSE, phases.recipe)
    phases.run(ROBOTS)
    phases.run(JUDGE, spent={PARSE: ["asked"], ROBOTS: ["robots"]})
    phases.run(ADMIT, takers, spent={JUDGE: ["verdicts"]})
    if not phases.plan.config.keep_work:
        remove_staged(phases.store, PARSE, len(parsed))
