"""Builds that fetch: judged by the log of the server that they fetch from."""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from jobs.build import append, build
from jobs.config import load_config
from jobs.dataset.check import problems
from jobs.dataset.removal import remove
from jobs.engine.engine import EngineSettings
from schemas.dataset import Dataset
from schemas.settings import SettingsError
from schemas.storage import Store
from tests.crawlers.servers import Reply, WebServer
from tests.jobs.conftest import contents
from tests.jobs.site import article, photo, write_archive
from tests.jobs.test_build import samples

INLINE = EngineSettings(engine="inline")
CDN = "pictures.example"
DELAY_S = 0.2
PAGES, IMAGES = 24, 8
_JITTER_S = 0.02  # between the sending of a request and its line in the log
_DEADLINE_S = 60


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer() as server:
        for number in range(IMAGES):
            server.routes[f"{CDN}/{number}.jpg"] = Reply(photo(number), "image/jpeg")
        yield server


def archive(folder: Path, pages: int = PAGES, images: int = IMAGES) -> Path:
    """Pages of six domains, each with two pictures of one CDN."""
    records = []
    for number in range(pages):
        urls = [f"http://{CDN}/{(number + side) % images}.jpg" for side in (0, 3)]
        address = f"http://site{number % 6}.example/{number}"
        records.append((address, article(number, urls).encode(), "text/html; charset=utf-8"))
    return write_archive(folder / "pages.warc.gz", records)


def settings(web: WebServer, *more: str, delay_s: float = DELAY_S) -> list[str]:
    names = json.dumps({CDN: web.address, "other.example": web.address})
    return [
        "corpus.max_image_places=null", "corpus.max_image_documents=null", "corpus.min_image_set=null",
        "partitions=6", "media.from_web=true",
        "media.partitions=2", f"media.pace.delay_s={delay_s}", "media.pace.rest_factor=0",
        "media.pace.backoff_s=0.05", f"media.fetch.connect_to={names}", *more,
    ]  # fmt: skip


def made(out: Path, pages: Path, sets: list[str], engine: EngineSettings = INLINE, retry: bool = False) -> Dataset:
    return build(str(out), [str(pages)], load_config("default", sets), engine, retry=retry)


def requests(web: WebServer) -> Counter[str]:
    return Counter(web.paths(CDN))


def least_gap_s(web: WebServer) -> float:
    times = sorted(line.time for line in web.log if line.host == CDN)
    return min(after - before for before, after in pairwise(times))


KILLS = 8
ONCE = Counter({f"/{number}.jpg": 1 for number in range(IMAGES)})


def test_every_image_is_requested_once_at_the_pace_of_its_host(web: WebServer, tmp_path: Path) -> None:
    dataset = made(tmp_path / "out", archive(tmp_path), settings(web, "kinds=[interleaved,pairs]"))
    assert dataset.kinds["interleaved"].images == 2 * PAGES
    assert dataset.kinds["pairs"].samples > 0
    assert requests(web) == ONCE
    assert least_gap_s(web) > DELAY_S - _JITTER_S


