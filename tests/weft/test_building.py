"""`weft.build` and `weft.crawl` do what the commands do; settings in every form they may have."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import weft
from crawlers.crawl_config import CrawlConfig
from jobs.cli import main
from jobs.config import load_config
from tests.crawlers.servers import Reply, WebServer
from tests.jobs.conftest import contents
from tests.jobs.site import article, photo, write_archive
from weft.notebooks import outside_a_loop
from weft.settings import engine_settings, recipe_of, settings_of

SITE = "https://built.example"
SMALL = {"partitions": 1, "buckets": 1}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    html = article(1, ["/a.jpg", "/b.jpg"]).encode()
    records = [(f"{SITE}/1", html, "text/html")]
    records += [(f"{SITE}/{name}.jpg", photo(seed), "image/jpeg") for seed, name in enumerate("ab")]
    return write_archive(tmp_path_factory.mktemp("archive") / "built.warc.gz", records)


def test_a_build_has_the_bytes_of_the_command_and_is_opened(archive: Path, tmp_path: Path) -> None:
    dataset = weft.build(
        tmp_path / "api", archive, kinds=["interleaved", "pairs"], settings={**SMALL, "seed": 3}, engine="inline"
    )
    assert [(kind, len(dataset.of(kind))) for kind in dataset.kinds] == [("interleaved", 1), ("pairs", 2)]
    assert dataset[f"{SITE}/1"].title == "Article 1"
    command = ["build", "--input", str(archive), "--output", str(tmp_path / "command"), "--engine", "inline"]
    command += ["--kinds", "interleaved,pairs", "--set", "partitions=1", "--set", "buckets=1", "--set", "seed=3"]
    assert main(command) == 0
    assert contents(tmp_path / "api") == contents(tmp_path / "command")
    denied = weft.build(
        tmp_path / "api", [archive], kinds=["interleaved", "pairs"], settings={**SMALL, "seed": 3}, deny=f"{SITE}/1",
        engine="inline",
    )  # fmt: skip
    assert len(denied) == 0


def test_a_crawl_is_started_from_a_cell_of_a_notebook(tmp_path: Path) -> None:
    routes = {
        "crawled.example/": Reply(article(1, ["/a.jpg"]).encode()),
        "crawled.example/a.jpg": Reply(photo(1), "image/jpeg"),
    }
    with WebServer(routes) as server:

        async def cell() -> object:
            return weft.crawl(
                tmp_path / "crawl", "http://crawled.example/", {"partitions": 1}, contact="test@example.org",
                settings={"fetch.connect_to": {"crawled.example": server.address}, "pace.delay_s": 0.0},
                engine="inline",
            )  # fmt: skip

        report = asyncio.run(cell())
    assert (report.finished, report.pages, report.images) == (True, 1, 1)
    assert report.config.fetch.contact == "test@example.org"
    assert list((tmp_path / "crawl/warc").glob("*.warc.gz"))


INTERRUPTED = """
import asyncio, os, signal, threading
from weft.notebooks import outside_a_loop

signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a notebook; what runs in the background ignores it

async def work():
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        while True:
            await asyncio.sleep(0.01)
    finally:
        print("ended in", threading.current_thread().name)

async def cell():
    outside_a_loop(lambda: asyncio.run(work()))

try:
    asyncio.new_event_loop().run_until_complete(cell())
except KeyboardInterrupt:
    print("interrupted", threading.active_count())
"""


def test_an_interrupt_ends_work_that_has_a_loop_of_its_own() -> None:
    command = [sys.executable, "-c", INTERRUPTED]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=Path(weft.__file__).parents[1])
    assert run.stdout.splitlines() == ["ended in weft", "interrupted 1"], run.stderr


def test_outside_a_loop_work_stays_in_its_thread_and_raises_what_it_raises() -> None:
    assert outside_a_loop(threading.current_thread) is threading.current_thread()

    async def cell() -> None:
        outside_a_loop(lambda: 1 // 0)

    with pytest.raises(ZeroDivisionError):
        asyncio.run(cell())


def test_a_config_is_a_preset_a_file_a_record_or_a_recipe(tmp_path: Path) -> None:
    obelics, recipe = load_config("obelics", []), weft.Recipe("obelics")
    (tmp_path / "mine.yaml").write_text("seed: 5\ntext: {gopher: {min_words: 7}}")
    (tmp_path / "mine.py").write_text("import weft\n\nrecipe = weft.Recipe('obelics')\n")
    for config in ("obelics", obelics, recipe, tmp_path / "mine.py"):
        assert recipe_of(config, {}).config == obelics
        changed = load_config("obelics", ["seed=9", "kinds=[pairs]"])
        assert recipe_of(config, {"seed": 9, "kinds": ["pairs"]}).config == changed
    assert recipe_of(tmp_path / "mine.yaml", {}).config == load_config(str(tmp_path / "mine.yaml"), [])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("text.paragraph.max_special_characters", 1e-5),
        ("text.gopher.min_words", None),
        ("text.repetition.top_ngrams", {2: 0.2, 3: 0.18}),
        ("language.keep", ["en", "no"]),
        ("clips.encoding.preset", "no"),
    ],
)
def test_a_setting_given_as_a_python_value_is_that_value(path: str, value: object) -> None:
    found: object = recipe_of("default", {path: value}).config
    for name in path.split("."):
        found = getattr(found, name)
    assert (list(found) if isinstance(found, tuple) else found) == value


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ({"config": "obelix"}, "no such config file or preset: obelix"),
        ({"settings": {"text.gopher.min_wrods": 3}}, "min_wrods"),
        ({"kinds": "pictures"}, "kinds"),
        ({"engine": "spark"}, "engines are ray and inline"),
        ({"config": None}, "not NoneType"),
        ({"workers": -1}, "workers: a number of 0 or more is wanted, not -1"),
        ({"settings": {"seed": "many"}}, "seed: a whole number"),
    ],
    ids=str,
)
def test_a_wrong_call_is_refused_before_anything_is_written(tmp_path: Path, call: dict, said: str) -> None:
    with pytest.raises(weft.SettingsError, match=said):
        weft.build(tmp_path / "out", "none.warc.gz", **{"engine": "inline", **call})
    assert list((tmp_path / "out").glob("*")) == []


def test_inputs_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(weft.InputError, match=r"none\.warc\.gz"):
        weft.build(tmp_path / "out", tmp_path / "none.warc.gz", engine="inline")


def test_settings_of_a_record_come_in_four_forms(tmp_path: Path) -> None:
    wanted = CrawlConfig(partitions=4)
    (tmp_path / "crawl.yaml").write_text("partitions: 4")
    for given in (wanted, {"partitions": 4}, tmp_path / "crawl.yaml", str(tmp_path / "crawl.yaml")):
        assert settings_of(CrawlConfig, given, {}) == wanted
        assert settings_of(CrawlConfig, given, {"images": False}) == CrawlConfig(partitions=4, images=False)
    assert settings_of(CrawlConfig, None, {}) == CrawlConfig()
    for wrong, said in ((tmp_path / "none.yaml", "cannot read"), (7, "a CrawlConfig, a mapping or a path to YAML")):
        with pytest.raises(weft.SettingsError, match=said):
            settings_of(CrawlConfig, wrong, {})


def test_the_engine_is_that_of_the_call() -> None:
    settings = engine_settings("ray", 3, "auto")
    assert (settings.engine, settings.workers, settings.address) == ("ray", 3, "auto")
