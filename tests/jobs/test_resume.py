"""Builds killed in the middle, in real processes: the outcome must be that of a build left in peace."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.build import build
from jobs.engine.engine import EngineSettings
from tests.jobs.conftest import contents
from tests.jobs.processes import ray_processes
from tests.jobs.test_build import SMALL

_DEADLINE_S = 120.0
#: Files of a build, in the order in which they come to be.
MOMENTS = (
    "work/extract/000000.json",
    "work/extract/000002.json",
    "work/urls/000001.json",
    "work/stars-00/000000.json",
    "work/frequent/000001.json",
    "work/assemble/000000.json",
    "work/publish/000001.json",
)


@pytest.fixture(scope="module")
def in_peace(tmp_path_factory: pytest.TempPathFactory, site: list[Path]) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("peace") / "out"
    build(str(folder), [str(path) for path in site], SMALL, EngineSettings(engine="inline"))
    return contents(folder)


def start(out: Path, site: list[Path], engine: str) -> "subprocess.Popen[str]":
    arguments = ["--input", *map(str, site), "--output", str(out), "--engine", engine]
    arguments += ["--set", "partitions=3", "--set", "buckets=2"]
    return subprocess.Popen(
        [sys.executable, "-m", "jobs.build", *arguments, "--workers", "2"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def wait_for(what: Callable[[], object], process: "subprocess.Popen[str]") -> object:
    """Until `what` gives something, or the process has ended."""
    end = time.monotonic() + _DEADLINE_S
    while time.monotonic() < end and process.poll() is None:
        if found := what():
            return found
        time.sleep(0.005)
    return None


def finish(out: Path, site: list[Path], engine: str) -> str:
    process = start(out, site, engine)
    _, errors = process.communicate(timeout=_DEADLINE_S)
    assert process.returncode == 0, errors
    return errors


def staged(folder: Path) -> Callable[[], list[Path]]:
    return lambda: list(folder.glob(".*.tmp"))


def test_a_driver_that_is_killed_again_and_again_loses_nothing(
    tmp_path: Path, site: list[Path], in_peace: dict[str, bytes]
) -> None:
    out, killed = tmp_path / "out", 0
    for moment in MOMENTS:
        if (out / moment).exists():  # it was killed a little late
            continue
        process = start(out, site, "inline")
        assert wait_for((out / moment).exists, process), f"the build ended before it could be killed at {moment}"
        process.kill()
        process.communicate()
        killed += 1
        assert not (out / "dataset.json").exists()
    assert killed > 4
    finish(out, site, "inline")
    assert contents(out) == in_peace


def test_a_kill_while_a_shard_is_being_written_leaves_nothing_that_looks_like_data(
    tmp_path: Path, site: list[Path], in_peace: dict[str, bytes]
) -> None:
    out = tmp_path / "out"
    process = start(out, site, "inline")
    assert wait_for(staged(out / "interleaved/shards"), process)
    process.kill()
    process.communicate()
    marks = {path.stem for path in (out / "interleaved/commit").glob("0*.json")}
    for path in (out / "interleaved/shards").glob("0*.tar"):
        assert path.stem in marks
    finish(out, site, "inline")
    assert contents(out) == in_peace


@pytest.mark.parametrize("phase", ["extract", "assemble"])
def test_a_killed_ray_worker_costs_one_attempt(
    tmp_path: Path, site: list[Path], in_peace: dict[str, bytes], phase: str
) -> None:
    out = tmp_path / "out"
    process = start(out, site, "ray")
    found = wait_for(lambda: ray_processes(phase, process.pid), process)
    assert isinstance(found, list), "no worker was seen"
    os.kill(found[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=_DEADLINE_S)
    assert process.returncode == 0, errors
    assert f"{phase}, partition" in errors
    assert "attempt 1 of 3" in errors
    assert contents(out) == in_peace


def test_a_killed_ray_driver_loses_nothing_though_its_workers_live_on(
    tmp_path: Path, site: list[Path], in_peace: dict[str, bytes]
) -> None:
    out = tmp_path / "out"
    process = start(out, site, "ray")
    assert wait_for((out / "work/extract/000000.json").exists, process)
    process.kill()
    process.communicate()
    try:
        finish(out, site, "ray")
    finally:
        with contextlib.suppress(ProcessLookupError):  # what the dead driver's Ray left behind
            os.killpg(process.pid, signal.SIGKILL)
    assert contents(out) == in_peace
