"""Images that lie in the inputs of earlier builds of a dataset: what is added finds them there and asks nobody."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import weft
from jobs.build import append, build
from jobs.config import load_config
from jobs.dataset.check import problems
from jobs.dataset.removal import remove
from schemas.dataset import Dataset
from schemas.storage import Store
from tests.crawlers.servers import Reply, WebServer
from tests.jobs.conftest import contents
from tests.jobs.site import article, photo, write_archive
from tests.jobs.test_media_from_web import CDN, INLINE, requests, settings

_ON_THE_WEB = 1000  # what the server has under an address is another picture than what was captured


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer() as server:
        for number in range(8):
            server.routes[f"{CDN}/{number}.jpg"] = Reply(photo(_ON_THE_WEB + number), "image/jpeg")
        yield server


def written(
    path: Path, day: int, shown: Mapping[int, Sequence[int]], captured: Sequence[int] = (), of: int = 0
) -> Path:
    """An archive of pages by their numbers, each with these pictures, and of some pictures, those of the set `of`."""
    path.parent.mkdir(exist_ok=True)
    records = []
    for number, pictures in shown.items():
        html = article(number, [f"http://{CDN}/{picture}.jpg" for picture in pictures])
        records.append((f"http://site{number}.example/{number}", html.encode(), "text/html; charset=utf-8"))
    records += [(f"http://{CDN}/{picture}.jpg", photo(of + picture), "image/jpeg") for picture in captured]
    return write_archive(path, records, date=f"2026-03-{day:02d}T10:00:00Z")


def sets(web: WebServer, *more: str) -> list[str]:
    return settings(web, "partitions=2", "buckets=2", *more, delay_s=0.0)


def added(out: Path, archive: Path, web: WebServer, *more: str) -> Dataset:
    return append(str(out), [str(archive)], load_config("default", sets(web, *more)), INLINE)


def live(out: Path) -> dict[str, list[tuple[str, str]]]:
    """The pictures of each page that readers see: their addresses, and what they are."""
    return {page.url: [(image.url, image.sha256) for image in page.pictures] for page in weft.open(out)}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A dataset of an archive with pictures that none of its pages shows, and that archive."""
    folder = tmp_path_factory.mktemp("first")
    archive = written(folder / "1.warc.gz", 1, {10: [0]}, captured=[0, 1, 2, 3])
    with WebServer() as server:
        build(str(folder / "out"), [str(archive)], load_config("default", sets(server)), INLINE)
        assert requests(server) == {}
    return folder / "out", archive


@pytest.fixture
def out(tmp_path: Path, first: tuple[Path, Path]) -> Path:
    """A copy of it."""
    shutil.copytree(first[0], tmp_path / "out")
    return tmp_path / "out"


def test_what_inputs_of_before_hold_is_read_there_as_in_one_build_of_all(
    web: WebServer, out: Path, first: tuple[Path, Path], tmp_path: Path
) -> None:
    later = written(tmp_path / "later/2.warc.gz", 2, {20: [1, 4], 21: [2, 5]}, captured=[2, 6], of=100)
    added(out, later, web)
    assert requests(web) == {"/4.jpg": 1, "/5.jpg": 1}
    last = written(tmp_path / "last/3.warc.gz", 3, {30: [1, 2], 31: [3, 6], 32: [4]})
    added(out, last, web)
    assert requests(web) == {"/4.jpg": 1, "/5.jpg": 1}
    assert list(problems(Store(str(out)))) == []
    once = tmp_path / "once"
    build(str(once), [str(first[1]), str(later), str(last)], load_config("default", sets(web)), INLINE)
    assert live(out) == live(once)  # of two captures the newest
    assert not [path for path in out.rglob("*") if path.name.endswith(".tmp")]
    # without the web it is the same
    offline = tmp_path / "offline"
    shutil.copytree(first[0], offline)
    added(offline, written(tmp_path / "other/4.warc.gz", 2, {20: [1, 4]}), web, "media.from_web=false")
    assert [url for url, _ in live(offline)["http://site20.example/20"]] == [f"http://{CDN}/1.jpg"]


