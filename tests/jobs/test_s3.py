"""Builds on an S3 server over the network, with requests that fail."""

import json
import logging
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
import s3fs

from crawlers.crawl_config import CrawlConfig
from crawlers.index_rows import Selection
from crawlers.range_settings import RangeSettings
from jobs.build import append, build
from jobs.cli import main
from jobs.config import load_config
from jobs.crawl.records import copy_records
from jobs.dataset.check import problems
from jobs.phases.run import BuildError, Phases
from jobs.phases.task import Phase
from schemas.dataset import DATASET
from schemas.storage import Store
from tests.crawlers.archive_server import FOLDER, write_archives, write_index
from tests.crawlers.servers import Reply, WebServer
from tests.crawlers.warcs import response
from tests.jobs.conftest import contents
from tests.jobs.looked_at import viewer
from tests.jobs.s3 import Faults, s3_server
from tests.jobs.site import article, photo, write_archive
from tests.jobs.test_build import INLINE, SMALL


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Credentials that mean nothing, and no caches between servers."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")  # the clients' patience would only take time
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 2)
    logging.getLogger("botocore").setLevel(logging.ERROR)
    yield
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def faults() -> Faults:
    return Faults(seed=7)


@pytest.fixture
def bucket(faults: Faults, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with s3_server(faults) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        s3fs.S3FileSystem.clear_instance_cache()
        name = f"web-{uuid.uuid4().hex[:8]}"  # moto keeps its buckets as long as the process lives
        fsspec.filesystem("s3").mkdir(name)
        yield f"s3://{name}"


def read_all(url: str) -> dict[str, bytes]:
    """What readers open, as `contents` gives it of a folder."""
    store = Store(url)
    paths = [path.removeprefix(f"{store.root}/") for path in store.fs.find(store.root)]
    return {path: store.read(path) for path in paths if not path.startswith("work/")}


@pytest.fixture(scope="module")
def in_peace(tmp_path_factory: pytest.TempPathFactory, site: list[Path]) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("peace") / "out"
    build(str(folder), [str(path) for path in site], SMALL, INLINE)
    return contents(folder)


def test_a_build_on_s3_has_the_bytes_of_one_in_a_folder(
    bucket: str, site: list[Path], in_peace: dict[str, bytes]
) -> None:
    build(f"{bucket}/out", [str(path) for path in site], SMALL, INLINE)
    assert read_all(f"{bucket}/out") == in_peace


def test_what_is_added_on_s3_has_the_bytes_of_what_is_added_in_a_folder(
    bucket: str, tmp_path: Path, site: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    for out in (f"{bucket}/out", str(tmp_path / "out")):
        build(out, [str(site[0])], SMALL, INLINE)
        append(out, [str(path) for path in site[1:]], SMALL, INLINE)
    assert read_all(f"{bucket}/out") == contents(tmp_path / "out")


def test_a_build_on_s3_fetches_once_and_what_is_added_and_tried_again_has_what_is_there(
    bucket: str, tmp_path: Path
) -> None:
    with WebServer() as web:
        urls = [f"http://pictures.example/{number}.jpg" for number in range(6)]
        for number, url in enumerate(urls):
            web.routes[url.removeprefix("http://")] = Reply(photo(number), "image/jpeg")
        captured = ("http://pictures.example/captured.jpg", photo(9), "image/jpeg")
        first = [("http://a.example/", article(1, urls[:4]).encode(), "text/html"), captured]
        pages = on_s3(bucket, write_archive(tmp_path / "p.warc.gz", first))
        reach = f'media.fetch.connect_to={{"pictures.example": "{web.address}"}}'
        sets = ["media.from_web=true", "media.partitions=1", "media.pace.delay_s=0", reach]
        web.routes["pictures.example/3.jpg"] = Reply(status=503)
        build(f"{bucket}/out", [pages], load_config("default", [*sets, "media.pace.backoff_s=0.01"]), INLINE)
        web.routes["pictures.example/3.jpg"] = Reply(photo(3), "image/jpeg")
        again = load_config("default", [*sets, "media.pace.backoff_s=0.01"])
        dataset = build(f"{bucket}/out", [pages], again, INLINE, retry=True)
        assert dataset.kinds["interleaved"].images == 4
        assert sorted(set(web.paths())) == sorted(f"/{number}.jpg" for number in range(4))
        assert [web.paths().count(f"/{number}.jpg") for number in range(3)] == [1, 1, 1]
        # what is added finds there what was fetched, and what lies in the inputs of before
        later = [("http://b.example/", article(2, [urls[0], captured[0], *urls[4:]]).encode(), "text/html")]
        web.routes["pictures.example/5.jpg"] = Reply(status=503)
        web.log.clear()
        append(f"{bucket}/out", [on_s3(bucket, write_archive(tmp_path / "q.warc.gz", later))], again, INLINE)
        assert set(web.paths()) == {"/4.jpg", "/5.jpg"}
        web.routes["pictures.example/5.jpg"] = Reply(photo(5), "image/jpeg")
        web.log.clear()
        dataset = build(f"{bucket}/out", [], again, INLINE, retry=True)
        assert web.paths() == ["/5.jpg"]
        assert (len(dataset.builds), dataset.kinds["interleaved"].images) == (3, 8)
        assert list(problems(Store(f"{bucket}/out"))) == []
        assert not Store(f"{bucket}/out").list("appending")


def on_s3(bucket: str, path: Path) -> str:
    Store(bucket).put(path.name, path.read_bytes())
    return f"{bucket}/{path.name}"


def test_only_one_of_two_attempts_can_commit(bucket: str) -> None:
    store = Store(f"{bucket}/race")
    assert store.put_if_absent("work/mark.json", b"first")
    assert not store.put_if_absent("work/mark.json", b"second")
    assert store.read("work/mark.json") == b"first"


def test_many_files_are_deleted_at_once_and_those_that_are_not_there_are_no_error(bucket: str, faults: Faults) -> None:
    store = Store(f"{bucket}/many")
    names = [f"work/{number}" for number in range(30)]
    store.each(lambda name: store.put(name, b"x"), names)
    before = faults.requests
    store.remove_all([*names[1:], "work/never"])
    assert faults.requests - before < 5
    assert store.list("work") == ["0"]
    store.remove_all(["work/never"])


def test_a_small_file_takes_one_request(bucket: str, faults: Faults) -> None:
    store = Store(f"{bucket}/small")
    names = [f"work/{number}" for number in range(10)]
    store.each(lambda name: store.put(name, name.encode()), names)
    before = faults.requests
    assert store.read("work/3") == b"work/3"
    assert store.read_all(names) == [name.encode() for name in names]
    assert faults.requests - before == 11
    with pytest.raises(FileNotFoundError):
        store.read("work/never")


def test_files_are_renamed_with_one_request_to_delete_and_again_after_a_kill(bucket: str, faults: Faults) -> None:
    store = Store(f"{bucket}/moved")
    moves = [(f"work/.{number}.tmp", f"work/{number}") for number in range(10)]
    store.each(lambda move: store.put(move[0], move[0].encode()), moves)
    store.move_all(moves[:3])
    before = faults.requests
    store.move_all(moves[3:])
    assert faults.requests - before <= 2 * 7 + 1, "to look, to copy, and one for all"
    store.move_all(moves)
    assert store.list("work") == [str(number) for number in range(10)]
    with pytest.raises(FileNotFoundError):
        store.move_all([("work/.never.tmp", "work/never")])


def test_errors_and_cut_connections_cost_time_and_nothing_else(
    bucket: str, faults: Faults, site: list[Path], in_peace: dict[str, bytes]
) -> None:
    faults.unavailable, faults.cut = 0.03, 0.03
    for _ in range(10):
        try:
            build(f"{bucket}/out", [str(path) for path in site], SMALL, INLINE)
            break
        except (BuildError, OSError):  # a rerun does what is missing
            continue
    faults.unavailable = faults.cut = 0.0
    assert faults.injected > 10
    assert read_all(f"{bucket}/out") == in_peace


def test_a_store_that_is_lost_in_the_middle_leaves_nothing_that_looks_whole(
    bucket: str, faults: Faults, site: list[Path], in_peace: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Phases.run

    def lose_the_store(self: Phases, phase: Phase, *arguments: object, **named: Any) -> object:
        faults.cut = 1.0 if phase.name == "publish" else 0.0
        return run(self, phase, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Phases, "run", lose_the_store)
        with pytest.raises((BuildError, OSError)):
            build(f"{bucket}/out", [str(path) for path in site], SMALL, INLINE)
    faults.cut = 0.0
    assert not Store(f"{bucket}/out").exists(DATASET)
    build(f"{bucket}/out", [str(path) for path in site], SMALL, INLINE)
    assert read_all(f"{bucket}/out") == in_peace


def test_people_look_into_a_dataset_on_s3(
    bucket: str, faults: Faults, looked_at: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def at_most(requests: int, arguments: list[str]) -> None:
        before = faults.requests
        assert main(arguments) == 0
        assert faults.requests - before <= requests

    url = f"{bucket}/looked"
    fsspec.filesystem("s3").put(str(looked_at), url, recursive=True)
    assert main(["inspect", url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kinds"]["pairs"]["samples"] == 13
    at_most(40, ["query", url, "select count(*) n from interleaved", "--json"])
    assert json.loads(capsys.readouterr().out) == {"n": 7}
    assert main(["subset", url, "--where", "num_words > 2", "--kind", "pairs", "-o", f"{bucket}/part"]) == 0
    assert main(["inspect", f"{bucket}/part", "--check"]) == 0
    at_most(60, ["report", f"{bucket}/part"])
    assert b"not_selected" in Store(f"{bucket}/part").read("report.html")
    at_most(60, ["audit", url])
    found = json.loads(Store(url).read("audit.json"))
    assert {one["thing"]: one["kept"] for one in found["ledger"]} == {"page": 8, "image": 13, "pair": 13, "video": 1}
    assert found["domains"]["names"]["samples"] == 21
    at_most(70, ["card", url, "--name", "Looked at"])
    assert json.loads(Store(url).read("croissant.json"))["name"] == "Looked at"
    with viewer(url) as address, urllib.request.urlopen(f"{address}/browse/clips", timeout=60) as response:
        assert b"<video src=" in response.read()
    capsys.readouterr()
    assert main(["inspect", f"{url}/pairs/shards", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 13  # as shards of anybody


def test_records_named_by_an_index_on_s3_are_read_by_ranges_whatever_the_store_does_now_and_then(
    bucket: str, faults: Faults, tmp_path: Path
) -> None:
    made = [response(f"https://a.example/{number}", f"page {number} " * 200) for number in range(40)]
    rows = write_archives(tmp_path / "s", {"a.warc.gz": made})
    wrong = [{**rows[0], "warc_filename": "none"}, {**rows[1], "warc_record_offset": 10**8}]
    write_index(tmp_path / "i.parquet", [*rows, *wrong])
    store = fsspec.filesystem("s3")
    store.put(str(tmp_path / "s" / FOLDER / "a.warc.gz"), f"{bucket}/{FOLDER}/a.warc.gz")
    store.put(str(tmp_path / "i.parquet"), f"{bucket}/index/i.parquet")
    faults.unavailable = faults.short = 0.1
    ranges = RangeSettings(max_range_bytes=1, backoff_s=0.01, max_backoff_s=0.05, max_attempts=30)
    report = copy_records(
        str(tmp_path / "r"),
        [f"{bucket}/index/*.parquet"],
        Selection(),
        bucket,
        CrawlConfig(partitions=1, ranges=ranges),
        INLINE,
    )
    assert (report.copied, report.drops) == (40, {"no_such_archive": 1, "no_such_range": 1})
