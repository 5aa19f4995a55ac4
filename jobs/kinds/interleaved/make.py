"""The phases that make interleaved samples of drafts."""

from jobs.kinds.interleaved.fetch import ASSEMBLE
from jobs.kinds.interleaved.write import PUBLISH
from jobs.phases.duplicates import TEXTS
from jobs.phases.frequency import (
    CONTENTS,
    COUNTS,
    FREQUENT_KEYS,
    KNOWN_COUNTS,
    all_losing_phases,
    compares_addresses,
)
from jobs.phases.known import SUPERSEDE
from jobs.phases.near_duplicates import find_near_duplicates
from jobs.phases.run import Phases
from jobs.phases.spared import SPARED
from schemas.kinds import INTERLEAVED


def make_pages(phases: Phases) -> None:
    """Drop what is repeated or too frequent before any image is opened; open images; score and write."""
    compare_pages(phases)
    phases.run(ASSEMBLE, phases.recipe)
    if phases.plan.config.corpus.max_image_places is not None:
        phases.run(CONTENTS, ASSEMBLE)
    with phases.models() as hosts:
        phases.run(PUBLISH, hosts)
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
    """Find which pages repeat another, and what is too frequent in those that are left."""
    config = phases.plan.config
    phases.run(TEXTS)
    if config.near_duplicates:
        find_near_duplicates(phases)
    phases.cut_slices()
    if phases.plan.onto is not None:
        phases.run(KNOWN_COUNTS)
    if compares_addresses(config):
        phases.run(COUNTS)
        phases.run(FREQUENT_KEYS)
