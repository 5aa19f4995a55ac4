"""A page as a build saw it: found by key or address, with what the build kept and dropped of it."""

from collections.abc import Sequence
from typing import Any

import msgspec

from crawlers.archive_index import Archives, NotAtHand
from jobs.config import BuildConfig, load_config
from jobs.dataset.explain import explain
from jobs.dataset.index import Index
from jobs.phases.own_steps import OwnCode
from jobs.phases.planning import changed_code
from jobs.phases.recipe import Recipe
from schemas.dataset import DATASET, read_dataset
from schemas.documents import Page
from schemas.kinds import KINDS
from schemas.settings import SettingsError, dump_settings, load_settings
from schemas.storage import Store


def build_config(store: Store) -> BuildConfig:
    """The settings of a build; the default ones where it is not finished or of another version."""
    if store.exists(DATASET):
        try:
            return msgspec.convert(read_dataset(store).config, BuildConfig, str_keys=True)
        except msgspec.ValidationError:
            pass
    return load_config("default", [])


def build_recipe(store: Store, overrides: list[str] | None = None, own_steps: bool = False) -> tuple[Recipe, list[str]]:
    """The recipe of a build, and what of it is left out or has changed.

    The steps of its builder are code, which a dataset may name and must not run here unasked: they are imported with
    `own_steps` alone. Raises `SettingsError` for wrong overrides.
    """
    config = build_config(store)
    own = bool(config.steps or config.score_with or config.caption_with)
    bare = msgspec.structs.replace(config, steps=(), score_with=(), caption_with=())
    if own and not own_steps:
        notes = ["steps of its builder are left out: they are code; --own-steps imports them, if you trust it"]
        return Recipe(_changed(bare, overrides)), notes
    try:
        recipe = Recipe(_changed(config, overrides))
    except SettingsError as error:
        if not own:
            raise
        return Recipe(_changed(bare, overrides)), [f"{error}: steps of yours are left out"]
    built_with = msgspec.convert(read_dataset(store).own_code, list[OwnCode]) if own else []
    return recipe, [f"changed since the build: {one}" for one in changed_code(built_with, recipe.own)]


def _changed(config: BuildConfig, overrides: list[str] | None) -> BuildConfig:
    return load_settings(BuildConfig, dump_settings(config), overrides) if overrides else config


def find_page(index: Index, archives: Archives, wanted: str, max_search_s: float = 60.0) -> tuple[Page, str]:
    """The page with a sample's key or at an address, as captured; and the key of its sample, "" if it was not kept.

    Raises `NotAtHand` and `Drop`.
    """
    for kind in index.kinds:
        address = KINDS[kind].page_column
        columns = index.columns(kind)
        offset = "warc_offset" if "warc_offset" in columns else "-1"
        sql = f"SELECT key, {address}, warc_file, {offset} FROM {kind} WHERE key = ? OR {address} = ? LIMIT 1"
        if rows := index.ask(sql, [wanted, wanted]).rows:
            key, url, file, place = rows[0]
            length = _length(index, kind, str(key))
            return archives.page(url, file or "", int(place), length, max_search_s), str(key)
    if "://" not in wanted:
        raise NotAtHand("no sample has this key")
    return archives.page(wanted, max_search_s=max_search_s), ""


def _length(index: Index, kind: str, key: str) -> int:
    """Bytes of the page's record, which only the sample's JSON knows; -1 where it is unknown."""
    row = index.ask(f"SELECT shard, members FROM {kind} WHERE key = ?", [key]).dicts()[0]
    for member in row["members"]:
        if member["name"].endswith(".json"):
            data = index.store.read_range(f"{kind}/shards/{row['shard']}.tar", member["offset"], member["size"])
            try:
                return int(msgspec.json.decode(data).get("warc_length", -1))
            except (msgspec.DecodeError, AttributeError, TypeError, ValueError):
                return -1
    return -1


def drops_on(index: Index, url: str) -> list[dict[str, Any]]:
    """What the build dropped of a page: the page itself, its images, pairs and paragraphs."""
    sql = "SELECT url, kind, reason, detail FROM drops WHERE page_url = ? OR (url = ? AND kind = 'record')"
    return index.ask(sql, [url, url], limit=500).dicts()


def explain_in_dataset(
    path: str,
    wanted: str,
    config_name: str | None,
    overrides: list[str],
    archives: Sequence[str] = (),
    own_steps: bool = False,
) -> dict[str, Any]:
    """What `explain` says of a page that a build saw in one of `archives`, and what that build dropped of it.

    Raises `NotAtHand`, `SettingsError`, `NotADataset`, and as `explain`.
    """
    store = Store(path)
    with Index(store) as index:
        notes: list[str] = []
        if config_name:
            recipe = Recipe.named(config_name, overrides)
        else:
            recipe, notes = build_recipe(store, overrides, own_steps)
        page, sample = find_page(index, Archives(archives, recipe.config.warc), wanted)
        report = explain(page, recipe)
        return {**report, "sample": sample, "dropped_by_the_build": drops_on(index, page.url), "notes": notes}
