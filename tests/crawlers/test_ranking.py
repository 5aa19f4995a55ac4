"""In what order a spider goes where its settings give addresses points."""

import asyncio
import random
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from crawlers.crawl_status import Status
from crawlers.frontier import Frontier
from crawlers.items import Item
from crawlers.pace_settings import PaceSettings
from crawlers.ranking import Link, PrioritySettings, Ranking, band_of
from crawlers.scope import ScopeSettings
from crawlers.spider import Spider
from pipeline.page.links import find_links
from schemas.drops import Drop, StepError
from tests.crawlers.crawling import config, crawl
from tests.crawlers.servers import Reply, WebServer, page

ONE_BY_ONE = PaceSettings(delay_s=0.0, concurrency_per_host=1)


def in_german(*links: str) -> bytes:
    return page(*links).replace(b"<html>", b"<html lang=de-AT>")


def test_of_a_host_what_has_more_points_comes_first(web: WebServer, tmp_path: Path) -> None:
    web.routes["/"] = Reply(page("/a", "/blog/1", "/b", "/blog/old/2", "/news/3", images=("/i.png",)))
    priority = PrioritySettings(patterns={"/blog/": 2.0, "/old/": -5.0, r"/news/\d": 1.0})
    crawl(tmp_path, config(web, ONE_BY_ONE, priority=priority), "http://a.example/")
    assert web.paths() == ["/", "/blog/1", "/news/3", "/i.png", "/a", "/b", "/blog/old/2"]


