"""The history of a dataset: the builds that made it, one after the other. The last decides what is published."""

import msgspec

from schemas.drops import Counts
from schemas.storage import Store

DATASET = "dataset.json"
#: Where shards are made that a finished dataset is to get; what lies there is no data yet.
APPENDING = "appending"
#: Where a build leaves where media lie in its inputs.
CAPTURED = "captured"


class Amount(msgspec.Struct, frozen=True):
    """So many samples, with so many images."""

    samples: int
    images: int


class Build(msgspec.Struct, frozen=True):
    """One build of the history: 0 made the dataset, the others added to it."""

    number: int
    inputs: int
    input_bytes: int
    written: dict[str, Amount]  # by kind
    superseded: dict[str, Amount]  # by kind, what it replaced of those before
    partitions: dict[str, int]  # by kind: below this number are its partitions and those of all builds before it
    config_hash: str
    weft_version: str
    time: str = ""  # when it was begun, ISO 8601 in UTC; not known of the first one
    changed: list[str] = []  # settings that differ from those of the dataset, as `path: old -> new`
    phases: dict[str, Counts] = {}  # what each of its phases saw, kept and dropped; of the first one not known


class _History(msgspec.Struct):
    builds: list[Build] = []


def read_builds(store: Store) -> list[Build]:
    """The builds of a dataset to which something was added; none of any other, finished or not.

    Raises `DamagedShard`.
    """
    from schemas.shards import promised  # which asks this module what is published

    try:
        data = store.read(DATASET)
    except FileNotFoundError:
        return []
    return promised(DATASET, data, _History).builds


def added_to(store: Store) -> Store:
    """The dataset to which is to be added what is made in `store`, a folder of it."""
    return Store(store.url.rstrip("/").removesuffix(f"/{APPENDING}"))


def inputs_name(number: int) -> str:
    """The file that names the inputs of a build."""
    return f"inputs/{number:03d}.json"


def is_published(builds: list[Build], kind: str, shard: str) -> bool:
    """Whether a shard, or a file of one, is of the dataset as far as its builds tell, and not of one still going on."""
    digits = shard.partition("-")[0]
    return not builds or not digits.isdigit() or int(digits) < builds[-1].partitions.get(kind, 0)


def drop_prefix(number: int) -> str:
    """How the names of the drop files of a build begin."""
    return f"append-{number:03d}-" if number else ""


def drop_files(store: Store) -> list[str]:
    """The files in `drops/` that count: not those of attempts, nor of a build that is not published yet."""
    published = len(read_builds(store))
    names = [name for name in store.list("drops") if name.endswith(".parquet") and not name.startswith(".")]
    return [name for name in names if build_of(name) < max(1, published)]


def build_of(name: str) -> int:
    """The build that a file is of whose name begins as `drop_prefix` has it."""
    prefix, _, rest = name.partition("-")
    number = rest.partition("-")[0]
    return int(number) if prefix == "append" and number.isdigit() else 0
