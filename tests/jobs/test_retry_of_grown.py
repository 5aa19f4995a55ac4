"""What failed for a dataset that was added to since is asked for again: what comes is appended."""

import json
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import weft
from crawlers.inputs import InputError
from jobs.build import append, build
from jobs.config import load_config
from jobs.dataset.check import problems
from jobs.dataset.removal import remove
from jobs.engine.engine import EngineSettings
from schemas.builds import APPENDING
from schemas.dataset import Dataset, read_dataset
from schemas.settings import SettingsError
from schemas.storage import Store
from tests.crawlers.servers import Reply, WebServer
from tests.jobs.conftest import contents
from tests.jobs.killed_builds import killed_build
from tests.jobs.kinds.test_clips_whole import VTT, clips, config, write_list
from tests.jobs.site import article, photo, write_archive
from tests.jobs.test_media_from_web import CDN, INLINE, requests, settings, shards
from tests.pipeline.videos import make_video

BUSY, GONE = Reply(b"busy", status=503), Reply(b"gone", status=404)
FIRST, LATER = {10: [0, 1], 11: [1], 12: [0, 2], 13: [3, 2]}, {20: [4, 5], 21: [5, 1], 22: [6, 3], 23: [3]}
LATE = Counter({"/1.jpg": 1, "/5.jpg": 1})


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer() as server:
        fill(server)
        yield server


def fill(server: WebServer) -> None:
    """Two pictures whose server is busy, one that is gone, and others."""
    for number in range(8):
        server.routes[f"{CDN}/{number}.jpg"] = Reply(photo(number), "image/jpeg")
    for number, reply in ((1, BUSY), (5, BUSY), (3, GONE)):
        server.routes[f"{CDN}/{number}.jpg"] = reply


def pages(path: Path, shown: dict[int, list[int]], captured: Sequence[int] = ()) -> Path:
    """An archive of pages by their numbers, each with these pictures, and of some pictures."""
    path.parent.mkdir(exist_ok=True)
    records = []
    for number, pictures in shown.items():
        html = article(number, [f"http://{CDN}/{picture}.jpg" for picture in pictures])
        records.append((f"http://site{number}.example/{number}", html.encode(), "text/html; charset=utf-8"))
    records += [(f"http://{CDN}/{picture}.jpg", photo(picture), "image/jpeg") for picture in captured]
    return write_archive(path, records)


def sets(web: WebServer, *more: str) -> list[str]:
    own = ("kinds=[interleaved,pairs]", "partitions=2", "media.pace.max_failures=50", "media.fetch.max_attempts=1")
    return settings(web, *own, *more, delay_s=0.0)


