"""Files of phases with many tasks are merged; nothing of it shows in the dataset, whenever a build was stopped."""

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobs.build import append, build
from jobs.dataset import onto
from jobs.engine.engine import EngineSettings
from jobs.phases import merge
from jobs.phases.merge import plan_merge
from jobs.phases.task import Merged
from schemas.commits import Attempt, Commit, FileInfo
from schemas.drops import Counts
from schemas.merging import MERGE_BYTES
from schemas.settings import SettingsError
from schemas.storage import Store
from tests.jobs.conftest import contents
from tests.jobs.kinds.test_clips import CLIPS, page
from tests.jobs.site import write_archive
from tests.jobs.test_build import INLINE, SMALL, built
from tests.pipeline.videos import make_video

CUT = msgspec.structs.replace(SMALL, partitions=4, buckets=3, max_slice_bytes=6000)


class Stopped(BaseException):
    """Not to be caught, as a kill is not."""


@pytest.fixture
def merging(monkeypatch: pytest.MonkeyPatch) -> None:
    """All phases are merged that have two tasks, in groups of two, and in more than one range."""
    monkeypatch.setattr(merge, "MERGE_ABOVE", 1)
    monkeypatch.setattr(merge, "_LEAST_GROUP", 2)
    monkeypatch.setattr(merge, "_LARGEST_GROUP", 2)
    monkeypatch.setattr(merge, "_BLOCKS_A_TASK", 4)


@pytest.fixture(scope="module")
def in_peace(tmp_path_factory: pytest.TempPathFactory, site: list[Path]) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("peace") / "out"
    built(out, site, CUT)
    return contents(out)


def phases_of(out: Path) -> set[str]:
    return {path.name for path in (out / "work").iterdir() if path.is_dir()}


@pytest.mark.usefixtures("merging")
def test_merged_files_give_the_same_bytes(tmp_path: Path, site: list[Path], in_peace: dict[str, bytes]) -> None:
    out = tmp_path / "out"
    built(out, site, CUT)
    assert contents(out) == in_peace
    assert {"extract-merged", "urls-merged", "counts-merged", "assemble-merged"} <= phases_of(out)
    assert not list((out / "work/extract").glob("*.arrow")), "what was merged is not read again"


@pytest.mark.usefixtures("merging")
def test_what_was_merged_is_kept_where_the_setting_says_so(tmp_path: Path, site: list[Path]) -> None:
    built(tmp_path / "out", site, msgspec.structs.replace(CUT, keep_work=True))
    assert len(list((tmp_path / "out/work/extract").glob("*.drafts.arrow"))) == 3


@pytest.mark.parametrize("is_merged", [False, True])
def test_rows_that_no_phase_reads_any_more_are_removed(
    tmp_path: Path, site: list[Path], request: pytest.FixtureRequest, is_merged: bool
) -> None:
    if is_merged:
        request.getfixturevalue("merging")
    config = msgspec.structs.replace(CUT, kinds=("interleaved", "pairs", "clips"))
    built(tmp_path / "out", site, config)
    left = {path.name.split(".", 1)[1] for path in (tmp_path / "out/work").rglob("*.arrow")}
    assert left == {"locations.arrow", "videos.arrow"}, "what several kinds read"


def test_all_rows_are_kept_where_the_setting_says_so(tmp_path: Path, site: list[Path]) -> None:
    built(tmp_path / "out", site, msgspec.structs.replace(SMALL, keep_work=True))
    names = {path.name.split(".", 1)[1] for path in (tmp_path / "out/work").rglob("*.arrow")}
    assert {"drafts.arrow", "pages.arrow", "losers.arrow", "paragraphs.arrow", "edges.arrow"} <= names


@pytest.mark.parametrize("is_merged", [False, True])
def test_slices_are_cut_by_the_bytes_of_all_tasks(
    tmp_path: Path, site: list[Path], request: pytest.FixtureRequest, is_merged: bool
) -> None:
    """Their sums are read of few files, however many tasks there were."""
    built(tmp_path / "plain", site, CUT)
    if is_merged:
        request.getfixturevalue("merging")
    built(tmp_path / "out", site, CUT)
    slices = [(folder / "work/slices.json").read_bytes() for folder in (tmp_path / "plain", tmp_path / "out")]
    assert slices[0] == slices[1]
    assert slices[0].count(b"partition") > CUT.partitions
    assert bool(list((tmp_path / "out/work/extract").glob("*.sizes"))) is not is_merged


