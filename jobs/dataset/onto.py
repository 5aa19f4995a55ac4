"""Before anything is added to a dataset: which inputs it has, whether settings agree, and what is to be compared."""

import os
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from crawlers.inputs import Input, InputError, list_archives, list_files
from jobs.config import BuildConfig
from jobs.dataset.append import history
from jobs.phases.own_steps import OwnCode
from jobs.phases.plan import PLAN, KnownShard, Onto, read_plan
from jobs.phases.planning import changed_code
from jobs.phases.recipe import Recipe
from schemas.builds import CAPTURED, inputs_name
from schemas.dataset import Dataset, read_dataset
from schemas.settings import SettingsError, differences, dump_settings, load_settings
from schemas.storage import Store
from schemas.superseded import LiveShards, builds_of_lists

#: Settings that say how work is cut up, where media come from and what that may take, not what a sample is.
FREE = (
    "seed",
    "partitions",
    "buckets",
    "archives_a_task",
    "max_slice_bytes",
    "keep_work",
    "without_keys",
    "shards",
    "media",
    "lists",
    "isolation",
    "video_isolation",
    "videos_folder",
    "warc",
)
_SAMPLES_A_GROUP = 50_000

NOT_FINISHED = "{} is no finished dataset: --append adds to one; the same command without it makes it"


def require_agreement(store: Store, dataset: Dataset, recipe: Recipe) -> list[str]:
    """The settings in which a build may differ from that of the dataset, and does.

    Raises `SettingsError` for any other: samples of two sorts would stand side by side.
    """
    built_with = _settings_of(store, dataset)
    changed = differences(built_with, recipe.config)
    free = [line for line in changed if line.partition(":")[0].partition(".")[0] in FREE]
    code = changed_code(msgspec.convert(dataset.own_code, list[OwnCode]), recipe.own)
    if other := [line for line in [*changed, *code] if line not in free]:
        raise SettingsError(
            f"{store.url} was built with other settings, and what is added must be alike. "
            f"Changed: {'; '.join(other[:5])}"
        )
    return free


def recipe_of_dataset(output: str, overrides: Sequence[str] = ()) -> Recipe:
    """What the dataset at `output` was built with, with `a.b=value` overrides.

    Raises `InputError` where there is none, `SettingsError` where others must be named.
    """
    store = Store(output)
    try:
        dataset = read_dataset(store)
    except FileNotFoundError:
        raise InputError(NOT_FINISHED.format(output)) from None
    if dataset.own_code:  # it names code, and whoever wrote it chose which
        raise SettingsError(f"{output} was built with steps of its builder's own: name the recipe that has them")
    return Recipe(load_settings(BuildConfig, dump_settings(_settings_of(store, dataset)), list(overrides)))


def _settings_of(store: Store, dataset: Dataset) -> BuildConfig:
    try:
        return msgspec.convert(dataset.config, BuildConfig, str_keys=True)
    except msgspec.ValidationError as error:
        raise SettingsError(
            f"{store.url} was built by weft {dataset.weft_version} with settings that this one does not have: {error}"
        ) from None


def named_inputs(patterns: Sequence[str], videos: Sequence[str]) -> list[str]:
    """The addresses of archives and lists, in the order given. Raises `InputError`."""
    archives = list_archives(patterns, sized=False) if patterns or not videos else []
    return [*(item.url for item in archives), *list_files(videos)]


def known_inputs(store: Store, dataset: Dataset) -> set[str]:
    """The addresses of what a dataset was built of; of one from before these were kept, as far as it tells."""
    found: set[str] = set()
    for number in range(max(1, len(dataset.builds))):
        try:
            found.update(item.url for item in msgspec.json.decode(store.read(inputs_name(number)), type=list[Input]))
        except FileNotFoundError:
            found |= _told_inputs(store, dataset)
    return found


def _told_inputs(store: Store, dataset: Dataset) -> set[str]:
    """By the plan, if `work/` is still there, and by marks, which then named the archives that gave a sample."""
    found: set[str] = set()
    for kind in dataset.kinds:
        names = [f"{kind}/commit/{name}" for name in store.list(f"{kind}/commit") if name.endswith(".json")]
        for mark in store.read_all(names):
            found.update(msgspec.json.decode(mark, type=dict[str, Any])["shard"].get("inputs", ()))
    if store.exists(PLAN):
        plan = msgspec.json.decode(store.read(PLAN), type=dict[str, Any])
        found.update(item["url"] for name in ("inputs", "video_lists") for item in plan.get(name, []))
    return found


def look_at(store: Store, dataset: Dataset, changed: list[str], inputs: Collection[str]) -> Onto:
    """The dataset as it is now: what new samples are compared with, the numbers that are free, and its inputs."""
    builds = history(store, dataset)
    known = {kind: _groups(store, kind) for kind in dataset.kinds}
    return Onto(
        number=len(builds),
        partitions=builds[-1].partitions,
        samples=sum(of_kind.samples for of_kind in dataset.kinds.values()),
        known=known,
        time=time_now(),
        changed=changed,
        archives=sorted(inputs),
        media=[store.fs.unstrip_protocol(store.path(name)) for name in _named(store, "media/warc", ".warc.gz")],
        frontiers=_named(store, "media/work/frontier", ".sqlite"),
        captured=_named(store, CAPTURED, ".parquet"),
    )


def _named(store: Store, folder: str, ending: str) -> list[str]:
    names = sorted(name for name in store.list(folder) if name.endswith(ending) and not name.startswith("."))
    return [f"{folder}/{name}" for name in names]


def _groups(store: Store, kind: str) -> list[list[KnownShard]]:
    """The shards that hold samples, so that tasks read about as many; those of a partition stay together."""
    lists, groups = builds_of_lists(store, kind), list[list[KnownShard]]()
    held, partition = _SAMPLES_A_GROUP, -1
    for mark in LiveShards(store, kind).marks:
        if held >= _SAMPLES_A_GROUP and mark.partition != partition:
            groups.append([])
            held = 0
        groups[-1].append(KnownShard(mark.shard.name, lists.get(mark.shard.name, [0])[-1]))
        held, partition = held + mark.shard.samples, mark.partition
    return groups


def time_now() -> str:
    """As reproducible builds have it, SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch).

    Raises `SettingsError` where that is beyond the year 9999, as milliseconds are.
    """
    stated = os.environ.get("SOURCE_DATE_EPOCH", "")
    try:
        time = datetime.fromtimestamp(int(stated), UTC) if stated.isdecimal() else datetime.now(UTC)
    except (ValueError, OverflowError, OSError):
        raise SettingsError(f"SOURCE_DATE_EPOCH is {stated[:40]}: seconds since 1970 are wanted") from None
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def planned(part: Store) -> int:
    """The number of the build that is being made in a folder of its own."""
    onto = read_plan(part).onto
    return onto.number if onto is not None else 0
