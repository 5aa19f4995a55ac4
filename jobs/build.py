"""`weft build`: archives in, shards out. Phases of independent partitions; a rerun does only what is missing."""

import logging
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager

import msgspec

from crawlers.inputs import InputError, place_of
from jobs.config import BuildConfig
from jobs.dataset.append import aside, clear, history, is_appending, publish
from jobs.dataset.cards.write import refresh_cards
from jobs.dataset.onto import NOT_FINISHED, known_inputs, look_at, named_inputs, planned, require_agreement
from jobs.dataset.removal import remove_denied, rewrite_superseded, told_complete
from jobs.dataset.retried import plan_retry
from jobs.engine.build_progress import BuildProgress
from jobs.engine.engine import Engine, EngineSettings, open_engine
from jobs.engine.held import one_at_a_time
from jobs.engine.own_code import files_of
from jobs.kinds.clips.take import VIDEO_LISTS, check_list
from jobs.kinds.finish import finish
from jobs.kinds.foreseen import foreseen
from jobs.kinds.retry import go_on_with_retry, retry_failed
from jobs.kinds.robots import extract_by_robots
from jobs.kinds.table import jobs_of, known_phases, takers_of
from jobs.phases.ask_again import ASK_AGAIN
from jobs.phases.duplicates import URLS
from jobs.phases.extract import EXTRACT
from jobs.phases.fetch import check_source, fetch_asked, fetch_media
from jobs.phases.known_media import KNOWN_MEDIA
from jobs.phases.own_steps import OwnCode
from jobs.phases.plan import PLAN, Plan
from jobs.phases.planning import changed_code, make_plan, other_settings, require_same_build
from jobs.phases.recipe import Recipe
from jobs.phases.references import REFERENCES
from jobs.phases.run import Phases
from jobs.phases.task import Phase
from schemas.dataset import DATASET, Dataset, read_dataset
from schemas.deny import DenyList, add_to_deny_list, read_deny_list
from schemas.settings import SettingsError, differences
from schemas.storage import Store

logger = logging.getLogger(__name__)

_GO_ON = "the same command with --append, without --input, goes on"
_NO_CLIPS = "lists of videos are for clips: add --kinds clips"


class NothingToRetry(Exception):
    """Nothing failed for a dataset that may have passed, and nothing came since."""


@one_at_a_time
def build(
    output: str,
    inputs: Sequence[str],
    recipe: "Recipe | BuildConfig",
    engine: EngineSettings,
    deny: Sequence[str] = (),
    videos: Sequence[str] = (),
    retry: bool = False,
    shown: BuildProgress | None = None,
    robots: Sequence[str] = (),
    status_port: int = 0,
) -> Dataset:
    """Build, or finish, the dataset at `output`, a path or fsspec URL, of archives and of lists of `videos`.

    `deny` are lines of a `DenyList`, added to that of the output: nothing that it denies is kept, and samples of it
    that were collected before are removed. With `retry`, media that failed for a reason that may have passed are asked
    for again, and what is made of media is made anew, or, where something was added to the dataset since, appended.
    `robots` are archives of robots.txt captures, by which pages and media are judged. While media are fetched, their
    state is served at `status_port`.

    Raises `SettingsError` or `InputError` when the call is wrong, `BuildError` when partitions could not be done,
    `StepError` when a step is at fault.
    """
    recipe, store = Recipe.of(recipe), Store(output)
    if retry and was_added_to(store):
        with shown or BuildProgress() as told:
            dataset = retry_by_append(store, recipe, engine, deny, told, status_port)
        _tell_of_new(store, dataset, inputs, videos)
        return _tidied(store, dataset, engine)
    if is_appending(store):
        raise InputError(f"something is being added to {output}: {_GO_ON}")
    require_same(store, recipe, deny)
    if retry and store.exists(PLAN):
        make_plan(store, inputs, recipe, videos=videos, robots=robots)  # refuses what it would refuse below
    begin_retry(store, retry)
    if store.exists(DATASET):
        dataset = read_dataset(store)
        left = remove_denied(store, dataset, add_to_deny_list(store, deny), engine)
        told_complete(output, dataset, left)
        _tell_of_new(store, dataset, inputs, videos)
        refresh_cards(store)
        return left
    if videos and "clips" not in recipe.config.kinds:
        raise InputError(_NO_CLIPS)
    check_source(recipe.config.media)
    with shown or BuildProgress() as told:
        told.prepare("listing the inputs")
        plan = make_plan(store, inputs, recipe, videos=videos, robots=robots)
        denied = add_to_deny_list(store, deny)
        made = carry_out(store, plan, recipe, engine, told, status_port)
    left = remove_denied(store, made, denied, engine)  # partitions may have been done before something was denied
    refresh_cards(store)
    return left


