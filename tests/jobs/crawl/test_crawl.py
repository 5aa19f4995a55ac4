"""Whole crawls: the command, kills, resumption, Ray, and a build of what was crawled."""

import contextlib
import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from warcio.checker import Checker

from crawlers.items import Item
from jobs.build import build
from jobs.cli import main
from jobs.config import load_config
from jobs.crawl.seeds import read_seeds
from jobs.engine.engine import EngineSettings
from schemas.settings import SettingsError
from tests.crawlers.captures import captured_addresses
from tests.crawlers.servers import Reply, WebServer, page
from tests.jobs.processes import ray_processes
from tests.jobs.site import article, photo

HOSTS = [f"site{number}.example" for number in range(4)]
PAGES = 6
INLINE = EngineSettings(engine="inline")
_DEADLINE_S = 60
SHARED = ["corpus.max_image_places=null"]  # the pages of these sites show few pictures many times


@pytest.fixture
def web() -> Iterator[WebServer]:
    """Four hosts that link to one another: articles with two pictures each, one picture on all of them."""
    with WebServer() as server:
        for host_number, host in enumerate(HOSTS):
            for number in range(PAGES):
                seed = host_number * PAGES + number
                onward = f"<a href='/{number + 1}'>on</a>" if number + 1 < PAGES else ""
                across = f"<a href='http://{HOSTS[(host_number + 1) % 4]}/{number}'>across</a>"
                html = article(seed, [f"/{seed}.jpg", "/shared.jpg"]).replace("</body>", onward + across + "</body>")
                server.routes[f"{host}/{number}"] = Reply(html.encode(), delay_s=0.01)
                server.routes[f"{host}/{seed}.jpg"] = Reply(photo(seed), "image/jpeg", delay_s=0.01)
            server.routes[f"{host}/shared.jpg"] = Reply(photo(1000), "image/jpeg")
        yield server


