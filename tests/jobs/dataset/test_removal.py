"""Denied samples are not made, and leave a dataset that is finished."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from jobs.build import build
from jobs.cli import main
from jobs.config import load_config
from jobs.dataset.check import problems
from jobs.dataset.rewrite import Rewriting
from jobs.engine.engine import EngineSettings
from jobs.phases.run import BuildError
from schemas.deny import DenyList
from schemas.storage import Store
from tests.jobs.conftest import contents
from tests.jobs.site import photo, prose, write_archive
from tests.jobs.test_build import INLINE, drops, samples

CONFIG = load_config("default", ["partitions=2", "shards.max_bytes=60000"])
DENY = ["https://site1.example/page1.html", "https://site2.example/img/2-a.jpg", "site3.example"]


def urls(folder: Path) -> set[str]:
    return {sample["document"]["url"] for sample in samples(folder)}


def denied(url: str) -> bool:
    return url == "https://site1.example/page1.html" or "site3." in url


@pytest.fixture(scope="module", autouse=True)
def one_time() -> Iterator[None]:
    """The history has the time of each removal."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1790000000")
        yield


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, site: list[Path]) -> Path:
    out = tmp_path_factory.mktemp("built") / "out"
    build(str(out), [str(path) for path in site], CONFIG, INLINE)
    return out


@pytest.fixture
def finished(tmp_path: Path, built: Path) -> Path:
    shutil.copytree(built, tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, built: Path) -> dict[str, bytes]:
    """What is left where nothing disturbs."""
    out = tmp_path_factory.mktemp("expected") / "out"
    shutil.copytree(built, out)
    build(str(out), [], CONFIG, INLINE, DENY)
    return contents(out)


def test_a_rerun_with_a_list_removes_what_was_collected(finished: Path, site: list[Path]) -> None:
    before = urls(finished)
    dataset = build(str(finished), [str(path) for path in site], CONFIG, INLINE, DENY)
    assert urls(finished) == {url for url in before if not denied(url)}
    assert len(before) > dataset.kinds["interleaved"].samples == len(urls(finished))
    assert list(problems(Store(str(finished)))) == []
    removed = [row["url"] for row in drops(finished) if row["reason"] == "denied"]
    assert sorted(removed) == sorted([DENY[1], *(url for url in before if denied(url))])
    assert dataset.drops["page"]["denied"] + dataset.drops["image"]["denied"] == len(removed)
    sizes = json.loads((finished / "interleaved/shards/sizes.json").read_text())
    assert sum(sizes.values()) == dataset.kinds["interleaved"].samples


def test_samples_that_stay_are_the_same_to_the_byte(finished: Path, site: list[Path]) -> None:
    def members(folder: Path) -> dict[str, dict[str, Any]]:
        return {one["document"]["url"]: {k: v for k, v in one.items() if k[:2] != "__"} for one in samples(folder)}

    before = members(finished)
    build(str(finished), [], CONFIG, INLINE, DENY)
    after = members(finished)
    lost_one = {"https://site2.example/page2.html"}
    assert {url for url, sample in after.items() if before[url] != sample} == lost_one


def test_the_list_stays_with_the_dataset_and_is_not_needed_again(finished: Path) -> None:
    build(str(finished), [], CONFIG, INLINE, DENY)
    once = contents(finished)
    build(str(finished), [], CONFIG, INLINE)
    assert contents(finished) == once
    build(str(finished), [], CONFIG, INLINE, ["site0.example"])
    assert not any("site0." in url or denied(url) for url in urls(finished))
    assert list(problems(Store(str(finished)))) == []


def test_a_new_build_never_makes_what_is_denied(tmp_path: Path, site: list[Path]) -> None:
    out = tmp_path / "out"
    dataset = build(str(out), [str(path) for path in site], CONFIG, INLINE, [DENY[0], DENY[2]])
    assert not any(url == DENY[0] or "site3." in url for url in urls(out))
    assert dataset.drops["page"]["denied"] > 1
    assert list(problems(Store(str(out)))) == []


def test_a_denied_image_leaves_its_page_in_a_new_build(tmp_path: Path, site: list[Path]) -> None:
    dataset = build(str(tmp_path / "out"), [str(path) for path in site], CONFIG, INLINE, [DENY[1]])
    (page,) = [one["document"] for one in samples(tmp_path / "out") if one["document"]["url"].endswith("/page2.html")]
    assert page["image_urls"] == ["https://site2.example/img/2-b.jpg"]
    assert dataset.drops["image"]["denied"] == 1


class Killed(BaseException):
    """Not an error that an attempt is tried again for."""


