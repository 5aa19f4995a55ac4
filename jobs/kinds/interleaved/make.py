"""The phases that make interleaved samples of drafts."""

from jobs.kinds.interleaved.fetch import ASSEMBLE
from jobs.kinds.interleaved.write import PUBLISH
from jobs.phases.duplicates import TEXTS, URLS
from jobs.phases.extract import EXTRACT
from jobs.phases.frequency import (
    CONTENTS,
    COUNTS,
    FREQUENT_KEYS,
    KNOWN_COUNTS,
    all_losing_phases,
    compares_addresses,
    losing_phases,
)
from jobs.phases.known import SUPERSEDE
from jobs.phases.near_duplicates import find_near_duplicates
from jobs.phases.run import Phases
from jobs.phases.spared import SPARED
from jobs.phases.task import Phase
from schemas.kinds import INTERLEAVED


def make_pages(phases: Phases) -> None:
    """Open the images of pages that were compared; score and write."""
    lost: dict[Phase, list[str]] = {phase: ["losers"] for phase in losing_phases(phases.plan.config)}
    lost[FREQUENT_KEYS] = ["losers", "paragraphs", "images"]
    phases.run(ASSEMBLE, phases.recipe, spent={EXTRACT: ["drafts"], **lost})
    if phases.plan.config.corpus.max_image_places is not None:
        phases.run(CONTENTS, ASSEMBLE, spent={ASSEMBLE: ["places"]})
    with phases.models() as hosts:
        phases.run(PUBLISH, hosts, spent={CONTENTS: ["images"]})
    if phases.plan.onto is not None:
        replace_pages(phases)


def replace_pages(phases: Phases) -> None:
    """List the pages of the dataset that is added to which others have replaced."""
    losing, unwritten = all_losing_phases(phases.plan.config), PUBLISH
    for phase in SPARED:
        phases.run(phase, unwritten, losing)
        unwritten = phase
    phases.run(SUPERSEDE, INTERLEAVED.name, losing, SPARED)


def compare_pages(phases: Phases) -> None:
    """Find which pages repeat another, and what is too frequent in those that are left, before any image is opened."""
    config = phases.plan.config
    phases.run(TEXTS, spent={URLS: ["pages"]})
    if config.near_duplicates:
        find_near_duplicates(phases)
    phases.cut_slices()
    if phases.plan.onto is not None:
        phases.run(KNOWN_COUNTS)
    if compares_addresses(config):
        phases.run(COUNTS)
        phases.run(FREQUENT_KEYS, spent={COUNTS: ["sets", "paragraphs", "images"]})
