"""What every phase of a build has in common: its name, what it runs over, and how one of its tasks begins and ends.

A phase is a function of a `Task`. The task reads files of earlier phases, writes its own, counts, and commits: all of
it or nothing (`schemas.commits`).
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, ClassVar, Literal, TypeVar

import msgspec
import pyarrow as pa

from jobs.config import BuildConfig
from jobs.engine.within import tell
from jobs.phases.plan import Plan, read_plan
from schemas.builds import added_to
from schemas.commits import Attempt, Commit, StagedFile
from schemas.drop_files import DropFile
from schemas.drops import Counts, Tally
from schemas.shards import ShardInfo
from schemas.shuffle import FLUSH_BYTES, BucketReader, BucketWriter
from schemas.storage import Store, new_attempt

T = TypeVar("T")

SLICES = "work/slices.json"
ROWS = ".arrow"  # how files end whose rows are grouped by bucket
SIZES = "sizes"  # what a task of the first phase calls the bytes that it hands on, by partition
NONE_MERGED: Mapping[str, "Merged"] = {}
FIRST, LAST = -(1 << 63), (1 << 63) - 1


class Slice(msgspec.Struct, frozen=True):
    """The pages of a partition whose position in the seeded order is within a range, both ends included."""

    partition: int
    first: int = FIRST
    last: int = LAST

    @property
    def is_whole(self) -> bool:
        return (self.first, self.last) == (FIRST, LAST)


class Run(msgspec.Struct, frozen=True):
    """One call of `build`. Its id is new each time: what a process remembers of a build ends with the run."""

    output: str
    id: str

    @classmethod
    def new(cls, output: str) -> "Run":
        return cls(output, new_attempt())


class Fetched(msgspec.Struct, frozen=True):
    """`work/fetched.json`: whose fetched media a build reads, its own or another's, and by their names the frontiers of
    the workers that fetched them."""

    NAME: ClassVar[str] = "work/fetched.json"

    output: str
    frontiers: list[str]

    @property
    def partitions(self) -> int:
        return len(self.frontiers)


class Memory:
    """What a process reads once of a run, however many tasks it does: the plan, the slices, evaluation sets."""

    def __init__(self, run: Run) -> None:
        self.store = Store(run.output)
        self.rows = BucketReader(self.store)
        self._loaded: dict[Any, Any] = {}

    @functools.cached_property
    def plan(self) -> Plan:
        return read_plan(self.store)

    @functools.cached_property
    def slices(self) -> list[Slice]:
        return msgspec.json.decode(self.store.read(SLICES), type=list[Slice])

    @functools.cached_property
    def onto(self) -> Store:
        """The dataset that the build adds to: what is made lies in a folder of it."""
        return added_to(self.store)

    @functools.cached_property
    def fetched(self) -> Fetched:
        return msgspec.json.decode(self.store.read(Fetched.NAME), type=Fetched)

    def once(self, load: Callable[["Memory"], T]) -> T:
        """What `load`, a function of a module, gives; it is called the first time only."""
        if load not in self._loaded:
            self._loaded[load] = load(self)
        found: T = self._loaded[load]
        return found


@functools.lru_cache(maxsize=1)
def _memory(run: Run) -> Memory:
    """Of the run that this process works for: a run is never come back to."""
    return Memory(run)


class Merged(msgspec.Struct, frozen=True):
    """How the files of a phase were merged: those of `group` tasks, side by side, became files of `width` buckets."""

    phase: str
    group: int
    groups: int
    width: int
    ranges: int

    @property
    def name(self) -> str:
        """Of the phase that merges."""
        return f"{self.phase}-merged"

    def files(self, name: str, bucket: int) -> list[str]:
        """The files that hold the rows of a bucket, in the order of the tasks that wrote them."""
        return self.of_place(min(bucket // self.width, self.ranges - 1), f"{name}{ROWS}")  # the last has all beyond it

    def of_place(self, place: int, name: str) -> list[str]:
        """The files of this name that hold a range of buckets: one of each group."""
        return [file_of(self.name, group * self.ranges + place, name) for group in range(self.groups)]


class Phase(msgspec.Struct, frozen=True):
    """A phase: its name in `work/`, `drops/` and `dataset.json`, how many tasks it has, and what each does."""

    name: str
    over: Literal[
        "inputs", "references", "video_lists", "robots_tasks", "partitions", "buckets", "slices", "merged", "fetched",
        "known_pages", "known_pairs", "known_clips", "known_media",
    ]  # fmt: skip
    body: Callable[..., None]  # of the task, and of the arguments that the phase is run with
    counts_again: bool = False  # in a build that retries; what others see of its pages was counted when they came

    def size(self, memory: Memory) -> int:
        """The number of tasks."""
        if self.over == "slices":
            return len(memory.slices)
        if self.over == "fetched":
            return memory.fetched.partitions
        if self.over == "inputs":
            return memory.plan.input_tasks
        count: int | list[Any] = getattr(memory.plan, self.over)
        return count if isinstance(count, int) else len(count)


class Task:
    """One attempt at one part of a phase. Files have the names that they will have once it is committed."""

    def __init__(
        self,
        phase: Phase,
        index: int,
        memory: Memory,
        merged: Mapping[str, Merged],
        attempt: Attempt,
        tally: Tally,
        stack: ExitStack,
    ) -> None:
        self.phase, self.index, self.memory, self.attempt, self.tally = phase, index, memory, attempt, tally
        self._merged, self._stack = merged, stack
        self.finish_shards: Callable[[], list[ShardInfo]] = list  # of a task that writes samples
        self.unfinished = 0  # of a phase that is one round of several: what calls for another

    @property
    def store(self) -> Store:
        return self.memory.store

    @property
    def plan(self) -> Plan:
        return self.memory.plan

    @property
    def config(self) -> BuildConfig:
        return self.memory.plan.config

    @property
    def slice(self) -> Slice:
        """Of a phase that runs over slices."""
        return self.memory.slices[self.index]

    def at(self, done: float, total: float) -> None:
        """Tell who waits how far the task is; may be called for each item."""
        if total > 0:
            tell(done / total)

    def enter(self, manager: AbstractContextManager[T]) -> T:
        """Enter a context that ends with the task, before it commits."""
        return self._stack.enter_context(manager)

    def at_end(self, work: Callable[[], None]) -> None:
        """Do this when the body has ended well, before the files and contexts that were opened earlier are closed."""

        def end(failure: type[BaseException] | None, *_: object) -> None:
            if failure is None:
                work()

        self._stack.push(end)

    def create(self, name: str) -> StagedFile:
        """A file of the task's own in `work/`, for later phases."""
        return self.attempt.create(file_of(self.phase.name, self.index, name))

    @contextmanager
    def created(self, name: str) -> Iterator[StagedFile]:
        """The same, closed at the end of the block: of many files only one need be open."""
        file = self.create(name)
        yield file
        file.close()

    def put(self, name: str, data: bytes) -> None:
        """A small file of the task's own, whole."""
        self.attempt.put(file_of(self.phase.name, self.index, name), data)

    def writer(
        self, name: str, columns: dict[str, pa.DataType], order: str | None = None, flush_bytes: int = FLUSH_BYTES
    ) -> BucketWriter:
        """Rows for tasks of later phases, each in the bucket of the one that will read it; ends with the task."""
        return self.enter(BucketWriter(self.create(f"{name}{ROWS}"), columns, flush_bytes, order))

    def rows(self, phases: Phase | Sequence[Phase], name: str, bucket: int | None = None) -> pa.Table | None:
        """The rows that earlier phases have for a bucket, by default that of this task; None where there are none."""
        bucket = self.index if bucket is None else bucket
        return self.memory.rows.table(self._files(phases, name, bucket), bucket)

    def groups(
        self,
        phases: Phase | Sequence[Phase],
        name: str,
        bucket: int | None = None,
        within: tuple[str, int, int] | None = None,
    ) -> Iterator[pa.Table]:
        """The same rows, some at a time."""
        bucket = self.index if bucket is None else bucket
        return self.memory.rows.groups(self._files(phases, name, bucket), bucket, within)

    def _files(self, phases: Phase | Sequence[Phase], name: str, bucket: int) -> list[str]:
        """Where the rows lie that tasks of earlier phases have written under `name`."""
        found = []
        for phase in [phases] if isinstance(phases, Phase) else phases:
            found += files_of_phase(phase, name, bucket, self.memory, self._merged)
        return found


