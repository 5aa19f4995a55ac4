"""The phase that makes clips of videos."""

from jobs.kinds.clips.cut import CLIPS_PHASE
from jobs.phases.run import Phases


def make_clips(phases: Phases) -> None:
    """Fetch, cut, judge and write."""
    with phases.models() as hosts:
        phases.run(CLIPS_PHASE, phases.recipe, hosts)
