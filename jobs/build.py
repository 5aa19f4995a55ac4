"""`weft build`: archives in, shards out. Phases of independent partitions; a rerun does only what is missing."""

import logging
import sys
from collections.abc import Sequence

import msgspec

from crawlers.inputs import InputError
from jobs.config import BuildConfig
from jobs.dataset.removal import remove_denied
from jobs.engine.engine import EngineSettings, open_engine
from jobs.kinds.clips.take import VIDEO_LISTS, check_list
from jobs.kinds.finish import finish
from jobs.kinds.table import jobs_of, takers_of
from jobs.phases.duplicates import URLS
from jobs.phases.extract import EXTRACT
from jobs.phases.own_steps import OwnCode, files_of
from jobs.phases.plan import changed_code, make_plan, other_settings
from jobs.phases.recipe import Recipe
from jobs.phases.references import REFERENCES
from jobs.phases.run import Phases
from jobs.phases.task import Phase
from schemas.dataset import DATASET, Dataset, read_dataset
from schemas.deny import add_to_deny_list
from schemas.settings import differences
from schemas.storage import Store

logger = logging.getLogger(__name__)


def build(
    output: str,
    inputs: Sequence[str],
    recipe: "Recipe | BuildConfig",
    engine: EngineSettings,
    deny: Sequence[str] = (),
    videos: Sequence[str] = (),
) -> Dataset:
    """Build, or finish, the dataset at `output`, a path or fsspec URL, of archives and of lists of `videos`.

    `deny` are lines of a `DenyList`, added to that of the output: nothing that it denies is kept, and samples of it
    that were collected before are removed.

    Raises `SettingsError` or `InputError` when the call is wrong, `BuildError` when partitions could not be done,
    `StepError` when a step is at fault.
    """
    recipe, store = Recipe.of(recipe), Store(output)
    denied = add_to_deny_list(store, deny)
    if store.exists(DATASET):
        dataset = finished(store, recipe)
        left = remove_denied(store, dataset, denied)
        logger.warning(
            "%s is complete: %s", output, "nothing to do" if left == dataset else "what is denied was removed"
        )
        return left
    if videos and "clips" not in recipe.config.kinds:
        raise InputError("lists of videos are for clips: add --kinds clips")
    plan = make_plan(store, inputs, recipe, videos=videos)
    for videos_of in plan.video_lists:  # what is wrong with one is told before any work begins
        check_list(videos_of.url)
    jobs = jobs_of(recipe.config.kinds)
    with open_engine(engine, files_of(recipe.functions)) as runner, Phases(runner, store, plan, recipe) as phases:
        read_inputs(phases)
        for job in jobs:
            job.make(phases)
    # partitions may have been done before something was denied
    return remove_denied(store, finish(store, plan, jobs, phases.commits), denied)


def read_inputs(phases: Phases) -> None:
    """Evaluation sets first; then pages, by the recipe; then where the media lie that pages and lists name."""
    plan, recipe, wanting = phases.plan, phases.recipe, [EXTRACT]
    spent: dict[Phase, list[str]] = {EXTRACT: ["pages", "wanted", "captures"]}
    if plan.references:
        phases.run(REFERENCES)
    phases.run(EXTRACT, recipe, [job.take for job in takers_of(recipe.config.kinds)])
    if plan.video_lists:
        phases.run(VIDEO_LISTS, recipe)
        wanting.append(VIDEO_LISTS)
        spent[VIDEO_LISTS] = ["wanted"]
    phases.run(URLS, wanting, spent=spent)


def finished(store: Store, recipe: Recipe) -> Dataset:
    """The dataset that lies there; its `work/` may have been deleted since. Raises `SettingsError`."""
    dataset = read_dataset(store)
    if dataset.config_hash != recipe.hash:
        built_with = msgspec.convert(dataset.config, BuildConfig, str_keys=True)
        code = msgspec.convert(dataset.own_code, list[OwnCode])
        raise other_settings(store.url, [*differences(built_with, recipe.config), *changed_code(code, recipe.own)])
    return dataset


if __name__ == "__main__":  # the same as a Ray job: python -m jobs.build CONFIG --input ... --output ...
    from jobs.cli import main

    sys.exit(main(["build", *sys.argv[1:]]))
