"""The phases that make pairs of what the first phase took."""

from jobs.kinds.pairs.count import PAIR_COUNTS, PAIR_WORDS
from jobs.kinds.pairs.fetch import PAIR_IMAGES
from jobs.kinds.pairs.known import KNOWN_CONTENTS
from jobs.kinds.pairs.write import PAIR_CONTENTS, PAIR_PUBLISH
from jobs.phases.known import SUPERSEDE_PAIRS
from jobs.phases.run import Phases
from schemas.kinds import PAIRS


def make_pairs(phases: Phases) -> None:
    """Compare pairs by what their pages say of them, open their images, score and write those that are left."""
    phases.cut_slices()
    phases.run(PAIR_COUNTS)
    if phases.plan.config.pairs.max_tokens is not None:
        phases.run(PAIR_WORDS)
    phases.run(PAIR_IMAGES, phases.recipe)
    if phases.plan.onto is not None:
        phases.run(KNOWN_CONTENTS, PAIR_COUNTS)
    phases.run(PAIR_CONTENTS)
    with phases.models() as hosts:
        phases.run(PAIR_PUBLISH, hosts)
    if phases.plan.onto is not None:
        phases.run(SUPERSEDE_PAIRS, PAIRS.name, [PAIR_PUBLISH])
