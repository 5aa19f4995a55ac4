"""The phases that make pairs of what the first phase took."""

from jobs.kinds.pairs.count import PAIR_COUNTS, PAIR_WORDS
from jobs.kinds.pairs.fetch import PAIR_IMAGES
from jobs.kinds.pairs.write import PAIR_CONTENTS, PAIR_PUBLISH
from jobs.phases.run import Phases


def compare_pairs(phases: Phases) -> None:
    """Compare pairs by what their pages say of them."""
    phases.cut_slices()
    phases.run(PAIR_COUNTS)
    if phases.plan.config.pairs.max_tokens is not None:
        phases.run(PAIR_WORDS)


def make_pairs(phases: Phases) -> None:
    """Open the images of pairs that were compared, score and write those that are left."""
    phases.run(PAIR_IMAGES, phases.recipe)
    phases.run(PAIR_CONTENTS)
    with phases.models() as hosts:
        phases.run(PAIR_PUBLISH, hosts)
