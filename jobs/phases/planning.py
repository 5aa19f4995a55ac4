"""Makes the plan of a build, or finds the one that lies there, and refuses what would make two builds of one."""

import logging
import math
from collections.abc import Collection, Sequence
from typing import Literal

import msgspec

from crawlers.inputs import Input, InputError, list_archives, list_files, list_sized, place_of, shown
from jobs.phases.own_steps import OwnCode
from jobs.phases.plan import CONFIG, LAYOUT, PLAN, Onto, Plan, read_plan
from jobs.phases.recipe import Recipe
from jobs.phases.reference_files import list_references
from schemas import __version__
from schemas.settings import SettingsError, differences, dump_settings
from schemas.storage import Store

#: A row of a list is some hundred bytes, and makes a sample of some tens of thousands.
_BYTES_A_PARTITION = {"archives": 512 << 20, "lists": 1 << 20}
_MAX_PARTITIONS = 4096
_BYTES_A_BUCKET = {"archives": 16 << 30, "lists": 32 << 20}
_BYTES_OF_ROBOTS_A_BUCKET = 64 << 20  # a task holds the rules of its bucket, and they unpack to some times that
_MAX_BUCKETS = 4096
#: More inputs a task make fewer files; fewer tasks than these would leave machines without work.
_LEAST_TASKS, _MAX_ARCHIVES_A_TASK = 64, 16
#: Of a dataset that is added to. One of 16 GiB of archives makes as many.
_SAMPLES_A_BUCKET = 100_000
_BYTES_A_VIDEO_LIST = 64 << 20  # it stands for more than it weighs
_PAGES_OF_A_TRIAL = 100  # of one archive, at least

logger = logging.getLogger(__name__)


def make_plan(
    store: Store,
    patterns: Sequence[str],
    recipe: Recipe,
    source: Literal["archives", "lists"] = "archives",
    videos: Sequence[str] = (),
    onto: Onto | None = None,
    leave_out: Collection[str] = (),
    robots: Sequence[str] = (),
) -> Plan:
    """The plan of this output: the one that lies there, or a new one, of all inputs but those to leave out, by their
    places.

    Raises `SettingsError` when the output belongs to a build with other settings or other code, `InputError` when a
    pattern matches nothing.
    """
    if plan := _found_plan(store):
        _require_same(store, plan, recipe)
        if patterns:
            inputs = _list_inputs(patterns, source, sized=False)
            _tell_of_new(plan, [item.url for item in inputs if place_of(item.url) not in leave_out])
        if robots and [item.url for item in list_archives(robots, sized=False)] != [one.url for one in plan.robots]:
            raise InputError(f"{store.url} was begun with other archives of robots.txt captures: leave --robots out")
        return plan
    plan = new_plan(patterns, recipe, source, videos, onto, leave_out, robots)
    data = msgspec.json.format(msgspec.json.encode(plan), indent=1)
    if not store.put_if_absent(PLAN, data):
        return make_plan(store, patterns, recipe, source, videos, onto, leave_out, robots)
    store.put(CONFIG, dump_settings(plan.config).encode())
    return msgspec.json.decode(data, type=Plan)  # as those have it who go on: a number written 0 becomes 0.0 there


