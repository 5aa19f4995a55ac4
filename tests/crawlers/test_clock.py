"""A crawl on a machine whose clock is set while it runs, and between two runs of it."""

import time
from pathlib import Path

import msgspec
import pytest

from crawlers import clock
from crawlers.frontier import Frontier
from crawlers.hosts import Host
from crawlers.items import Item
from crawlers.pace_settings import PaceSettings
from crawlers.scope import ScopeSettings
from crawlers.site_policy import SitePolicy
from tests.crawlers.crawling import config, crawl
from tests.crawlers.servers import Reply, Request, WebServer, page

HOUR_S = 3600.0
PACE = PaceSettings(delay_s=0.1, concurrency_per_host=1, backoff_s=0.1)


@pytest.mark.parametrize("turned_s", [-HOUR_S, HOUR_S])
def test_a_clock_that_is_set_during_a_crawl_changes_nothing(
    web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turned_s: float
) -> None:
    wall = time.time

    def set_clock(_: Request) -> Reply:
        monkeypatch.setattr(time, "time", lambda: wall() + turned_s)
        return Reply(page("/2", "/3"))

    web.routes |= {"/": set_clock, "/2": Reply(page()), "/3": Reply(page("/"))}
    outcome = crawl(tmp_path, config(web, PACE), "http://a.example/", limit_s=10.0)
    assert outcome.status.queued == 0
    assert len(outcome.urls()) == 3


def test_a_crawl_that_began_an_hour_ahead_goes_on_at_once(
    web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.routes |= {"/": Reply(page("/2")), "/2": Reply(b"", status=503), "/3": Reply(page())}
    with monkeypatch.context() as ahead:
        ahead.setattr(clock, "_BEGAN", clock._BEGAN + HOUR_S)
        crawl(tmp_path, config(web, PACE), "http://a.example/", limit_s=0.8)
    web.routes["/2"] = Reply(page())
    outcome = crawl(tmp_path, config(web, PACE), "http://a.example/3", limit_s=10.0)
    assert outcome.status.queued == 0
    assert {"http://a.example/2", "http://a.example/3"} <= set(outcome.urls())


def test_what_a_server_asked_for_is_waited_for_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began = clock.now()
    with monkeypatch.context() as ahead:
        ahead.setattr(clock, "_BEGAN", clock._BEGAN + HOUR_S)
        frontier = Frontier(tmp_path / "frontier.sqlite", ScopeSettings())
        with frontier.transaction():
            frontier.intake.add(Item("http://a.example/", "page"))
            host = frontier.hosts.get("a.example")
            host.failed(PACE, after_s=500.0)
            frontier.hosts.save(host)
            frontier.keep_clock()
        frontier.close()
    frontier = Frontier(tmp_path / "frontier.sqlite", ScopeSettings())
    due = frontier.hosts.next_due()
    assert due is not None
    assert 499 < due - began < 560
    frontier.close()


def test_policies_of_the_future_are_fetched_anew() -> None:
    policy = SitePolicy("", fetched_at=clock.now() + HOUR_S)
    assert Host("a.example", policies={"http": policy}).policy("http", PACE, clock.now()) is None
    known = msgspec.structs.replace(policy, fetched_at=clock.now() - HOUR_S)
    assert Host("a.example", policies={"http": known}).policy("http", PACE, clock.now()) is known