@pytest.fixture(scope="module")
def lacking(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """A dataset of two builds, each of which lacks pictures, and its inputs."""
    folder = tmp_path_factory.mktemp("lacking")
    first = pages(folder / "first" / "1.warc.gz", FIRST)
    later = pages(folder / "later" / "2.warc.gz", LATER)
    with WebServer() as server:
        fill(server)
        recipe = load_config("default", sets(server))
        build(str(folder / "out"), [str(first)], recipe, INLINE)
        append(str(folder / "out"), [str(later)], recipe, INLINE)
    return folder / "out", [first, later]


@pytest.fixture
def out(tmp_path: Path, lacking: tuple[Path, list[Path]]) -> Path:
    """A copy of it."""
    shutil.copytree(lacking[0], tmp_path / "out")
    return tmp_path / "out"


def heal(web: WebServer) -> None:
    for number in (1, 3, 5):
        web.routes[f"{CDN}/{number}.jpg"] = Reply(photo(number), "image/jpeg")
    web.log.clear()


def retried(out: Path, web: WebServer) -> Dataset:
    return build(str(out), [], load_config("default", sets(web)), INLINE, retry=True)


def live(out: Path) -> dict[str, list[str]]:
    """The pictures of each page that readers see."""
    return {sample.url: sorted(image.url for image in sample.pictures) for sample in weft.open(out)}


def test_what_failed_in_any_build_is_asked_for_again_and_appended(
    web: WebServer, out: Path, lacking: tuple[Path, list[Path]], tmp_path: Path
) -> None:
    before = read_dataset(Store(str(out)))
    heal(web)
    dataset = retried(out, web)
    assert requests(web) == LATE  # what is gone is not asked for
    assert len(dataset.builds) == 3
    assert list(problems(Store(str(out)))) == []
    # the pages are those of a day on which the servers were well
    web.routes[f"{CDN}/3.jpg"] = GONE
    good = build(str(tmp_path / "good"), list(map(str, lacking[1])), load_config("default", sets(web)), INLINE)
    assert live(out) == live(tmp_path / "good")
    for kind, totals in good.kinds.items():
        assert (dataset.kinds[kind].samples, dataset.kinds[kind].images) == (totals.samples, totals.images), kind
    # no input counts twice, and of what was dropped before nothing is counted again
    assert (dataset.inputs, dataset.input_bytes) == (before.inputs, before.input_bytes)
    again = dataset.builds[-1]
    assert again.inputs == 0
    assert not any(counts.drops.get("image") for counts in again.phases.values())
    assert dataset.drops["image"] == before.drops["image"]
    assert set(again.phases) >= {"assemble", "publish"}
    assert not set(again.phases) & {"extract", "urls", "texts"}


@pytest.mark.shares_ray
def test_on_ray_it_asks_and_makes_the_same(web: WebServer, out: Path) -> None:
    heal(web)
    build(str(out), [], load_config("default", sets(web)), EngineSettings(workers=2), retry=True)
    assert requests(web) == LATE
    shown = {number: set(pictures) - {3} for number, pictures in {**FIRST, **LATER}.items()}
    assert live(out) == {
        f"http://site{number}.example/{number}": [f"http://{CDN}/{picture}.jpg" for picture in sorted(pictures)]
        for number, pictures in shown.items()
        if pictures
    }
    assert list(problems(Store(str(out)))) == []


def test_a_try_in_vain_counts_as_one_and_without_anything_to_ask_for_leaves_no_trace(web: WebServer, out: Path) -> None:
    before, seen = live(out), read_dataset(Store(str(out)))
    web.log.clear()
    dataset = retried(out, web)
    assert requests(web) == LATE
    assert (len(dataset.builds), live(out), dataset.kinds, dataset.drops) == (3, before, seen.kinds, seen.drops)
    web.routes[f"{CDN}/1.jpg"] = Reply(photo(1), "image/jpeg")
    web.routes[f"{CDN}/5.jpg"] = GONE
    web.log.clear()
    retried(out, web)
    assert requests(web) == LATE
    assert live(out)["http://site10.example/10"] == [f"http://{CDN}/0.jpg", f"http://{CDN}/1.jpg"]
    heal(web)
    after = contents(out)
    assert len(retried(out, web).builds) == 4  # the last failure of all counts
    assert requests(web) == {}
    assert contents(out) == after
    assert not (out / APPENDING).exists()


def test_killed_it_goes_on_and_asks_for_nothing_twice(
    web: WebServer, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    peace, kills = tmp_path / "peace", 6
    shutil.copytree(out, peace)
    heal(web)
    retried(peace, web)
    heal(web)
    for number in (1, 5):
        web.routes[f"{CDN}/{number}.jpg"] = Reply(photo(number), "image/jpeg", delay_s=0.05)
    chance = random.Random(5)
    with killed_build(out, out, sets(web)) as building:
        for _ in range(kills):
            assert building.command("retry") == "started"
            time.sleep(chance.uniform(0, 1.5))
            if building.command("kill") == "ended":
                break
            assert list(problems(Store(str(out)))) == []
    if len(read_dataset(Store(str(out))).builds) < 3:
        retried(out, web)
    assert set(requests(web)) == {"/1.jpg", "/5.jpg"}
    assert sum(requests(web).values()) <= 2 + kills
    assert shards(out) == shards(peace)
    assert live(out) == live(peace)
    assert list(problems(Store(str(out)))) == []


def test_what_was_begun_is_gone_on_with_by_append_and_nothing_else_is_added(
    web: WebServer, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_config("default", sets(web))
    heal(web)
    with monkeypatch.context() as patch:
        patch.setattr("jobs.build.publish", stopped)
        with pytest.raises(KeyboardInterrupt):
            retried(out, web)
    more = pages(tmp_path / "more" / "3.warc.gz", {30: [6]})
    with pytest.raises(InputError, match="is unfinished: finish it first"):
        append(str(out), [str(more)], recipe, INLINE)
    assert len(append(str(out), [], recipe, INLINE).builds) == 3
    assert requests(web) == LATE
    dataset = append(str(out), [str(more)], recipe, INLINE)
    assert dataset.inputs == 3
    # and another append in the middle is not taken for a try
    with monkeypatch.context() as patch:
        patch.setattr("jobs.build.publish", stopped)
        with pytest.raises(KeyboardInterrupt):
            append(str(out), [str(pages(tmp_path / "last" / "4.warc.gz", {31: [7]}))], recipe, INLINE)
    with pytest.raises(InputError, match="something is being added"):
        retried(out, web)


def stopped(store: Store) -> Dataset:
    raise KeyboardInterrupt


def test_what_was_removed_and_what_is_denied_stay_away(web: WebServer, out: Path) -> None:
    remove(Store(str(out)), ["http://site10.example/10", f"http://{CDN}/4.jpg"], INLINE)
    heal(web)
    recipe = load_config("default", sets(web))
    build(str(out), [], recipe, INLINE, deny=["site21.example"], retry=True)
    assert requests(web) == LATE
    there = live(out)
    assert "http://site10.example/10" not in there
    assert "http://site21.example/21" not in there
    assert there["http://site20.example/20"] == [f"http://{CDN}/5.jpg"]
    assert there["http://site11.example/11"] == [f"http://{CDN}/1.jpg"]
    assert list(problems(Store(str(out)))) == []


def test_what_cannot_be_made_again_is_refused_in_a_line(
    web: WebServer, out: Path, lacking: tuple[Path, list[Path]]
) -> None:
    first = lacking[1][0]
    heal(web)
    before = contents(out)

    def refused(why: str, *more: str) -> None:
        with pytest.raises((SettingsError, InputError), match=why):
            build(str(out), [], load_config("default", sets(web, *more)), INLINE, retry=True)

    refused("without media.from_web", "media.from_web=false")
    refused("must be alike", "text.max_images=3")
    kept = first.read_bytes()
    first.unlink()
    refused("reads what .* was built of again: .*1.warc.gz")
    first.write_bytes(kept)
    told = out / "inputs/001.json"
    told.rename(out / "001.json")
    refused("does not tell all that it was built of")
    (out / "001.json").rename(told)
    assert contents(out) == before
    assert requests(web) == {}
    assert len(retried(out, web).builds) == 3


def test_videos_and_subtitles_that_come_late_are_cut(web: WebServer, tmp_path: Path) -> None:
    there = {"a.mp4": Reply(make_video(scenes=(50, 55), size=(320, 240)), "video/mp4"), "a.vtt": Reply(VTT, "text/vtt")}
    there["b.mp4"] = Reply(make_video(scenes=(50, 60), size=(320, 240)), "video/mp4")
    web.routes = {"/a.mp4": there["a.mp4"], "/a.vtt": BUSY, "/b.mp4": BUSY}
    reach = f"media.fetch.connect_to={json.dumps({'pots.example': web.address})}"
    recipe = config(
        "media.from_web=true", "media.pace.delay_s=0", "media.fetch.max_attempts=1", "media.pace.max_failures=50", reach
    )
    out, lists = tmp_path / "out", []
    for name, more in (("a", {"subtitles": "http://pots.example/a.vtt"}), ("b", {})):
        (tmp_path / name).mkdir()
        lists.append(write_list(tmp_path / name, [f"http://pots.example/{name}.mp4"], **more))
    build(str(out), [], recipe, INLINE, videos=lists[:1])
    append(str(out), [], recipe, INLINE, videos=lists[1:])
    number = len(clips(out))
    web.routes = {f"/{name}": reply for name, reply in there.items()}
    web.log.clear()
    dataset = build(str(out), [], recipe, INLINE, retry=True)
    assert Counter(path for path in web.paths("pots.example") if "." in path[-4:]) == {"/a.vtt": 1, "/b.mp4": 1}
    good = build(str(tmp_path / "good"), [], recipe, INLINE, videos=lists)
    assert dataset.kinds["clips"].samples == good.kinds["clips"].samples > number
    with_cues = {clip.url for clip in weft.open(out) if clip.subtitles}
    assert with_cues == {"http://pots.example/a.mp4"}
    assert list(problems(Store(str(out)))) == []


def test_what_came_for_a_later_build_is_given_to_the_pages_of_earlier_ones(
    web: WebServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Fetched for it, or in its inputs."""
    out, recipe = tmp_path / "out", load_config("default", sets(web))
    pages(tmp_path / "first[1]" / "1.warc.gz", {10: [0, 1], 12: [5], 13: [3]})
    build(str(out), [str(tmp_path / "first*" / "1.warc.gz")], recipe, INLINE)
    heal(web)
    later = pages(tmp_path / "later" / "2.warc.gz", {20: [4, 1]}, captured=[3, 5])
    append(str(out), [str(later)], recipe, INLINE)
    assert requests(web) == {"/1.jpg": 1, "/4.jpg": 1}
    assert live(out)["http://site10.example/10"] == [f"http://{CDN}/0.jpg"]
    web.log.clear()
    retried(out, web)
    assert requests(web) == {}
    there = live(out)
    assert there["http://site10.example/10"] == [f"http://{CDN}/0.jpg", f"http://{CDN}/1.jpg"]
    assert there["http://site12.example/12"] == [f"http://{CDN}/5.jpg"]
    assert there["http://site13.example/13"] == [f"http://{CDN}/3.jpg"]  # which was gone
    after = contents(out)
    more = [str(pages(tmp_path / "more" / "3.warc.gz", {30: [6]}))]
    build(str(out), more, recipe, INLINE, retry=True)
    assert contents(out) == after
    assert "1 inputs, such as" in caplog.text  # are left out
