"""The parts that the progress of a build counts are those that are run, in their order."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from jobs.build import append, build
from jobs.config import BuildConfig, load_config
from jobs.engine.build_progress import BuildProgress
from jobs.fetch_pairs import fetch_pairs
from tests.crawlers.servers import Reply, WebServer
from tests.jobs.site import photo
from tests.jobs.test_append import small_site
from tests.jobs.test_build import INLINE, SMALL
from tests.jobs.test_media_from_web import CDN, archive, settings


class Watched(BuildProgress):
    """Keeps which parts were foreseen, and which were entered."""

    def __init__(self) -> None:
        super().__init__(io.StringIO())
        self.entered: dict[str, None] = {}

    def _enter(self, phase: str) -> None:
        super()._enter(phase)
        assert self._part is not None
        self.entered[self._part.name] = None

    def agree(self) -> None:
        assert list(self.entered) == [part.name for part in self._parts]
        assert not any(part.words == part.name for part in self._parts), "one was not foreseen"


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer() as server:
        for number in range(8):
            server.routes[f"{CDN}/{number}.jpg"] = Reply(photo(number), "image/jpeg")
        yield server


@pytest.mark.parametrize(
    "config",
    [
        msgspec.structs.replace(SMALL, kinds=("interleaved", "pairs", "clips")),
        msgspec.structs.replace(
            SMALL, near_duplicates=False, corpus=load_config("default", ["corpus={}"]).corpus, kinds=("pairs",)
        ),
    ],
)
def test_of_a_build_and_of_what_is_added_to_it(tmp_path: Path, config: BuildConfig) -> None:
    first = small_site(tmp_path, range(4), "2026-01-01T00:00:00Z", "1.warc.gz")
    second = small_site(tmp_path, range(2, 6), "2026-02-01T00:00:00Z", "2.warc.gz")
    shown = Watched()
    build(str(tmp_path / "out"), [str(first)], config, INLINE, shown=shown)
    shown.agree()
    added = Watched()
    append(str(tmp_path / "out"), [str(second)], config, INLINE, shown=added)
    added.agree()


def test_of_a_build_that_fetches(tmp_path: Path, web: WebServer) -> None:
    shown = Watched()
    config = load_config("default", settings(web, "kinds=[interleaved,pairs]", delay_s=0.0))
    build(str(tmp_path / "out"), [str(archive(tmp_path, pages=4))], config, INLINE, shown=shown)
    shown.agree()
    assert "media" in shown.entered
    (tmp_path / "more").mkdir()
    added = Watched()
    append(str(tmp_path / "out"), [str(archive(tmp_path / "more", pages=6))], config, INLINE, shown=added)
    added.agree()
    assert "known-media" in added.entered


def test_of_another_try_for_what_was_added_to(tmp_path: Path, web: WebServer) -> None:
    """It fetches before it reads."""
    web.routes[f"{CDN}/1.jpg"] = Reply(b"busy", status=503)
    config = load_config("default", settings(web, "kinds=[interleaved,pairs]", delay_s=0.0))
    build(str(tmp_path / "out"), [str(archive(tmp_path, pages=4))], config, INLINE)
    (tmp_path / "more").mkdir()
    append(str(tmp_path / "out"), [str(archive(tmp_path / "more", pages=6))], config, INLINE)
    web.routes[f"{CDN}/1.jpg"] = Reply(photo(1), "image/jpeg")
    again = Watched()
    assert len(build(str(tmp_path / "out"), [], config, INLINE, retry=True, shown=again).builds) == 3
    again.agree()
    assert list(again.entered).index("media") < list(again.entered).index("extract")


def test_of_pairs_of_a_list(tmp_path: Path, web: WebServer) -> None:
    rows = [{"url": f"http://{CDN}/{number}.jpg", "text": f"A red bridge over river {number}"} for number in range(3)]
    path = tmp_path / "list.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    shown = Watched()
    sets = [one for one in settings(web, delay_s=0.0) if one.startswith(("media.", "partitions"))]
    fetch_pairs(str(tmp_path / "out"), [str(path)], load_config("list", sets), INLINE, shown=shown)
    shown.agree()
