"""Archives added to a finished dataset: refused, gone on with, killed, denied, on every engine and store."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from crawlers.inputs import InputError
from jobs.build import append, build
from jobs.cli import main
from jobs.config import BuildConfig, load_config
from jobs.dataset.append import is_appending
from jobs.dataset.check import problems
from jobs.dataset.index import Index
from jobs.dataset.onto import time_now
from jobs.engine.engine import EngineSettings
from schemas.dataset import Dataset, read_dataset
from schemas.settings import SettingsError
from schemas.storage import Store
from tests.jobs.conftest import contents
from tests.jobs.site import article, photo, write_archive
from tests.jobs.test_append_equals import live, says
from tests.jobs.test_build import INLINE, SMALL

DATE = "1767225600"  # 2026-01-01


def small_site(tmp_path: Path, numbers: range, date: str, name: str) -> Path:
    records = []
    for number in numbers:
        url = f"https://s{number % 3}.example/{number}"
        records.append((url, article(number, [f"{url}.jpg"]).encode(), "text/html"))
        records.append((f"{url}.jpg", photo(number), "image/jpeg"))
    return write_archive(tmp_path / name, records, date)


def two_archives(folder: Path) -> list[Path]:
    """Of ten pages each, of which the second has four anew."""
    first = small_site(folder, range(10), "2026-01-01T00:00:00Z", "1.warc.gz")
    return [first, small_site(folder, range(6, 16), "2026-02-01T00:00:00Z", "2.warc.gz")]


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    return two_archives(tmp_path)


def grown(folder: Path, archives: list[Path], config: BuildConfig = SMALL) -> Dataset:
    build(str(folder), [str(archives[0])], config, INLINE)
    return append(str(folder), [str(path) for path in archives[1:]], config, INLINE)


def test_the_history_says_what_each_build_had_and_did(
    tmp_path: Path, two: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", DATE)
    build(str(tmp_path / "out"), [str(two[0])], SMALL, INLINE)
    other = msgspec.structs.replace(SMALL, partitions=2)
    dataset = append(str(tmp_path / "out"), [str(two[1])], other, INLINE)
    first, second = dataset.builds
    assert (first.number, first.time, first.written["interleaved"].samples) == (0, "", 10)
    assert (second.number, second.time, second.changed) == (1, "2026-01-01T00:00:00Z", ["partitions: 3 -> 2"])
    assert second.written["interleaved"].samples == 10
    assert (second.superseded["interleaved"].samples, second.superseded["interleaved"].images) == (4, 4)
    assert dataset.kinds["interleaved"].samples == dataset.kinds["interleaved"].images == 16
    assert dataset.drops["page"] == {"duplicate_url": 4}
    assert second.phases["extract"].kept["page"] == 10
    with Index(Store(str(tmp_path / "out"))) as index:
        rows = index.ask("SELECT url, detail FROM drops WHERE reason = 'duplicate_url' ORDER BY url").rows
    assert rows[0] == ("https://s0.example/6", "same as https://s0.example/6 of 2026-02-01T00:00:00Z")


@pytest.mark.parametrize("stated", ["1767225600000", "99999999999999999999"])
def test_a_date_in_milliseconds_is_said_to_be_none(monkeypatch: pytest.MonkeyPatch, stated: str) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", stated)
    with pytest.raises(SettingsError, match=f"SOURCE_DATE_EPOCH is {stated}: seconds"):
        time_now()


def test_the_same_archives_again_are_no_work_and_said_to_be_there(
    tmp_path: Path, two: list[Path], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    grown(tmp_path / "out", two)
    before = contents(tmp_path / "out")
    append(str(tmp_path / "out"), [str(path) for path in two], SMALL, INLINE)
    assert contents(tmp_path / "out") == before
    assert "2 of 2 inputs" in caplog.text
    assert "nothing to add" in caplog.text
    build(str(tmp_path / "out"), [str(path) for path in two], SMALL, INLINE)
    assert contents(tmp_path / "out") == before
    call = ["build", "--output", str(tmp_path / "out"), "--append", "--engine", "inline", "--input"]
    assert main([*call, str(two[1])]) == 0
    said = capsys.readouterr().out
    assert "build 1 added" not in said  # which was the build before
    assert "interleaved: 16 samples" in said
    third = small_site(tmp_path, range(20, 23), "2026-03-01T00:00:00Z", "3.warc.gz")
    assert main([*call, str(third)]) == 0
    assert "build 2 added 3 samples of interleaved, which replace 0" in capsys.readouterr().out


def test_an_archive_under_another_name_is_not_added_again(
    tmp_path: Path, two: list[Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    build("out", ["1.warc.gz"], SMALL, INLINE)
    before = contents(tmp_path / "out")
    for named in ("./1.warc.gz", str(two[0]), "out/../1.warc.gz"):
        append("out", [named], SMALL, INLINE)
        build("out", [named], SMALL, INLINE)
    assert contents(tmp_path / "out") == before
    assert "are not in it" not in caplog.text
    assert [build.inputs for build in append("out", ["./1.warc.gz", "./2.warc.gz"], SMALL, INLINE).builds] == [1, 1]


def test_settings_that_say_what_a_sample_is_must_agree(tmp_path: Path, two: list[Path]) -> None:
    build(str(tmp_path / "out"), [str(two[0])], SMALL, INLINE)
    before = contents(tmp_path / "out")
    other = load_config("default", ["image.min_side_px=65"])
    with pytest.raises(SettingsError, match=r"must be alike\. Changed: image\.min_side_px: 64 -> 65$"):
        append(str(tmp_path / "out"), [str(two[1])], other, INLINE)
    with pytest.raises(InputError, match="is no finished dataset"):
        append(str(tmp_path / "none"), [str(two[1])], SMALL, INLINE)
    with pytest.raises(InputError, match="nothing is being added"):
        append(str(tmp_path / "out"), [], SMALL, INLINE)
    assert contents(tmp_path / "out") == before


def test_without_keys_it_is_compared_by_what_samples_show(tmp_path: Path, two: list[Path]) -> None:
    """Also of a dataset from before these were kept, whose `work/` is deleted: only its samples are there."""
    dataset = grown(tmp_path / "out", two)
    bare = msgspec.structs.replace(SMALL, without_keys=True)
    without = grown(tmp_path / "bare", two, bare)
    assert not (tmp_path / "bare/interleaved/keys").exists()
    assert without.kinds == dataset.kinds
    assert without.drops == dataset.drops
    text = write_archive(
        tmp_path / "copy.warc.gz",
        [
            ("https://copy.example/0", article(0, ["https://copy.example/0.jpg"]).encode(), "text/html"),
            ("https://copy.example/0.jpg", photo(99), "image/jpeg"),
        ],
        "2025-01-01T00:00:00Z",
    )
    assert append(str(tmp_path / "bare"), [str(text)], bare, INLINE).drops["page"]["duplicate_text"] == 1


def test_shards_are_written_anew_where_that_is_asked_for(tmp_path: Path, two: list[Path]) -> None:
    out, store = tmp_path / "out", Store(str(tmp_path / "out"))
    dataset = grown(out, two)
    before = live(out)
    rewritten = append(str(out), [], SMALL, INLINE, rewrite=True)
    assert {name: says(sample) for name, sample in live(out).items()} == {n: says(s) for n, s in before.items()}
    assert list((out / "interleaved/superseded").iterdir()) == []
    sizes = json.loads((out / "interleaved/shards/sizes.json").read_text())
    assert sum(sizes.values()) == dataset.kinds["interleaved"].samples == rewritten.kinds["interleaved"].samples
    assert list(problems(store)) == []
    again = contents(out)
    append(str(out), [], SMALL, INLINE, rewrite=True)
    assert contents(out) == again
    three = small_site(tmp_path, range(4, 9), "2026-03-01T00:00:00Z", "3.warc.gz")
    assert append(str(out), [str(three)], SMALL, INLINE).builds[2].superseded["interleaved"].samples == 5
    assert len(live(out)) == 16
    assert list(problems(store)) == []


@pytest.mark.parametrize("denied", ["https://s0.example/6", "https://s0.example/6.jpg"])
def test_what_was_replaced_is_counted_apart_when_it_is_removed(
    tmp_path: Path, two: list[Path], capsys: pytest.CaptureFixture[str], denied: str
) -> None:
    """The page and its only image are in a shard of each build; readers have one."""
    out = tmp_path / "out"
    before = grown(out, two).kinds["interleaved"].samples
    (tmp_path / "deny.txt").write_text(denied)
    call = ["remove", str(out), "--engine", "inline"]
    assert main([*call, "--deny", str(tmp_path / "deny.txt"), "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert told.splitlines() == [
        "interleaved: 1 samples would go",
        "interleaved: 1 samples that newer ones had replaced would go",
        f"  2 by {denied}",
    ]
    assert main([*call, "--deny", str(tmp_path / "deny.txt")]) == 0
    assert capsys.readouterr().out.splitlines() == [one.replace("would go", "went") for one in told.splitlines()[:2]]
    left = read_dataset(Store(str(out)))
    assert left.kinds["interleaved"].samples == before - 1
    (removal,) = left.removals
    assert (removal.samples, removal.replaced) == ({"interleaved": 1}, {"interleaved": 1})


def test_a_dataset_from_before_there_was_any_appending_grows_too(
    tmp_path: Path, two: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    grown(tmp_path / "new", two)
    build(str(out), [str(two[0])], SMALL, INLINE)
    for folder in ("work", "inputs", "interleaved/keys"):
        shutil.rmtree(out / folder)
    stated = json.loads((out / "dataset.json").read_bytes())
    del stated["builds"], stated["config"]["without_keys"]
    (out / "dataset.json").write_text(json.dumps(stated))
    for mark in (out / "interleaved/commit").glob("*.json"):
        of_shard = json.loads(mark.read_bytes())
        of_shard["shard"]["inputs"] = [str(two[0])]
        mark.write_text(json.dumps(of_shard))
    append(str(out), [str(path) for path in two], SMALL, INLINE)
    assert "1 of 2 inputs" in caplog.text
    assert live(out).keys() == live(tmp_path / "new").keys()
    assert list(problems(Store(str(out)))) == []


def test_an_unfinished_append_is_gone_on_with_and_nothing_else_is_done(tmp_path: Path, two: list[Path]) -> None:
    grown(tmp_path / "peace", two)
    out, hidden = tmp_path / "out", tmp_path / "hidden"
    build(str(out), [str(two[0])], SMALL, INLINE)
    before = contents(out)
    store = Store(str(out))
    three = small_site(tmp_path, range(20, 24), "2026-03-01T00:00:00Z", "3.warc.gz")
    from jobs import build as module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "publish", lambda store: (_ for _ in ()).throw(OSError("gone")))
        with pytest.raises(OSError, match="gone"):
            append(str(out), [str(two[1])], SMALL, INLINE)
    assert is_appending(store)
    assert {n: d for n, d in contents(out).items() if not n.startswith("appending")} == before
    with pytest.raises(InputError, match="with --append"):
        build(str(out), [str(two[0])], SMALL, INLINE)
    with pytest.raises(InputError, match="unfinished"):
        append(str(out), [str(three)], SMALL, INLINE)
    two[1].rename(hidden)  # all of it is read
    append(str(out), [], SMALL, INLINE)
    assert read_dataset(store).kinds == read_dataset(Store(str(tmp_path / "peace"))).kinds


def test_what_is_denied_is_not_added_and_goes_from_what_was(tmp_path: Path, two: list[Path]) -> None:
    build(str(tmp_path / "out"), [str(two[0])], SMALL, INLINE)
    append(str(tmp_path / "out"), [str(two[1])], SMALL, INLINE, deny=["https://s0.example/12", "s1.example"])
    left = {url for url, _ in live(tmp_path / "out")}
    assert left == {f"https://s{n % 3}.example/{n}" for n in range(16) if n % 3 != 1 and n != 12}
    assert list(problems(Store(str(tmp_path / "out")))) == []
    three = small_site(tmp_path, range(5, 10), "2026-03-01T00:00:00Z", "3.warc.gz")
    append(str(tmp_path / "out"), [str(three)], SMALL, INLINE)
    assert {url for url, _ in live(tmp_path / "out")} == left
    assert list(problems(Store(str(tmp_path / "out")))) == []


def start(out: Path, archive: Path, engine: str) -> "subprocess.Popen[str]":
    arguments = ["--append", "--input", str(archive), "--output", str(out), "--engine", engine]
    arguments += ["--set", "partitions=3", "--set", "buckets=2"]
    return subprocess.Popen(
        [sys.executable, "-m", "jobs.build", *arguments, "--workers", "2"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        env={**os.environ, "SOURCE_DATE_EPOCH": DATE},
    )


class Peace(NamedTuple):
    """What an append makes that nothing disturbs, and what it begins with; not to be written to."""

    archives: list[Path]
    first: Path  # a dataset of the first archive
    files: dict[str, bytes]  # of the dataset of both

    def begin(self, out: Path) -> Path:
        """A dataset of the first archive that may be written to."""
        return Path(shutil.copytree(self.first, out))


@pytest.fixture(scope="module")
def in_peace(tmp_path_factory: pytest.TempPathFactory) -> Peace:
    folder = tmp_path_factory.mktemp("peace")
    archives = two_archives(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", DATE)
        build(str(folder / "first"), [str(archives[0])], SMALL, INLINE)
        grown(folder / "both", archives)
    return Peace(archives, folder / "first", contents(folder / "both"))


def wait_for(what: Callable[[], object], process: "subprocess.Popen[str]") -> bool:
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        if what():
            return True
        time.sleep(0.002)
    return False


#: Files of an append, in the order in which they come to be.
MOMENTS = (
    "work/plan.json",
    "work/extract/000000.json",
    "work/known/000000.json",
    "work/urls/000001.json",
    "work/known-counts/000000.json",
    "work/publish/000001.json",
    "work/supersede/000000.json",
    "dataset.json",
)


def test_an_append_that_is_killed_again_and_again_loses_nothing(tmp_path: Path, in_peace: Peace) -> None:
    out, added, killed = in_peace.begin(tmp_path / "out"), in_peace.archives[1], 0
    before = live(out)
    for moment in MOMENTS:
        if (out / "appending" / moment).exists():  # it was killed a little late
            continue
        process = start(out, added, "inline")
        assert wait_for((out / "appending" / moment).exists, process), f"it ended before it could be killed at {moment}"
        process.kill()
        process.communicate()
        killed += 1
        if len(read_dataset(Store(str(out))).builds) == 2:
            break  # killed a little late, behind the last of all
        assert live(out) == before
        assert list(problems(Store(str(out)))) == []
    assert killed > 5
    process = start(out, added, "inline")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert contents(out) == in_peace.files


def test_on_ray_it_has_the_same_bytes(tmp_path: Path, in_peace: Peace) -> None:
    out = in_peace.begin(tmp_path / "out")
    with contextlib.suppress(subprocess.TimeoutExpired):
        process = start(out, in_peace.archives[1], "ray")
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert contents(out) == in_peace.files


def test_on_a_store_that_is_no_file_system_it_has_the_same_files(
    in_peace: Peace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", DATE)
    url = "memory://weft-append-test"
    build(url, [str(in_peace.archives[0])], SMALL, INLINE)
    append(url, [str(in_peace.archives[1])], SMALL, EngineSettings(engine="inline"))
    store = Store(url)
    for name, data in in_peace.files.items():
        assert store.read(name) == data, name
    assert not is_appending(store)


def test_where_nothing_is_said_of_settings_they_are_those_of_the_dataset(
    tmp_path: Path, two: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    build(out, [str(two[0])], msgspec.structs.replace(SMALL, kinds=("interleaved", "pairs")), INLINE)
    call = ["build", "--append", "--engine", "inline", "--output", out, "--input", str(two[1])]
    assert main([*call, "--set", "text.max_images=3"]) == 2
    assert "Changed: text.max_images: " in capsys.readouterr().err
    assert main([*call, "--set", "seed=5"]) == 0
    assert read_dataset(Store(out)).builds[1].inputs == 1
    assert main([*call[:-3], str(tmp_path / "nothing")]) == 2
    assert "nothing is no finished dataset" in capsys.readouterr().err


def test_steps_that_a_dataset_names_are_not_imported_by_adding_to_it(
    tmp_path: Path, two: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    made = build(str(out), [str(two[0])], SMALL, INLINE)
    named = msgspec.structs.replace(made, own_code=[{"use": "theirs:step", "sha256": "0" * 64}])
    (out / "dataset.json").write_bytes(msgspec.json.encode(named))
    assert main(["build", "--append", "--engine", "inline", "--output", str(out), "--input", str(two[1])]) == 2
    assert "steps of its builder's own: name the recipe" in capsys.readouterr().err
