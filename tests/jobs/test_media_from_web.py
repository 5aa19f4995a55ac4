"""Builds that fetch: judged by the log of the server that they fetch from."""

import json
import random
import re
import shutil
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import weft
from jobs.build import append, build
from jobs.config import load_config
from jobs.crawl.watch import status_line
from jobs.dataset.check import problems
from jobs.dataset.removal import remove
from jobs.engine.engine import EngineSettings
from jobs.phases.plan import read_plan
from schemas.dataset import Dataset
from schemas.settings import SettingsError
from schemas.storage import Store
from tests.crawlers.servers import Reply, WebServer, least_gap_s
from tests.jobs.conftest import contents
from tests.jobs.killed_builds import killed_build
from tests.jobs.site import article, photo, write_archive
from tests.jobs.test_build import samples

INLINE = EngineSettings(engine="inline")
CDN = "pictures.example"
DELAY_S = 0.2
PAGES, IMAGES = 24, 8
_DEADLINE_S = 60


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer() as server:
        for number in range(IMAGES):
            server.routes[f"{CDN}/{number}.jpg"] = Reply(photo(number), "image/jpeg")
        yield server


@pytest.fixture
def unused_port() -> int:
    with WebServer() as server:
        return server.port


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


def gap_s(web: WebServer) -> float:
    return least_gap_s(line for line in web.log if line.host == CDN)


KILLS = 20
ONCE = Counter({f"/{number}.jpg": 1 for number in range(IMAGES)})


def test_every_image_is_requested_once_at_the_pace_of_its_host(web: WebServer, tmp_path: Path) -> None:
    dataset = made(tmp_path / "out", archive(tmp_path), settings(web, "kinds=[interleaved,pairs]"))
    assert dataset.kinds["interleaved"].images == 2 * PAGES
    assert dataset.kinds["pairs"].samples > 0
    assert requests(web) == ONCE
    assert gap_s(web) >= DELAY_S


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


