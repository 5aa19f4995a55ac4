"""Crawls of one site, week after week, and a dataset that grows by them."""

import base64
import dataclasses
import hashlib
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator

from jobs.build import append, build
from jobs.cli import main
from jobs.config import load_config
from jobs.dataset.check import problems
from jobs.engine.engine import EngineSettings
from schemas.storage import Store
from tests.crawlers.captures import captured_addresses
from tests.crawlers.servers import Reply, Request, WebServer
from tests.jobs.crawl.test_crawl import recorded, start
from tests.jobs.site import article, photo
from tests.jobs.test_append_equals import live, says

HOST = "site.example"
INLINE = EngineSettings(engine="inline")
CONFIG = load_config(
    "default", ["corpus.max_image_places=null", "corpus.max_image_documents=null", "corpus.min_image_set=null"]
)
_STAMP = "Mon, 02 Mar 2026 10:00:00 GMT"


class Site:
    """Pages and pictures by name: the seed of what each shows, `how` its server says whether that has changed."""

    HOW = ("etag", "date", "nothing")

    def __init__(self, web: WebServer) -> None:
        self._web = web
        self.pages: dict[str, int] = {}

    def show(self, pages: dict[str, int], moved: dict[str, str] | None = None) -> None:
        """What there is from now on: pages, each linked from the front one and with a picture of its own."""
        self.pages = pages
        self._web.routes.clear()
        self._web.log.clear()
        for old, new in (moved or {}).items():
            self._web.routes[f"/{old}"] = Reply(status=301, headers=(("Location", f"/{new}"),))
        links = "".join(f"<a href='/{name}'>{name}</a>" for name in [*pages, *(moved or {})])
        self._serve("/", f"<html><body>{links}</body></html>".encode(), "text/html", "etag")
        for number, (name, seed) in enumerate(pages.items()):
            how = self.HOW[number % 3]
            self._serve(f"/{name}", article(seed, [f"/{name}.jpg"]).encode(), "text/html; charset=utf-8", how)
            self._serve(f"/{name}.jpg", photo(hash_of(name)), "image/jpeg", how)

    def _serve(self, path: str, body: bytes, kind: str, how: str) -> None:
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        headers = {"etag": (("ETag", etag),), "date": (("Last-Modified", _stamp(etag)),), "nothing": ()}[how]

        def answer(request: Request) -> Reply:
            asked = request.headers.get("if-none-match"), request.headers.get("if-modified-since")
            is_same = asked[0] == etag if how == "etag" else how == "date" and asked[1] == _stamp(etag)
            return Reply(b"", status=304, headers=headers) if is_same else Reply(body, kind, headers=headers)

        self._web.routes[path] = answer


def _stamp(etag: str) -> str:
    return _STAMP.replace("10:00", f"10:{int(etag[1:5], 16) % 60:02d}")


def hash_of(name: str) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)


@pytest.fixture
def site() -> Iterator[tuple[WebServer, Site]]:
    with WebServer() as web:
        yield web, Site(web)


def crawl(web: WebServer, out: Path, *more: str, engine: str = "inline") -> list[str]:
    names = json.dumps({HOST: web.address})
    sets = [f"fetch.connect_to={names}", "pace.delay_s=0", "partitions=1"]
    words = [word for value in sets for word in ("--set", value)]
    return ["crawl", f"http://{HOST}/", "-o", str(out), *words, "--contact", "x@y.example", "--engine", engine, *more]


def archives(out: Path) -> list[str]:
    return [str(path) for path in sorted((out / "warc").glob("*.warc.gz"))]


def statuses(out: Path) -> dict[str, int]:
    return dict(json.loads((out / "crawl.json").read_text())["statuses"])


def revisits(out: Path) -> dict[str, dict[str, str]]:
    """The header fields of revisit records, by address."""
    found = {}
    for path in archives(out):
        with open(path, "rb") as file:
            for record in ArchiveIterator(file):
                if record.rec_type == "revisit":
                    found[record.rec_headers["WARC-Target-URI"]] = dict(record.rec_headers.headers)
    return found


def records(*folders: Path) -> dict[str, tuple[str, str, bytes]]:
    """Address, date and payload of every response, by its id."""
    found = {}
    for path in [path for folder in folders for path in archives(folder)]:
        with open(path, "rb") as file:
            for record in ArchiveIterator(file):
                if record.rec_type == "response":
                    fields = record.rec_headers
                    body = record.content_stream().read()
                    found[fields["WARC-Record-ID"]] = (fields["WARC-Target-URI"], fields["WARC-Date"], body)
    return found


def samples(folder: Path) -> dict[str, tuple[object, ...]]:
    """What a dataset says of each page: its texts and pictures."""
    return {url: says(sample) for (url, _), sample in live(folder).items()}


