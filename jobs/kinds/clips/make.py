"""The phase that makes clips of videos."""

from jobs.kinds.clips.cut import CLIPS_PHASE
from jobs.phases.known import SUPERSEDE_CLIPS
from jobs.phases.run import Phases
from schemas.kinds import CLIPS


def make_clips(phases: Phases) -> None:
    """Fetch, cut, judge and write."""
    with phases.models() as hosts:
        phases.run(CLIPS_PHASE, phases.recipe, hosts)
    if phases.plan.onto is not None:
        phases.run(SUPERSEDE_CLIPS, CLIPS.name, [CLIPS_PHASE])
