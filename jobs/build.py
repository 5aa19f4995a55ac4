"""`weft build`: archives in, shards out. Phases of independent partitions; a rerun does only what is missing."""

import itertools
import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import msgspec

from jobs.assemble import KIND, assemble
from jobs.config import BuildConfig
from jobs.dedup import dedup_texts, dedup_urls
from jobs.engine import Engine, EngineSettings, Failure, open_engine
from jobs.extract import extract
from jobs.plan import Plan, make_plan, other_settings
from jobs.progress import progress
from jobs.removal import remove_denied
from schemas.commits import Commit, committed, read_commit, roll_forward, sweep
from schemas.dataset import DATASET, Dataset, read_dataset, totals, write_reader_files
from schemas.deny import add_to_deny_list
from schemas.drops import Counts, StepError
from schemas.settings import differences, settings_hash
from schemas.storage import Store

logger = logging.getLogger(__name__)


class BuildError(Exception):
    """Partitions failed in every attempt; what they had to do is left for a rerun."""


def build(
    output: str, inputs: Sequence[str], config: BuildConfig, engine: EngineSettings, deny: Sequence[str] = ()
) -> Dataset:
    """Build, or finish, the dataset at `output`, a path or fsspec URL.

    `deny` are lines of a `DenyList`, added to that of the output: nothing that it denies is kept, and samples of it
    that were collected before are removed.

    Raises `SettingsError` or `InputError` when the call is wrong, `BuildError` when partitions could not be done,
    `StepError` when weft itself is at fault.
    """
    store = Store(output)
    denied = add_to_deny_list(store, deny)
    if store.exists(DATASET):
        dataset = _finished(store, config)
        left = remove_denied(store, dataset, denied)
        logger.warning(
            "%s is complete: %s", output, "nothing to do" if left == dataset else "what is denied was removed"
        )
        return left
    plan = make_plan(store, inputs, config)
    phases: list[tuple[str, Callable[[str, int], Commit], int]] = [
        ("extract", extract, len(plan.inputs)),
        ("urls", dedup_urls, plan.partitions),
        ("texts", dedup_texts, plan.partitions),
        ("assemble", assemble, plan.partitions),
    ]
    commits: dict[str, list[Commit]] = {}
    with open_engine(engine) as runner:
        for name, work, size in phases:
            commits[name] = _run_phase(runner, store, name, partial(work, output), size)
    return remove_denied(store, _finish(store, plan, commits), denied)  # partitions done before something was denied


def _finished(store: Store, config: BuildConfig) -> Dataset:
    """The dataset that lies there; its `work/` may have been deleted since. Raises `SettingsError`."""
    dataset = read_dataset(store)
    if dataset.config_hash != settings_hash(config):
        built_with = msgspec.convert(dataset.config, BuildConfig, str_keys=True)
        raise other_settings(store.url, differences(built_with, config))
    return dataset


def _run_phase(engine: Engine, store: Store, name: str, work: Callable[[int], Commit], size: int) -> list[Commit]:
    """Run what is missing of a phase; returns the commits of all its partitions, in order."""
    done = committed(store, name)
    roll_forward(store, (read_commit(store, name, partition) for partition in done))
    missing = sorted(set(range(size)) - set(done))
    failures: list[Failure] = []
    with progress(name, size, len(done)) as bar:
        for outcome in engine.run(name, work, missing):
            if isinstance(outcome, Failure):
                failures.append(outcome)
            else:
                bar.advance(outcome.counts)
    if failures:
        first = failures[0]
        raise BuildError(
            f"{len(failures)} of {size} partitions of phase {name} failed, first {first.partition}: {first.error}. "
            "All else is committed: the same command tries them again."
        )
    return [read_commit(store, name, partition) for partition in range(size)]


def _finish(store: Store, plan: Plan, commits: dict[str, list[Commit]]) -> Dataset:
    """Check that nothing was lost between phases, then write what readers open, `dataset.json` last."""
    counts = {name: sum((commit.counts for commit in done), Counts()) for name, done in commits.items()}
    _check_funnel(counts)
    folders = ["drops", "work/extract", "work/urls", "work/texts", "work/assemble"]
    sweep(store, [*folders, f"{KIND}/shards", f"{KIND}/commit"])
    shards = [shard for commit in commits["assemble"] for shard in commit.shards]
    write_reader_files(store, KIND, shards)
    dataset = Dataset(
        kinds={KIND: totals(shards)},
        phases=counts,
        drops=sum(counts.values(), Counts()).drops,
        inputs=len(plan.inputs),
        input_bytes=sum(max(0, item.size) for item in plan.inputs),
        config=msgspec.to_builtins(plan.config, str_keys=True),
        config_hash=plan.config_hash,
        weft_version=plan.weft_version,
    )
    store.put(DATASET, msgspec.json.format(msgspec.json.encode(dataset), indent=1))
    return dataset


def _check_funnel(counts: dict[str, Counts]) -> None:
    """Every page goes on or is let go for a reason, and each phase gets what the one before kept."""
    names = list(counts)
    for name in names:
        for kind in counts[name].seen:
            if lost := counts[name].unaccounted(kind):
                raise StepError(f"phase {name}: {lost} {kind}s neither kept nor let go")
    for before, after in itertools.pairwise(names):
        kept, seen = counts[before].kept.get("page", 0), counts[after].seen.get("page", 0)
        if kept != seen:
            raise StepError(f"phase {before} kept {kept} pages, phase {after} saw {seen}")


def funnel_lines(dataset: Dataset) -> Iterable[str]:
    """What a person wants to know at the end."""
    for kind, total in dataset.kinds.items():
        size = f"{total.shards} shards, {total.bytes / 1e6:,.1f} MB"
        yield f"{kind}: {total.samples:,} samples, {total.images:,} images, {size}"
    for kind, reasons in dataset.drops.items():
        worst = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
        yield f"  {kind}s let go: " + ", ".join(f"{reason} {count:,}" for reason, count in worst)


if __name__ == "__main__":  # the same as a Ray job: python -m jobs.build CONFIG --input ... --output ...
    from jobs.cli import main

    sys.exit(main(["build", *sys.argv[1:]]))