def test_nothing_is_requested_again_after_kills_but_what_was_in_flight(
    web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    images, out, sets = 45, tmp_path / "out", settings(web, delay_s=0.1)
    pages = archive(tmp_path, images, images)
    for number in range(images):
        web.routes[f"{CDN}/{number}.jpg"] = Reply(photo(number), "image/jpeg", delay_s=0.02)
    chance = random.Random(3)
    with killed_build(out, pages, sets) as building:
        for _ in range(KILLS):
            asked, deadline = len(web.log), time.monotonic() + _DEADLINE_S
            assert building.command("start") == "started"
            while len(web.log) == asked:
                assert time.monotonic() < deadline
                time.sleep(0.005)
            time.sleep(chance.uniform(0, 0.1))
            assert building.command("kill") == "killed"
    assert not list((tmp_path / "tmp").glob("weft-*"))  # a folder needs none
    asked_again = sum(requests(web).values()) - len(requests(web))
    dataset = made(out, pages, sets)
    assert dataset.kinds["interleaved"].images == 2 * images
    assert len(requests(web)) == images
    assert asked_again <= sum(requests(web).values()) - images <= KILLS
    assert gap_s(web) >= 0.1


def test_of_two_builds_of_one_output_one_asks_a_host_at_a_time(web: WebServer, tmp_path: Path) -> None:
    given = (tmp_path / "out", archive(tmp_path), settings(web, "media.partitions=1", delay_s=0.1))
    with killed_build(*given) as first, killed_build(*given) as second:
        assert first.command("start") == second.command("start") == "started"
        assert "0" in (
            first.command("wait"),
            second.command("wait"),
        )  # the last may miss what the first has cleared away
    assert requests(web) == ONCE
    assert gap_s(web) >= 0.1
    assert list(problems(Store(str(tmp_path / "out")))) == []


def test_another_filter_over_the_same_captures_makes_no_request(
    web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pages, first = archive(tmp_path), tmp_path / "first"
    made(first, pages, settings(web, delay_s=0))
    asked = len(web.log)
    other = settings(web, "media.from_build=first", "kinds=[interleaved,pairs]", "image.min_side_px=200")
    for out in (tmp_path / "a", tmp_path / "b"):
        dataset = made(out, pages, other)
        assert dataset.kinds["interleaved"].images == 2 * PAGES
        assert dataset.kinds["pairs"].samples > 0
    assert len(web.log) == asked
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert read_plan(Store("a")).config.media.from_build == str(first)  # wherever it goes on
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


def test_pace_budget_and_time_are_by_pattern_of_the_host(web: WebServer, tmp_path: Path) -> None:
    """A host that is over its time is not waited for, whatever it asks to be waited."""
    hosts = {
        "*.quick.example": {"delay_s": 0.0},
        "small.example": {"delay_s": 0.0, "max_requests_per_host": 3 + 2},  # its policy files count
        "*.late.example": {"max_hours": 2.0 / 3600, "delay_s": 0.5},
        "busy.late.example": {"max_hours": 2.0 / 3600, "delay_s": 0.0},
    }
    pictures = dict.fromkeys(("img.quick.example", "small.example", "img.late.example", "busy.late.example"), 6)
    records = []
    for seed, (host, count) in enumerate(pictures.items()):
        urls = [f"http://{host}/{seed}{number}.jpg" for number in range(count)]
        records.append((f"http://page{seed}.example/", article(seed, urls).encode(), "text/html"))
        for number in range(count):
            web.routes[f"{host}/{seed}{number}.jpg"] = (
                Reply(status=503, headers=(("Retry-After", "7200"),))
                if "busy" in host
                else Reply(photo(100 * seed + number), "image/jpeg")
            )
    names = json.dumps(dict.fromkeys(pictures, web.address))
    sets = [f"media.fetch.connect_to={names}", f"media.pace.hosts={json.dumps(hosts)}"]
    dataset = made(tmp_path / "out", write_archive(tmp_path / "p.warc.gz", records), settings(web, *sets, delay_s=5))
    asked = {host: len(web.paths(host)) for host in pictures}
    assert asked["img.quick.example"] == 6
    assert asked["small.example"] == 2
    assert asked["img.late.example"] < 6
    assert asked["busy.late.example"] == 1
    late = 12 - asked["img.late.example"]
    assert dataset.drops["image"] == {"host_budget": 4, "not_in_time": late}


def test_what_is_fetched_is_told_while_it_is(
    web: WebServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], unused_port: int
) -> None:
    seen, is_over = set[str](), threading.Event()

    def look() -> None:
        while not is_over.wait(0.05):
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{unused_port}/metrics") as answer:
                seen.update(answer.read().decode().splitlines())

    looking = threading.Thread(target=look)
    looking.start()
    recipe = load_config("default", settings(web))
    build(str(tmp_path / "out"), [str(archive(tmp_path))], recipe, INLINE, status_port=unused_port)
    is_over.set()
    looking.join()
    assert "weft_crawl_hosts_waiting 1" in seen
    for name in ('host_queued{host="pictures.example"}', 'host_left_seconds{host="pictures.example"}', "left_seconds"):
        assert any(line.startswith(f"weft_crawl_{name} ") and not line.endswith(" 0.0") for line in seen), name
    told = capsys.readouterr().err
    assert re.search(rf"fetching [^\n]*{IMAGES} images, [\d.]+ MB, [^\n]*0 queued, [^\n]*200 {IMAGES}", told), told
    assert status_line(tmp_path / "out/media").startswith("ended, as of")


def test_the_media_of_a_build_that_is_still_fetching_are_not_read(web: WebServer, tmp_path: Path) -> None:
    pages, first = archive(tmp_path, 2), tmp_path / "first"
    made(first, pages, settings(web, delay_s=0))
    sets = settings(web, f"media.from_build={first}")
    shutil.rmtree(first / "work/fetch")  # as it was then
    made(tmp_path / "a", pages, sets)
    (first / "dataset.json").unlink()
    with pytest.raises(SettingsError, match="still fetching"):
        made(tmp_path / "b", pages, sets)


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
    weft.build(out, pages, load_config("default", sets), engine="inline", retry_failed=True)
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
    # what was fetched for both is read by another build
    asked, both = len(web.log), [str(archive(tmp_path)), str(later)]
    over = load_config("default", settings(web, f"media.from_build={out}"))
    assert build(str(tmp_path / "other"), both, over, INLINE).kinds["interleaved"].images == 2 * PAGES + 2
    assert len(web.log) == asked
    # and a third build has what both of them fetched
    more = [("http://new.example/2", article(91, [f"http://{CDN}/1.jpg", urls[1]]).encode(), "text/html")]
    web.log.clear()
    dataset = append(str(out), [str(write_archive(tmp_path / "more/last.warc.gz", more))], recipe, INLINE)
    assert dataset.builds[-1].written["interleaved"].images == 2
    assert requests(web) == {}
    assert list(problems(Store(str(out)))) == []
    # nothing failed
    before = contents(out)
    made(out, archive(tmp_path), settings(web, delay_s=0.0), retry=True)
    assert contents(out) == before


def test_an_append_asks_for_nothing_that_is_at_hand_for_whatever_kind(web: WebServer, tmp_path: Path) -> None:
    """By either scheme; what lies in the inputs of before is read there."""
    recipe = load_config("default", settings(web, "kinds=[interleaved, pairs]", delay_s=0.0))
    captured, urls = f"http://{CDN}/captured.jpg", [f"http://{CDN}/{number}.jpg" for number in range(2)]
    first = [
        ("http://old.example/1", article(80, [captured, urls[0]]).encode(), "text/html"),
        (captured, photo(70), "image/jpeg"),
    ]
    out = tmp_path / "out"
    build(str(out), [str(write_archive(tmp_path / "first.warc.gz", first))], recipe, INLINE)
    assert requests(web) == {"/0.jpg": 1}
    web.log.clear()
    shown = [urls[0].replace("http:", "https:"), captured, urls[1]]
    later = [("http://new.example/1", article(81, shown).encode(), "text/html")]
    dataset = append(str(out), [str(write_archive(tmp_path / "later.warc.gz", later))], recipe, INLINE)
    assert requests(web) == {"/1.jpg": 1}
    assert dataset.builds[-1].written["interleaved"].images == 3
    assert list(problems(Store(str(out)))) == []
