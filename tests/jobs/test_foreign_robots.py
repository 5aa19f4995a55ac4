"""Pages and media of archives of others, judged by the robots.txt of their hosts as others captured it."""

import random
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import weft
from jobs.build import append, build
from jobs.cli import main
from jobs.config import load_config
from jobs.dataset.check import problems
from jobs.kinds.robots import Held
from jobs.phases.steps import Extracted
from pipeline.pairs import PagePairs
from schemas.documents import Consent, Draft, ImageRef, TextBlock, VideoRef
from schemas.drops import DropRow
from schemas.pairs import Caption, PairRef
from schemas.signals import Signal
from schemas.storage import Store
from schemas.videos import VideoDraft, VideoText
from tests.crawlers.robots_archive import EARLY, LATE, NO_TRAINING, robots, write_robots
from tests.jobs.conftest import contents
from tests.jobs.site import article, photo, write_archive
from tests.jobs.test_build import INLINE, drops, samples

SETTINGS = ["partitions=3", "buckets=2"]
PAGE_TIME = "2026-03-01T10:00:00Z"


def pages(folder: Path, hosts: Iterable[str], name: str = "pages.warc.gz") -> str:
    """A page of each host, with a picture of its own host and one of another."""
    records = []
    for host in hosts:
        number = zlib.crc32(host.encode()) % 10_000 if host != "https://a.example" else 0
        urls = [f"{host}/private/own.jpg", f"https://cdn.example/{number}.jpg"]
        records.append((f"{host}/page", article(number, urls).encode(), "text/html"))
        records += [(url, photo(2 * number + side), "image/jpeg") for side, url in enumerate(urls)]
    return str(write_archive(folder / name, records, date=PAGE_TIME))


def judged(tmp_path: Path, captures: dict[str, Any], *sets: str, host: str = "https://a.example") -> dict[str, Any]:
    """What became of one page, by its reason; its document, if it was kept."""
    tmp_path.mkdir(exist_ok=True)
    archive = pages(tmp_path, [host])
    listed = write_robots(tmp_path / "robots.warc.gz", [(url, *one) for url, one in captures.items()])
    build(str(tmp_path / "out"), [archive], load_config("default", [*SETTINGS, *sets]), INLINE, robots=[listed])
    assert list(problems(Store(str(tmp_path / "out")))) == []
    kept = list(samples(tmp_path / "out")) if list((tmp_path / "out/interleaved/shards").glob("*.tar")) else []
    of_page = [row for row in drops(tmp_path / "out") if row["kind"] == "page"]
    return {
        "reason": of_page[0]["reason"] if of_page else "",
        "detail": of_page[0]["detail"] if of_page else "",
        "document": kept[0]["document"] if kept else None,
        "records": [(row["url"], row["reason"]) for row in drops(tmp_path / "out") if row["kind"] == "record"],
    }


A = "https://a.example/robots.txt"


def test_a_page_is_dropped_for_what_the_rules_of_its_host_say(tmp_path: Path) -> None:
    found = judged(tmp_path / "visit", {A: robots("User-agent: *\nDisallow: /p")})
    assert (found["reason"], found["detail"]) == ("robots", f"robots.txt of {EARLY}")
    found = judged(tmp_path / "use", {A: robots(NO_TRAINING)})
    assert (found["reason"], found["detail"]) == ("opt_out", f"content-usage: train-ai=n (/robots.txt) of {EARLY}")


def test_the_nearest_before_it_counts(tmp_path: Path) -> None:
    listed = [
        (A, *robots("User-agent: *\nDisallow: /", time="2026-01-01T00:00:00Z")),
        (A, *robots("User-agent: *\nAllow: /", time="2026-02-20T00:00:00Z")),
        (A, *robots("User-agent: *\nDisallow: /", time=LATE)),
    ]
    random.Random(1).shuffle(listed)
    archive, captured = pages(tmp_path, ["https://a.example"]), write_robots(tmp_path / "r.warc.gz", listed)
    build(str(tmp_path / "out"), [archive], load_config("default", SETTINGS), INLINE, robots=[captured])
    (sample,) = samples(tmp_path / "out")
    signals = sample["document"]["consent"]["signals"]
    wanted = {"signal": "robots", "origin": "/robots.txt", "value": "may be visited", "time": "2026-02-20T00:00:00Z"}
    assert wanted in signals