def files_of_phase(phase: Phase, name: str, bucket: int, memory: Memory, merged: Mapping[str, Merged]) -> list[str]:
    """Where the rows of a bucket lie that the tasks of a phase have written under `name`."""
    if found := merged.get(phase.name):
        return found.files(name, bucket)
    return [file_of(phase.name, index, f"{name}{ROWS}") for index in range(phase.size(memory))]


def silent_tally() -> Tally:
    """Of what another task counts."""
    return Tally(lambda row: None)


def run_task(
    phase: Phase, run: Run, arguments: Sequence[Any], index: int, merged: Mapping[str, Merged] = NONE_MERGED
) -> Commit:
    """Do task `index` of a phase; what an engine is given. `merged` are the earlier phases whose files were merged."""
    memory = _memory(run)
    with Attempt(memory.store, phase.name, index) as attempt:
        drops = DropFile(attempt, f"drops/{phase.name}-{index:06d}.parquet")
        with drops, ExitStack() as stack:
            is_silent = memory.plan.retries and not phase.counts_again
            tally = silent_tally() if is_silent else Tally(drops.add)
            task = Task(phase, index, memory, merged, attempt, tally, stack)
            phase.body(task, *arguments)
        shards = task.finish_shards()  # their marks come last of all files: from then on a reader may trust a shard
        counts = Counts() if is_silent else task.tally.counts()
        return attempt.commit(counts, shards, task.unfinished)


def file_of(phase: str, index: int, name: str) -> str:
    """What a task of a phase calls `name`."""
    return f"work/{phase}/{index:06d}.{name}"
