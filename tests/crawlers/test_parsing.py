import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from crawlers.parsing import AT_A_TIME, ParseSettings, Parsing
from schemas.drops import Drop

SLOW, FAST = "http://a.slow.org/", "http://fast.example/"


def failing(reason: str) -> Callable[[], None]:
    def read() -> None:
        raise Drop(reason)

    return read


async def outcome(parsing: Parsing, url: str, read: Callable[[], object]) -> object:
    try:
        return await parsing.run(url, read)
    except Drop as drop:
        return drop.reason


def test_a_site_that_takes_long_stops_no_other() -> None:
    """Pages of eight of its hosts are being read for ever; those of another site are read meanwhile."""
    release = threading.Event()

    async def run() -> None:
        parsing = Parsing(ParseSettings())
        slow = [
            asyncio.create_task(outcome(parsing, f"http://h{n}.slow.org/", lambda: release.wait(20))) for n in range(8)
        ]
        await asyncio.sleep(0.05)
        async with asyncio.timeout(5):
            for number in range(20):
                assert await parsing.run(FAST, lambda number=number: number) == number
            while sum(task.done() for task in slow) < 4:  # they hold places of other visits
                await asyncio.sleep(0.05)
        release.set()
        ended = await asyncio.gather(*slow)
        assert ended.count("parse_budget") >= 4
        assert ended.count(True) >= 1

    asyncio.run(run())


def test_no_more_are_read_at_a_time_than_there_are_readers_and_one_of_a_site() -> None:
    now, most = {"all": 0, "slow": 0}, {"all": 0, "slow": 0}

    def read(site: str) -> None:
        for name in {"all", site} & now.keys():
            now[name] += 1
            most[name] = max(most[name], now[name])
        time.sleep(0.02)
        for name in {"all", site} & now.keys():
            now[name] -= 1

    async def run() -> None:
        parsing = Parsing(ParseSettings())
        await asyncio.gather(
            *(parsing.run(SLOW, lambda: read("slow")) for _ in range(4)),
            *(parsing.run(f"http://s{n}.example/", lambda n=n: read(f"s{n}")) for n in range(10)),
        )

    asyncio.run(run())
    assert most["all"] <= AT_A_TIME
    assert most["slow"] == 1


def test_failures_in_a_row_end_the_reading_of_a_site_and_of_no_other() -> None:
    async def run() -> None:
        parsing = Parsing(ParseSettings(max_failures=3))
        for _ in range(2):
            assert await outcome(parsing, SLOW, failing("timeout")) == "timeout"
        assert await outcome(parsing, SLOW, lambda: 1) == 1  # in a row
        for reason in ("timeout", "crashed", "out_of_memory"):
            assert await outcome(parsing, SLOW, failing(reason)) == reason
        assert await outcome(parsing, SLOW, lambda: 1) == "parse_budget"
        assert await outcome(parsing, "https://other.slow.org:8080/", lambda: 1) == "parse_budget"
        assert await outcome(parsing, FAST, lambda: 1) == 1

    asyncio.run(run())


def test_what_is_refused_before_it_is_parsed_costs_a_site_nothing() -> None:
    async def run() -> None:
        parsing = Parsing(ParseSettings(max_failures=1))
        for _ in range(9):
            assert await outcome(parsing, SLOW, failing("hostile_html")) == "hostile_html"
        assert await outcome(parsing, SLOW, lambda: 1) == 1

    asyncio.run(run())


def test_seconds_of_a_site_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("crawlers.parsing.time.monotonic", lambda: clock[0])

    def takes(seconds: float) -> Callable[[], float]:
        def read() -> float:
            clock[0] += seconds
            return seconds

        return read

    async def run() -> None:
        parsing = Parsing(ParseSettings(max_slow_s=10.0))
        for _ in range(100):
            assert await outcome(parsing, FAST, takes(0.9)) == 0.9  # an ordinary page, however many
        assert await outcome(parsing, SLOW, takes(6.0)) == 6.0
        assert await outcome(parsing, SLOW, takes(7.0)) == 7.0
        assert await outcome(parsing, SLOW, takes(0.1)) == "parse_budget"
        assert await outcome(parsing, FAST, takes(0.1)) == 0.1

    asyncio.run(run())


def test_sites_that_took_long_before_share_one_reader() -> None:
    release = threading.Event()

    async def run() -> None:
        parsing = Parsing(ParseSettings())
        sites = [f"http://slow{number}.org/" for number in range(6)]
        for site in sites:
            assert await outcome(parsing, site, failing("timeout")) == "timeout"
        slow = [asyncio.create_task(outcome(parsing, site, lambda: release.wait(20))) for site in sites]
        await asyncio.sleep(0.05)
        async with asyncio.timeout(5):
            assert await parsing.run(FAST, lambda: 1) == 1
        release.set()
        assert await asyncio.gather(*slow) == [True] * 6

    asyncio.run(run())
