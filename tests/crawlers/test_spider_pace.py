"""How fast a spider asks, by the servers' own logs."""

import asyncio
import itertools
import re
import time
from collections import Counter
from pathlib import Path

import msgspec

from crawlers.clock import now
from crawlers.hosts import Host
from crawlers.items import Item
from crawlers.pace_settings import PaceSettings
from crawlers.site_policy import SitePolicy
from crawlers.spider import Spider
from pipeline.page.links import find_links
from tests.crawlers.crawling import FAST, config, crawl
from tests.crawlers.servers import Reply, Request, WebServer, least_gap_s, page


def test_the_delay_between_requests_is_kept_policy_files_included(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {"/": Reply(page("/1", "/2", images=("/i.png",))), "/1": Reply(page()), "/2": Reply(page())}
    crawl(tmp_path, config(web, PaceSettings(delay_s=0.2)), "http://a.example/", "http://b.example/")
    for host in ("a.example", "b.example"):
        asked = [line for line in web.log if line.host == host]
        assert len(asked) == 7
        assert least_gap_s(asked) >= 0.2
    assert max(line.at_once for line in web.log) == 1


def test_after_a_kill_a_request_counts_from_when_it_may_have_been_sent(web: WebServer, tmp_path: Path) -> None:
    """A busy crawler sends it later than its turn was, and who is killed then has not written down when."""
    web.routes |= {"/": Reply(page())}
    settings = config(web, PaceSettings(delay_s=0.5))

    async def run() -> float:
        async with Spider(tmp_path, 0, settings, find_links) as spider:
            spider.offer([Item("http://a.example/", "page")])
            host = spider.frontier.hosts.get("a.example")
            host.ready_at = now()  # its turn was half a second ago, and it was sent only now
            with spider.frontier.transaction():
                spider.frontier.hosts.touch(host)
        opened = time.time()
        async with Spider(tmp_path, 0, settings, find_links) as spider:
            running = asyncio.create_task(spider.run())
            while not web.log:
                await asyncio.sleep(0.01)
            spider.stop()
            await running
        return opened

    opened = asyncio.run(run())
    assert web.log[0].time >= opened + 0.45


def test_hosts_do_not_wait_for_one_another(web: WebServer, tmp_path: Path) -> None:
    web.routes["/"] = Reply(page())
    began = time.monotonic()
    crawl(tmp_path, config(web, PaceSettings(delay_s=0.3)), *(f"http://{name}.example/" for name in "abcdefgh"))
    assert time.monotonic() - began < 8 * 4 * 0.3 / 2


def test_crawl_delay_asks_for_more_and_never_for_less(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {
        "a.example/robots.txt": Reply(b"User-agent: weft\nCrawl-delay: 0.4\n", "text/plain"),
        "b.example/robots.txt": Reply(b"User-agent: *\nCrawl-delay: 0.01\n", "text/plain"),
        "/": Reply(page("/1")), "/1": Reply(page()),
    }  # fmt: skip
    crawl(tmp_path, config(web, PaceSettings(delay_s=0.2)), "http://a.example/", "http://b.example/")
    gaps = {}
    for host in ("a.example", "b.example"):
        gaps[host] = least_gap_s([line for line in web.log if line.host == host][3:])
    assert gaps["a.example"] >= 0.4
    assert gaps["b.example"] >= 0.2


def test_as_many_requests_at_once_as_allowed_and_no_more(web: WebServer, tmp_path: Path) -> None:
    web.routes["/"] = Reply(page(*(f"/{number}" for number in range(20))))
    web.routes |= {f"/{number}": Reply(page(), delay_s=0.05) for number in range(20)}
    crawl(tmp_path, config(web, PaceSettings(delay_s=0.0, concurrency_per_host=3)), "http://a.example/")
    assert max(line.at_once for line in web.log) == 3


def test_the_rate_of_the_whole_crawl_is_kept_over_all_hosts(web: WebServer, tmp_path: Path) -> None:
    web.routes["/"] = Reply(page())
    pace = PaceSettings(delay_s=0.0, max_requests_per_s=20.0)
    crawl(tmp_path, config(web, pace), *(f"http://{name}.example/" for name in "abcde"))
    asked = sorted(web.log, key=lambda line: line.time)
    assert len(asked) == 20
    assert asked[-1].time - asked[0].since >= 19 / 20


def test_429_is_waited_out_as_long_as_retry_after_says(web: WebServer, tmp_path: Path) -> None:
    asked: list[float] = []

    def busy(request: Request) -> Reply:
        asked.append(request.time)
        return Reply(page()) if len(asked) > 1 else Reply(b"", status=429, headers=(("Retry-After", "1"),))

    web.routes |= {"/": Reply(page("/busy", "/other")), "/busy": busy, "/other": Reply(page())}
    done = crawl(tmp_path, config(web, PaceSettings(delay_s=0.0, backoff_s=0.01)), "http://a.example/")
    assert done.status.visits.get("page", 0) == 3
    other = next(line.time for line in web.log if line.path == "/other")
    assert asked[1] - asked[0] >= 1.0
    assert other - asked[0] >= 1.0  # the whole host is left in peace, not the one address


def test_backing_off_doubles_until_the_host_is_given_up(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {"/": Reply(page(*(f"/{n}" for n in range(30)))), **{f"/{n}": Reply(status=503) for n in range(30)}}
    pace = PaceSettings(delay_s=0.0, backoff_s=0.02, max_failures=5)
    done = crawl(tmp_path, config(web, pace), "http://a.example/")
    asked = [line for line in web.log if line.path not in ("/", "/ai.txt", "/.well-known/tdmrep.json")][1:]
    assert len(asked) == 5
    for number, (earlier, later) in enumerate(itertools.pairwise(asked)):
        assert later.time - earlier.since >= 0.02 * 2**number
    assert Counter(done.reasons().values()) == {"http_status": 1, "host_down": 29}


def test_a_host_has_a_budget(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {"/": Reply(page(*(f"/{n}" for n in range(30)))), **{f"/{n}": Reply(page()) for n in range(30)}}
    pace = msgspec.structs.replace(FAST, max_requests_per_host=10)
    done = crawl(tmp_path, config(web, pace), "http://a.example/")
    assert len(web.log) == 10
    assert Counter(done.reasons().values()) == Counter(host_budget=31 - 7)


def test_a_host_that_takes_connections_and_has_never_answered_is_given_up_soon(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {"/robots.txt": Reply(delay_s=1.0)}
    settings = config(web, msgspec.structs.replace(FAST, backoff_s=0.01, max_failures=6, max_silent=2))
    fetch = msgspec.structs.replace(settings.fetch, answer_timeout_s=0.2)
    done = crawl(tmp_path, msgspec.structs.replace(settings, fetch=fetch), "http://a.example/", "http://a.example/2")
    assert len(web.log) == 2
    assert set(done.reasons().values()) == {"robots_unavailable"}
    assert all(re.match(r"\d+ times in a row, \w+: ", row.detail) for row in done.drops.values())


def test_who_is_given_up_is_not_waited_for() -> None:
    host, pace = Host("a.example"), PaceSettings(max_silent=2)
    for _ in range(2):
        host.learned("http", SitePolicy(None, silent=True), pace)
    assert host.policies["http"].refusal == "robots_unavailable"
    assert host.ready_at < now() + 2 * pace.backoff_s
