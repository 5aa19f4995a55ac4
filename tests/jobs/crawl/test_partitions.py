"""A crawl that goes on with another number of workers, and is killed on the way."""

import json
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from jobs.cli import main
from tests.crawlers.servers import WebServer
from tests.jobs.crawl.test_crawl import EVERYTHING, HOSTS, arguments, recorded, start, web

__all__ = ["web"]


def asked(web: WebServer) -> Counter[tuple[str, str]]:
    return Counter((line.host, line.path) for line in web.log)


@pytest.mark.parametrize("numbers", [("1", "3", "2"), ("4", "1", "3")])
def test_no_address_is_lost_or_asked_for_twice_however_often_the_number_changes(
    web: WebServer, tmp_path: Path, numbers: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    for number in numbers:
        limit = ("--max-pages", "5") if number != numbers[-1] else ()
        words = arguments(web, tmp_path, "--engine", "inline", "--set", "partitions=0", "--workers", number, *limit)
        assert main(words) == 0
        assert len(list((tmp_path / "work" / "frontier").glob("*.sqlite"))) == int(number)
        assert all(int(path.stem[-6:]) < int(number) for path in (tmp_path / "drops").glob("crawl-*.parquet"))
    assert recorded(tmp_path) == Counter(EVERYTHING)
    assert max(asked(web).values()) == 1  # robots.txt of a host, too: what is known of it went with it
    report = json.loads((tmp_path / "crawl.json").read_text())
    assert (report["finished"], report["pages"], report["images"]) == (True, 24, 28)
    assert report["requests"] == len(web.log)


@pytest.mark.parametrize("seed", [1, 2])
def test_kill_9_while_the_number_changes_loses_nothing(web: WebServer, tmp_path: Path, seed: int) -> None:
    draw, kills = random.Random(seed), 0
    for number in (2, 3, 1, 4):
        words = arguments(web, tmp_path, "--engine", "inline", "--set", f"partitions={number}", delay_s=0.02)
        before, running = len(web.log), start(words)
        if number == 2:
            while len(web.log) < 15 and running.poll() is None:
                time.sleep(0.005)
        else:  # from the first sign of the new partitions on
            while not (tmp_path / "work" / "frontier-next").exists() and len(web.log) == before and not running.poll():
                time.sleep(0.001)
            time.sleep(draw.uniform(0.0, 0.3))
        running.kill()
        running.communicate()
        kills += 1
    assert main(arguments(web, tmp_path, "--engine", "inline", "--set", "partitions=3")) == 0
    assert recorded(tmp_path) == Counter(EVERYTHING)
    in_flight = sum(count - 1 for (host, path), count in asked(web).items() if host in HOSTS and ".txt" not in path)
    assert in_flight <= kills * 3 * len(HOSTS)  # policy files included


def test_a_run_that_still_works_is_waited_for(
    web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    running = start(arguments(web, tmp_path, "--engine", "inline", "--set", "partitions=1", delay_s=0.3))
    try:
        while len(web.log) < 3:
            time.sleep(0.01)
        monkeypatch.setattr("jobs.crawl.plan._LOCK_WAIT_S", 0.5)
        assert main(arguments(web, tmp_path, "--engine", "inline", "--set", "partitions=2")) == 2
        assert f"`weft crawl -o {tmp_path} --stop`" in capsys.readouterr().err
        assert not (tmp_path / "work" / "frontier-next").exists()
        plan = (tmp_path / "work" / "crawl-plan.json").read_bytes()
        assert main(arguments(web, tmp_path, "--engine", "inline", "--set", "partitions=1", delay_s=0.1)) == 2
        assert "then give this command again" in capsys.readouterr().err
        assert (tmp_path / "work" / "crawl-plan.json").read_bytes() == plan
    finally:
        running.kill()
        running.communicate()
