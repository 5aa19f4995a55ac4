"""The phases that make pairs of what the first phase took."""

from jobs.kinds.pairs.count import PAIR_COUNTS, PAIR_WORDS
from jobs.kinds.pairs.fetch import PAIR_IMAGES
from jobs.kinds.pairs.lists import first_phase
from jobs.kinds.pairs.write import PAIR_CONTENTS, PAIR_PUBLISH
from jobs.phases.run import Phases


def make_pairs(phases: Phases) -> None:
    """Compare pairs by what their pages say of them, open their images, score and write those that are left."""
    phases.cut_slices()
    first = first_phase(phases.plan)
    phases.run(PAIR_COUNTS, spent={first: ["pair-images", "pair-texts"]})
    if phases.plan.config.pairs.max_tokens is not None:
        phases.run(PAIR_WORDS)
    spent = {first: ["pairs", "pair-tokens"], PAIR_COUNTS: ["lost"], PAIR_WORDS: ["rare"]}
    phases.run(PAIR_IMAGES, phases.recipe, spent=spent)
    phases.run(PAIR_CONTENTS, spent={PAIR_IMAGES: ["contents"]})
    with phases.models() as hosts:
        phases.run(PAIR_PUBLISH, hosts, spent={PAIR_CONTENTS: ["lost"]})