@one_at_a_time
def append(
    output: str,
    inputs: Sequence[str],
    recipe: "Recipe | BuildConfig",
    engine: EngineSettings,
    deny: Sequence[str] = (),
    videos: Sequence[str] = (),
    rewrite: bool = False,
    shown: BuildProgress | None = None,
    robots: Sequence[str] = (),
    status_port: int = 0,
) -> Dataset:
    """Add archives and lists of `videos` to the finished dataset at `output`, or finish adding them; without any, what
    was begun. Inputs that it has already are left out.

    New items are compared with each other and with what is there; until all is done, readers have the old dataset.
    `rewrite`: shards that hold samples that were replaced are written anew without them. Raises what `build` raises.
    """
    store = Store(output)
    with shown or BuildProgress() as told:
        dataset = _append(store, inputs, Recipe.of(recipe), engine, deny, videos, rewrite, told, robots, status_port)
    return _tidied(store, dataset, engine, rewrite)


def _tidied(store: Store, dataset: Dataset, engine: EngineSettings, rewrite: bool = False) -> Dataset:
    """A dataset to which was added, without what was denied meanwhile."""
    dataset = remove_denied(store, dataset, read_deny_list(store), engine)
    dataset = rewrite_superseded(store, dataset, engine) if rewrite else dataset
    refresh_cards(store)
    return dataset


def retry_by_append(
    store: Store, recipe: Recipe, engine: EngineSettings, deny: Sequence[str], shown: BuildProgress, status_port: int
) -> Dataset:
    """Ask again for what failed for a dataset that was added to, or go on with that, and add what is made of it."""
    dataset, part = read_dataset(store), aside(store)
    changed = require_agreement(store, dataset, recipe)
    DenyList(deny)  # raises what is wrong with it
    shown.prepare("listing the inputs")
    if is_appending(store) and planned(part) < len(history(store, dataset)):
        clear(store)
    if not is_appending(store):
        plan = plan_retry(store, dataset, recipe, changed)
    else:
        plan = make_plan(part, (), recipe)
        if not plan.retries:
            raise InputError(f"something is being added to {store.url}: {_GO_ON}")
    denied = add_to_deny_list(store, deny)  # not before: a call that is refused changes nothing
    add_to_deny_list(part, denied.lines)
    return _added(store, plan, recipe, engine, shown, status_port)


def _added(
    store: Store, plan: Plan, recipe: Recipe, engine: EngineSettings, shown: BuildProgress, status_port: int
) -> Dataset:
    """Carry out what is planned in `appending/`, and publish it; a try that has nothing to ask for leaves no trace."""
    part = aside(store)
    try:
        if not part.exists(DATASET):
            carry_out(part, plan, recipe, engine, shown, status_port)
    except NothingToRetry:
        clear(store)
        return read_dataset(store)
    return publish(store)


def _append(
    store: Store,
    inputs: Sequence[str],
    recipe: Recipe,
    engine: EngineSettings,
    deny: Sequence[str],
    videos: Sequence[str],
    may_be_none: bool,
    shown: BuildProgress,
    robots: Sequence[str],
    status_port: int,
) -> Dataset:
    """The same without what is done to shards that are there. Without any inputs there need be nothing that was begun
    where that is not all that is asked for: `may_be_none`."""
    output = store.url
    if videos and "clips" not in recipe.config.kinds:
        raise InputError(_NO_CLIPS)
    if not store.exists(DATASET):
        raise InputError(NOT_FINISHED.format(output))
    dataset = read_dataset(store)
    changed = require_agreement(store, dataset, recipe)
    DenyList(deny)  # raises what is wrong with it
    shown.prepare("listing the inputs")
    there, part = known_inputs(store, dataset), aside(store)
    places = set(map(place_of, there))
    if is_appending(store) and planned(part) < len(history(store, dataset)):  # published, and killed while cleared away
        clear(store)
    plan: Plan | None = None
    named: list[str] = []
    if is_appending(store):
        plan = make_plan(part, inputs, recipe, videos=videos, leave_out=places, robots=robots)
    elif inputs or videos:
        named = named_inputs(inputs, videos)
    elif not may_be_none:
        raise InputError(f"nothing is being added to {output}: name what to add by --input")
    denied = add_to_deny_list(store, deny)  # not before: a call that is refused changes nothing
    if plan is None:
        if already := [url for url in named if place_of(url) in places]:
            logger.warning(
                "%d of %d inputs, such as %s, are in %s already", len(already), len(named), already[0], output
            )
        if len(already) == len(named):
            if named:
                logger.warning("nothing to add")
            return dataset
        check_source(recipe.config.media)
        onto = look_at(store, dataset, changed, there)
        plan = make_plan(part, inputs, recipe, videos=videos, onto=onto, leave_out=places, robots=robots)
    add_to_deny_list(part, denied.lines)
    return _added(store, plan, recipe, engine, shown, status_port)


def carry_out(
    store: Store, plan: Plan, recipe: Recipe, engine: EngineSettings, shown: BuildProgress, status_port: int = 0
) -> Dataset:
    """Do what is missing of a planned build. Raises `NothingToRetry`."""
    for videos_of in plan.video_lists:  # what is wrong with one is told before any work begins
        check_list(videos_of.url)
    with opened_engine(engine, recipe, shown) as runner, Phases(runner, store, plan, recipe, shown) as phases:
        shown.foresee(foreseen(plan))
        run_phases(phases, status_port)
    dataset = finish(store, plan, jobs_of(plan.config.kinds), phases.commits)
    shown.end()
    return dataset


