"""What a crawl was told, kept beside it: a run under other settings says what changed, and goes on under those."""

import fcntl
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from crawlers.crawl_config import CrawlConfig
from crawlers.earlier import archives_of
from crawlers.repartition import FRONTIER, forget, is_begun, repartition, settle
from jobs.engine.engine import EngineSettings
from schemas import __version__
from schemas.settings import SettingsError, differences
from schemas.storage import Store

logger = logging.getLogger(__name__)

PLAN = "work/crawl-plan.json"
_LOCK = "work/partitions.lock"
_LOCK_WAIT_S, _LOOK_EVERY_S, _TOLD_AFTER_S = 120.0, 0.2, 2.0  # workers of a driver that was killed live on for a moment


class CrawlPlan(msgspec.Struct, frozen=True):
    """`work/crawl-plan.json`: the settings of the last run. Its frontier is cut into `config.partitions`."""

    config: CrawlConfig
    weft_version: str
    since: list[str] = []  # earlier crawls, or archives of theirs


def make_plan(
    store: Store, config: CrawlConfig, seeds: Sequence[str], engine: EngineSettings, since: Sequence[str] = ()
) -> CrawlPlan:
    """The plan of this run. The frontier that lies there is cut into as many partitions as it asks for. Raises
    `SettingsError`, and `OSError` where the disk fails."""
    asked = config.partitions or engine.workers
    if not store.exists(PLAN):
        if not seeds:
            raise SettingsError("no seed given: name at least one address, sitemap, or file that lists them")
        for source in since:  # refused before anything is written
            archives_of(source)
        partitions = asked or os.cpu_count() or 1
        plan = CrawlPlan(msgspec.structs.replace(config, partitions=partitions), __version__, list(since))
        _put(store, plan)
        return plan
    plan = _read(store)
    if since and list(since) != plan.since:
        follows = f"follows on {', '.join(plan.since)}" if plan.since else "follows on none"
        raise SettingsError(f"{store.url} holds a crawl that {follows}: choose another folder for --since")
    if (asked and asked != plan.config.partitions) or is_begun(Path(store.root)):
        plan = _recut(store, asked)
    wanted = msgspec.structs.replace(config, partitions=plan.config.partitions)
    if changed := differences(plan.config, wanted):
        plan = CrawlPlan(wanted, __version__, plan.since)
        with _locked(_locks(store, wanted.partitions), Path(store.root)):  # a run that works goes by what it has read
            _put(store, plan)
        logger.warning("goes on under other settings: %s", "; ".join(changed))
    return plan


def _recut(store: Store, asked: int) -> CrawlPlan:
    """Cut the frontier into as many partitions as are asked for (0: as there are), while nobody works on it."""
    folder = Path(store.root)
    with _locked([folder / _LOCK], folder):
        plan = _read(store)
        there = settle(folder) or plan.config.partitions
        if asked and asked != there:
            logger.warning("moves the hosts of %d partitions to %d", there, asked)
            with _locked(_locks(store, there), folder):
                repartition(folder, there, asked, plan.config)
            there = asked
        plan = CrawlPlan(msgspec.structs.replace(plan.config, partitions=there), __version__, plan.since)
        _put(store, plan)
        forget(folder)
    return plan


def _locks(store: Store, partitions: int) -> list[Path]:
    """What the workers of a run hold."""
    return [Path(store.root) / "work" / FRONTIER / f"{number:03d}.lock" for number in range(partitions)]


@contextmanager
def _locked(paths: Sequence[Path], folder: Path) -> Iterator[None]:
    """Hold all of these locks. Raises `SettingsError` while another run works on the crawl."""
    with ExitStack() as stack:
        began, told = time.monotonic(), False
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(path.open("w"))
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    waited = time.monotonic() - began
                if waited > _LOCK_WAIT_S:
                    raise SettingsError(
                        f"another run works on {folder}: end it by `weft crawl -o {folder} --stop`, then give this "
                        "command again"
                    )
                if waited > _TOLD_AFTER_S and not told:
                    told = True
                    logger.warning("waits for the run that works on %s: `weft crawl --stop` ends it", folder)
                time.sleep(_LOOK_EVERY_S)
        yield


def _read(store: Store) -> CrawlPlan:
    return msgspec.json.decode(store.read(PLAN), type=CrawlPlan)


def _put(store: Store, plan: CrawlPlan) -> None:
    store.put(PLAN, msgspec.json.format(msgspec.json.encode(plan), indent=1))
