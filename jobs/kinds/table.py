"""What a build does for each kind of sample."""

from collections.abc import Callable, Sequence

import msgspec

from jobs.kinds.clips.cut import ASK_VIDEOS, CLIPS_PHASE
from jobs.kinds.clips.known import KNOWN_CLIPS
from jobs.kinds.clips.make import make_clips
from jobs.kinds.clips.take import TakeVideos
from jobs.kinds.interleaved.fetch import ASK_IMAGES, ASSEMBLE
from jobs.kinds.interleaved.make import compare_pages, make_pages
from jobs.kinds.interleaved.take import TakeDrafts
from jobs.kinds.interleaved.write import PUBLISH
from jobs.kinds.pairs.fetch import ASK_PAIR_IMAGES, PAIR_IMAGES
from jobs.kinds.pairs.known import KNOWN_PAIRS
from jobs.kinds.pairs.make import compare_pairs, make_pairs
from jobs.kinds.pairs.take import TakePairs
from jobs.kinds.pairs.write import PAIR_PUBLISH
from jobs.phases.extract import Taker, Wanted
from jobs.phases.known_pages import KNOWN_PAGES
from jobs.phases.plan import Plan
from jobs.phases.run import Phases
from jobs.phases.task import Phase, Task
from schemas.kinds import CLIPS, INTERLEAVED, KINDS, PAIRS, Kind


class KindJob(msgspec.Struct, frozen=True):
    """A kind of sample in a build."""

    kind: Kind
    take: Callable[[Task, Wanted], Taker]  # opens what *extract* hands the results of a page to
    make: Callable[[Phases], None]  # runs its phases from the one that opens media on
    asks: Phase  # the one that tells which media are wanted of the web
    writes: Phase  # the one that writes its shards
    compare: Callable[[Phases], None] = lambda phases: None  # runs those before
    staged: Phase | None = None  # the one whose staged images may go when the dataset is complete
    known: Phase | None = None  # reads what the dataset has that is added to, before anything is compared


#: In the order in which a page's results are taken: drafts come last, since with them the page itself may be dropped.
_JOBS = (
    KindJob(PAIRS, TakePairs, make_pairs, ASK_PAIR_IMAGES, PAIR_PUBLISH, compare_pairs, PAIR_IMAGES, KNOWN_PAIRS),
    KindJob(CLIPS, TakeVideos, make_clips, ASK_VIDEOS, CLIPS_PHASE, known=KNOWN_CLIPS),
    KindJob(INTERLEAVED, TakeDrafts, make_pages, ASK_IMAGES, PUBLISH, compare_pages, ASSEMBLE, KNOWN_PAGES),
)


def jobs_of(kinds: Sequence[str]) -> list[KindJob]:
    """The jobs of these kinds, in the order in which their phases are run."""
    order = list(KINDS)
    return sorted(takers_of(kinds), key=lambda job: order.index(job.kind.name))


def takers_of(kinds: Sequence[str]) -> list[KindJob]:
    """The same in the order in which they take what a page gives."""
    return [job for job in _JOBS if job.kind.name in kinds]


def known_phases(plan: Plan) -> list[Phase]:
    """Of a build that adds to a dataset, the phases that read what is there of its kinds."""
    if plan.onto is None:
        return []
    return [job.known for job in jobs_of(plan.config.kinds) if job.known is not None]
