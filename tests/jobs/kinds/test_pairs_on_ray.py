"""Pairs on Ray, whole and killed: the bytes are those of a job in one process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from jobs.build import build
from jobs.engine.engine import EngineSettings
from tests.crawlers.servers import Reply, WebServer
from tests.jobs.conftest import contents
from tests.jobs.kinds.test_pairs import INLINE, SMALL
from tests.jobs.site import photo
from tests.jobs.test_fetch_pairs import FAST, written

BOTH = msgspec.structs.replace(SMALL, kinds=("interleaved", "pairs"))
COUNT = 40


@pytest.mark.shares_ray
def test_both_kinds_on_ray_have_the_bytes_of_one_process(tmp_path: Path, site: list[Path]) -> None:
    archives = [str(path) for path in site]
    build(str(tmp_path / "inline"), archives, BOTH, INLINE)
    build(str(tmp_path / "ray"), archives, BOTH, EngineSettings(workers=2))
    assert contents(tmp_path / "ray") == contents(tmp_path / "inline")


def command(path: Path, out: Path, engine: str) -> list[str]:
    settings = ["media.fetch.allow_private=[127.0.0.1]", "lists.read.spread=url", "partitions=5", "buckets=2"]
    call = [sys.executable, "-m", "jobs.cli", "fetch-pairs", str(path), "-o", str(out), "--engine", engine]
    return [*call, "--workers", "2", *FAST, *(word for one in settings for word in ("--set", one))]


def test_a_list_fetched_on_ray_and_killed_has_the_bytes_of_one_process(tmp_path: Path) -> None:
    with WebServer() as web:
        for number in range(COUNT):
            web.routes[f"/{number}.jpg"] = Reply(photo(number), "image/jpeg", delay_s=0.05)
        path = written(tmp_path, [(f"{web.url}/{number}.jpg", f"caption {number}") for number in range(COUNT + 3)])
        subprocess.run(command(path, tmp_path / "inline", "inline"), check=True, capture_output=True, timeout=120)
        out = tmp_path / "ray"
        driver = subprocess.Popen(
            command(path, out, "ray"), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
        )
        try:
            until = time.monotonic() + 120
            while not list(out.glob("work/pair-images/0*.json")) and driver.poll() is None and time.monotonic() < until:
                time.sleep(0.01)
        finally:
            os.killpg(driver.pid, signal.SIGKILL)
            driver.communicate()
        assert not (out / "dataset.json").exists(), "it had ended before it was killed"
        done = len(list(out.glob("work/pair-images/0*.json")))
        assert done > 0
        asked = len(web.paths())
        subprocess.run(command(path, out, "ray"), check=True, capture_output=True, timeout=120)
        assert contents(out) == contents(tmp_path / "inline")
        assert len(web.paths()) - asked < 2 * COUNT