def new_plan(
    patterns: Sequence[str],
    recipe: Recipe,
    source: Literal["archives", "lists"] = "archives",
    videos: Sequence[str] = (),
    onto: Onto | None = None,
    leave_out: Collection[str] = (),
    robots: Sequence[str] = (),
) -> Plan:
    """What would be done, of all inputs but those to leave out, by their places. Raises `InputError`."""
    config = recipe.config
    video_lists = [Input(url, -1) for url in list_files(videos) if place_of(url) not in leave_out]
    inputs = _list_inputs(patterns, source) if patterns or not video_lists else []
    inputs = _trial([item for item in inputs if place_of(item.url) not in leave_out], config.limit)
    total = sum(max(0, item.size) for item in inputs) + _BYTES_A_VIDEO_LIST * len(video_lists)
    partitions = config.partitions or min(_MAX_PARTITIONS, max(1, math.ceil(total / _BYTES_A_PARTITION[source])))
    least = onto.samples // _SAMPLES_A_BUCKET if onto is not None else 0
    captures = list_archives(robots) if robots else []
    of_robots = sum(max(0, item.size) for item in captures) / _BYTES_OF_ROBOTS_A_BUCKET
    wanted = max(1, least, math.ceil(total / _BYTES_A_BUCKET[source]), math.ceil(of_robots))
    buckets = config.buckets or min(_MAX_BUCKETS, wanted)
    return Plan(
        inputs=inputs,
        references=list_references(config.decontamination),
        partitions=partitions,
        buckets=buckets,
        config=config,
        config_hash=recipe.hash,
        weft_version=__version__,
        source=source,
        video_lists=video_lists,
        own=recipe.own,
        layout=LAYOUT,
        archives_a_task=config.archives_a_task or min(_MAX_ARCHIVES_A_TASK, max(1, len(inputs) // _LEAST_TASKS)),
        onto=onto,
        robots=captures,
    )


def _trial(inputs: list[Input], limit: int) -> list[Input]:
    """Of many archives so many, spread over all, that some pages of each make a trial of `limit` pages."""
    wanted = min(len(inputs), max(1, limit // _PAGES_OF_A_TRIAL)) if limit else len(inputs)
    return [inputs[number * len(inputs) // wanted] for number in range(wanted)]


def require_same_build(store: Store, recipe: Recipe) -> None:
    """Raises `SettingsError` where the plan that lies there is of a build with other settings or other code."""
    if plan := _found_plan(store):
        _require_same(store, plan, recipe)


def _require_same(store: Store, plan: Plan, recipe: Recipe) -> None:
    """Raises `SettingsError` for what would make two builds of one."""
    if plan.weft_version != __version__:
        raise SettingsError(
            f"{store.url} was begun by weft {plan.weft_version}, this is {__version__}; "
            "finish it with that version or choose another --output"
        )
    if plan.layout != LAYOUT:
        raise SettingsError(
            f"{store.url} was begun by a weft that laid out work/ otherwise; "
            "finish it with that one, or choose another --output"
        )
    if changed := [*differences(plan.config, recipe.config), *changed_code(plan.own, recipe.own)]:
        raise other_settings(store.url, changed)


def changed_code(old: Sequence[OwnCode], new: Sequence[OwnCode]) -> list[str]:
    """The steps whose source is another now; which steps there are, the settings tell."""
    return [
        f"the source of {now.use}: sha256 {then.sha256[:12]} -> {now.sha256[:12]}"
        for then, now in zip(old, new, strict=False)
        if then.use == now.use and then.sha256 != now.sha256
    ]


def _list_inputs(patterns: Sequence[str], source: str, sized: bool = True) -> list[Input]:
    """Raises `InputError`."""
    if source == "archives":
        return list_archives(patterns, sized)
    found = list_sized(patterns, sized)
    if not found:
        raise InputError("no list given: name at least one .parquet, .csv or .jsonl file")
    return found


def other_settings(output: str, changed: Sequence[str]) -> SettingsError:
    """The refusal to mix two builds in one output."""
    return SettingsError(
        f"{output} holds a build with other settings; choose another --output, or delete it. "
        f"Changed: {'; '.join(changed[:5])}"
    )


def _tell_of_new(plan: Plan, inputs: Sequence[str]) -> None:
    """Resuming never lists inputs anew: a build of half old and half new would be neither.

    Raises `InputError` where they were to be added: they would be taken for added.
    """
    known = {place_of(item.url) for item in plan.inputs}
    new = [url for url in inputs if place_of(url) not in known]
    if new and plan.onto is not None:
        raise InputError(
            f"an append of {len(plan.inputs)} other inputs is unfinished: finish it first, by --append "
            f"without --input; then add {shown(new[0])}"
        )
    if new:
        logger.warning(
            "%d inputs, such as %s, are not in the plan of this output and are left out; "
            "add them with --append when it is finished",
            len(new),
            new[0],
        )


def _found_plan(store: Store) -> Plan | None:
    try:
        return read_plan(store)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        if not isinstance(error, msgspec.ValidationError):
            raise SettingsError(
                f"{store.url}/{PLAN} is damaged: {error}; choose another --output, or delete it"
            ) from None
        raise SettingsError(
            f"{store.url} was begun by a weft with settings that this one does not have ({error}); "
            "finish it with that one, or choose another --output"
        ) from None
