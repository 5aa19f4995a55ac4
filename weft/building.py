"""`weft.build`, `weft.crawl`, `weft.remove`: what the commands of these names do, with the same settings and bytes."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, overload

from crawlers.crawl_config import CrawlConfig
from crawlers.index_rows import Selection
from jobs import build as building
from jobs.crawl import drive
from jobs.crawl.drive import CrawlReport
from jobs.crawl.records import RecordsReport, copy_records
from jobs.dataset import removal as removing
from jobs.dataset.removal import require_finished
from schemas.removals import Removal
from schemas.settings import SettingsError
from schemas.storage import Store
from weft.dataset import Dataset, open_dataset
from weft.notebooks import outside_a_loop
from weft.settings import engine_settings, listed, recipe_of, settings_of

AnyPath = str | os.PathLike[str]


def build(
    output: AnyPath,
    inputs: AnyPath | Iterable[AnyPath],
    config: Any = "default",
    *,
    kinds: str | Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    videos: AnyPath | Iterable[AnyPath] = (),
    deny: str | Iterable[str] = (),
    append: bool = False,
    rewrite: bool = False,
    robots: AnyPath | Iterable[AnyPath] = (),
    retry_failed: bool = False,
    status_port: int = 0,
    engine: str = "ray",
    workers: int = 0,
    address: str = "",
) -> Dataset[Any]:
    """Build, or finish, the dataset at `output` and open it: `weft build`. The same call again does what is missing.

    output     a folder or fsspec URL; one build each
    inputs     archives: a path, glob, URL, or text file that lists them; or several of these
    config     a preset (`default`, `flamingo`, `obelics`, `align`, ...), a path to YAML or to Python with a `recipe`,
               a `BuildConfig` or a `Recipe`
    kinds      what to make of each page: `interleaved`, `pairs`, `clips`; one or several; default: as the config
    settings   what to change: `{"text.gopher.min_words": 30}`; paths as in docs/settings.md
    videos     lists of videos, for clips
    deny       addresses and domains that must not be in the dataset; those that are there are removed
    append     add the inputs to the finished dataset that lies there; without inputs go on with what was begun
    rewrite    with `append`: write shards anew that hold samples which newer ones have replaced, without these
    robots     archives of robots.txt captures, by which pages and media are judged
    retry_failed  ask again for media that failed for a reason that may have passed, and make their samples; those of
               a dataset that was added to are appended to it
    status_port   while media are fetched: a page and /metrics for Prometheus at this port, on this machine alone
    engine     `ray`, here or on the cluster at `address`; `inline` works in this process
    workers    partitions at a time on a Ray that is started here; 0: one for each CPU

    Raises `SettingsError` and `InputError` for a wrong call, `BuildError` when partitions could not be done (what is
    committed stays), `StepError` when weft itself is at fault, `OSError` when the storage fails.
    """
    overrides = dict(settings or {})
    if kinds is not None:
        overrides["kinds"] = listed(kinds)
    given = (
        os.fspath(output),
        listed(inputs),
        recipe_of(config, overrides),
        engine_settings(engine, workers, address),
        listed(deny),
        listed(videos),
    )
    if append and retry_failed:
        raise SettingsError("retry_failed asks again for what a dataset lacks, append adds to it: one after the other")
    if append:
        building.append(*given, rewrite=rewrite, robots=listed(robots), status_port=status_port)
    else:
        building.build(*given, retry=retry_failed, robots=listed(robots), status_port=status_port)
    return open_dataset(output)


def remove(
    dataset: AnyPath, deny: str | Iterable[str], *, engine: str = "ray", workers: int = 0, address: str = ""
) -> Removal | None:
    """Take samples and images out of a finished dataset for good: `weft remove`. Killed, the same call goes on.

    dataset    a folder or fsspec URL
    deny       addresses, domains and hashes (`sha256:`, `phash:`, `pdq:`), as lines of a deny list; they stay in it
    engine, workers, address  as of `build`; what is small is done in this process

    Returns what went, as it stands in the history of the dataset; None where nothing of the list was in it. Raises
    `InputError` where no finished dataset lies there, `SettingsError` for a wrong line, `BuildError` when partitions
    could not be done, `OSError` when the storage fails.
    """
    store = Store(os.fspath(dataset))
    before = require_finished(store).removals
    after = removing.remove(store, listed(deny), engine_settings(engine, workers, address)).removals
    return after[-1] if after != before else None


@overload
def crawl(
    output: AnyPath,
    seeds: str | Iterable[str] = (),
    config: CrawlConfig | Mapping[str, Any] | AnyPath | None = None,
    *,
    contact: str = "",
    settings: Mapping[str, Any] | None = None,
    deny: str | Iterable[str] = (),
    max_pages: int = 0,
    max_seconds: float = 0.0,
    since: str | Iterable[str] = (),
    engine: str = "ray",
    workers: int = 0,
    address: str = "",
) -> CrawlReport: ...


@overload
def crawl(
    output: AnyPath,
    *,
    config: CrawlConfig | Mapping[str, Any] | AnyPath | None = None,
    index: AnyPath | Iterable[AnyPath],
    selection: Selection | Mapping[str, Any] | None = None,
    archives_at: str = "",
    contact: str = "",
    settings: Mapping[str, Any] | None = None,
    deny: str | Iterable[str] = (),
    max_seconds: float = 0.0,
    engine: str = "ray",
    workers: int = 0,
    address: str = "",
) -> RecordsReport: ...


def crawl(
    output: AnyPath,
    seeds: str | Iterable[str] = (),
    config: CrawlConfig | Mapping[str, Any] | AnyPath | None = None,
    *,
    index: AnyPath | Iterable[AnyPath] = (),
    selection: Selection | Mapping[str, Any] | None = None,
    archives_at: str = "",
    contact: str = "",
    settings: Mapping[str, Any] | None = None,
    deny: str | Iterable[str] = (),
    max_pages: int = 0,
    max_seconds: float = 0.0,
    since: str | Iterable[str] = (),
    engine: str = "ray",
    workers: int = 0,
    address: str = "",
) -> CrawlReport | RecordsReport:
    """Crawl, or go on crawling, into the folder `output`: `weft crawl`. The archives lie in `output/warc/`.

    seeds        addresses, sitemaps (`sitemap:URL`, `*.xml`), or files of one a line; one or several
    config       a `CrawlConfig`, a mapping or a path to YAML; default: the defaults
    index        instead of seeds: files with the rows of an index, whose records are copied out of archives elsewhere
    selection    which of its rows: a `Selection`, or a mapping, as {"domains": ["a.example"], "types": ["text/html"]}
    archives_at  where the archives lie that the rows name; default: Common Crawl's server
    contact      an address where whoever is crawled can reach you; sent in the user agent
    settings     what to change: `{"pace.delay_s": 2}`
    deny         addresses and domains never to visit
    max_pages    stop after about so many pages of this call; 0: none
    max_seconds  the same by the clock
    since        folders or archives of earlier crawls: what has not changed since is only referred to
    engine, workers, address  as of `build`; a worker has a partition of the crawl, which may get more or fewer

    Returns a report: pages, images, videos, `bytes` of bodies, `drops` by reason, and `finished`, false while addresses
    are left; with `index` one of records: `copied`, `left`, `drops`. Interrupted, it keeps what it has; the same call
    goes on. Raises `SettingsError` and `InputError` for a wrong call, `CrawlError` when it cannot go on, `StepError`
    when weft itself is at fault.
    """
    overrides = {**(settings or {}), **({"fetch.contact": contact} if contact else {})}
    wanted = settings_of(CrawlConfig, config, overrides)
    running = engine_settings(engine, workers, address)
    if index:
        if listed(seeds) or max_pages or since:
            raise SettingsError("a crawl of an index takes no seeds, `max_pages` or `since`")
        chosen = settings_of(Selection, selection, {})
        rows = (
            os.fspath(output),
            listed(index),
            chosen,
            archives_at,
            wanted,
            running,
            listed(deny),
            float(max_seconds),
        )
        return outside_a_loop(lambda: copy_records(*rows))
    if selection or archives_at:
        raise SettingsError("`selection` and `archives_at` go with `index`")
    return outside_a_loop(
        lambda: drive.crawl(
            os.fspath(output),
            listed(seeds),
            wanted,
            running,
            listed(deny),
            max_pages,
            float(max_seconds),
            since=listed(since),
        )
    )
