"""`weft build`: archives in, shards out. Phases of independent partitions; a rerun does only what is missing."""

import itertools
import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import msgspec

from crawlers.inputs import InputError
from jobs.config import BuildConfig
from jobs.dataset.removal import remove_denied
from jobs.engine.engine import Engine, EngineSettings, Failure, open_engine
from jobs.engine.progress import progress
from jobs.kinds.clips.cut import make_clips
from jobs.kinds.clips.take import LISTS, check_list, read_list
from jobs.kinds.interleaved.fetch import assemble
from jobs.kinds.interleaved.staging import staged_name
from jobs.kinds.interleaved.write import publish
from jobs.kinds.pairs.count import count_pair_keys, find_rare_tokens
from jobs.kinds.pairs.fetch import fetch_pair_images, staged_pairs
from jobs.kinds.pairs.write import find_equal_pairs, publish_pairs
from jobs.phases.duplicates import dedup_texts, dedup_urls
from jobs.phases.extract import extract
from jobs.phases.frequency import compares_addresses, count_keys, find_frequent, find_frequent_content
from jobs.phases.near_duplicates import dedup_similar, group_pages, link_bands, round_phase, star_round
from jobs.phases.plan import Plan, make_plan, other_settings
from jobs.phases.references import read_references
from jobs.phases.scoring import compares_embeddings, embed_references, scorer_pool
from jobs.phases.slices import make_slices
from schemas.commits import Commit, committed, read_commit, roll_forward, sweep
from schemas.dataset import DATASET, Dataset, read_dataset, totals, write_reader_files
from schemas.deny import add_to_deny_list
from schemas.drops import Counts, StepError
from schemas.settings import differences, settings_hash
from schemas.storage import Store
from schemas.versions import library_versions

#: By kind of sample: the phase that writes its shards, and the name of what it reads.
_LAST_PHASE = {"interleaved": "publish", "pairs": "pair-publish", "clips": "clips"}
_STAGED = {"interleaved": staged_name, "pairs": staged_pairs}
_MAX_ROUNDS = 60  # each pair of rounds at least halves the depth of what hangs together

logger = logging.getLogger(__name__)


class BuildError(Exception):
    """Partitions failed in every attempt; what they had to do is left for a rerun."""


def build(
    output: str,
    inputs: Sequence[str],
    config: BuildConfig,
    engine: EngineSettings,
    deny: Sequence[str] = (),
    videos: Sequence[str] = (),
) -> Dataset:
    """Build, or finish, the dataset at `output`, a path or fsspec URL, of archives and of lists of `videos`.

    `deny` are lines of a `DenyList`, added to that of the output: nothing that it denies is kept, and samples of it
    that were collected before are removed.

    Raises `SettingsError` or `InputError` when the call is wrong, `BuildError` when partitions could not be done,
    `StepError` when weft itself is at fault.
    """
    store = Store(output)
    denied = add_to_deny_list(store, deny)
    if store.exists(DATASET):
        dataset = finished(store, config)
        left = remove_denied(store, dataset, denied)
        logger.warning(
            "%s is complete: %s", output, "nothing to do" if left == dataset else "what is denied was removed"
        )
        return left
    if videos and "clips" not in config.kinds:
        raise InputError("lists of videos are for clips: add --kinds clips")
    plan = make_plan(store, inputs, config, videos=videos)
    for videos_of in plan.video_lists:  # what is wrong with one is told before any work begins
        check_list(videos_of.url)
    with open_engine(engine) as runner:
        phases = Phases(runner, store, plan)
        phases.run_all()
    # partitions may have been done before something was denied
    return remove_denied(store, finish(store, plan, phases.commits), denied)


class Phases:
    """The phases of a build, in order; each begins when the one before is complete."""

    def __init__(self, engine: Engine, store: Store, plan: Plan) -> None:
        self._engine, self._store, self._plan = engine, store, plan
        self.commits: dict[str, list[Commit]] = {}

    def run_all(self) -> None:
        kinds = self._plan.config.kinds
        self.read_archives()
        self._run("urls", dedup_urls, self._plan.buckets)
        if "interleaved" in kinds:
            self.compare_pages()
            self.make_shards()
        if "pairs" in kinds:
            self.make_pairs()
        if "clips" in kinds:
            self._score_and_write("clips", make_clips, self._plan.partitions)

    def read_archives(self) -> None:
        if self._plan.references:
            self._run("references", read_references, len(self._plan.references))
        self._run("extract", extract, len(self._plan.inputs))
        if self._plan.video_lists:
            self._run(LISTS, read_list, len(self._plan.video_lists))

    def read(self, name: str, work: Callable[[str, int], Commit]) -> None:
        """The first phase, one task an input, where it is another than *extract*."""
        self._run(name, work, len(self._plan.inputs))

    def compare_pages(self) -> None:
        """Let go what is repeated or too frequent, before any image is opened."""
        plan = self._plan
        self._run("texts", dedup_texts, plan.buckets)
        if plan.config.near_duplicates:
            self._run("bands", link_bands, plan.buckets)
            self._run("groups", group_pages, plan.buckets, self._find_components())
            self._run("similar", dedup_similar, plan.buckets)
        slices = make_slices(self._store, plan)
        if compares_addresses(plan.config):
            self._run("counts", count_keys, len(slices))
            self._run("frequent", find_frequent, plan.buckets)

    def make_shards(self) -> None:
        slices = make_slices(self._store, self._plan)
        self._run("assemble", assemble, len(slices))
        if self._plan.config.corpus.max_image_places is not None:
            self._run("contents", find_frequent_content, self._plan.buckets)
        self._score_and_write("publish", publish, len(slices))

    def make_pairs(self) -> None:
        """Compare pairs by what their pages say of them, open their images, and write those that are left."""
        plan = self._plan
        slices = make_slices(self._store, plan)
        self._run("pair-counts", count_pair_keys, plan.buckets)
        if plan.config.pairs.max_tokens is not None:
            self._run("pair-words", find_rare_tokens, plan.buckets)
        self._run("pair-images", fetch_pair_images, len(slices))
        self._run("pair-contents", find_equal_pairs, plan.buckets)
        self._score_and_write("pair-publish", publish_pairs, len(slices))

    def _score_and_write(self, name: str, work: Callable[..., Commit], size: int) -> None:
        with scorer_pool(self._engine, self._plan.config.scorers) as actors:
            if self._plan.references and compares_embeddings(self._plan.config.scorers):
                self._run("embeddings", embed_references, len(self._plan.references), actors)
            self._run(name, work, size, actors)

    def _find_components(self) -> int:
        """Run rounds until all components of near-duplicates are stars; returns the number of the last."""
        for number in range(0, _MAX_ROUNDS, 2):
            commits = self._run(round_phase(number), star_round, self._plan.buckets, number)
            if not any(commit.unfinished for commit in commits):
                return number
            self._run(round_phase(number + 1), star_round, self._plan.buckets, number + 1)
        raise StepError(f"near-duplicates do not settle in {_MAX_ROUNDS} rounds")

    def _run(self, name: str, work: Callable[..., Commit], size: int, *arguments: Any) -> list[Commit]:
        """Run what is missing of a phase: `work(output, *arguments, partition)`."""
        done = _run_phase(self._engine, self._store, name, partial(work, self._store.url, *arguments), size)
        self.commits[name] = done
        return done


