"""Trials: a build that is only planned, and one of some pages."""

from pathlib import Path

import msgspec
import pytest

from jobs.build import build
from jobs.cli import main
from jobs.phases.plan import read_plan
from jobs.phases.recipe import Recipe
from schemas.storage import Store
from tests.jobs.conftest import contents
from tests.jobs.site import article, photo, write_archive
from tests.jobs.test_build import INLINE, SMALL

CALL = ["build", "--set", "partitions=3", "--set", "buckets=2"]


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(
    site: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    call = [*CALL, "--output", str(out), "--input", *map(str, site)]
    assert main([*call, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert f"reads {len(site)} archives, " in said
    assert "3 partitions of domains, 2 buckets of keys; makes interleaved" in said
    assert "tried: of the first " in said
    assert "if the rest is like it: about " in said
    assert main([*call, "--dry-run", "--set", "text.gopher.min_words=10000"]) == 0
    assert "  dropped: few_words " in capsys.readouterr().out
    deny = tmp_path / "deny.txt"
    deny.write_text("example\n")
    assert main([*call, "--dry-run", "--deny", str(deny), "--kinds", "pairs"]) == 0
    said = capsys.readouterr().out
    assert "  dropped: denied " in said
    assert said.splitlines()[-1].endswith("pages, 0 pairs")
    assert not out.exists()
    build(str(out), [str(path) for path in site], SMALL, INLINE)
    before = contents(out)
    assert main([*call, "--dry-run"]) == 0
    assert f"{out} is complete: nothing would be done" in capsys.readouterr().out
    (out / "dataset.json").unlink()
    assert main([*call, "--dry-run"]) == 0
    assert "tasks of extract are done" in capsys.readouterr().out
    assert {name: data for name, data in before.items() if name != "dataset.json"} == contents(out)


def test_a_dry_run_refuses_what_a_build_would(
    site: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    build(str(out), [str(path) for path in site], SMALL, INLINE)
    assert main(["build", "--dry-run", "--set", "seed=9", "--output", str(out), "--input", str(site[0])]) == 2
    assert "Changed: " in capsys.readouterr().err
    assert main(["build", "--dry-run", "--output", str(tmp_path / "x"), "--input", "/no/such.warc"]) == 2
    (tmp_path / "empty.warc").write_bytes(b"")
    assert main(["build", "--dry-run", "--output", str(tmp_path / "x"), "--input", str(tmp_path / "empty.warc")]) == 0
    assert "no page in empty.warc" in capsys.readouterr().out


@pytest.mark.parametrize("option", [["--append"], ["--records", "x.parquet"], ["--retry-failed"]])
def test_what_it_cannot_tell_of_is_refused(
    option: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build", "--dry-run", "--output", str(tmp_path / "out"), "--input", "x", *option]) == 2
    assert capsys.readouterr().err == f"weft: --dry-run tells of a new build, not of {option[0]}\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_a_limit_makes_a_trial_of_so_many_pages(site: list[Path], tmp_path: Path, limit: int) -> None:
    config = msgspec.structs.replace(SMALL, limit=limit)
    whole = build(str(tmp_path / "whole"), [str(path) for path in site], SMALL, INLINE)
    some = build(str(tmp_path / "some"), [str(path) for path in site], config, INLINE)
    assert some.phases["extract"].seen["page"] == min(limit, whole.phases["extract"].seen["page"])
    assert some.config_hash != whole.config_hash
    again = build(str(tmp_path / "again"), [str(path) for path in site], config, INLINE)
    assert again == some
    assert contents(tmp_path / "some") == contents(tmp_path / "again")


def test_a_trial_finds_images_that_were_asked_for_after_other_pages(tmp_path: Path) -> None:
    """As a crawl does that has a list of pages."""
    at = "https://crawled.example"
    pages = [(f"{at}/{n}", article(n, [f"/{n}.jpg"]).encode(), "text/html") for n in range(6)]
    images = [(f"{at}/{n}.jpg", photo(n), "image/jpeg") for n in range(6)]
    archive = write_archive(tmp_path / "crawl.warc.gz", [*pages, *images])
    made = build(str(tmp_path / "out"), [str(archive)], msgspec.structs.replace(SMALL, limit=2), INLINE)
    assert made.phases["extract"].seen["page"] == 2
    assert (made.kinds["interleaved"].samples, made.kinds["interleaved"].images) == (2, 2)


def test_a_trial_of_many_archives_reads_some_all_over(site: list[Path], tmp_path: Path) -> None:
    archives = []
    for number in range(40):
        archives.append(tmp_path / f"{number:02d}.warc.gz")
        archives[-1].hardlink_to(site[0])
    config = msgspec.structs.replace(SMALL, limit=450)
    build(str(tmp_path / "out"), [str(path) for path in archives], config, INLINE)
    plan = read_plan(Store(str(tmp_path / "out")))
    assert [Path(item.url).name[:2] for item in plan.inputs] == ["00", "10", "20", "30"]
    assert [plan.pages_of(number) for number in range(4)] == [113, 113, 112, 112]


def test_builds_without_a_limit_have_the_hash_that_they_had() -> None:
    config = Recipe("default").config
    assert Recipe(msgspec.structs.replace(config, limit=0)).hash == Recipe("default").hash
