"""The phases that make interleaved samples of drafts."""

from jobs.kinds.interleaved.fetch import ASSEMBLE
from jobs.kinds.interleaved.write import PUBLISH
from jobs.phases.duplicates import TEXTS, URLS
from jobs.phases.extract import EXTRACT
from jobs.phases.frequency import CONTENTS, COUNTS, FREQUENT_KEYS, compares_addresses, losing_phases
from jobs.phases.near_duplicates import find_near_duplicates
from jobs.phases.run import Phases
from jobs.phases.task import Phase


def make_pages(phases: Phases) -> None:
    """Drop what is repeated or too frequent before any image is opened; open images; score and write."""
    compare_pages(phases)
    lost: dict[Phase, list[str]] = {phase: ["losers"] for phase in losing_phases(phases.plan.config)}
    lost[FREQUENT_KEYS] = ["losers", "paragraphs", "images"]
    phases.run(ASSEMBLE, phases.recipe, spent={EXTRACT: ["drafts"], **lost})
    if phases.plan.config.corpus.max_image_places is not None:
        phases.run(CONTENTS, ASSEMBLE, spent={ASSEMBLE: ["places"]})
    with phases.models() as hosts:
        phases.run(PUBLISH, hosts, spent={CONTENTS: ["images"]})


def compare_pages(phases: Phases) -> None:
    """Find which pages repeat another, and what is too frequent in those that are left."""
    config = phases.plan.config
    phases.run(TEXTS, spent={URLS: ["pages"]})
    if config.near_duplicates:
        find_near_duplicates(phases)
    phases.cut_slices()
    if compares_addresses(config):
        phases.run(COUNTS)
        phases.run(FREQUENT_KEYS, spent={COUNTS: ["sets", "paragraphs", "images"]})