def finished(store: Store, config: BuildConfig) -> Dataset:
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
                engine.metrics.failed(name)
            else:
                bar.advance(outcome.counts)
                engine.metrics.done(name, outcome.counts)
    if failures:
        first = failures[0]
        raise BuildError(
            f"{len(failures)} of {size} partitions of phase {name} failed, first {first.partition}: {first.error}. "
            "All else is committed: the same command tries them again."
        )
    return [read_commit(store, name, partition) for partition in range(size)]


def finish(store: Store, plan: Plan, commits: dict[str, list[Commit]]) -> Dataset:
    """Check that nothing was lost between phases, then write what readers open, `dataset.json` last."""
    counts = {name: sum((commit.counts for commit in done), Counts()) for name, done in commits.items()}
    _check_funnel(counts)
    folders = [f"{kind}/{folder}" for kind in plan.config.kinds for folder in ("shards", "commit")]
    sweep(store, ["drops", "work/extract", *(f"work/{name}" for name in commits), *folders])
    shards = {
        kind: [shard for commit in commits[_LAST_PHASE[kind]] for shard in commit.shards] for kind in plan.config.kinds
    }
    for kind, of_kind in shards.items():
        write_reader_files(store, kind, of_kind)
    dataset = Dataset(
        kinds={kind: totals(of_kind) for kind, of_kind in shards.items()},
        phases={name: count for name, count in counts.items() if count != Counts()},
        drops=sum(counts.values(), Counts()).drops,
        inputs=len(plan.inputs),
        input_bytes=sum(max(0, item.size) for item in plan.inputs),
        config=msgspec.to_builtins(plan.config, str_keys=True),
        config_hash=plan.config_hash,
        weft_version=plan.weft_version,
        libraries=library_versions(),
    )
    store.put(DATASET, msgspec.json.format(msgspec.json.encode(dataset), indent=1))
    for written, staged in _STAGED.items():  # as large as the dataset itself
        for index in range(len(commits.get(_LAST_PHASE[written], ()))):
            store.remove(staged(index))
    return dataset


def _check_funnel(counts: dict[str, Counts]) -> None:
    """Every page goes on or is let go for a reason, and each phase gets what the one before kept."""
    names = list(counts)
    for name in names:
        for kind in counts[name].seen:
            if lost := counts[name].unaccounted(kind):
                raise StepError(f"phase {name}: {lost} {kind}s neither kept nor let go")
    for kind in ("page", "pair"):
        for before, after in itertools.pairwise(name for name in names if kind in counts[name].seen):
            kept, seen = counts[before].kept.get(kind, 0), counts[after].seen.get(kind, 0)
            if kept != seen:
                raise StepError(f"phase {before} kept {kept} {kind}s, phase {after} saw {seen}")
    if "clips" in counts:
        named = sum(counts[name].kept.get("video", 0) for name in ("extract", LISTS) if name in counts)
        if named != (seen := counts["clips"].seen.get("video", 0)):
            raise StepError(f"pages and lists named {named} videos, phase clips saw {seen}")


def funnel_lines(dataset: Dataset) -> Iterable[str]:
    """What a person wants to know at the end."""
    for kind, total in dataset.kinds.items():
        size = f"{total.shards} shards, {total.bytes / 1e6:,.1f} MB"
        images = f"{total.images:,} images, " if kind != "clips" else ""
        yield f"{kind}: {total.samples:,} samples, {images}{size}"
    if redacted := sum(dataset.phases.values(), Counts()).redacted:
        yield "  replaced by placeholders: " + ", ".join(f"{kind} {count:,}" for kind, count in redacted.items())
    for kind, reasons in dataset.drops.items():
        worst = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
        yield f"  {kind}s let go: " + ", ".join(f"{reason} {count:,}" for reason, count in worst)


if __name__ == "__main__":  # the same as a Ray job: python -m jobs.build CONFIG --input ... --output ...
    from jobs.cli import main

    sys.exit(main(["build", *sys.argv[1:]]))