@pytest.mark.usefixtures("merging")
@pytest.mark.parametrize("nth", [3, 5, 9, 30])
def test_a_build_stopped_at_any_commit_goes_on(
    tmp_path: Path, site: list[Path], in_peace: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    commits, commit = [0], Attempt.commit

    def stop(self: Attempt, *arguments: Any) -> Commit:
        commits[0] += 1
        if commits[0] == nth:
            raise Stopped
        return commit(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Attempt, "commit", stop)
        with pytest.raises(Stopped):
            built(tmp_path / "out", site, CUT)
    built(tmp_path / "out", site, CUT)
    assert contents(tmp_path / "out") == in_peace


@pytest.mark.usefixtures("merging")
@pytest.mark.parametrize("nth", [1, 5])
def test_a_build_stopped_while_it_removes_what_was_merged_goes_on(
    tmp_path: Path, site: list[Path], in_peace: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    removed, remove = [0], Store.remove

    def stop(self: Store, name: str) -> None:
        if name.endswith(".arrow"):
            removed[0] += 1
            if removed[0] == nth:
                raise Stopped
        remove(self, name)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "remove", stop)
        with pytest.raises(Stopped):
            built(tmp_path / "out", site, CUT)
    built(tmp_path / "out", site, CUT)
    assert contents(tmp_path / "out") == in_peace


def test_a_phase_that_was_complete_is_known_by_a_listing_and_one_file(
    tmp_path: Path, site: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    built(tmp_path / "out", site, CUT)
    (tmp_path / "out/dataset.json").unlink()
    asked: list[str] = []
    for name in ("read", "list", "read_all"):
        method = getattr(Store, name)

        def noted(self: Store, what: str, method: Any = method) -> Any:
            asked.append(what)
            return method(self, what)

        monkeypatch.setattr(Store, name, noted)
    built(tmp_path / "out", site, CUT)
    of_extract = [what for what in asked if what[:12] == "work/extract"]
    assert of_extract == ["work/extract", "work/extract/all.json"]


def test_a_new_build_lists_and_reads_what_it_must(
    tmp_path: Path, site: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be there of a phase that nobody has begun, and nothing left of attempts of which none failed."""
    listed: list[str] = []
    names_in = Store.list

    def noted(self: Store, folder: str) -> list[str]:
        listed.append(folder)
        return names_in(self, folder)

    monkeypatch.setattr(Store, "list", noted)
    built(tmp_path / "out", site, CUT)
    assert [folder for folder in listed if folder.startswith("work")] == ["work"]
    assert len(listed) < 8  # what the cards say is read of the finished dataset


def test_records_that_were_taken_away_are_made_anew(tmp_path: Path, site: list[Path]) -> None:
    """Where what they were made of was kept."""
    kept = msgspec.structs.replace(CUT, keep_work=True)
    built(tmp_path / "out", site, kept)
    whole = contents(tmp_path / "out")
    (tmp_path / "out/dataset.json").unlink()
    (tmp_path / "out/work/urls/000001.json").unlink()
    built(tmp_path / "out", site, kept)
    summary = json.loads((tmp_path / "out/work/urls/all.json").read_bytes())
    record = json.loads((tmp_path / "out/work/urls/000001.json").read_bytes())
    assert summary[1] == record
    assert contents(tmp_path / "out") == whole


@pytest.mark.parametrize("archives", [2, 7])
def test_archives_in_one_task_are_archives_of_their_own(
    tmp_path: Path, site: list[Path], in_peace: dict[str, bytes], archives: int
) -> None:
    """What a sample says of its archive, and its place in the order, does not depend on who read it."""
    out = tmp_path / "out"
    built(out, site, msgspec.structs.replace(CUT, archives_a_task=archives))
    assert len(list((out / "work/extract").glob("0*.json"))) == math.ceil(3 / archives)
    found = contents(out)
    hashes = [json.loads(data["dataset.json"])["config_hash"].encode() for data in (found, in_peace)]
    shards = [name for name in in_peace if name.endswith(".tar")]
    assert shards
    assert [found[name].replace(*hashes) for name in shards] == [in_peace[name] for name in shards]


def test_a_build_that_was_begun_with_another_layout_is_refused_in_one_line(tmp_path: Path, site: list[Path]) -> None:
    (tmp_path / "out/work").mkdir(parents=True)
    built(tmp_path / "done", site, SMALL)
    plan = json.loads((tmp_path / "done/work/plan.json").read_bytes())
    del plan["layout"], plan["archives_a_task"]
    (tmp_path / "out/work/plan.json").write_text(json.dumps(plan))
    with pytest.raises(SettingsError, match=r"laid out work/ otherwise; finish it with that one") as refusal:
        build(str(tmp_path / "out"), [], SMALL, INLINE)
    assert "\n" not in str(refusal.value)


def commits_of(tasks: int, size: int) -> list[Commit]:
    file = FileInfo("work/urls/000000.pages.arrow", "", size, "")
    return [Commit("urls", index, "", [file], Counts()) for index in range(tasks)]


def test_buckets_that_the_plan_did_not_know_of_are_in_the_last_range() -> None:
    merged = Merged("urls", group=3, groups=2, width=4, ranges=2)
    assert merged.files("pages", 3) == [f"work/urls-merged/{index:06d}.pages.arrow" for index in (0, 2)]
    assert merged.files("pages", 7) == merged.files("pages", 8) == merged.files("pages", 99)


def test_few_tasks_are_not_merged() -> None:
    assert plan_merge("urls", commits_of(merge.MERGE_ABOVE, 1 << 20), 4096) is None
    assert plan_merge("publish", [Commit("publish", 0, "", [], Counts())] * 5000, 4096) is None


@pytest.mark.parametrize("tasks", [9, 50, 1000, 5625, 17_000])
@pytest.mark.parametrize("size", [1, 1 << 12, 1 << 20, 300 << 20])
@pytest.mark.parametrize("buckets", [1, 200, 4096, 17_000])
def test_merges_hold_every_bucket_of_every_task_once_and_fit(tasks: int, size: int, buckets: int) -> None:
    merged = plan_merge("urls", commits_of(tasks, size), buckets)
    assert merged is not None
    assert merged.group * (merged.groups - 1) < tasks <= merged.group * merged.groups
    assert merged.width * (merged.ranges - 1) < buckets <= merged.width * merged.ranges
    assert merged.group * merged.width <= merge._BLOCKS_A_TASK, "places of blocks in memory"
    reads = min(buckets, max(merged.ranges, merged.group * size // MERGE_BYTES))  # of each file
    requests = merged.groups * buckets + tasks * reads
    assert requests <= max(100_000, tasks * buckets // (8 if size < MERGE_BYTES else 1)), "fewer than without"


@pytest.mark.shares_ray
@pytest.mark.usefixtures("merging")
def test_merged_on_ray_the_bytes_are_those_of_one_process(tmp_path: Path, site: list[Path]) -> None:
    both = msgspec.structs.replace(CUT, kinds=("interleaved", "pairs"))
    built(tmp_path / "inline", site, both)
    build(str(tmp_path / "ray"), [str(path) for path in site], both, EngineSettings(workers=2))
    assert contents(tmp_path / "ray") == contents(tmp_path / "inline")
    assert "pair-counts-merged" in phases_of(tmp_path / "ray")


def test_what_attempts_at_a_closed_phase_have_left_is_swept(tmp_path: Path, site: list[Path]) -> None:
    built(tmp_path / "out", site, CUT)
    (tmp_path / "out/dataset.json").unlink()
    left = tmp_path / "out/work/urls/.0123456789ab.000000.pages.arrow.tmp"
    left.write_bytes(b"half")
    built(tmp_path / "out", site, CUT)
    assert not left.exists()


def test_places_of_videos_are_merged_like_those_of_images(tmp_path: Path) -> None:
    """They lie in buckets behind those of the partitions: with more than eight tasks of *urls* none was found."""
    site, video = "https://bread.example", make_video(size=(320, 240))
    records = [(f"{site}/{n}.html", page(n, f"/v/{n}.mp4"), "text/html") for n in range(3)]
    records += [(f"{site}/v/{n}.mp4", video, "video/mp4") for n in range(3)]
    archive = write_archive(tmp_path / "a.warc.gz", records)
    config = msgspec.structs.replace(CLIPS, partitions=12, buckets=9)
    assert built(tmp_path / "out", [archive], config).kinds["clips"].samples == 3


@pytest.mark.usefixtures("merging")
def test_what_is_added_is_the_same_when_merged(
    tmp_path: Path, site: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    for above in (1, 1000):
        monkeypatch.setattr(merge, "MERGE_ABOVE", above)
        monkeypatch.setattr(onto, "_SAMPLES_A_GROUP", 2)
        out = tmp_path / str(above)
        built(out, site[:1], CUT)
        append(str(out), [str(path) for path in site[1:]], CUT, INLINE)
    assert contents(tmp_path / "1") == contents(tmp_path / "1000")
