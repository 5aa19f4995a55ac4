"""`weft.build` and `weft.crawl`: what the commands of these names do, with the same settings and the same bytes."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from crawlers.crawl_config import CrawlConfig
from jobs import build as building
from jobs.crawl import drive
from jobs.crawl.drive import CrawlReport
from schemas.settings import SettingsError
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
    retry_failed  ask again for media that failed for a reason that may have passed, and make their samples
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
        building.append(*given, rewrite=rewrite, status_port=status_port)
    else:
        building.build(*given, retry=retry_failed, status_port=status_port)
    return open_dataset(output)


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
    engine: str = "ray",
    workers: int = 0,
    address: str = "",
) -> CrawlReport:
    """Crawl, or go on crawling, into the folder `output`: `weft crawl`. The archives lie in `output/warc/`.

    seeds        addresses, sitemaps (`sitemap:URL`, `*.xml`), or files of one a line; one or several
    config       a `CrawlConfig`, a mapping or a path to YAML; default: the defaults
    contact      an address where whoever is crawled can reach you; sent in the user agent
    settings     what to change: `{"pace.delay_s": 2}`
    deny         addresses and domains never to visit
    max_pages    stop after about so many pages of this call; 0: none
    max_seconds  the same by the clock
    engine, workers, address  as of `build`; a worker has a partition of a new crawl

    Returns a report: pages, images, videos, `bytes` of bodies, `drops` by reason, and `finished`, false while addresses
    are left. Interrupted, it keeps what it has; the same call goes on. Raises `SettingsError` for a wrong call,
    `CrawlError` when it cannot go on, `StepError` when weft itself is at fault.
    """
    overrides = {**(settings or {}), **({"fetch.contact": contact} if contact else {})}
    wanted = settings_of(CrawlConfig, config, overrides)
    running = engine_settings(engine, workers, address)
    return outside_a_loop(
        lambda: drive.crawl(
            os.fspath(output), listed(seeds), wanted, running, listed(deny), max_pages, float(max_seconds)
        )
    )
