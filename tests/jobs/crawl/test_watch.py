import asyncio
import io
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from crawlers.crawl_status import HostLeft, Status
from jobs.cli import main
from jobs.crawl.progress import CrawlProgress
from jobs.crawl.watch import Watch, metrics_of, page_of, status_line
from jobs.engine.progress import Progress
from schemas.settings import SettingsError
from tests.crawlers.servers import Reply, WebServer, page
from tests.jobs.crawl.test_crawl import start

ODD = 'odd "<b>"\n'
STATUSES = [
    Status({"page": 3}, {"200": 4}, {"robots": 1}, bytes=10, requests=5, queued=2, hosts=1,
           slowest=[HostLeft("a.example", 2, 40.0)]),
    Status({"page": 1, "image": 2}, {"404": 1}, {ODD: 1}, requests=3, queued=7, hosts=2,
           slowest=[HostLeft("b.example", 7, 70.0)]),
]  # fmt: skip


PROGRESS = CrawlProgress(Progress("crawl", stream=io.StringIO()))


def _watch(folder: Path, port: int = 0) -> Watch:
    (folder / "work").mkdir(exist_ok=True)
    watch = Watch(folder, port)
    watch.show(STATUSES, PROGRESS, is_paused=True)
    return watch


def test_the_state_of_all_partitions_is_summed(tmp_path: Path) -> None:
    metrics = metrics_of(_watch(tmp_path)._state).splitlines()
    for line in ('weft_crawl_visits_total{kind="page"} 4', 'weft_crawl_responses_total{status="404"} 1',
                 'weft_crawl_drops_total{reason="odd \\"<b>\\" "} 1', "weft_crawl_requests_total 8",
                 "weft_crawl_queued 9", "weft_crawl_paused 1", "weft_crawl_hosts_waiting 3",
                 "weft_crawl_left_seconds 70.0", 'weft_crawl_host_queued{host="b.example"} 7',
                 'weft_crawl_host_left_seconds{host="a.example"} 40.0'):  # fmt: skip
        assert line in metrics


def test_the_page_shows_the_slowest_hosts_first_and_escapes_what_others_wrote(tmp_path: Path) -> None:
    shown = page_of(_watch(tmp_path)._state)
    assert shown.index("b.example") < shown.index("a.example")
    assert "<b>" not in shown
    assert "<h1>paused</h1>" in shown


def test_the_line_says_whether_anybody_works_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="no crawl"):
        status_line(tmp_path)
    watch = _watch(tmp_path)
    assert status_line(tmp_path).startswith("paused, as of 0 s ago: 4 pages")
    now = time.time()
    monkeypatch.setattr("jobs.crawl.watch.time.time", lambda: now + 60)
    assert status_line(tmp_path).startswith("not running, as of 60 s ago")
    watch.show(STATUSES, PROGRESS, is_over=True)
    assert status_line(tmp_path).startswith("ended")


def test_page_and_figures_are_served_on_this_machine_alone(tmp_path: Path, unused_port: int) -> None:
    async def ask() -> list[str]:
        async with _watch(tmp_path, unused_port):
            with pytest.raises(SettingsError, match="--status-port"):
                await Watch(tmp_path, unused_port).__aenter__()
            address = f"http://127.0.0.1:{unused_port}"
            return [await asyncio.to_thread(_read, address + path) for path in ("/", "/metrics")]

    shown, metrics = asyncio.run(ask())
    assert "weft crawl" in shown
    assert "weft_crawl_requests_total 8" in metrics


def _read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())


@pytest.fixture
def unused_port() -> int:
    with WebServer() as server:
        return server.port


def test_a_crawl_leaves_its_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with WebServer({"/": Reply(page())}) as web:
        assert main(_arguments(web, tmp_path, 0.0)) == 0
    capsys.readouterr()
    assert main(["crawl", "-o", str(tmp_path), "--status"]) == 0
    assert capsys.readouterr().out.startswith("ended, as of")
    assert main(["crawl", "-o", str(tmp_path / "none"), "--status"]) == 2


def _arguments(web: WebServer, folder: Path, delay_s: float) -> list[str]:
    sets = ["--set", f'fetch.connect_to={{a.example: "{web.address}"}}', "--set", f"pace.delay_s={delay_s}"]
    return ["crawl", "http://a.example/", "-o", str(folder), "--engine", "inline", "--workers", "1", *sets]


@pytest.fixture
def site() -> Iterator[WebServer]:
    with WebServer() as web:
        web.routes |= {f"/{number}": Reply(page()) for number in range(200)}
        web.routes |= {"/": Reply(page(*web.routes))}
        yield web


def test_a_paused_crawl_says_so_and_so_does_a_wish_that_nobody_hears(
    site: WebServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert main([*_arguments(site, tmp_path, 0.05), "--max-pages", "1"]) == 0
    capsys.readouterr()
    assert main(["crawl", "-o", str(tmp_path), "--stop"]) == 0
    assert capsys.readouterr().out == f"no run works on {tmp_path}\n"
    assert main(["crawl", "-o", str(tmp_path), "--pause"]) == 0
    assert capsys.readouterr().out == f"no run works on {tmp_path}: the next one waits for --resume\n"
    assert main([*_arguments(site, tmp_path, 0.05), "--max-seconds", "0.5"]) == 0
    assert f"paused until {tmp_path / 'pause'} is removed, as `weft crawl --resume` does" in caplog.text


def test_a_run_that_was_killed_is_known_not_to_run_at_once(
    site: WebServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def status() -> str:
        main(["crawl", "-o", str(tmp_path), "--status"])
        return capsys.readouterr().out

    running = start(_arguments(site, tmp_path, 0.2))
    end = time.monotonic() + 60
    while not (said := status()).startswith("running") and time.monotonic() < end:
        time.sleep(0.05)
    running.kill()
    running.communicate()
    assert said.startswith("running")
    assert status().startswith("not running, as of")
