"""Points for addresses by a function of the user's own, in the child process that it runs in."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import weft
from crawlers.crawl_config import CrawlConfig
from crawlers.ranking import Link, PrioritySettings
from jobs.crawl.own_points import GivePoints, find_points, own_points
from jobs.engine.isolation import IsolationSettings
from schemas.drops import Drop, StepError
from schemas.settings import SettingsError
from tests.crawlers.servers import Reply, WebServer, page

OWN = __name__


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


def by_path(link: weft.Link, word: str = "news") -> float:
    if "odd" in link.url:
        raise ValueError("odd")
    return float(link.url.count(word)) + link.links


def hangs(link: weft.Link) -> float:
    while os.getpid() != link.depth:  # not where it is tried
        time.sleep(1)
    return 0.0


def forgets(link: weft.Link) -> None:
    pass


def infinite_for_some(link: weft.Link) -> float:
    return float("inf") if "trial" not in link.url else 0.0


def test_points_come_from_a_child_process_and_what_hangs_is_ended() -> None:
    settings = PrioritySettings(use=f"{OWN}:by_path", settings={"word": "sport"})
    links = [Link(f"https://a.example/{name}", "page", links=3) for name in ("sport", "odd", "news")]
    pool = own_points(settings, by_path, IsolationSettings(timeout_s=20))
    try:
        assert list(pool(links)) == [4.0, "ValueError: odd", 3.0]
    finally:
        pool.close()
    pool = own_points(PrioritySettings(use=f"{OWN}:hangs"), hangs, IsolationSettings(timeout_s=0.5))
    try:
        with pytest.raises(Drop, match="timeout"):
            pool(links)
    finally:
        pool.close()
    with pytest.raises(StepError, match=r"must return a finite number, not inf, for https://a.example/sport"):
        GivePoints("my:own", infinite_for_some, {})(links)


@pytest.mark.parametrize(
    ("priority", "said"),
    [
        ({"use": f"{OWN}:nowhere"}, "has no function nowhere"),
        ({"use": "nowhere"}, "named module:function"),
        ({"use": f"{OWN}:by_path", "settings": {"wrd": "x"}}, "no setting wrd; it has word"),
        ({"use": f"{OWN}:by_path", "settings": {"word": 3}}, "setting word: Expected `str`, got `int`"),
        ({"use": f"{OWN}:forgets"}, "must return a finite number, not NoneType"),
        ({"use": "tests.jobs.crawl.test_own_points:Path"}, "not a class"),
        ({"settings": {"word": "x"}}, "priority.use names none"),
    ],
)
def test_what_is_wrong_with_a_function_is_said_before_any_work(
    tmp_path: Path, priority: dict[str, object], said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        find_points(PrioritySettings(**priority))  # type: ignore[arg-type]
    with pytest.raises(SettingsError):
        weft.crawl(tmp_path / "out", "https://a.example/", {"priority": priority}, engine="inline")
    assert not (tmp_path / "out").exists()


def test_a_crawl_goes_by_a_function_in_a_file_beside_it(
    web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_points.py").write_text(
        "def points(link, like):\n    return (like in link.url) * 2 + (link.kind == 'image')\n"
    )
    monkeypatch.chdir(tmp_path)
    web.routes["/"] = Reply(page("/1", "/cats/2", "/3", images=("/4.png",)))
    config = CrawlConfig(priority=PrioritySettings(use="my_points:points", settings={"like": "cats"}))
    settings = {"fetch.connect_to": {"a.example": web.address}, "pace.delay_s": 0.01, "partitions": 1}
    weft.crawl(tmp_path / "out", "http://a.example/", config, settings=settings, engine="inline")
    assert web.paths() == ["/", "/cats/2", "/4.png", "/1", "/3"]