def test_what_was_fetched_is_listed_once_however_many_tasks_open_it(
    web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, list_folder = Counter[str](), Store.list

    def counting(store: Store, folder: str) -> list[str]:
        listed[folder] += 1
        return list_folder(store, folder)

    monkeypatch.setattr(Store, "list", counting)
    dataset = made(tmp_path / "out", archive(tmp_path, 6), settings(web, "buckets=3", delay_s=0))
    assert dataset.kinds["interleaved"].samples == 6
    assert listed["media/warc"] == 1


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_so_it_is_on_ray(web: WebServer, tmp_path: Path, workers: int) -> None:
    engine = EngineSettings(engine="ray", workers=workers, object_store_bytes=80 << 20)
    dataset = made(tmp_path / "out", archive(tmp_path), settings(web), engine)
    assert dataset.kinds["interleaved"].images == 2 * PAGES
    assert requests(web) == ONCE
    assert least_gap_s(web) > DELAY_S - _JITTER_S


def test_nothing_is_requested_again_after_kills_but_what_was_in_flight(web: WebServer, tmp_path: Path) -> None:
    pages, out = archive(tmp_path, 30, 30), tmp_path / "out"
    for number in range(30):
        web.routes[f"{CDN}/{number}.jpg"] = Reply(photo(number), "image/jpeg", delay_s=0.02)
    sets = [word for value in settings(web, delay_s=0.1) for word in ("--set", value)]
    command = [sys.executable, "-m", "jobs.build", "--input", str(pages), "--output", str(out), "--engine", "inline"]
    chance, kills = random.Random(3), 0
    while kills < KILLS and not (out / "dataset.json").exists():
        asked, deadline = len(web.paths(CDN)), time.monotonic() + _DEADLINE_S
        running = subprocess.Popen([*command, *sets], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            while len(web.paths(CDN)) == asked and running.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            time.sleep(chance.uniform(0, 0.3))
        finally:
            running.send_signal(signal.SIGKILL)
            running.wait()
        kills += 1
    dataset = made(out, pages, settings(web, delay_s=0.1))
    assert dataset.kinds["interleaved"].images == 60
    again = sum(requests(web).values()) - 30
    assert len(requests(web)) == 30
    assert again <= kills
    assert least_gap_s(web) > 0.1 - _JITTER_S


def test_another_filter_over_the_same_captures_makes_no_request(web: WebServer, tmp_path: Path) -> None:
    pages, first = archive(tmp_path), tmp_path / "first"
    made(first, pages, settings(web, delay_s=0))
    asked = len(web.log)
    other = settings(web, f"media.from_build={first}", "kinds=[interleaved,pairs]", "image.min_side_px=200")
    for out in (tmp_path / "a", tmp_path / "b"):
        dataset = made(out, pages, other)
        assert dataset.kinds["interleaved"].images == 2 * PAGES
        assert dataset.kinds["pairs"].samples > 0
    assert len(web.log) == asked
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    warcs = sorted(map(str, (first / "media/warc").glob("*.warc.gz")))
    plain = load_config("default", [value for value in settings(web) if not value.startswith("media.from_web")])
    dataset = build(str(tmp_path / "c"), [str(pages), *warcs], plain, INLINE)
    assert dataset.kinds["interleaved"].images == 2 * PAGES
    assert len(web.log) == asked


def test_the_next_address_is_asked_for_only_when_one_fails(web: WebServer, tmp_path: Path) -> None:
    """Also where another host has it, where the first host is down, and where a redirect leads to one that is known."""
    pictures = {  # the one of a srcset is the better one
        f"http://{CDN}/0.jpg": "http://other.example/0.jpg",
        "http://other.example/small.jpg": f"http://{CDN}/missing.jpg",
        f"http://{CDN}/1.jpg": "http://down.example/big.jpg",
        f"http://{CDN}/moved.jpg": "",
    }
    html = article(1, list(pictures))
    for small, large in pictures.items():
        html = html.replace(f"'{small}'", f"'{small}' srcset='{large} 600w'" if large else f"'{small}'")
    pages = write_archive(tmp_path / "p.warc.gz", [("http://a.example/", html.encode(), "text/html")])
    for path, seed in (("0.jpg", 40), ("small.jpg", 41)):
        web.routes[f"other.example/{path}"] = Reply(photo(seed), "image/jpeg")
    web.routes[f"{CDN}/moved.jpg"] = Reply(status=302, headers=(("Location", f"http://{CDN}/1.jpg"),))
    down = json.dumps({CDN: web.address, "other.example": web.address, "down.example": "127.0.0.1:9"})
    sets = settings(web, f"media.fetch.connect_to={down}", "media.pace.max_failures=2", delay_s=0)
    dataset = made(tmp_path / "out", pages, sets)
    assert dataset.kinds["interleaved"].images == 4
    assert Counter(web.paths("other.example")) == Counter({"/0.jpg": 1, "/small.jpg": 1})
    assert requests(web) == Counter({"/missing.jpg": 1, "/1.jpg": 1, "/moved.jpg": 1})


def test_each_failure_has_its_reason(web: WebServer, tmp_path: Path) -> None:
    replies = {
        "gone": Reply(b"no", status=404),
        "text": Reply(b"<p>no picture", "image/jpeg"),
        "refused": Reply(photo(1), "image/jpeg", headers=(("X-Robots-Tag", "noai"),)),
        "private": Reply(photo(1), "image/jpeg"),
        "there": Reply(photo(1), "image/jpeg"),
    }
    for name, reply in replies.items():
        web.routes[f"{CDN}/{name}.jpg"] = reply
    web.routes[f"{CDN}/robots.txt"] = Reply(b"User-agent: *\nDisallow: /private", "text/plain")
    html = article(1, [f"http://{CDN}/{name}.jpg" for name in replies]).encode()
    pages = write_archive(tmp_path / "p.warc.gz", [("http://a.example/", html, "text/html")])
    dataset = made(tmp_path / "out", pages, settings(web, delay_s=0))
    assert dataset.kinds["interleaved"].images == 1
    expected = {"http_status": 1, "unsupported_type": 1, "opt_out": 1, "robots": 1}
    assert dataset.drops["image"] == expected
    assert "/private.jpg" not in web.paths(CDN)


def test_what_is_not_there_in_time_is_dropped_as_such(web: WebServer, tmp_path: Path) -> None:
    sets = settings(web, f"media.max_hours={3.2 / 3600}", delay_s=0.5)
    dataset = made(tmp_path / "out", archive(tmp_path), sets)
    assert dataset.drops["image"]["not_in_time"] > 0
    assert 0 < len(requests(web)) < IMAGES


def test_only_what_may_have_passed_is_asked_for_again(web: WebServer, tmp_path: Path) -> None:
    pages, out = archive(tmp_path), tmp_path / "out"
    sets = settings(web, "media.pace.max_failures=4", "kinds=[interleaved,pairs]", delay_s=0)
    web.routes[f"{CDN}/2.jpg"] = Reply(b"busy", status=503)
    web.routes[f"{CDN}/5.jpg"] = Reply(b"gone", status=404)
    web.routes[f"{CDN}/robots.txt"] = Reply(b"busy", status=500)
    assert not any(total.samples for total in made(out, pages, sets).kinds.values())
    del web.routes[f"{CDN}/robots.txt"]
    made(out, pages, sets, retry=True)
    web.routes[f"{CDN}/2.jpg"] = Reply(photo(2), "image/jpeg")
    web.log.clear()
    dataset = made(out, pages, sets, retry=True)
    assert requests(web) == Counter({"/2.jpg": 1})
    assert dataset.drops["image"] == {"http_status": 2 * PAGES // IMAGES}
    web.routes[f"{CDN}/5.jpg"] = Reply(photo(5), "image/jpeg")
    again = made(out, pages, sets, retry=True)  # what is gone is not asked for again
    assert again.kinds == dataset.kinds
    assert "/5.jpg" not in web.paths(CDN)


def test_what_was_removed_stays_away_when_the_rest_is_asked_for_again(web: WebServer, tmp_path: Path) -> None:
    pages, out = archive(tmp_path), tmp_path / "out"
    sets = settings(web, "media.pace.max_failures=4", delay_s=0)
    web.routes[f"{CDN}/2.jpg"] = Reply(b"busy", status=503)
    made(out, pages, sets)
    went = remove(Store(str(out)), ["http://site0.example/0", f"http://{CDN}/4.jpg"], INLINE).removals
    assert went[0].records == 2  # the request and its response
    web.routes[f"{CDN}/2.jpg"] = Reply(photo(2), "image/jpeg")
    web.log.clear()
    dataset = made(out, pages, sets, retry=True)
    assert requests(web) == Counter({"/2.jpg": 1})
    assert list(problems(Store(str(out)))) == []
    images = {url for sample in samples(out) for url in sample["document"]["image_urls"]}
    assert images == {f"http://{CDN}/{number}.jpg" for number in range(IMAGES) if number != 4}
    assert "http://site0.example/0" not in {sample["document"]["url"] for sample in samples(out)}
    assert dataset.removals == went


def test_after_an_outage_all_is_as_on_a_good_day(web: WebServer, tmp_path: Path) -> None:
    pages, out = archive(tmp_path), tmp_path / "out"
    sets = settings(web, "media.pace.max_failures=2", "media.fetch.max_attempts=2", delay_s=0)
    made(tmp_path / "good", pages, sets)
    web.stop()
    assert not any(total.samples for total in made(out, pages, sets).kinds.values())
    web.start()
    made(out, pages, sets, retry=True)
    assert shards(out) == shards(tmp_path / "good")


def test_what_an_older_weft_made_is_refused_in_a_line(web: WebServer, tmp_path: Path) -> None:
    pages, out = archive(tmp_path, 2), tmp_path / "out"
    made(out, pages, settings(web, delay_s=0))
    text = (out / "dataset.json").read_text()
    (out / "dataset.json").write_text(text.replace('"from_build"', '"pages_ahead": 50, "from_build"'))
    with pytest.raises(SettingsError, match=r"settings that this one does not have .*pages_ahead"):
        made(out, pages, settings(web, "seed=7", delay_s=0))
    (out / "dataset.json").unlink()
    plan = out / "work/plan.json"
    plan.write_text(plan.read_text().replace('"from_build"', '"pages_ahead": 50, "from_build"'))
    with pytest.raises(SettingsError, match=r"settings that this one does not have .*pages_ahead"):
        made(out, pages, settings(web, delay_s=0))


def shards(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.glob("*/shards/*"))}


def test_a_dataset_of_the_web_grows_and_keeps_what_was_fetched_for_it(web: WebServer, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    urls = [f"http://{CDN}/{name}.jpg" for name in ("0", "new")]
    web.routes[f"{CDN}/new.jpg"] = Reply(photo(99), "image/jpeg")
    out, more = tmp_path / "out", [("http://new.example/1", article(90, urls).encode(), "text/html")]
    made(out, archive(tmp_path), settings(web, delay_s=0.0))
    there = {path.name for path in (out / "media/warc").iterdir()}
    later = write_archive(tmp_path / "more/later.warc.gz", more)
    recipe = load_config("default", settings(web, delay_s=0.0))
    web.log.clear()
    dataset = append(str(out), [str(later)], recipe, INLINE)
    assert dataset.builds[-1].written["interleaved"].images == 2
    assert requests(web) == {"/new.jpg": 1}  # the other lies here
    fetched = {path.name for path in (out / "media/warc").iterdir()} - there
    assert fetched
    assert all(name.startswith("append-001-") for name in fetched)
    assert not (out / "appending").exists()
    assert list(problems(Store(str(out)))) == []
    # and a third build has what both of them fetched
    more = [("http://new.example/2", article(91, [f"http://{CDN}/1.jpg", urls[1]]).encode(), "text/html")]
    web.log.clear()
    dataset = append(str(out), [str(write_archive(tmp_path / "more/last.warc.gz", more))], recipe, INLINE)
    assert dataset.builds[-1].written["interleaved"].images == 2
    assert requests(web) == {}
    assert list(problems(Store(str(out)))) == []
    # its shards are not made anew
    before = contents(out)
    with pytest.raises(SettingsError, match="was added to since"):
        made(out, archive(tmp_path), settings(web, delay_s=0.0), retry=True)
    assert contents(out) == before
