"""`weft fetch-pairs`: a list of addresses and captions becomes pairs, by the phases that pairs of pages go through."""

import logging
from collections.abc import Sequence

import msgspec

from crawlers.img2dataset import require_img2dataset
from crawlers.inputs import InputError, list_files, place_of
from crawlers.url_lists import find_columns
from jobs.build import begin_retry, opened_engine, require_same
from jobs.config import BuildConfig
from jobs.dataset.cards.write import refresh_cards
from jobs.dataset.onto import known_inputs
from jobs.dataset.removal import remove_denied, told_complete
from jobs.engine.build_progress import BuildProgress
from jobs.engine.engine import EngineSettings
from jobs.engine.held import one_at_a_time
from jobs.kinds.finish import finish
from jobs.kinds.foreseen import foreseen
from jobs.kinds.pairs.fetch import ASK_PAIR_IMAGES
from jobs.kinds.pairs.lists import LISTS
from jobs.kinds.pairs.make import compare_pairs, make_pairs
from jobs.kinds.table import jobs_of
from jobs.phases.fetch import fetch_media
from jobs.phases.plan import PLAN
from jobs.phases.planning import make_plan
from jobs.phases.recipe import Recipe
from jobs.phases.run import Phases
from schemas.dataset import DATASET, Dataset, read_dataset
from schemas.deny import add_to_deny_list
from schemas.storage import Store

logger = logging.getLogger(__name__)


@one_at_a_time
def fetch_pairs(
    output: str,
    lists: Sequence[str],
    recipe: "Recipe | BuildConfig",
    engine: EngineSettings,
    deny: Sequence[str] = (),
    retry: bool = False,
    shown: BuildProgress | None = None,
    status_port: int = 0,
) -> Dataset:
    """Fetch, or finish, the pairs of these lists. `retry`, `shown`, `status_port`, what is raised: as of
    `jobs.build.build`."""
    recipe = Recipe.of(recipe)
    media = msgspec.structs.replace(recipe.config.media, from_web=True)
    config = msgspec.structs.replace(recipe.config, kinds=("pairs",), media=media)
    recipe, store = Recipe(config, given=recipe.given), Store(output)
    require_same(store, recipe, deny)
    if retry and store.exists(PLAN):
        make_plan(store, lists, recipe, "lists")  # refuses what it would refuse below
    begin_retry(store, retry)
    if store.exists(DATASET):
        dataset = read_dataset(store)
        left = remove_denied(store, dataset, add_to_deny_list(store, deny), engine)
        told_complete(output, dataset, left)
        _tell_of_new(store, dataset, lists)
        refresh_cards(store)
        return left
    if config.lists.downloader == "img2dataset":
        require_img2dataset(config.lists)
    with shown or BuildProgress() as told:
        told.prepare("listing the inputs")
        plan = make_plan(store, lists, recipe, "lists")
        for archive in plan.inputs:  # what is wrong with one is told before any work begins
            find_columns(archive.url, config.lists.read)
        denied = add_to_deny_list(store, deny)
        with opened_engine(engine, recipe, told) as runner, Phases(runner, store, plan, recipe, told) as phases:
            told.foresee(foreseen(plan))
            phases.run(LISTS, recipe)
            compare_pairs(phases)
            if config.lists.downloader == "weft":
                fetch_media(phases, [ASK_PAIR_IMAGES], [LISTS], status_port)
            make_pairs(phases)
        dataset = finish(store, plan, jobs_of(config.kinds), phases.commits)
        told.end()
    left = remove_denied(store, dataset, denied, engine)
    refresh_cards(store)
    return left


def _tell_of_new(store: Store, dataset: Dataset, lists: Sequence[str]) -> None:
    """Of lists that are named for a dataset which stays without them."""
    try:
        named = list_files(lists)
    except InputError:  # they may have vanished since
        return
    there = set(map(place_of, known_inputs(store, dataset)))
    if new := [url for url in named if place_of(url) not in there]:
        logger.warning("%d inputs, such as %s, are not in it: fetch them into another output", len(new), new[0])