def arguments(web: WebServer, out: Path, *more: str, delay_s: float = 0.0) -> list[str]:
    names = dict.fromkeys(HOSTS, web.address)
    settings = {"fetch.connect_to": names, "pace.delay_s": delay_s, "scope.follow": "any", "partitions": 3}
    sets = [word for name, value in settings.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    return ["crawl", f"http://{HOSTS[0]}/0", "-o", str(out), *sets, "--contact", "test@example.org", *more]


def start(arguments: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "jobs.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def archives(out: Path) -> list[Path]:
    return sorted((out / "warc").glob("*.warc.gz"))


def recorded(out: Path) -> Counter[str]:
    """How often each address was recorded, policy files left out; every archive is checked by warcio."""

    class Arguments:
        inputs = [str(path) for path in archives(out)]  # noqa: RUF012
        verbose = False

    assert Checker(Arguments()).process_all() == 0
    return captured_addresses(out)


EVERYTHING = {
    *(f"http://{host}/{number}" for host in HOSTS for number in range(PAGES)),
    *(f"http://{host}/{seed}.jpg" for n, host in enumerate(HOSTS) for seed in range(n * PAGES, (n + 1) * PAGES)),
    *(f"http://{host}/shared.jpg" for host in HOSTS),
}


@pytest.mark.parametrize("engine", ["inline", "ray"])
def test_a_crawl_visits_all_once_and_can_be_built(web: WebServer, tmp_path: Path, engine: str) -> None:
    out = tmp_path / "crawl"
    done = start(arguments(web, out, "--engine", engine, "--workers", "2"))
    stdout, errors = done.communicate(timeout=_DEADLINE_S)
    assert done.returncode == 0, errors
    assert "24 pages, 28 images" in stdout
    assert recorded(out) == Counter(EVERYTHING)
    assert max(Counter((line.host, line.path) for line in web.log).values()) == 1
    report = json.loads((out / "crawl.json").read_text())
    assert (report["finished"], report["pages"], report["images"]) == (True, 24, 28)
    dataset = build(
        str(tmp_path / "set"), [str(path) for path in archives(out)], load_config("default", SHARED), INLINE
    )
    assert dataset.kinds["interleaved"].samples == 24
    assert dataset.kinds["interleaved"].images == 48
    assert dataset.drops == {"record": {"http_status": 3 * len(HOSTS)}}  # no host has a file of site policy


def test_a_picture_behind_redirects_is_found_by_the_build(web: WebServer, tmp_path: Path) -> None:
    host = HOSTS[0]
    for old, new in (("/0.jpg", "/moved.jpg"), ("/moved.jpg", f"http://{HOSTS[1]}/there.jpg")):
        web.routes[f"{host}{old}"] = Reply(status=302, headers=(("Location", new),))
    web.routes[f"{HOSTS[1]}/there.jpg"] = Reply(photo(0), "image/jpeg")
    assert main(arguments(web, tmp_path / "crawl", "--engine", "inline")) == 0
    inputs = [str(path) for path in archives(tmp_path / "crawl")]
    dataset = build(str(tmp_path / "set"), inputs, load_config("default", SHARED), INLINE)
    assert "image" not in dataset.drops
    assert dataset.kinds["interleaved"].images == 48


def test_a_finished_crawl_is_left_alone(web: WebServer, tmp_path: Path) -> None:
    assert main(arguments(web, tmp_path, "--engine", "inline")) == 0
    asked, before = len(web.log), [path.read_bytes() for path in archives(tmp_path)]
    assert main(arguments(web, tmp_path, "--engine", "inline")) == 0
    assert len(web.log) == asked
    assert [path.read_bytes() for path in archives(tmp_path)] == before


def test_a_crawl_stops_at_its_limit_and_goes_on(
    web: WebServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(web, tmp_path, "--engine", "inline", "--max-pages", "3", delay_s=0.1)) == 0
    assert "left to visit: the same command goes on" in capsys.readouterr().out
    assert 3 <= json.loads((tmp_path / "crawl.json").read_text())["pages"] < 24
    first = archives(tmp_path)
    assert first
    assert main(arguments(web, tmp_path, "--engine", "inline", "--max-pages", "100", delay_s=0.1)) == 0
    assert recorded(tmp_path) == Counter(EVERYTHING)
    assert set(first) < set(archives(tmp_path))


@pytest.mark.parametrize("after", [3, 20, 45])
def test_kill_9_loses_at_most_what_was_in_flight(web: WebServer, tmp_path: Path, after: int) -> None:
    killed = start(arguments(web, tmp_path, "--engine", "inline"))
    end = time.monotonic() + _DEADLINE_S
    while len(web.log) < after and time.monotonic() < end:
        time.sleep(0.002)
    killed.kill()
    killed.communicate()
    before = len(web.paths())
    # A reader of the archives sees finished ones only.
    assert all(path.stat().st_size > 0 for path in archives(tmp_path))
    assert main(arguments(web, tmp_path, "--engine", "inline")) == 0
    assert recorded(tmp_path) == Counter(EVERYTHING)
    again = [what for what, count in Counter((line.host, line.path) for line in web.log).items() if count > 1]
    assert len(again) <= 4 + 3 * 4  # one visit in flight, and the policy files being read, for each host
    assert len(web.paths()) - before <= len(EVERYTHING)


def test_a_full_disk_ends_the_crawl_with_an_error_and_a_rerun_finishes_it(web: WebServer, tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk: a write fails in the middle of a record."""
    for host in HOSTS:
        web.routes[f"{host}/shared.jpg"] = Reply(photo(1000, 2400, 1800), "image/jpeg")
    command = [sys.executable, "-m", "jobs.cli", *arguments(web, tmp_path, "--engine", "inline")]
    limited = ["bash", "-c", 'ulimit -f 250; exec "$@"', "bash", *command]
    done = subprocess.run(limited, capture_output=True, text=True, timeout=_DEADLINE_S)
    assert done.returncode == 1, done.stderr
    assert "File too large" in done.stderr or "disk I/O error" in done.stderr
    assert "the same command goes on" in done.stderr
    assert main(arguments(web, tmp_path, "--engine", "inline")) == 0
    assert recorded(tmp_path) == Counter(EVERYTHING)


def test_a_killed_ray_worker_is_replaced(web: WebServer, tmp_path: Path) -> None:
    running = start(arguments(web, tmp_path, "--engine", "ray", "--workers", "2", delay_s=0.05))
    end, victims = time.monotonic() + _DEADLINE_S, list[int]()
    while time.monotonic() < end and not (
        len(web.paths()) > 8 and (victims := ray_processes("SpiderWorker", running.pid))
    ):
        time.sleep(0.01)
    os.kill(victims[0], signal.SIGKILL)
    _, errors = running.communicate(timeout=_DEADLINE_S)
    assert running.returncode == 0, errors
    assert "died and is started anew" in errors
    assert recorded(tmp_path) == Counter(EVERYTHING)


def test_a_killed_ray_driver_loses_nothing(web: WebServer, tmp_path: Path) -> None:
    killed = start(arguments(web, tmp_path, "--engine", "ray", "--workers", "2", delay_s=0.05))
    end = time.monotonic() + _DEADLINE_S
    while len(web.paths()) < 10 and time.monotonic() < end:
        time.sleep(0.01)
    killed.kill()
    killed.communicate()
    try:
        done = start(arguments(web, tmp_path, "--engine", "ray", "--workers", "2", delay_s=0.05))
        _, errors = done.communicate(timeout=_DEADLINE_S)
        assert done.returncode == 0, errors
    finally:
        with contextlib.suppress(ProcessLookupError):  # what the dead driver's Ray left behind
            os.killpg(killed.pid, signal.SIGKILL)
    assert recorded(tmp_path) == Counter(EVERYTHING)


def test_what_was_dropped_has_a_row(web: WebServer, tmp_path: Path) -> None:
    web.routes[f"{HOSTS[0]}/0"] = Reply(page("/gone", images=("/noai.jpg",)))
    web.routes["/noai.jpg"] = Reply(photo(1), "image/jpeg", headers=(("X-Robots-Tag", "noai"),))
    assert main(arguments(web, tmp_path, "--engine", "inline")) == 0
    rows = [row for path in (tmp_path / "drops").glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    assert {row["url"].rpartition("/")[2]: (row["kind"], row["reason"], row["detail"]) for row in rows} == {
        "gone": ("visit", "http_status", "404"),
        "noai.jpg": ("visit", "opt_out", "robots: noai"),
    }


def test_a_crawl_goes_on_under_other_settings_and_says_so(
    web: WebServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert main(arguments(web, tmp_path, "--engine", "inline", "--max-pages", "1")) == 0
    assert main(arguments(web, tmp_path, "--engine", "inline", "--set", "pace.delay_s=0.02", "--contact", "me")) == 0
    assert "pace.delay_s: 0.0 -> 0.02" in caplog.text
    report = json.loads((tmp_path / "crawl.json").read_text())
    assert (report["config"]["fetch"]["contact"], report["queued"]) == ("me", 0)


def test_a_run_is_paused_resumed_and_stopped(
    web: WebServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["crawl", "-o", str(tmp_path), "--stop"]) == 2
    assert "holds no crawl" in capsys.readouterr().err
    web.routes |= {"/": Reply(page(*(f"/n{n}" for n in range(400))))} | {f"/n{n}": Reply(page()) for n in range(400)}
    settings = arguments(web, tmp_path, "--engine", "inline", "--set", "pace.delay_s=0.03")
    codes: list[int] = []
    run = threading.Thread(target=lambda: codes.append(main(settings)))
    run.start()

    def asked() -> int:
        return len(web.log)

    def wait_for(is_there: Callable[[], bool]) -> None:
        end = time.monotonic() + 15
        while not is_there() and time.monotonic() < end:
            time.sleep(0.05)
        assert is_there()

    wait_for(lambda: asked() > 10)
    assert main(["crawl", "-o", str(tmp_path), "--pause"]) == 0
    time.sleep(1.0)
    before = asked()
    time.sleep(1.0)
    assert asked() == before
    assert main(["crawl", "-o", str(tmp_path), "--resume"]) == 0
    wait_for(lambda: asked() > before + 5)
    assert main(["crawl", "-o", str(tmp_path), "--stop"]) == 0
    run.join(20)
    assert codes == [0]
    assert 0 < json.loads((tmp_path / "crawl.json").read_text())["queued"] < 400


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nonsense"], "not an address, nor a file: nonsense"),
        (["seeds.txt"], "no such file: seeds.txt"),
        (["./seeds.md"], "no such file: ./seeds.md"),
        ([], "no seed given"),
        (
            ["https://a.example/", "--set", "pace.delay=1"],
            "there is no setting pace.delay; the nearest is pace.delay_s",
        ),
        (["https://a.example/", "--deny", "/nowhere"], "cannot read /nowhere"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(["crawl", *words, "-o", str(tmp_path / "out"), "--engine", "inline"]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out" / "warc").exists()


def test_a_crawl_that_reaches_nobody_fails_and_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["-o", str(tmp_path / "out"), "--engine", "inline", "--set", "fetch.max_attempts=1"]
    assert main(["crawl", "http://nobody.invalid/", *words]) == 1
    said = capsys.readouterr()
    assert "dropped: dns 1" in said.out
    assert "no page was fetched" in said.err


def test_a_frontier_that_cannot_be_used_is_said_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As SQLite tells of a full disk, too."""
    (tmp_path / "work/frontier").mkdir(parents=True)
    (tmp_path / "work/frontier/000.sqlite").write_bytes(b"no database " * 1000)
    words = ["-o", str(tmp_path), "--engine", "inline", "--workers", "1"]
    assert main(["crawl", "http://nobody.invalid/", *words]) == 1
    assert "DatabaseError: file is not a database. What was recorded stays" in capsys.readouterr().err


def test_a_crawl_does_not_go_into_an_object_store(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crawl", "https://a.example/", "-o", "memory://x", "--engine", "inline"]) == 2
    assert "local or shared folder" in capsys.readouterr().err


def test_seeds_are_addresses_sitemaps_and_files_of_either(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("# ours\nhttps://b.example/x\n\nsitemap:https://b.example/map\n")
    with gzip.open(tmp_path / "list.gz", "wt") as file:
        file.write("c.example\n")
    seeds = ["a.example", "https://a.example/sitemap.xml.gz", str(tmp_path / "list.txt"), str(tmp_path / "list.gz")]
    (tmp_path / "budgets").write_text("a.example pages=500\nhttps://b.example/x\tpages=2\nc.example\n")
    assert [item.most_pages for item in read_seeds([str(tmp_path / "budgets")])] == [500, 2, 0]
    (tmp_path / "budgets").write_text("a.example pages=many\n")
    with pytest.raises(SettingsError, match="pages=many"):
        list(read_seeds([str(tmp_path / "budgets")]))
    assert list(read_seeds(seeds)) == [
        Item("https://a.example/", "page"),
        Item("https://a.example/sitemap.xml.gz", "sitemap"),
        Item("https://b.example/x", "page"),
        Item("https://b.example/map", "sitemap"),
        Item("https://c.example/", "page"),
    ]
    with pytest.raises(SettingsError):
        list(read_seeds(["not/there.txt"]))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("latin.txt", "https://m\xfcnchen.example/".encode("latin-1"), "not a text in UTF-8"),
        ("packed.txt", gzip.compress(b"https://a.example/", mtime=0), "not a text in UTF-8"),
        ("plain.gz", b"https://a.example/", "Not a gzipped file"),
        ("cut.gz", gzip.compress(b"https://a.example/", mtime=0)[:-4], "ended before the end-of-stream"),
    ],
    ids=["latin", "packed", "not packed", "cut"],
)
def test_a_file_that_is_no_list_of_seeds_is_named(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SettingsError, match=f"{name}: .*{message}"):
        list(read_seeds([str(tmp_path / name)]))


def test_a_list_of_seeds_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("\ufeff# ours\nhttps://a.example/\n  # theirs\n")
    assert list(read_seeds([str(tmp_path / "list")])) == [Item("https://a.example/", "page")]


def test_a_build_fetches_what_the_archives_lack(web: WebServer, tmp_path: Path) -> None:
    assert main(arguments(web, tmp_path / "crawl", "--engine", "inline", "--set", "images=false")) == 0
    names = json.dumps(dict.fromkeys(HOSTS, web.address))
    config = load_config(
        "default",
        [*SHARED, "partitions=2", "media.from_web=true", "media.pace.delay_s=0", f"media.fetch.connect_to={names}"],
    )
    asked = len(web.paths())
    dataset = build(str(tmp_path / "set"), [str(path) for path in archives(tmp_path / "crawl")], config, INLINE)
    assert dataset.kinds["interleaved"].samples == 24
    assert dataset.kinds["interleaved"].images == 48
    assert len(web.paths()) - asked == 28
