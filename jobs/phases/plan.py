"""What a build will do, frozen before it starts, so that an interrupted one goes on with the same work."""

import math
from typing import Literal

import msgspec

from crawlers.inputs import Input
from jobs.config import BuildConfig
from jobs.phases.own_steps import OwnCode
from jobs.phases.reference_files import References
from schemas.storage import Store

PLAN = "work/plan.json"
#: How files in `work/` are laid out. Another number is another layout, which no build can go on with.
LAYOUT = 3
CONFIG = "work/config.yaml"  # the resolved settings, as `weft build` takes them
_CAPTURED_A_TASK = 16  # files; a build of 16 GiB of archives makes one


class KnownShard(msgspec.Struct, frozen=True, array_like=True):
    """A published shard, and the build whose list says what of it counts no more; 0: all of it does."""

    name: str
    list: int = 0

    @property
    def partition(self) -> int:
        return int(self.name.partition("-")[0])


class Onto(msgspec.Struct, frozen=True):
    """The finished dataset that a build adds to, as it was when that began."""

    number: int  # of the build in the dataset's history
    partitions: dict[str, int]  # by kind: the first number that is free
    samples: int
    known: dict[str, list[list[KnownShard]]]  # by kind its shards, those that one task reads together
    time: str  # of the beginning
    changed: list[str] = []  # settings that are not those of the dataset
    archives: list[str] = []  # what it was built of: media may lie there, and revisit records may refer to it
    media: list[str] = []  # archives of what was fetched for it
    frontiers: list[str] = []  # which say what lies in those, by their names in the dataset
    captured: list[str] = []  # files which say what media lie in `archives`, the same way
    tried: int = 0  # the last build that was another try, if any was
    retries: bool = False  # its own inputs are read again, for what wants media that were asked for again and came


#: Below it are uids that stand for samples of the dataset that is added to: their keys. An input has 2^40 of its own.
FIRST_UID = 1 << 40


class Plan(msgspec.Struct, frozen=True):
    """`work/plan.json`."""

    inputs: list[Input]
    references: list[References]
    partitions: int  # of domains: drafts are grouped by them
    buckets: int  # of keys: what deduplication compares is grouped by them
    config: BuildConfig
    config_hash: str
    weft_version: str
    source: Literal["archives", "lists"] = "archives"
    video_lists: list[Input] = []  # files that name videos and their texts
    own: list[OwnCode] = []  # the user's own steps, scorers and captioners, in the order of the settings

    layout: int = 1
    archives_a_task: int = 1  # of inputs, those that one task of the first phase reads
    onto: Onto | None = None  # of a build that adds to a dataset
    robots: list[Input] = []  # archives of robots.txt captures, by which pages are judged

    def uid_of(self, number: int, item: int) -> int:
        """Unique in the build: of a record or row of input `number`; in the order of the inputs."""
        return (number + (self.onto is not None)) << 40 | item

    def place_of_uid(self, uid: int) -> tuple[int, int]:
        """The input of this build, and the record or row in it, that has the uid."""
        number, item = divmod(uid, 1 << 40)
        return number - (self.onto is not None), item

    def partition_of(self, kind: str, task: int) -> int:
        """The number under which a task of the last phase writes its shards."""
        return task + (self.onto.partitions.get(kind, 0) if self.onto is not None else 0)

    def known(self, kind: str) -> list[list[KnownShard]]:
        """The shards that are there already, a list a task."""
        return self.onto.known.get(kind, []) if self.onto is not None else []

    @property
    def media_archives(self) -> list[str]:
        """What media may lie in, by the numbers that places have: the inputs, archives that were added before, and
        those of what was fetched for the dataset."""
        inputs = [archive.url for archive in self.inputs] if self.source == "archives" else []
        return inputs + ([*self.onto.archives, *self.onto.media] if self.onto is not None else [])

    @property
    def earlier_archives(self) -> range:
        """Which of them are inputs of builds before: they may be gone."""
        own = len(self.inputs) if self.source == "archives" else 0
        return range(own, own + len(self.onto.archives) if self.onto is not None else own)

    @property
    def known_media(self) -> list[list[str]]:
        """What each task reads of the media that the dataset has: a frontier, or some files of its inputs."""
        if self.onto is None:
            return []
        captured, starts = self.onto.captured, range(0, len(self.onto.captured), _CAPTURED_A_TASK)
        return [[one] for one in self.onto.frontiers] + [captured[at : at + _CAPTURED_A_TASK] for at in starts]

    @property
    def retries(self) -> bool:
        """Whether it makes again what wants media that failed in builds before it, and have come since."""
        return self.onto is not None and self.onto.retries

    @property
    def known_pages(self) -> int:
        """The number of tasks over the pages that are there already."""
        return len(self.known("interleaved"))

    @property
    def known_pairs(self) -> int:
        return len(self.known("pairs"))

    @property
    def known_clips(self) -> int:
        return len(self.known("clips"))

    @property
    def most_buckets(self) -> int:
        """No file of rows has more: places of videos follow those of pages, and tasks over what is there partitions."""
        known = max(self.known_pages, self.known_pairs, self.known_clips)
        known = max(known, self.partitions if "clips" in self.config.kinds else 0)
        judged = self.input_tasks if self.robots else 0
        return max(self.buckets, judged, self.partitions + known)

    @property
    def robots_tasks(self) -> int:
        """The number of tasks that read robots.txt captures."""
        return math.ceil(len(self.robots) / self.archives_a_task)

    def robots_of(self, task: int) -> list[Input]:
        """The archives that one of them reads."""
        start = task * self.archives_a_task
        return self.robots[start : start + self.archives_a_task]

    @property
    def input_tasks(self) -> int:
        """The number of tasks of the first phase."""
        return math.ceil(len(self.inputs) / self.archives_a_task)

    def inputs_of(self, task: int) -> range:
        """The numbers of the inputs that a task of the first phase reads."""
        start = task * self.archives_a_task
        return range(start, min(len(self.inputs), start + self.archives_a_task))

    def pages_of(self, number: int) -> int | None:
        """How many pages of an input are read; None for all."""
        if not self.config.limit or not self.inputs:
            return None
        share, rest = divmod(self.config.limit, len(self.inputs))
        return share + (number < rest)

    @property
    def first_phase(self) -> str:
        """The phase that reads the inputs."""
        return "extract" if self.source == "archives" else "lists"


def read_plan(store: Store) -> Plan:
    """The plan of an output."""
    return msgspec.json.decode(store.read(PLAN), type=Plan)
