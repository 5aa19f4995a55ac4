"""When all phases are done: counts are checked, and what readers open is written."""

import itertools
from collections.abc import Iterable, Sequence

import msgspec

from jobs.kinds.clips.cut import CLIPS_PHASE
from jobs.kinds.clips.take import VIDEO_LISTS
from jobs.kinds.staging import remove_staged
from jobs.kinds.table import KindJob
from jobs.phases.extract import EXTRACT
from jobs.phases.known import SUPERSEDE
from jobs.phases.plan import Onto, Plan
from schemas.builds import Amount, Build, added_to, inputs_name
from schemas.commits import Commit
from schemas.dataset import DATASET, Dataset, totals, write_reader_files
from schemas.drops import Counts, StepError
from schemas.kinds import KINDS
from schemas.removals import read_removals
from schemas.storage import Store
from schemas.superseded import list_name, read_lists
from schemas.versions import library_versions


def finish(store: Store, plan: Plan, jobs: Sequence[KindJob], commits: dict[str, list[Commit]]) -> Dataset:
    """Check that nothing was lost between phases, then write what readers open, `dataset.json` last."""
    counts = {name: sum((commit.counts for commit in done), Counts()) for name, done in commits.items()}
    _check_funnel(counts, has_all=not plan.retries)
    written = {job.kind.name: commits[job.writes.name] for job in jobs}
    shards = {kind: [shard for commit in written[kind] for shard in commit.shards] for kind in plan.config.kinds}
    for kind, of_kind in shards.items():
        write_reader_files(store, kind, of_kind)
    number = plan.onto.number if plan.onto is not None else 0
    inputs, lists = ([], []) if plan.retries else (plan.inputs, plan.video_lists)  # the dataset's own count once
    store.put(inputs_name(number), msgspec.json.encode([*inputs, *lists]))
    dataset = Dataset(
        kinds={kind: totals(of_kind) for kind, of_kind in shards.items()},
        phases={name: count for name, count in counts.items() if count != Counts()},
        drops=sum(counts.values(), Counts()).drops,
        inputs=len(inputs),
        input_bytes=sum(max(0, item.size) for item in inputs),
        config=msgspec.to_builtins(plan.config, str_keys=True),
        config_hash=plan.config_hash,
        weft_version=plan.weft_version,
        libraries=library_versions(),
        own_code=[msgspec.to_builtins(one) for one in plan.own],
        removals=read_removals(store),
    )
    if plan.onto is not None:
        ends = {job.kind.name: plan.partition_of(job.kind.name, len(commits[job.writes.name])) for job in jobs}
        dataset = msgspec.structs.replace(dataset, builds=[_added(store, plan, plan.onto, dataset, ends)])
    store.put(DATASET, msgspec.json.format(msgspec.json.encode(dataset), indent=1))
    for job in jobs:
        if job.staged is not None:
            remove_staged(store, job.staged, len(commits[job.staged.name]))
    return dataset


def _added(store: Store, plan: Plan, onto: Onto, made: Dataset, ends: dict[str, int]) -> Build:
    """The entry in the history of the dataset that is added to."""
    return Build(
        number=onto.number,
        inputs=made.inputs,
        input_bytes=made.input_bytes,
        written={kind: Amount(of_kind.samples, of_kind.images) for kind, of_kind in made.kinds.items()},
        superseded={kind: _replaced(store, plan, onto, kind) for kind in made.kinds},
        partitions=ends,
        config_hash=plan.config_hash,
        weft_version=plan.weft_version,
        time=onto.time,
        changed=onto.changed,
        phases=made.phases,
    )


def _replaced(store: Store, plan: Plan, onto: Onto, kind: str) -> Amount:
    """What the lists of this build name that those before it did not."""
    names = {list_name(kind, shard.name, onto.number): shard for group in plan.known(kind) for shard in group}
    there = {f"{kind}/superseded/{name}" for name in store.list(f"{kind}/superseded")}
    lists = {name: shard for name, shard in names.items() if name in there}
    before = [list_name(kind, shard.name, shard.list) for shard in lists.values() if shard.list]
    old, new = read_lists(added_to(store), before), read_lists(store, list(lists))
    samples = sum(len(one.rows) for one in new) - sum(len(one.rows) for one in old)
    return Amount(samples, sum(one.images for one in new) - sum(one.images for one in old))


def _check_funnel(counts: dict[str, Counts], has_all: bool) -> None:
    """Every page goes on or is dropped for a reason, and each phase gets what the one before kept. Not `has_all`: the
    phases that read have counted nothing."""
    names = list(counts)
    for name in names:
        for kind in counts[name].seen:
            if lost := counts[name].unaccounted(kind):
                raise StepError(f"phase {name}: {lost} {kind}s neither kept nor dropped")
    for kind in ("page", "pair"):
        chain = [name for name in names if kind in counts[name].seen and not name.endswith(SUPERSEDE.name)]
        for before, after in itertools.pairwise(chain):
            kept, seen = counts[before].kept.get(kind, 0), counts[after].seen.get(kind, 0)
            if kept != seen:
                raise StepError(f"phase {before} kept {kept} {kind}s, phase {after} saw {seen}")
    if CLIPS_PHASE.name in counts and has_all:
        named = sum(counts[phase.name].kept.get("video", 0) for phase in (EXTRACT, VIDEO_LISTS) if phase.name in counts)
        if named != (seen := counts[CLIPS_PHASE.name].seen.get("video", 0)):
            raise StepError(f"pages and lists named {named} videos, phase {CLIPS_PHASE.name} saw {seen}")


def funnel_lines(dataset: Dataset, builds_before: int) -> Iterable[str]:
    """What a person wants to know at the end of a call that found the dataset with so many builds in its history."""
    for build in dataset.builds[builds_before:][-1:]:
        for kind, written in build.written.items():
            replaced = build.superseded.get(kind, Amount(0, 0)).samples
            yield f"build {build.number} added {written.samples:,} samples of {kind}, which replace {replaced:,}"
    for kind, total in dataset.kinds.items():
        size = f"{total.shards} shards, {total.bytes / 1e6:,.1f} MB"
        images = f"{total.images:,} images, " if "num_images" in KINDS[kind].columns else ""
        yield f"{kind}: {total.samples:,} samples, {images}{size}"
    if redacted := sum(dataset.phases.values(), Counts()).redacted:
        yield "  replaced by placeholders: " + ", ".join(f"{kind} {count:,}" for kind, count in redacted.items())
    for kind, reasons in dataset.drops.items():
        worst = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
        yield f"  {kind}s dropped: " + ", ".join(f"{reason} {count:,}" for reason, count in worst)
