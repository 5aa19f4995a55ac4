"""A frontier cut into another number of partitions: nothing is lost, nothing is twice, wherever it is killed."""

import asyncio
import random
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crawlers import repartition as repartitioning
from crawlers.crawl_config import CrawlConfig
from crawlers.crawl_status import Status
from crawlers.frontier import Frontier
from crawlers.items import Item, Visit
from crawlers.repartition import forget, is_begun, repartition, settle
from crawlers.scope import ScopeSettings, partition_of
from crawlers.spider import Spider
from crawlers.warc_writer import Payload, Position
from pipeline.page.links import find_links
from tests.crawlers.crawling import config
from tests.crawlers.servers import WebServer

SCOPE = ScopeSettings(max_pages_per_domain=50)
CONFIG = CrawlConfig(scope=SCOPE)
KINDS = ("page", "page", "image", "video", "sitemap")


def made(folder: Path, partitions: int, seed: int, steps: int = 100) -> None:
    """A crawl in the middle: of every kind of row some."""
    draw = random.Random(seed)
    for number in range(partitions):
        frontier = Frontier(folder / "work" / "frontier" / f"{number:03d}.sqlite", SCOPE)
        with frontier.transaction():
            for step in range(steps):
                host = f"{draw.choice(('', 'www.'))}d{draw.randrange(12)}.org{draw.choice(('', ':8080'))}"
                url = f"http://{host}/{draw.choice(('', 'index.html', str(draw.randrange(40)), f'?id={step}'))}"
                item = Item(
                    url, draw.choice(KINDS), draw.randrange(4), 0, (f"{url}#2",), "http://d1.example/",
                    (f"http://d2.example/via{step}",) * draw.randrange(2), score=float(draw.randrange(3)),
                )  # fmt: skip
                if partition_of(url, partitions) == number:
                    frontier.intake.add(item)
                elif not draw.randrange(9):
                    frontier.post(partition_of(url, partitions), item)
            for domain in (
                f"d{n}.example" for n in range(12) if partition_of(f"http://d{n}.example", partitions) == number
            ):
                frontier.intake.add(Item(f"http://{domain}/old/index.html", "page"))
                dead = Item(f"http://{domain}/old/", "page")
                (visit,) = frontier._db.execute("SELECT id FROM visits WHERE key = ?", (dead.key,)).fetchone()
                frontier.drop(Visit(visit, dead, 0), "http_status", "404")
                frontier.intake.add(dead)
            frontier.intake._refuse("trap")
            for host in frontier.hosts.due(2e9, 9):
                host.failures, host.requests, host.ready_at = draw.randrange(3), 7, 1e9 + draw.randrange(99)
                frontier.hosts.save(host)
                if (visit := frontier.take(host)) is None:
                    continue
                match draw.randrange(4):
                    case 0:
                        frontier.done(visit, (f"weft-{number:03d}-000000.warc.gz", 10))
                        position = Position("x.warc.gz", draw.randrange(99), 5)
                        frontier.keep_media(visit, position, visit.item.url)
                        frontier.add_payload(f"sha256:{visit.id}.{number}", Payload(visit.item.url, "", "", position))
                    case 1:
                        frontier.drop(visit, "http_status", "404")
                    case 2:
                        frontier.again(visit, 2e9)
            status = Status(visits={"page": 3, "image": number}, drops={"robots": 1}, bytes=10, requests=5)
            frontier.set_fact("status", msgspec.msgpack.encode(status))
            frontier.keep_clock()
        frontier.close()


def told(folder: Path) -> tuple[dict[str, Counter[Any]], int]:
    """All rows of all partitions, by what they say and not by their numbers; each is where it belongs."""
    paths = sorted((folder / "work" / "frontier").glob("*.sqlite"))
    found: dict[str, Counter[Any]] = {}
    for number, path in enumerate(paths):
        Frontier(path, SCOPE).close()  # what was in flight is queued again
        with closing(sqlite3.connect(path)) as db:
            for table, columns in (
                ("visits", "key, host, item, depth, state, tries, not_before, reason, detail, file, offset, score"),
                ("hosts", "name, queued, pages, ready_at, failures, requests, policies, band"),
                ("shapes", "*"), ("domains", "*"), ("dead", "*"), ("payloads", "*"), ("outbox", "item"),
            ):  # fmt: skip
                found.setdefault(table, Counter()).update(db.execute(f"SELECT {columns} FROM {table}").fetchall())
            for table in ("aliases", "vias", "media"):
                rows = db.execute(f"SELECT v.key, b.* FROM {table} AS b JOIN visits AS v ON v.id = b.visit").fetchall()
                found.setdefault(table, Counter()).update(row[:1] + row[2:] for row in rows)
            found.setdefault("refused", Counter()).update(dict(db.execute("SELECT * FROM refused").fetchall()))
            for (host,) in db.execute("SELECT host FROM visits UNION SELECT name FROM hosts"):
                assert partition_of(f"http://{host}/", len(paths)) == number
            for partition, item in db.execute("SELECT partition, item FROM outbox"):
                assert partition == partition_of(msgspec.msgpack.decode(item, type=Item).url, len(paths))
            (unsent,) = db.execute("SELECT n FROM totals WHERE name = 'unsent'").fetchone()
            assert unsent == db.execute("SELECT count(*) FROM outbox").fetchone()[0]
            if saved := db.execute("SELECT value FROM facts WHERE name = 'status'").fetchone():
                status = msgspec.msgpack.decode(saved[0], type=Status)
                found.setdefault("status", Counter()).update({**status.visits, **status.drops, "b": status.bytes})
    return found, len(paths)