def run_phases(phases: Phases, status_port: int = 0) -> None:
    """All of a build: what is missing of each. Raises `NothingToRetry`."""
    if phases.plan.retries:  # what came decides what is read
        phases.run(KNOWN_MEDIA)
        fetch_asked(phases, [ASK_AGAIN], status_port)
        require_late(phases)
    jobs, wanting = jobs_of(phases.plan.config.kinds), read_inputs(phases)
    for job in jobs:
        job.compare(phases)
    fetch_media(phases, [job.asks for job in jobs], wanting, status_port)
    for job in jobs:
        job.make(phases)


def require_late(phases: Phases) -> None:
    """Raises `NothingToRetry`."""
    late = sum(commit.unfinished for commit in phases.run(ASK_AGAIN))
    logger.warning("%d addresses were asked for again, or had come since they failed", late)
    if not late:
        raise NothingToRetry


def opened_engine(engine: EngineSettings, recipe: Recipe, shown: BuildProgress) -> AbstractContextManager[Engine]:
    """The engine for a recipe. Ray takes seconds to start: that is told."""
    if engine.engine == "ray":
        shown.prepare("joining Ray" if engine.address else "starting Ray")
    return open_engine(engine, files_of(recipe.functions))


def read_inputs(phases: Phases) -> list[Phase]:
    """Evaluation sets first; then pages, by the recipe; then where the media lie that pages and lists name.

    Returns the phases that have written which partition wants which media.
    """
    plan, recipe, wanting = phases.plan, phases.recipe, [EXTRACT]
    spent: dict[Phase, list[str]] = {EXTRACT: ["pages", "wanted", "captures"]}
    if plan.references:
        phases.run(REFERENCES)
    takers = [job.take for job in takers_of(recipe.config.kinds)]
    if plan.robots:
        extract_by_robots(phases, takers)
    else:
        phases.run(EXTRACT, recipe, takers)
    if plan.video_lists:
        phases.run(VIDEO_LISTS, recipe)
        wanting.append(VIDEO_LISTS)
        spent[VIDEO_LISTS] = ["wanted"]
    for phase in known_phases(plan):
        phases.run(phase)
    if plan.known_media:
        phases.run(KNOWN_MEDIA)
        spent[KNOWN_MEDIA] = ["captures"]
    phases.run(URLS, wanting, spent=spent)
    return wanting


def was_added_to(store: Store) -> bool:
    """Whether another try makes no sample anew, but adds to what is there."""
    return store.exists(DATASET) and (bool(read_dataset(store).builds) or is_appending(store))


def require_same(store: Store, recipe: Recipe, deny: Sequence[str]) -> None:
    """Before anything is changed: raises `SettingsError` where what lies there is another build's, or what is to be
    denied cannot be read."""
    DenyList(deny)
    if store.exists(DATASET):
        finished(store, recipe)
    else:
        require_same_build(store, recipe)


def begin_retry(store: Store, retry: bool) -> None:
    """Prepare an output for another try at what failed, or go on with that. Raises `SettingsError`."""
    if retry:
        if was_added_to(store):
            raise SettingsError(f"{store.url} was added to since: its lists are not read again, and nothing is retried")
        retry_failed(store)
    go_on_with_retry(store)


def _tell_of_new(store: Store, dataset: Dataset, inputs: Sequence[str], videos: Sequence[str]) -> None:
    """Of inputs that are named for a dataset which stays without them."""
    try:
        named = named_inputs(inputs, videos) if inputs or videos else []
    except InputError:  # they may have vanished since
        return
    there = set(map(place_of, known_inputs(store, dataset))) if named else set()
    if new := [url for url in named if place_of(url) not in there]:
        logger.warning("%d inputs, such as %s, are not in it: --append adds them", len(new), new[0])


def finished(store: Store, recipe: Recipe) -> Dataset:
    """The dataset that lies there; its `work/` may have been deleted since. Raises `SettingsError`."""
    dataset = read_dataset(store)
    if dataset.config_hash != recipe.hash:
        try:
            built_with = msgspec.convert(dataset.config, BuildConfig, str_keys=True)
        except msgspec.ValidationError as error:
            made_by = f"{store.url} was made by weft {dataset.weft_version} with settings that this one does not have"
            raise SettingsError(f"{made_by} ({error}); choose another --output, or delete it") from None
        code = msgspec.convert(dataset.own_code, list[OwnCode])
        raise other_settings(store.url, [*differences(built_with, recipe.config), *changed_code(code, recipe.own)])
    return dataset


if __name__ == "__main__":  # the same as a Ray job: python -m jobs.build CONFIG --input ... --output ...
    from jobs.cli import main

    sys.exit(main(["build", *sys.argv[1:]]))
