"""What waits takes no slot: for pace, for a name, for a host that never answers."""

import asyncio
import dataclasses
import itertools
import socket
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crawlers.addresses import GuardedResolver
from crawlers.clock import now
from crawlers.fetch_settings import FetchSettings
from crawlers.flights import Flight, Flights
from crawlers.hosts import Host
from crawlers.pace_settings import HostPace, PaceSettings
from crawlers.site_policy import SitePolicy
from crawlers.turns import Turns
from tests.crawlers.crawling import FAST, config, crawl
from tests.crawlers.servers import Reply, WebServer, least_gap_s, page


@contextmanager
def silent_server() -> Iterator[str]:
    """Takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=2000) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def test_a_flight_takes_a_slot_while_its_host_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    at = [0.0]
    monkeypatch.setattr("crawlers.flights.time.monotonic", lambda: at[0])
    flights = Flights(2, 5)
    first, second, third = Flight(), Flight(), Flight()
    flights.ask(first)
    flights.ask(second)
    assert flights.room == 0
    at[0] = 2.0  # both are silent for too long
    assert flights.room == 2
    flights.received(first)
    assert flights.room == 1
    flights.ask(third)
    assert flights.room == 0
    flights.rest(first)
    flights.rest(third)
    assert flights.room == 2
    for _ in range(4):
        flights.ask(Flight())
        at[0] += 2.0
    assert flights.room == 0  # all connections are taken by hosts that do not answer
    assert flights.are_strained


def test_who_waits_for_a_slot_gets_it_in_order_and_gives_it_back_when_cancelled() -> None:
    async def run() -> list[str]:
        flights, order = Flights(1, 9), list[str]()
        first = Flight()
        flights.ask(first)

        async def wait(name: str) -> None:
            flight = Flight()
            try:
                await flights.take(flight)
                order.append(name)
            finally:
                flights.rest(flight)

        tasks = [asyncio.create_task(wait(name)) for name in "abc"]
        await asyncio.sleep(0)
        assert flights.room == -3
        tasks[0].cancel()
        await asyncio.sleep(0)
        flights.rest(first)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert flights.room == 1
        return order

    assert asyncio.run(run()) == ["b", "c"]


def test_hosts_that_never_answer_stop_nobody(web: WebServer, tmp_path: Path) -> None:
    web.routes["/"] = Reply(page())
    with silent_server() as silent:
        hung = {f"h{n}.example": silent for n in range(160)}
        well = {f"w{n}.example": web.address for n in range(40)}
        fetch = FetchSettings(connect_to=hung | well, answer_timeout_s=30.0)
        settings = config(web, fetch=fetch, max_in_flight=32)
        seeds = [f"http://{name}/" for name in (*hung, *well)]
        began = time.monotonic()
        done = crawl(tmp_path, settings, *seeds, limit_s=9.0, wait=False)
        assert done.status.visits == {"page": 40}
        assert time.monotonic() - began < 15


async def _trickle() -> AsyncIterator[bytes]:
    """Not slow enough to be given up, for ever."""
    while True:
        await asyncio.sleep(0.3)
        yield bytes(1000)


@pytest.mark.parametrize("status", [200, 404])
def test_hosts_whose_answers_trickle_stop_nobody(web: WebServer, tmp_path: Path, status: int) -> None:
    trickling = {f"h{n}.example": web.address for n in range(24)}
    well = {f"w{n}.example": web.address for n in range(20)}
    web.routes["/"] = Reply(page())
    for name in trickling:
        web.routes[f"{name}/"] = Reply(pieces=_trickle, status=status)
    fetch = FetchSettings(connect_to=trickling | well, deadline_s=60.0)
    seeds = [f"http://{name}/" for name in (*trickling, *well)]
    done = crawl(tmp_path, config(web, fetch=fetch, max_in_flight=8), *seeds, limit_s=9.0, wait=False)
    assert done.status.visits == {"page": 20}


def test_hosts_that_keep_us_waiting_get_no_more_where_connections_are_few() -> None:
    host, pace = Host("a.example"), PaceSettings()
    assert not host.is_prompt  # nobody knows
    host.learned("http", SitePolicy(""), pace)
    assert host.is_prompt
    host.ended(pace, now() - 10)
    assert not host.is_prompt
    host.ended(pace, now() - 1)
    assert host.is_prompt
    host.failed(pace)
    assert not host.is_prompt


def test_a_host_that_does_not_answer_twice_is_parked() -> None:
    settings = PaceSettings(backoff_s=1.0)
    host, waits = Host("a.example"), []
    for _ in range(6):
        host.ready_at = 0.0
        before = time.time()
        host.failed(settings)
        waits.append(host.ready_at - before)
    assert waits[0] < 1.5
    assert all(wait >= 11.9 for wait in waits[1:])
    assert waits[5] > 31


def test_learning_what_sites_allow_takes_no_slot_while_it_waits(web: WebServer, tmp_path: Path) -> None:
    """Each host gets a request whenever its pace lets it, however few slots there are."""
    web.routes["/"] = Reply(page())
    hosts = {f"s{n}.example": web.address for n in range(100)}
    settings = config(web, PaceSettings(delay_s=1.0), fetch=FetchSettings(connect_to=hosts), max_in_flight=8)
    began = time.monotonic()
    done = crawl(tmp_path, settings, *(f"http://{name}/" for name in hosts), limit_s=20.0)
    assert done.status.visits == {"page": 100}
    assert time.monotonic() - began < 3.0 / 0.6  # three waits of a second


@pytest.mark.parametrize(
    "reply",
    [
        Reply(page()),
        Reply(b"%PDF", "application/pdf"),
        Reply(page(), length=99_000_000),
        Reply(page(), headers=(("X-Robots-Tag", "noai"),)),
        Reply(page(), status=404),
    ],
    ids=["a page", "not wanted", "too large", "opted out", "gone"],
)
def test_a_slow_host_rests_as_long_as_it_worked(web: WebServer, tmp_path: Path, reply: Reply) -> None:
    """Whatever comes of its answer."""
    slow = dataclasses.replace(reply, delay_s=0.6)
    web.routes |= {"/": Reply(page("/1", "/2")), "/1": slow, "/2": slow}
    crawl(tmp_path, config(web, PaceSettings(delay_s=0.1)), "http://a.example/")
    first, second = (next(line for line in web.log if line.path == path) for path in ("/1", "/2"))
    assert second.time - first.since > 1.15


def test_no_rest_where_no_pace_is_asked_for() -> None:
    host = Host("a.example")
    host.ended(PaceSettings(delay_s=0.0), time.time() - 5)
    assert host.ready_at == 0.0
    host.ended(PaceSettings(delay_s=0.1), time.time() - 500)
    assert 29 < host.ready_at - time.time() < 31


def test_gaps_are_kept_however_busy_the_crawler_is(
    web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stalls the crawler before a request is sent must not shorten the way to the next one."""
    web.routes |= {"/": Reply(page(*(f"/{n}" for n in range(8))))} | {f"/{n}": Reply(page()) for n in range(8)}
    from crawlers.fetch import Fetcher

    get, stalls = Fetcher.get, itertools.cycle([0.25, 0.0, 0.1, 0.0])

    async def late(self: Fetcher, *arguments: Any, **more: Any) -> object:
        time.sleep(next(stalls))
        return await get(self, *arguments, **more)

    monkeypatch.setattr(Fetcher, "get", late)
    crawl(tmp_path, config(web, PaceSettings(delay_s=0.3)), "http://a.example/")
    assert len(web.log) == 12
    assert least_gap_s(web.log) >= 0.3


