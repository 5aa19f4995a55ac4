"""Another try at media that a dataset lacks to which was added since: an append of its own inputs, of which is made
what wants media that came."""

import glob

import msgspec

from crawlers.inputs import Input, InputError
from crawlers.url_lists import is_list
from jobs.config import BuildConfig
from jobs.dataset.append import aside, history
from jobs.dataset.onto import look_at
from jobs.phases.plan import Plan
from jobs.phases.planning import make_plan
from jobs.phases.recipe import Recipe
from schemas.builds import inputs_name
from schemas.dataset import Dataset
from schemas.settings import SettingsError
from schemas.storage import Store

#: Phases of builds whose pages are not made again by reading archives alone.
_OF_LISTS, _OF_ROBOTS = "lists", ("parse", "robots", "robots-verdicts")


def plan_retry(store: Store, dataset: Dataset, recipe: Recipe, changed: list[str]) -> Plan:
    """Write what another try will do. Raises `SettingsError` or `InputError` where it cannot be made."""
    _require_retriable(store, dataset, recipe.config)
    builds = _inputs_of(store, dataset)
    urls = list(dict.fromkeys(one.url for inputs in builds for one in inputs))
    archives, lists = ([glob.escape(url) for url in urls if is_list(url) is of_lists] for of_lists in (False, True))
    tried = max(number for number, inputs in enumerate(builds) if not inputs or not number)
    onto = msgspec.structs.replace(look_at(store, dataset, changed, ()), retries=True, tried=tried)
    if not onto.frontiers:
        raise SettingsError(f"{store.url} has fetched nothing: there is nothing to retry")
    try:
        return make_plan(aside(store), archives, recipe, videos=lists, onto=onto)
    except InputError as error:
        raise InputError(f"another try reads what {store.url} was built of again: {error}") from None


def _require_retriable(store: Store, dataset: Dataset, config: BuildConfig) -> None:
    phases = {name for build in history(store, dataset) for name in build.phases}
    reason = ""
    if not config.media.from_web or config.media.from_build:
        reason = "without media.from_web, or with --media-from, nothing is asked for"
    elif _OF_LISTS in phases:
        reason = "some of its pairs are of lists, which are not read again once something was added"
    elif phases & set(_OF_ROBOTS):
        reason = "some of its pages were judged by captures of robots.txt, which it does not keep"
    elif config.limit:
        reason = "it is a trial of some pages (limit)"
    if reason:
        raise SettingsError(f"{store.url} was added to since, and is not retried: {reason}")


def _inputs_of(store: Store, dataset: Dataset) -> list[list[Input]]:
    """The archives and the lists of videos of each build; another try has none. Raises `InputError`."""
    names = [inputs_name(build.number) for build in history(store, dataset)]
    try:
        return [msgspec.json.decode(data, type=list[Input]) for data in store.read_all(names)]
    except FileNotFoundError:
        raise InputError(f"{store.url} does not tell all that it was built of: it is not retried") from None
