"""The frontier's own counts, which a status reads several times a second."""

import random
import sqlite3
from pathlib import Path

import pytest

from crawlers.frontier import Frontier
from crawlers.items import Item
from crawlers.scope import ScopeSettings


def counted(path: Path) -> tuple[int, int, int]:
    """What is queued and unsent, and hosts that have something queued, as a look at every row finds them."""
    with sqlite3.connect(path) as db:
        (queued,) = db.execute("SELECT count(*) FROM visits WHERE state = 0").fetchone()
        (unsent,) = db.execute("SELECT count(*) FROM outbox").fetchone()
        (hosts,) = db.execute("SELECT count(*) FROM hosts WHERE queued > 0").fetchone()
        return int(queued), int(unsent), int(hosts)


def test_totals_are_those_of_the_rows_whatever_was_done(tmp_path: Path) -> None:
    draw, path = random.Random(3), tmp_path / "f.sqlite"
    frontier = Frontier(path, ScopeSettings())
    for step in range(400):
        host = frontier.hosts.get(f"h{draw.randrange(5)}.example")
        try:
            with frontier.transaction():
                match draw.randrange(6):
                    case 0 | 1:
                        for _ in range(3):
                            url = f"http://h{draw.randrange(5)}.example/{draw.randrange(90)}"
                            frontier.intake.add(Item(url, draw.choice(("page", "image")), step % 4))
                    case 2 | 3:
                        if visit := frontier.take(host):
                            match draw.randrange(4):
                                case 0:
                                    frontier.done(visit)
                                case 1:
                                    frontier.drop(visit, "http_status", "404")
                                case 2:
                                    frontier.again(visit, 0.0)
                                case 3:
                                    frontier.moved(visit, Item(f"http://h9.example/{step}", "page"))
                    case 4:
                        frontier.post(1, Item("http://far.example/", "page"))
                        frontier.delivered([number for number, _, _ in frontier.outbox(1)] * draw.randrange(2))
                    case 5 if not draw.randrange(8):
                        for _ in range(draw.randrange(9)):  # of a large host some at a time
                            frontier.give_up_host(host, "host_down", "", 2)
                if not draw.randrange(10):
                    raise KeyError  # all of it is taken back
        except KeyError:
            pass
        assert (frontier.queued(), frontier.unsent(), frontier.hosts.waiting()) == counted(path)
        if step % 50 == 49:
            frontier.close()
            frontier = Frontier(path, ScopeSettings())
            assert (frontier.queued(), frontier.unsent(), frontier.hosts.waiting()) == counted(path)
    frontier.close()


def test_a_status_scans_no_hosts(tmp_path: Path) -> None:
    asked: list[str] = []
    frontier = Frontier(tmp_path / "f.sqlite", ScopeSettings())
    frontier._db.set_trace_callback(asked.append)
    frontier.queued()
    frontier.unsent()
    frontier.hosts.waiting()
    frontier.hosts.fullest(20)
    frontier._db.set_trace_callback(None)
    assert len(asked) == 4
    for sql in asked:
        plan = " ".join(row[3] for row in frontier._db.execute(f"EXPLAIN QUERY PLAN {sql}"))
        assert "USE TEMP B-TREE" not in plan, plan
        assert "SEARCH" in plan or "USING INDEX fullest_then" in plan, plan


def test_a_visit_more_changes_no_index_of_hosts(tmp_path: Path) -> None:
    asked: list[str] = []
    frontier = Frontier(tmp_path / "f.sqlite", ScopeSettings())
    with frontier.transaction():
        frontier.intake.add(Item("http://a.example/1", "page"))
        frontier._db.set_trace_callback(asked.append)
        frontier.intake.add(Item("http://a.example/2", "page"))
        frontier._db.set_trace_callback(None)
    (sql,) = {one for one in asked if one.startswith("UPDATE hosts")}
    program = [row[1] for row in frontier._db.execute(f"EXPLAIN {sql}")]
    steps = program[: program.index("Halt")]  # of the triggers comes behind
    assert "Insert" in steps
    assert not {"IdxInsert", "IdxDelete"} & set(steps)
    assert frontier.hosts.fullest(5) == [("a.example", 2)]
    frontier.close()


def test_the_fullest_hosts_are_known_once_they_were_asked(tmp_path: Path) -> None:
    frontier = Frontier(tmp_path / "f.sqlite", ScopeSettings())
    with frontier.transaction():
        for host, n in (("a", 1), ("b", 5), ("c", 9), ("d", 3)):
            for number in range(n):
                frontier.intake.add(Item(f"http://{host}.example/{number}", "page"))
            frontier.take(frontier.hosts.get(f"{host}.example"))
    assert frontier.hosts.fullest(2) == [("c.example", 8), ("b.example", 4)]
    frontier.close()
    assert Frontier(tmp_path / "f.sqlite", ScopeSettings()).hosts.fullest(2) == [("c.example", 9), ("b.example", 5)]


def test_sitemaps_that_name_more_and_more_come_to_an_end(tmp_path: Path) -> None:
    for _ in range(2):  # a rerun counts on
        frontier = Frontier(tmp_path / "f.sqlite", ScopeSettings(max_sitemaps_per_host=3))
        with frontier.transaction():
            for host in ("a", "b"):
                for number in range(5):
                    frontier.intake.add(Item(f"http://{host}.example/{frontier.queued()}/{number}", "sitemap"))
        assert frontier.queued() == 6
        refused = frontier.refused()
        frontier.close()
    assert refused == {"host_budget": 14}


def test_a_disk_that_takes_nothing_more_is_told_as_such_in_a_transaction_and_without(tmp_path: Path) -> None:
    frontier = Frontier(tmp_path / "f.sqlite", ScopeSettings())
    with frontier.transaction():
        frontier.intake.add(Item("http://a.example/", "page"))
    host = frontier.hosts.get("a.example")
    frontier._db.execute("PRAGMA query_only = 1")  # writing fails as it does on a full disk
    with pytest.raises(OSError, match="readonly"):
        frontier.hosts.touch(host)
    with pytest.raises(OSError, match="readonly"), frontier.transaction():
        frontier.hosts.save(host)