def test_among_hosts_those_with_more_points_come_first_and_none_is_asked_faster(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {"/": Reply(page("/1", "/2")), "/1": Reply(page()), "/2": Reply(page())}
    pace = PaceSettings(delay_s=0.05, concurrency_per_host=1, rest_factor=0.0)
    priority = PrioritySettings(patterns={"//c": 3.0, "//e": 9.0, "//a": -1.0})
    settings = config(web, pace, priority=priority, max_in_flight=1)
    crawl(tmp_path, settings, *(f"http://{name}.example/" for name in "abcdef"))
    first = list(dict.fromkeys(line.host[0] for line in web.log))
    assert first[:2] == ["e", "c"]
    assert first[-1] == "a"
    for name in "ace":
        times = [line.time for line in web.log if line.host == f"{name}.example"]
        assert times[-1] - times[0] > (len(times) - 1) * 0.05 - 0.04  # a busy machine may log one late


def test_the_language_of_a_page_gives_points_to_its_links(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {
        "/": Reply(page("/en", "/fr", "/de")), "/en": Reply(page("/en/1", "/both")),
        "/fr": Reply(page("/fr/1"), headers=(("Content-Language", "fr"),)), "/de": Reply(in_german("/de/1", "/both")),
    }  # fmt: skip
    priority = PrioritySettings(languages={"DE": 2.0, "fr": 1.0, "de-at": 3.0})
    crawl(tmp_path, config(web, ONE_BY_ONE, priority=priority), "http://a.example/")
    assert web.paths() == ["/", "/en", "/fr", "/fr/1", "/de", "/both", "/de/1", "/en/1"]


def test_what_many_pages_lead_to_comes_first(web: WebServer, tmp_path: Path) -> None:
    web.routes["/"] = Reply(page(*(f"/{n}" for n in range(9))))
    web.routes |= {f"/{n}": Reply(page(f"/of/{n}", "/hot")) for n in range(9)}
    crawl(tmp_path, config(web, ONE_BY_ONE, priority=PrioritySettings(points_per_doubling=1.0)), "http://a.example/")
    assert web.paths().index("/hot") == 3  # behind the first two that lead there
    assert len(web.paths()) == 1 + 9 + 9 + 1


def ranked(points: dict[str, float]) -> Ranking:
    """By a function of the user's own that knows each address."""
    return Ranking(PrioritySettings(use="my:points"), lambda links: [points.get(link.url, 0.0) for link in links], "v1")


def order(folder: Path, ranking: Ranking, items: Sequence[Item] = (), takes: int = 1000) -> list[str]:
    """Addresses as a spider with this ranking takes them."""

    async def run() -> list[str]:
        async with Spider(folder, 0, config(WebServer(port=80)), find_links, ranking=ranking) as spider:
            spider.offer(await spider.ranked(items))
            frontier, taken = spider.frontier, list[str]()
            with frontier.transaction():
                while len(taken) < takes and (hosts := frontier.hosts.due(2e9, 1)):
                    visit = frontier.take(hosts[0])
                    assert visit is not None
                    frontier.done(visit)
                    taken.append(visit.item.url)
            return taken

    return asyncio.run(run())


def test_the_order_is_that_of_the_points_over_kills_and_is_the_same_each_time(tmp_path: Path) -> None:
    draw = random.Random(5)
    urls = [f"http://h{draw.randrange(40)}.example/{n}" for n in range(400)]
    points = {url: draw.choice((-3.0, 0.0, 0.5, 2.0, 40.0)) for url in urls}
    items = [Item(url, "page") for url in urls]
    whole = order(tmp_path / "one", ranked(points), items)
    assert sorted(whole) == sorted(urls)
    assert [points[url] for url in whole] == sorted(points.values(), reverse=True)
    assert order(tmp_path / "other", ranked(points), items) == whole
    parts = order(tmp_path / "parts", ranked(points), items, takes=111)
    while more := order(tmp_path / "parts", ranked(points), takes=97):
        parts += more
    assert parts == whole


def test_other_points_hold_for_what_is_queued(tmp_path: Path) -> None:
    urls = [f"http://h{n % 7}.example/{n}" for n in range(1200)]
    order(tmp_path, Ranking(), [Item(url, "page") for url in urls], takes=10)
    wanted = {urls[-1]: 9.0, urls[-2]: 6.0, urls[700]: 3.0}
    assert order(tmp_path, ranked(wanted), takes=2) == [urls[-1], urls[-2]]
    assert order(tmp_path, Ranking(), takes=7)[0] != urls[700]  # and no points at all again
    assert order(tmp_path, ranked(wanted), takes=1) == [urls[700]]


def test_a_link_to_what_is_known_raises_it_and_never_lowers_it(tmp_path: Path) -> None:
    ranking = Ranking(PrioritySettings(languages={"de": 2.0, "fr": -2.0}))
    frontier = Frontier(tmp_path / "f.sqlite", ScopeSettings())
    frontier.intake.counts_links = True
    for language in ("fr", "de", "en", "fr"):
        link = Link("http://a.example/", "page", language=language)
        (score,) = asyncio.run(ranking.points([link], Status()))
        with frontier.transaction():
            frontier.intake.add(Item(link.url, "page", language=language, score=score))
    assert frontier.intake.standing(Item("http://a.example/", "page")) == (4, 2.0)
    frontier.close()


def test_hosts_that_are_due_are_found_without_a_look_at_the_others(tmp_path: Path) -> None:
    draw = random.Random(7)
    frontier = Frontier(tmp_path / "f.sqlite", ScopeSettings())
    with frontier.transaction():
        for n in range(300):
            frontier.intake.add(Item(f"http://h{n}.example/", "page", score=float(draw.randrange(-2, 3))))
            host = frontier.hosts.get(f"h{n}.example")
            host.ready_at = float(draw.randrange(1, 200))
            frontier.hosts.touch(host)
    rows = frontier._db.execute("SELECT name, band, ready_at FROM hosts").fetchall()
    for at, limit in ((100.0, 10), (100.0, 1000), (3.0, 2), (0.0, 5)):
        due = sorted((-band, ready_at, name) for name, band, ready_at in rows if ready_at <= at)[:limit]
        found = [host.name for host in frontier.hosts.due(at, limit)]
        bands = {name: (-band, ready_at) for name, band, ready_at in rows}
        assert [bands[name] for name in found] == [row[:2] for row in due]
    for sql in (
        "SELECT max(band) FROM hosts WHERE waits = 1 AND band < 3",
        "SELECT name FROM hosts WHERE waits = 1 AND band = 1 AND ready_at <= 9 ORDER BY ready_at LIMIT 5",
        "SELECT id FROM visits WHERE state = 0 AND host = 1 AND not_before < 9 ORDER BY score DESC, depth, id LIMIT 2",
    ):
        plan = " ".join(row[3] for row in frontier._db.execute(f"EXPLAIN QUERY PLAN {sql}"))
        assert "SEARCH" in plan, plan
        assert "TEMP B-TREE" not in plan, plan
    frontier.close()


def test_bands_are_few_and_in_the_order_of_points() -> None:
    scores = [-1e300, -1e6, -7.0, -0.2, 0.0, 0.2, 1.0, 1.2, 30.0, 40.0, 1e6, 1e300]
    bands = [band_of(score) for score in scores]
    assert bands == sorted(bands)
    assert len(set(bands)) == len(scores)
    assert max(bands) <= 127


def test_a_frontier_of_before_is_gone_on_with(tmp_path: Path) -> None:
    frontier = Frontier(tmp_path / "f.sqlite", ScopeSettings())
    with frontier.transaction():
        frontier.intake.add(Item("http://a.example/1", "page", 2))
        frontier.intake.add(Item("http://a.example/2", "page", 1))
    frontier.close()
    with sqlite3.connect(tmp_path / "f.sqlite") as db:
        db.executescript(
            "DROP INDEX ranked; DROP INDEX ready; DROP INDEX ready_in_band; DROP INDEX fullest_then;"
            "DROP TRIGGER host_begins; DROP TRIGGER host_turns; ALTER TABLE visits DROP COLUMN score;"
            "ALTER TABLE visits DROP COLUMN links; ALTER TABLE hosts DROP COLUMN band;"
            "ALTER TABLE hosts DROP COLUMN waits; ALTER TABLE hosts DROP COLUMN queued_then;"
            "CREATE INDEX queue ON visits (host, depth, id) WHERE state = 0;"
            "CREATE INDEX due ON hosts (ready_at) WHERE queued > 0;"
            "CREATE TRIGGER host_turns AFTER UPDATE OF queued ON hosts WHEN (NEW.queued > 0) <> (OLD.queued > 0) BEGIN "
            "UPDATE totals SET n = n + (NEW.queued > 0) - (OLD.queued > 0) WHERE name = 'waiting'; END;"
        )
    frontier = Frontier(tmp_path / "f.sqlite", ScopeSettings())
    with frontier.transaction():
        visit = frontier.take(frontier.hosts.get("a.example"))
    assert visit is not None
    assert visit.item.url == "http://a.example/2"
    assert (frontier.hosts.names_waiting(), frontier.hosts.fullest(2)) == (["a.example"], [("a.example", 1)])
    frontier.close()


def test_what_a_function_fails_on_has_the_points_of_the_settings_and_is_counted() -> None:
    def own(links: Sequence[Link]) -> list[float | str]:
        return ["ValueError: odd" if "odd" in link.url else 1.0 for link in links]

    settings, status = PrioritySettings(patterns={"a": 5.0}, use="my:points"), Status()
    links = [Link(f"http://a.example/{name}", "page") for name in ("even", "odd", "even2")]
    assert asyncio.run(Ranking(settings, own).points(links, status)) == [6.0, 5.0, 6.0]
    assert status.drops == {"points of an address: step_failed": 1}

    def hangs(links: Sequence[Link]) -> list[float | str]:
        raise Drop("timeout", "over 10 s")

    ranking = Ranking(settings, hangs)
    assert asyncio.run(ranking.points(links, status)) == [5.0, 5.0, 5.0]
    assert status.drops["points of an address: timeout"] == 1
    for _ in range(18):
        asyncio.run(ranking.points(links, status))
    with pytest.raises(StepError, match=r"my:points: 20 failures in a row, last http://a.example/even: timeout"):
        asyncio.run(ranking.points(links, status))


@pytest.mark.parametrize(
    "wrong", [{"patterns": {"(?=x)": 1.0}}, {"patterns": {"x": float("inf")}}, {"languages": {"de": float("nan")}}]
)
def test_wrong_settings_are_refused(wrong: dict[str, dict[str, float]]) -> None:
    with pytest.raises((ValueError, msgspec.ValidationError)):
        PrioritySettings(**wrong)  # type: ignore[arg-type]
