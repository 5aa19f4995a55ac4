"""The phases that make pairs of what the first phase took."""

from jobs.kinds.pairs.count import PAIR_COUNTS, PAIR_WORDS
from jobs.kinds.pairs.fetch import PAIR_IMAGES
from jobs.kinds.pairs.known import KNOWN_CONTENTS
from jobs.kinds.pairs.lists import first_phase
from jobs.kinds.pairs.write import PAIR_CONTENTS, PAIR_PUBLISH
from jobs.phases.known import SUPERSEDE_PAIRS
from jobs.phases.run import Phases
from schemas.kinds import PAIRS


def compare_pairs(phases: Phases) -> None:
    """Compare pairs by what their pages say of them."""
    phases.cut_slices()
    first = first_phase(phases.plan)
    phases.run(PAIR_COUNTS, spent={first: ["pair-images", "pair-texts"]})
    if phases.plan.config.pairs.max_tokens is not None:
        phases.run(PAIR_WORDS)


def make_pairs(phases: Phases) -> None:
    """Open the images of pairs that were compared, score and write those that are left."""
    first = first_phase(phases.plan)
    spent = {first: ["pairs", "pair-tokens"], PAIR_COUNTS: ["lost"], PAIR_WORDS: ["rare"]}
    phases.run(PAIR_IMAGES, phases.recipe, spent=spent)
    if phases.plan.onto is not None:
        phases.run(KNOWN_CONTENTS, PAIR_COUNTS)
    phases.run(PAIR_CONTENTS, spent={PAIR_IMAGES: ["contents"]})
    with phases.models() as hosts:
        phases.run(PAIR_PUBLISH, hosts, spent={PAIR_CONTENTS: ["lost", "replaces"]})
    if phases.plan.onto is not None:
        phases.run(SUPERSEDE_PAIRS, PAIRS.name, [PAIR_PUBLISH])
