"""Media that could not be had are asked for again, and what a build makes of its media is made anew.

The pages of a dataset whose images came late are the same pages with more images: samples are made again from what is
captured, and the dataset is that of a day on which all servers were well. Nothing that was had is asked for again.
"""

import logging
from collections.abc import Sequence
from contextlib import closing

from crawlers.media_settings import media_crawl
from crawlers.outcomes import may_pass
from jobs.crawl.mirror import at_hand
from jobs.kinds.interleaved.fetch import ASSEMBLE
from jobs.kinds.pairs.fetch import PAIR_IMAGES
from jobs.kinds.pairs.write import PAIR_CONTENTS, PAIR_PUBLISH
from jobs.kinds.table import jobs_of
from jobs.phases.fetch import FETCH, FRONTIERS, LOCATED
from jobs.phases.frequency import CONTENTS
from jobs.phases.plan import PLAN, read_plan
from schemas.dataset import DATASET
from schemas.removals import forget_applied
from schemas.settings import SettingsError
from schemas.storage import Store

logger = logging.getLogger(__name__)

_BEGUN = "work/retry"  # there while what was made of the media is being removed
_OPENING = (FETCH, LOCATED, ASSEMBLE, CONTENTS, PAIR_IMAGES, PAIR_CONTENTS, PAIR_PUBLISH)


def retry_failed(store: Store) -> int:
    """Have the next run of a build ask again for what failed for a reason that may have passed; returns how many
    addresses that are. Where there are none, the output stays as it is. Raises `SettingsError`."""
    from crawlers.frontier import Frontier  # here: most builds reach no network

    names = [name for name in store.list(FRONTIERS) if name.endswith(".sqlite")]
    if not store.exists(PLAN) or not names:
        raise SettingsError(f"{store.url} has fetched nothing, or its work/ was deleted: there is nothing to retry")
    config = read_plan(store).config
    scope = media_crawl(config.media, config.consent, len(names)).scope
    again = 0
    for name in names:
        with at_hand(store, f"{FRONTIERS}/{name}", changed=True) as path, closing(Frontier(path, scope)) as frontier:
            frontier.retry(may_pass, config.media.pace.delay_s)
            again += frontier.queued()
    if again:
        store.put(_BEGUN, b"")
        go_on_with_retry(store)
    logger.warning("%d addresses are asked for again", again)
    return again


def go_on_with_retry(store: Store) -> None:
    """Remove what was made of the media, where that was begun; killed in between, it is gone on with."""
    if not store.exists(_BEGUN):
        return
    kinds = read_plan(store).config.kinds
    phases = [*_OPENING, *(job.writes for job in jobs_of(kinds))]
    folders = [f"work/{phase.name}{merged}" for phase in phases for merged in ("", "-merged")]
    folders += [f"{kind}/{part}" for kind in kinds for part in ("shards", "commit", "keys", ".nv-meta")]
    store.remove(DATASET)
    for folder in folders:
        store.remove_all([f"{folder}/{name}" for name in store.list(folder)])
    store.remove_all(_drops(store, [phase.name for phase in phases]))
    forget_applied(store)
    store.remove(_BEGUN)


def _drops(store: Store, phases: Sequence[str]) -> list[str]:
    """Those of some phases, and of what was removed: no sample of it is made again."""
    names = store.list("drops")
    return [f"drops/{name}" for name in names if name.rpartition("-")[0] in phases or name.startswith("remove-")]
