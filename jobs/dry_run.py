"""What a build would do, without doing it: what it reads, how it is cut up, and what some first pages become of it."""

from collections.abc import Iterator, Sequence

import msgspec

from crawlers.inputs import Input
from crawlers.warc_records import Capture, page_of_capture
from jobs.build import finished
from jobs.dataset.html import human_bytes
from jobs.phases.extract import first_pages, read_archive
from jobs.phases.plan import PLAN, Plan
from jobs.phases.planning import make_plan, new_plan
from jobs.phases.recipe import Recipe
from schemas.commits import read_done
from schemas.dataset import DATASET
from schemas.deny import DenyList, read_deny_list
from schemas.drops import Drop, DropRow, Tally
from schemas.storage import Store

#: Of one archive: enough to see what a setting does, in some seconds.
_PAGES = 200
_ARCHIVES = 3  # the next one is tried where one has no page


class Trial(msgspec.Struct):
    """What became of some first pages of an archive."""

    pages: int = 0
    kept: int = 0
    pairs: int = 0
    videos: int = 0
    bytes_read: int = 0  # of the archive


def dry_run(
    output: str,
    inputs: Sequence[str],
    recipe: Recipe,
    videos: Sequence[str] = (),
    robots: Sequence[str] = (),
    deny: Sequence[str] = (),
) -> Iterator[str]:
    """Lines for people. Nothing is written. Raises `SettingsError` and `InputError` as a build does."""
    store = Store(output)
    denied = DenyList([*read_deny_list(store).lines, *deny])
    if store.exists(DATASET):
        finished(store, recipe)
        yield f"{output} is complete: nothing would be done"
        return
    if store.exists(PLAN):
        plan = make_plan(store, inputs, recipe, videos=videos, robots=robots)  # finds the one that lies there
        done = len(read_done(store, plan.first_phase).commits)
        yield f"{output} was begun: {done:,} of {plan.input_tasks:,} tasks of {plan.first_phase} are done"
    else:
        plan = new_plan(inputs, recipe, videos=videos, robots=robots)
    yield from _size(plan)
    for number in range(min(_ARCHIVES, len(plan.inputs))):
        tally = Tally()
        trial = _try(plan, number, recipe, denied, tally)
        yield from _told(plan, number, trial, tally)
        if trial.pages:
            return


def _size(plan: Plan) -> Iterator[str]:
    known = [item.size for item in plan.inputs if item.size >= 0]
    largest = f", the largest {human_bytes(max(known))}" if len(known) > 1 else ""
    unknown = len(plan.inputs) - len(known)
    silent = f", {unknown:,} of a size that nobody says" if unknown else ""
    yield f"reads {_number(len(plan.inputs), 'archive')}, {human_bytes(sum(known))}{largest}{silent}"
    if plan.video_lists:
        yield f"reads {_number(len(plan.video_lists), 'list')} of videos"
    if plan.robots:
        size = human_bytes(sum(max(0, item.size) for item in plan.robots))
        yield f"judges pages by robots.txt captures in {_number(len(plan.robots), 'archive')}, {size}: not those tried"
    if plan.references:
        yield f"compares with evaluation sets in {_number(len(plan.references), 'task')}"
    if plan.config.limit:
        yield f"a trial: {plan.config.limit:,} pages at most"
    yield (
        f"cut into {_number(plan.input_tasks, 'task')} that read, {_number(plan.partitions, 'partition')} of domains, "
        f"{_number(plan.buckets, 'bucket')} of keys; makes {', '.join(plan.config.kinds)}"
    )
    yield f"settings {plan.config_hash}"


def _try(plan: Plan, number: int, recipe: Recipe, denied: DenyList, tally: Tally) -> Trial:
    """The first pages of an archive, by the steps for one page: nothing is compared, no image is opened."""
    trial, archive = Trial(), plan.inputs[number]
    wanted = plan.pages_of(number) or _PAGES
    for capture in first_pages(read_archive(archive, plan.config, tally), wanted):
        trial.bytes_read = max(trial.bytes_read, capture.offset + capture.length)
        if not capture.is_image:
            trial.pages += 1
            if entry := denied.entry(capture.url):
                tally.drop(DropRow(capture.url, "page", "denied", entry))
            else:
                _read(capture, archive, plan, recipe, trial, tally)
    if trial.pages < wanted:
        trial.bytes_read = archive.size  # it holds no more
    return trial


def _read(capture: Capture, archive: Input, plan: Plan, recipe: Recipe, trial: Trial, tally: Tally) -> None:
    try:
        found = recipe.read(page_of_capture(capture, 0, archive.url, plan.config.warc))
    except Drop as drop:
        tally.drop(DropRow(capture.url, "page", drop.reason, drop.detail))
        return
    trial.kept += found.draft is not None
    trial.pairs += len(found.pairs.pairs)
    trial.videos += len(found.videos)
    if found.draft is None and found.drop[0]:
        tally.drop(DropRow(capture.url, "page", *found.drop))


def _told(plan: Plan, number: int, trial: Trial, tally: Tally) -> Iterator[str]:
    first = plan.inputs[number].url.rpartition("/")[2]
    if not trial.pages:
        reasons = _reasons(tally, "record")
        yield f"tried: no page in {first}{f', dropped: {reasons}' if reasons else ''}"
        return
    kinds, parts = plan.config.kinds, [f"tried: of the first {_number(trial.pages, 'page')} of {first}"]
    parts += [f"{trial.kept:,} fit for samples"] if "interleaved" in kinds else []
    parts += [f"{_number(trial.pairs, 'pair')}"] if "pairs" in kinds else []
    parts += [f"{_number(trial.videos, 'video')}"] if "clips" in kinds else []
    yield ", ".join(parts) + ", before anything is compared and any image opened"
    if reasons := _reasons(tally, "page"):
        yield f"  dropped: {reasons}"
    if not plan.config.limit and trial.bytes_read > 0:
        total = sum(item.size for item in plan.inputs if item.size >= 0)
        counts = (trial.pages, trial.kept, trial.pairs)
        pages, fit, pairs = (round(count * total / trial.bytes_read) for count in counts)
        made = [f"of which {fit:,} fit"] if "interleaved" in kinds else []
        made += [f"{_number(pairs, 'pair')}"] if "pairs" in kinds else []
        yield ", ".join([f"if the rest is like it: about {_number(pages, 'page')}", *made])


def _reasons(tally: Tally, kind: str) -> str:
    found = sorted(tally.counts().drops.get(kind, {}).items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{reason} {count:,}" for reason, count in found[:6])


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