def test_what_is_not_captured_is_unknown_and_recorded(tmp_path: Path) -> None:
    found = judged(tmp_path / "pass", {"https://b.example/robots.txt": robots()})
    assert found["document"]["consent"]["signals"] == [
        {"signal": "robots", "origin": "/robots.txt", "value": "not captured before this"}
    ]
    yes = "User-agent: *\nContent-Usage: train-ai=y\nAllow: /"
    strict, own = ["consent.require_yes=true"], {"https://cdn.example/robots.txt": robots()}
    assert judged(tmp_path / "strict", own, *strict)["reason"] == "no_opt_in"
    assert judged(tmp_path / "yes", {A: robots(yes), **own}, *strict)["reason"] == "no_image_left"  # which have no yes


def test_licences_that_it_names_are_unknown(tmp_path: Path) -> None:
    found = judged(tmp_path, {A: robots("License: /rsl.xml\nUser-agent: *\nAllow: /")})
    (licence,) = [one for one in found["document"]["consent"]["signals"] if one["signal"] == "rsl"]
    assert licence == {"signal": "rsl", "origin": "https://a.example/rsl.xml", "value": "not fetched", "time": EARLY}


def test_media_of_hosts_that_refuse_are_not_taken_from_archives(tmp_path: Path) -> None:
    found = judged(tmp_path, {A: robots("User-agent: *\nDisallow: /private/")})
    assert found["document"]["image_urls"] == ["https://cdn.example/0.jpg"]
    assert found["records"] == [("https://a.example/private/own.jpg", "robots")]


def test_what_pages_say_themselves_counts_beside_it(tmp_path: Path) -> None:
    head = "<html><head><meta name=robots content=noai></head><body>"
    html = article(1, ["https://a.example/x.jpg"]).replace("<html>", head)
    archive = str(write_archive(tmp_path / "a.warc.gz", [("https://a.example/", html.encode(), "text/html")]))
    captured = write_robots(tmp_path / "r.warc.gz", [(A, *robots("User-agent: *\nContent-Usage: train-ai=y"))])
    build(str(tmp_path / "out"), [archive], load_config("default", SETTINGS), INLINE, robots=[captured])
    assert [row["reason"] for row in drops(tmp_path / "out") if row["kind"] == "page"] == ["opt_out"]


def test_what_is_held_of_a_page_comes_back_as_it_was() -> None:
    consent = Consent(
        ("noarchive",), False, "", (Signal("content-usage", "header Content-Usage", "train-ai=y", "yes"),)
    )
    video = VideoDraft(1, ("https://a.example/v.mp4",), (VideoText("title", "Bread"),), consent=consent)
    pair = PairRef(
        1, 2, ("https://a.example/i.jpg",), (Caption("A bridge", "alt"),), "A bridge", "alt", extra={"n": 1.5}
    )
    blocks = (TextBlock("Words"), ImageRef(("https://a.example/i.jpg",)), VideoRef(("https://a.example/v.mp4",)))
    row = DropRow("https://a.example/v.mp4", "video", "no_caption")
    found = Extracted(Draft(1, "https://a.example/", blocks), ("", ""), PagePairs((pair,), (row,)), (video,), (row,))
    held = Held(1 << 40, "https://a.example/", found)
    assert msgspec.json.decode(msgspec.json.encode(held), type=Held) == held


HOSTS = [f"https://s{number}.example" for number in range(12)]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[str]]:
    folder = tmp_path_factory.mktemp("many")
    archives = [pages(folder, HOSTS[4 * part :][:4], f"{part}.warc.gz") for part in range(3)]
    texts = ["User-agent: *\nDisallow: /", NO_TRAINING, "User-agent: *\nAllow: /"]
    captures = [(f"{host}/robots.txt", *robots(texts[number % 3])) for number, host in enumerate(HOSTS)]
    return archives, [write_robots(folder / f"r{part}.warc.gz", captures[part::2]) for part in range(2)]