def test_what_cannot_be_reached_any_more_is_asked_for(
    web: WebServer, out: Path, first: tuple[Path, Path], tmp_path: Path
) -> None:
    added(out, written(tmp_path / "later/2.warc.gz", 2, {20: [4]}, captured=[2, 5], of=100), web)
    kept, archive = first[1].read_bytes(), first[1]
    try:
        archive.unlink()
        web.log.clear()
        added(out, written(tmp_path / "last/3.warc.gz", 3, {30: [1, 2], 31: [5]}), web)
    finally:
        archive.write_bytes(kept)
    assert requests(web) == {"/1.jpg": 1}
    assert len(live(out)["http://site30.example/30"]) == 2
    # what was asked for lies here, and what is newer than that is taken
    web.log.clear()
    added(out, written(tmp_path / "more/4.warc.gz", 4, {40: [1, 2, 5]}), web)
    assert requests(web) == {}
    assert len(live(out)["http://site40.example/40"]) == 3


def test_a_dataset_that_does_not_tell_it_grows_as_before(web: WebServer, out: Path, tmp_path: Path) -> None:
    shutil.rmtree(out / "captured")
    added(out, written(tmp_path / "later/2.warc.gz", 2, {20: [1, 4]}, captured=[2]), web, "without_keys=true")
    assert requests(web) == {"/1.jpg": 1, "/4.jpg": 1}
    assert not (out / "captured").exists()  # nor does it from now on, where that is not wanted


def test_what_is_kept_of_a_picture_is_its_place(out: Path, first: tuple[Path, Path]) -> None:
    rows = [row for path in sorted((out / "captured").iterdir()) for row in pq.read_table(path).to_pylist()]
    assert len(rows) == 4
    assert {row["archive"] for row in rows} == {str(first[1])}
    assert {len(row["key"]) for row in rows} == {16}
    data = first[1].read_bytes()
    assert all(data[row["offset"] :].startswith(b"\x1f\x8b") and row["length"] > 0 for row in rows)


def test_interrupted_it_asks_for_nothing_more_and_makes_the_same(
    web: WebServer, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    later = written(tmp_path / "later/2.warc.gz", 2, {20: [1, 2], 21: [3]}, captured=[4])
    peace = tmp_path / "peace"
    shutil.copytree(out, peace)
    added(peace, later, web)

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for where in ("build.fetch_media", "build.publish", "dataset.append._write_reader_files"):  # there, files are moved
        with monkeypatch.context() as patch:
            patch.setattr(f"jobs.{where}", stopped)
            with pytest.raises(KeyboardInterrupt):
                added(out, later, web)
    added(out, later, web)
    assert requests(web) == {}
    assert contents(out) == contents(peace)


def test_an_input_of_before_that_goes_away_meanwhile_costs_its_pictures_alone(
    web: WebServer, out: Path, first: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = written(tmp_path / "later/2.warc.gz", 2, {20: [1, 4], 21: [2, 4]}, captured=[4])

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("jobs.build.fetch_media", stopped)
        with pytest.raises(KeyboardInterrupt):
            added(out, later, web)
    archive, kept = first[1], first[1].read_bytes()
    try:
        archive.unlink()
        added(out, later, web)
    finally:
        archive.write_bytes(kept)
    assert live(out).keys() == {f"http://site{page}.example/{page}" for page in (10, 20, 21)}
    assert [len(live(out)[f"http://site{page}.example/{page}"]) for page in (20, 21)] == [1, 1]
    rows = [row for path in (out / "drops").iterdir() for row in pq.read_table(path).to_pylist()]
    gone = [row["url"] for row in rows if row["detail"].startswith(f"{archive} is gone")]
    assert sorted(gone) == [f"http://{CDN}/1.jpg", f"http://{CDN}/2.jpg"]


def test_what_was_removed_does_not_come_back(web: WebServer, out: Path, tmp_path: Path) -> None:
    (shown,) = live(out)["http://site10.example/10"]
    added(out, written(tmp_path / "later/2.warc.gz", 2, {20: [1, 2]}), web)
    hashes = dict(live(out)["http://site20.example/20"])
    remove(Store(str(out)), [shown[0], f"sha256:{hashes[f'http://{CDN}/1.jpg']}"], INLINE)
    added(out, written(tmp_path / "last/3.warc.gz", 3, {30: [0, 1, 3], 31: [0, 1]}), web)
    assert [url for url, _ in live(out)["http://site30.example/30"]] == [f"http://{CDN}/3.jpg"]
    assert "http://site31.example/31" not in live(out)
    assert requests(web) == {}
    assert list(problems(Store(str(out)))) == []