ONE = {f"p{number}": number for number in range(9)}
TWO = {**ONE, "p0": 100, "p4": 104, "new": 50}  # p0 and p4 say something else, p8 goes, p7 moves
TWO_MOVED = {"p7": "there"}
del TWO["p8"], TWO["p7"]
TWO["there"] = 7
THREE = {**TWO, "p1": 201, "new": 250, "later": 60}
del THREE["p5"]


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three crawls, each since the one before; and beside them in `fresh` the last state alone."""
    root = tmp_path_factory.mktemp("weeks")
    folders = [root / f"week{number}" for number in (1, 2, 3)]
    with WebServer() as web:
        pages = Site(web)
        pages.show(ONE)
        assert main(crawl(web, folders[0])) == 0
        pages.show(TWO, TWO_MOVED)
        assert main(crawl(web, folders[1], "--since", str(folders[0]))) == 0
        pages.show(THREE, TWO_MOVED)
        assert main(crawl(web, folders[2], "--since", str(folders[1]))) == 0
        assert main(crawl(web, root / "fresh")) == 0
    return folders


def test_weeks_appended_are_the_last_state_of_the_site(weeks: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "grown"
    build(str(out), archives(weeks[0]), CONFIG, INLINE)
    for folder in weeks[1:]:
        append(str(out), archives(folder), CONFIG, INLINE)
    build(str(tmp_path / "last"), archives(weeks[0].parent / "fresh"), CONFIG, INLINE)
    last = samples(tmp_path / "last")
    assert len(last) == len(THREE)
    gone = {f"http://{HOST}/{name}" for name in ("p5", "p8")}
    grown = samples(out)
    assert {url: said for url, said in grown.items() if url not in gone} == last
    assert set(grown) - set(last) == gone
    for folder in weeks[1:]:
        lines = (folder / "gone.txt").read_text().splitlines()
        build(str(out), [], CONFIG, INLINE, deny=lines)
    assert samples(out) == last
    assert list(problems(Store(str(out)))) == []


def test_what_has_not_changed_is_only_referred_to(weeks: list[Path]) -> None:
    first, second, third = (revisits(folder) for folder in weeks)
    everything = records(*weeks)
    profile = "http://netpreserve.org/warc/1.1/revisit/"
    assert first == {}
    kinds = {url.removeprefix(f"http://{HOST}/"): fields["WARC-Profile"] for url, fields in second.items()}
    unchanged = {f"p{number}" for number in (1, 2, 3, 5, 6)}
    pictures = {f"{name}.jpg" for name in (*unchanged, "p0", "p4")}
    assert set(kinds) == unchanged | pictures
    told = {name for name, value in kinds.items() if value == profile + "server-not-modified"}
    assert told == {name for name in kinds if int(name[1]) % 3 < 2}
    assert {value for name, value in kinds.items() if name not in told} == {profile + "identical-payload-digest"}
    for fields in (*second.values(), *third.values()):
        url, date, body = everything[fields["WARC-Refers-To"]]
        assert (fields["WARC-Refers-To-Target-URI"], fields["WARC-Refers-To-Date"]) == (url, date)
        assert fields["WARC-Target-URI"] == url
        digest = base64.b32encode(hashlib.sha256(body).digest()).decode()
        assert fields["WARC-Payload-Digest"] == f"sha256:{digest}"
    assert f"http://{HOST}/p2" in third  # which the second crawl has no record of, but a reference
    names = [Path(path).name for folder in weeks for path in archives(folder)]
    assert len(set(names)) == len(names)
    for folder in weeks:
        recorded(folder)  # warcio takes it


def test_servers_are_asked_whether_it_has_changed(site: tuple[WebServer, Site], tmp_path: Path) -> None:
    web, pages = site
    pages.show(ONE)
    assert main(crawl(web, tmp_path / "one")) == 0
    web.log.clear()
    assert main(crawl(web, tmp_path / "two", "--since", str(tmp_path / "one"))) == 0
    asked = {line.path: line.headers for line in web.log}
    assert statuses(tmp_path / "two")["304"] == 1 + 2 * 6
    assert all("if-none-match" in asked[f"/p{n}"] and "if-modified-since" not in asked[f"/p{n}"] for n in (0, 3, 6))
    assert all("if-modified-since" in asked[f"/p{n}.jpg"] for n in (1, 4, 7))
    assert not any(name.startswith("if-") for n in (2, 5, 8) for name in asked[f"/p{n}"])
    report = json.loads((tmp_path / "two" / "crawl.json").read_text())
    assert (report["pages"], report["images"], report["unchanged"]) == (10, 9, {"image": 9, "page": 10})
    assert (tmp_path / "two" / "gone.txt").read_text() == ""


def test_a_build_of_all_weeks_sees_each_once_and_one_of_the_last_alone_what_changed(
    weeks: list[Path], tmp_path: Path
) -> None:
    everything = [path for folder in weeks for path in archives(folder)]
    dataset = build(str(tmp_path / "all"), everything, CONFIG, INLINE)
    found = samples(tmp_path / "all")
    assert {url.removeprefix(f"http://{HOST}/") for url in found} == {*THREE, "p5", "p8"}
    assert all(said[2] for said in found.values())
    assert dataset.drops["record"]["revisit"] == 5 + 6
    alone = build(str(tmp_path / "alone"), archives(weeks[2]), CONFIG, INLINE)
    assert alone.drops["record"]["revisit"] == 6
    assert set(samples(tmp_path / "alone")) == {f"http://{HOST}/later"}  # the pictures of the others lie in the first


def test_without_the_earlier_archive_a_page_comes_whole_and_is_compared(
    site: tuple[WebServer, Site], tmp_path: Path
) -> None:
    """What its links are only its record says."""
    web, pages = site
    pages.show(ONE)
    assert main(crawl(web, tmp_path / "one")) == 0
    assert main(crawl(web, tmp_path / "two", "--since", str(tmp_path / "one"), "--max-pages", "1")) == 0
    for path in archives(tmp_path / "one"):
        os.truncate(path, os.path.getsize(path) // 2)
    assert main(crawl(web, tmp_path / "two")) == 0
    assert len(revisits(tmp_path / "two")) == 19
    for path in archives(tmp_path / "one"):
        os.unlink(path)
    shutil.copytree(tmp_path / "two" / "work", tmp_path / "kept" / "work")
    shutil.copytree(tmp_path / "two" / "warc", tmp_path / "kept" / "warc")
    web.log.clear()
    assert main(crawl(web, tmp_path / "three", "--since", str(tmp_path / "kept"))) == 0
    assert statuses(tmp_path / "three")["304"] == 6  # pictures
    assert len(revisits(tmp_path / "three")) == 19


def test_a_page_that_refuses_now_is_told(site: tuple[WebServer, Site], tmp_path: Path) -> None:
    web, pages = site
    pages.show(ONE)
    assert main(crawl(web, tmp_path / "one")) == 0
    pages.show(ONE)
    for name, path in (("p0", "/p0"), ("p3", "/p3.jpg")):
        answer = web.routes[path]
        assert callable(answer), name

        def refusing(request: Request, answer=answer) -> Reply:  # type: ignore[no-untyped-def]
            reply = answer(request)
            assert isinstance(reply, Reply)
            return dataclasses.replace(reply, headers=(*reply.headers, ("X-Robots-Tag", "noai")))

        web.routes[path] = refusing
    web.routes["/robots.txt"] = Reply(b"User-agent: *\nDisallow: /p1\nAllow: /p1.jpg\n", "text/plain")
    assert main(crawl(web, tmp_path / "two", "--since", str(tmp_path / "one"))) == 0
    gone = [line for line in (tmp_path / "two" / "gone.txt").read_text().splitlines() if line[0] != "#"]
    assert sorted(gone) == [f"http://{HOST}/{name}" for name in ("p0", "p1", "p3.jpg")]
    assert not {f"http://{HOST}/p0", f"http://{HOST}/p3.jpg"} & set(revisits(tmp_path / "two"))
    out = tmp_path / "set"
    build(str(out), archives(tmp_path / "one"), CONFIG, INLINE)
    build(str(out), [], CONFIG, INLINE, deny=gone)
    assert set(samples(out)) == {f"http://{HOST}/p{n}" for n in (2, 4, 5, 6, 7, 8)}


def test_a_recrawl_that_is_killed_goes_on(site: tuple[WebServer, Site], tmp_path: Path) -> None:
    web, pages = site
    pages.show(ONE)
    assert main(crawl(web, tmp_path / "one")) == 0
    pages.show(TWO, TWO_MOVED)
    assert main(crawl(web, tmp_path / "whole", "--since", str(tmp_path / "one"))) == 0
    arguments = crawl(web, tmp_path / "two", "--since", str(tmp_path / "one"))
    for wanted in (4, 12):
        pages.show(TWO, TWO_MOVED)
        running = start([*arguments, "--set", "pace.delay_s=0.02"])
        end = time.monotonic() + 30
        while len(web.paths()) < wanted and time.monotonic() < end and running.poll() is None:
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
        running.communicate()
    assert main(arguments) == 0
    assert captured_addresses(tmp_path / "two") == captured_addresses(tmp_path / "whole")
    assert set(revisits(tmp_path / "two")) == set(revisits(tmp_path / "whole"))
    assert (tmp_path / "two" / "gone.txt").read_text() == (tmp_path / "whole" / "gone.txt").read_text()


def test_a_crawl_follows_on_the_same_ones_for_good(
    site: tuple[WebServer, Site], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    web, pages = site
    pages.show(ONE)
    assert main(crawl(web, tmp_path / "one")) == 0
    assert main(crawl(web, tmp_path / "one", "--since", str(tmp_path / "two"))) == 2
    assert "follows on none" in capsys.readouterr().err
    assert main(crawl(web, tmp_path / "two", "--since", str(tmp_path / "nothing"))) == 2
    assert "no such archive: " in capsys.readouterr().err
    assert not (tmp_path / "two").exists()