def test_hosts_at_one_address_share_its_pace(web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def address(self: GuardedResolver, host: str) -> str:
        return "192.0.2.1"

    monkeypatch.setattr(GuardedResolver, "paced_address", address)
    web.routes["/"] = Reply(page())
    settings = config(web, PaceSettings(delay_s=0.0, address_delay_s=0.05))
    starts, start = [], Turns.start

    def noted(self: Turns, host: Host) -> None:
        starts.append(now())
        start(self, host)

    monkeypatch.setattr(Turns, "start", noted)
    began = time.monotonic()
    crawl(tmp_path, settings, *(f"http://{name}.example/" for name in "abcdefgh"))
    assert len(web.log) == 32
    assert time.monotonic() - began > 31 * 0.05
    assert len(starts) == 32
    assert min(later - earlier for earlier, later in itertools.pairwise(starts)) >= 0.05
    times = sorted(line.time for line in web.log)  # of when they were read: a busy machine reads some late, at once
    assert statistics.median(later - earlier for earlier, later in itertools.pairwise(times)) > 0.03


def test_hosts_at_one_address_share_its_pace_from_the_first_request_of_a_run_on(
    web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a run before learned of their policies is kept; of their addresses nothing is known yet."""

    async def address(self: GuardedResolver, host: str) -> str:
        return "192.0.2.1"

    monkeypatch.setattr(GuardedResolver, "paced_address", address)
    web.routes["/"] = Reply(page("/on"))
    settings = config(web, PaceSettings(delay_s=0.0, address_delay_s=0.0, max_requests_per_host=4))
    seeds = [f"http://{name}.example/" for name in "abcdefgh"]
    crawl(tmp_path, settings, *seeds)
    before = len(web.log)
    pace = PaceSettings(delay_s=0.0, address_delay_s=0.1)
    crawl(tmp_path, config(web, pace), *(f"{seed}more" for seed in seeds))
    times = sorted(line.time for line in web.log[before:])
    assert len(times) == 8
    assert times[-1] - times[0] > 6 * 0.1


def test_who_is_late_for_a_place_in_the_row_moves_the_next_one() -> None:
    turns = Turns(PaceSettings(address_delay_s=0.1), Flights(1, 1), GuardedResolver(), Host)
    hosts = [Host(f"{name}.example", address="192.0.2.1") for name in "abcd"]
    assert [turns.may_start(host) for host in hosts[:3]] == [True, False, False]
    turns.start(hosts[0])
    time.sleep(0.25)  # the places of b and c have come
    assert turns.may_start(hosts[1])
    turns.start(hosts[1])
    asked = now()
    assert not turns.may_start(hosts[2])
    assert not turns.may_start(hosts[3])
    assert asked + 0.05 < hosts[2].ready_at <= asked + 0.1
    assert hosts[3].ready_at >= hosts[2].ready_at
    time.sleep(0.12)
    assert turns.may_start(hosts[2])


def test_addresses_whose_time_has_come_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawlers.turns._MOST_ADDRESSES", 10)
    turns = Turns(PaceSettings(address_delay_s=0.001), Flights(1, 1), GuardedResolver(), Host)
    for number in range(200):
        host = Host("a.example", address=f"192.0.2.{number}")
        assert turns.may_start(host)
        turns.start(host)
        time.sleep(0.001)
    assert len(turns._addresses) < 50
    assert len(turns._asked) < 50


def test_a_name_with_a_pace_of_its_own(web: WebServer, tmp_path: Path) -> None:
    pace = PaceSettings(
        delay_s=0.0,
        hosts={"*.example": HostPace(delay_s=0.05), "a.example": HostPace(delay_s=0.2), "x.org": HostPace()},
    )
    assert [pace.of(name).delay_s for name in ("a.example", "b.example", "b.example:8080", "example.org")] == [
        0.2, 0.05, 0.05, 0.0,
    ]  # fmt: skip
    web.routes["/"] = Reply(page())
    crawl(tmp_path, config(web, pace), "http://a.example/", "http://b.example/")
    a, b = ([line for line in web.log if line.host == host] for host in ("a.example", "b.example"))
    assert least_gap_s(a) >= 0.2
    assert least_gap_s(b) >= 0.05
    assert min(later.time - earlier.time for earlier, later in itertools.pairwise(b)) < 0.19


def test_a_delay_without_end_is_none_that_is_waited_for(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {
        "a.example/robots.txt": Reply(b"User-agent: *\nCrawl-delay: 86400\n", "text/plain"), "/": Reply(page()),
    }  # fmt: skip
    done = crawl(tmp_path, config(web), "http://a.example/", "http://b.example/", limit_s=10)
    assert done.reasons() == {"http://a.example/": "crawl_delay"}
    assert done.status.visits == {"page": 1}


def test_a_host_that_speaks_https_alone_is_visited_at_once(web: WebServer, tmp_path: Path) -> None:
    """One link in http would have it left alone for minutes."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = f"127.0.0.1:{closed.getsockname()[1]}"
    web.routes |= {"/": Reply(page("/1"), headers=(("X", "y"),)), "/1": Reply(page())}
    settings = config(web, msgspec.structs.replace(FAST, backoff_s=60.0))

    from crawlers.fetch import Fetcher

    get, asked = Fetcher.get, Counter[str]()

    async def by_scheme(self: Fetcher, url: str, *arguments: Any, **more: Any) -> object:
        asked[url.partition("://")[0]] += 1
        if url.startswith("http://"):
            return await get(self, url.replace("a.example", "nobody.example"), *arguments, **more)
        exchange = await get(self, url.replace("https://", "http://"), *arguments, **more)
        return msgspec.structs.replace(exchange, url=url)

    fetch = msgspec.structs.replace(settings.fetch, connect_to=settings.fetch.connect_to | {"nobody.example": nobody})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fetcher, "get", by_scheme)
        done = crawl(tmp_path, msgspec.structs.replace(settings, fetch=fetch), "http://a.example/", limit_s=10)
    assert done.urls() == ["https://a.example/", "https://a.example/1"]
    assert asked["http"] == 1