def test_the_outcome_depends_on_no_partition_and_every_loss_is_counted(
    tmp_path: Path, many: tuple[list[str], list[str]]
) -> None:
    archives, captured = many
    kinds = "kinds=[interleaved,pairs]"
    outs = []
    for number, sets in enumerate((["buckets=1"], ["buckets=7", "archives_a_task=2"])):
        outs.append(tmp_path / str(number))
        config = load_config("default", ["partitions=3", kinds, *sets])
        dataset = build(str(outs[-1]), archives, config, INLINE, robots=captured)
        assert dataset.phases["extract"].drops["page"] == {"opt_out": 4, "robots": 4}
        assert dataset.kinds["interleaved"].samples == 4
        assert list(problems(Store(str(outs[-1])))) == []
    one, other = ([sample["document"] for sample in samples(out)] for out in outs)
    assert [without_hash(document) for document in one] == [without_hash(document) for document in other]
    without = build(str(tmp_path / "none"), archives, load_config("default", ["partitions=3", kinds]), INLINE)
    assert without.kinds["interleaved"].samples == 12
    assert not list((tmp_path / "0/work/parse").glob("*.parquet"))


def without_hash(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "config_hash"}


def test_interrupted_it_goes_on_with_the_same_bytes(
    tmp_path: Path, many: tuple[list[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobs.kinds import robots as module

    archives, captured = many
    config = load_config("default", SETTINGS)
    build(str(tmp_path / "peace"), archives, config, INLINE, robots=captured)
    for number, phase in enumerate(("ROBOTS", "JUDGE", "ADMIT")):
        out = tmp_path / f"killed{number}"
        with monkeypatch.context() as patch:
            patch.setattr(module, phase, None)  # it ends there
            with pytest.raises(AttributeError):
                build(str(out), archives, config, INLINE, robots=captured)
        build(str(out), [], config, INLINE)
        assert contents(out) == contents(tmp_path / "peace")


def test_damaged_archives_are_counted_and_what_is_sound_in_them_holds(tmp_path: Path) -> None:
    path = tmp_path / "r.warc.gz"
    write_robots(path, [(f"https://{name}.example/robots.txt", *robots(NO_TRAINING)) for name in "ab"])
    data = bytearray(path.read_bytes())
    data[len(data) // 4] ^= 0xFF
    path.write_bytes(bytes(data))
    archive = pages(tmp_path, ["https://a.example", "https://b.example"])
    dataset = build(str(tmp_path / "out"), [archive], load_config("default", SETTINGS), INLINE, robots=[str(path)])
    assert dataset.phases["robots"].drops["record"] == {"broken_record": 1}
    assert dataset.phases["extract"].drops["page"] == {"opt_out": 1}
    assert dataset.kinds["interleaved"].samples == 1


def test_the_command_python_append_and_a_dry_run_take_them(
    tmp_path: Path, many: tuple[list[str], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    archives, captured = many
    out, sets = str(tmp_path / "out"), [word for value in SETTINGS for word in ("--set", value)]
    call = ["build", "--input", archives[0], "--output", out, "--robots", *captured, "--engine", "inline", *sets]
    assert main([*call, "--dry-run"]) == 0
    assert "judges pages by robots.txt captures in 2 archives" in capsys.readouterr().out
    assert main(call) == 0
    append(out, archives[1:2], load_config("default", SETTINGS), INLINE, robots=captured)
    settings = {"partitions": 3, "buckets": 2}
    ds = weft.build(out, archives[2:], settings=settings, append=True, robots=captured, engine="inline")
    assert sorted({sample.url for sample in ds}) == sorted(f"{host}/page" for host in HOSTS[2::3])
    assert main([*call[:5], "--robots", str(tmp_path / "no.warc.gz"), "--engine", "inline", "--set", "seed=3"]) == 2