class Failing:
    """From now on the store fails at the nth of what changes it, once."""

    def __init__(self, patch: pytest.MonkeyPatch, at: int, error: type[BaseException]) -> None:
        self.left, self._error = at, error
        for name in ("put", "put_if_absent", "move", "remove"):
            patch.setattr(Store, name, self._counting(getattr(Store, name)))

    def _counting(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def counting(store: Store, *arguments: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                raise self._error
            return method(store, *arguments)

        return counting


@pytest.mark.parametrize("at", range(1, 62, 10))
@pytest.mark.parametrize("error", [Killed, OSError])
def test_stopped_at_any_moment_it_ends_with_the_same_bytes(
    finished: Path, expected: dict[str, bytes], at: int, error: type[BaseException]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        failing = Failing(patch, at, error)
        with suppress(Killed, OSError):
            build(str(finished), [], CONFIG, INLINE, DENY)
    assert failing.left <= 0
    build(str(finished), [], CONFIG, INLINE, DENY)
    assert contents(finished) == expected
    assert not list((finished / "interleaved").rglob(".*.tmp"))


def test_a_partition_that_failed_is_tried_again_and_numbers_follow_what_was_committed(
    finished: Path, expected: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    delete, left = Rewriting._delete, [0, 1, 0, 1]

    def failing(rewriting: Rewriting, name: str) -> None:
        if left and left.pop(0):
            raise OSError("lost")
        delete(rewriting, name)

    monkeypatch.setattr(Rewriting, "_delete", failing)
    build(str(finished), [], CONFIG, INLINE, DENY)
    assert not left
    assert contents(finished) == expected


def test_partitions_that_fail_for_good_are_named(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError("lost")

    monkeypatch.setattr(Rewriting, "_delete", fails)
    with pytest.raises(BuildError, match=r"from 2 of 2 partitions, first 0: OSError: lost"):
        build(str(finished), [], CONFIG, INLINE, DENY)


def test_what_was_looked_through_by_a_list_is_not_opened_again(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(str(finished), [], CONFIG, INLINE, DENY)
    opened: list[str] = []

    def denied(rewriting: Rewriting, name: str, deny: DenyList) -> set[str]:
        opened.append(name)
        return set()

    monkeypatch.setattr(Rewriting, "_denied", denied)
    build(str(finished), [], CONFIG, INLINE)
    assert opened == []
    build(str(finished), [], CONFIG, INLINE, ["elsewhere.example"])
    assert len(opened) == len(list((finished / "interleaved/commit").glob("*.json")))
    assert len(list((finished / "work/looked").glob("*/*"))) == 2


def test_large_datasets_are_looked_through_on_ray(
    finished: Path, expected: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.dataset.removal._WORTH_AN_ENGINE", 1)
    build(str(finished), [], CONFIG, EngineSettings(workers=2, object_store_bytes=80 << 20), DENY)
    assert contents(finished) == expected


def test_a_page_without_a_denied_image_is_what_a_build_would_have_made(tmp_path: Path) -> None:
    figure = "<figure><img src='/{0}.jpg'><figcaption>The harbour of {0} in the morning.</figcaption></figure>"
    html = (
        f"<html><body><article><h1>Harbours</h1><p>{prose(1)}</p>{figure.format('a')}<p>{prose(2)}</p>"
        f"{figure.format('b')}{figure.format('c')}<ul><li>{prose(3, 1)}</li></ul><p>{prose(4)}</p>"
        "</article></body></html>"
    )
    records = [("https://a.example/", html.encode(), "text/html")]
    records += [(f"https://a.example/{name}.jpg", photo(number), "image/jpeg") for number, name in enumerate("abc")]
    archive = str(write_archive(tmp_path / "a.warc.gz", records))
    build(str(tmp_path / "whole"), [archive], CONFIG, INLINE)
    for number, deny in enumerate((["a"], ["b", "c"], ["a", "b", "c"])):
        lines = [f"https://a.example/{name}.jpg" for name in deny]
        one, other = tmp_path / f"removed{number}", tmp_path / f"made{number}"
        shutil.copytree(tmp_path / "whole", one)
        removed = build(str(one), [], CONFIG, INLINE, lines)
        made = build(str(other), [archive], CONFIG, INLINE, lines)
        assert removed.kinds["interleaved"].images == made.kinds["interleaved"].images == 3 - len(deny)
        assert removed.drops == made.drops
        assert list(problems(Store(str(one)))) == []
        if len(deny) < 3:
            assert [bare(sample) for sample in samples(one)] == [bare(sample) for sample in samples(other)]


def bare(sample: dict) -> dict:
    return {name: value for name, value in sample.items() if not name.startswith("__")}


def test_everything_may_go(finished: Path) -> None:
    dataset = build(str(finished), [], CONFIG, INLINE, [f"site{n}.example" for n in range(5)])
    assert dataset.kinds["interleaved"].samples == 0
    assert not list((finished / "interleaved/shards").glob("*.tar"))


def test_the_command_takes_a_file(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "deny.txt").write_text("# asked by mail\nsite3.example\n")
    call = ["build", "--output", str(finished), "--set", "partitions=2", "--set", "shards.max_bytes=60000"]
    assert main([*call, "--deny", str(tmp_path / "deny.txt"), "--engine", "inline"]) == 0
    assert "denied" in capsys.readouterr().out
    assert not any("site3." in url for url in urls(finished))