@pytest.mark.parametrize(("old", "new"), [(1, 4), (3, 2), (4, 1), (2, 5)])
def test_all_that_is_known_of_a_host_goes_with_it_and_back_again(tmp_path: Path, old: int, new: int) -> None:
    made(tmp_path, old, old)
    before, _ = told(tmp_path)
    assert all(before[table] for table in ("visits", "aliases", "vias", "media", "payloads", "dead", "shapes"))
    for wanted, there in ((new, old), (old, new)):
        repartition(tmp_path, there, wanted, CONFIG)
        assert told(tmp_path) == (before, wanted)
        forget(tmp_path)
        assert not is_begun(tmp_path)
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["frontier"]


class Killed(BaseException):
    pass


def test_killed_anywhere_it_is_all_of_the_old_or_all_of_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[int] = []
    made(tmp_path / "whole", 2, 5, steps=30)
    before, _ = told(tmp_path / "whole")
    for kill_at in range(60):
        folder = tmp_path / str(kill_at)
        shutil.copytree(tmp_path / "whole", folder)
        steps = iter(range(10_000))

        def step(kill_at: int = kill_at, steps: Any = steps) -> None:
            if next(steps) == kill_at:
                raise Killed

        with monkeypatch.context() as patched:
            for module, name in ((Path, "rename"), (Path, "write_text"), (shutil, "rmtree")):
                patched.setattr(module, name, _counted(getattr(module, name), step))
            for name in ("_move_hosts", "_share", "_sync"):
                patched.setattr(repartitioning, name, _counted(getattr(repartitioning, name), step))
            try:
                repartition(folder, 2, 3, CONFIG)
            except Killed:
                pass
            else:
                break
        ends.append(settle(folder) or 2)
        assert told(folder) == (before, ends[-1])
        assert settle(folder) == (3 if ends[-1] == 3 else 0)  # and once more
        if kill_at % 9 == 0:  # another number is asked for now
            repartition(folder, ends[-1], 4, CONFIG)
            assert told(folder) == (before, 4)
    assert sorted(ends) == ends
    assert {2, 3} <= set(ends)
    assert len(ends) < 60


def _counted(call: Any, step: Any) -> Any:
    def counted(*arguments: Any, **named: Any) -> Any:
        step()
        return call(*arguments, **named)

    return counted


def test_what_two_partitions_took_for_two_pages_is_not_lost_where_it_is_one(tmp_path: Path) -> None:
    """Of a top-level domain that is on no list `www.d.example` is a domain of its own."""
    urls = ("http://d8.example/", "http://www.d8.example/")
    assert partition_of(urls[0], 3) != partition_of(urls[1], 3)
    for number in range(3):
        frontier = Frontier(tmp_path / "work" / "frontier" / f"{number:03d}.sqlite", SCOPE)
        with frontier.transaction():
            for url in urls:
                if partition_of(url, 3) == number:
                    frontier.intake.add(Item(url, "page"))
        frontier.close()
    repartition(tmp_path, 3, 1, CONFIG)
    frontier, asked = Frontier(tmp_path / "work" / "frontier" / "000.sqlite", SCOPE), []
    with frontier.transaction():
        while frontier.queued():
            for host in frontier.hosts.due(2e9, 9):
                if visit := frontier.take(host):
                    asked.append(visit.item.url)
                    frontier.drop(visit, "http_status", "404")
    frontier.close()
    assert sorted(asked) == sorted(urls)  # the second as the first led nowhere


def test_archives_of_partitions_that_come_and_go_keep_their_names(tmp_path: Path) -> None:
    for number in range(3):
        frontier = Frontier(tmp_path / "work" / "frontier" / f"{number:03d}.sqlite", SCOPE)
        with frontier.transaction():
            frontier.set_fact("place", msgspec.msgpack.encode((f"weft-{number:03d}-00000{number}.warc.gz", 0)))
        frontier.close()
    for there, wanted in ((3, 1), (1, 2), (2, 3)):
        repartition(tmp_path, there, wanted, CONFIG)
        forget(tmp_path)
    for number in range(3):
        frontier = Frontier(tmp_path / "work" / "frontier" / f"{number:03d}.sqlite", SCOPE)
        place = msgspec.msgpack.decode(frontier.fact("place"))
        frontier.close()
        assert place == [f"weft-{number:03d}-00000{number}.warc.gz", 0]


def test_a_spider_leaves_a_frontier_of_another_number_of_partitions_alone(web: WebServer, tmp_path: Path) -> None:
    async def opened(partitions: int) -> None:
        settings = msgspec.structs.replace(config(web), partitions=partitions)
        async with Spider(tmp_path, 0, settings, find_links):
            pass

    asyncio.run(opened(2))
    with pytest.raises(OSError, match="is in 2 partitions now, not 3"):
        asyncio.run(opened(3))
    asyncio.run(opened(2))
