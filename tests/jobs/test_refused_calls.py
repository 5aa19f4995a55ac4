"""A call that is refused changes nothing of what lies there."""

from pathlib import Path

import pytest

from crawlers.inputs import InputError
from jobs.build import append, build
from jobs.cli import main
from jobs.config import load_config
from jobs.fetch_pairs import fetch_pairs
from schemas.settings import SettingsError
from tests.crawlers.servers import Reply, WebServer
from tests.jobs.conftest import contents
from tests.jobs.site import photo
from tests.jobs.test_build import INLINE, SMALL
from tests.jobs.test_media_from_web import CDN, archive, made, settings


def everything(folder: Path) -> dict[str, bytes]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix not in (".sqlite", ".tmp"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.fixture
def web():
    with WebServer() as server:
        for number in range(8):
            server.routes[f"{CDN}/{number}.jpg"] = Reply(photo(number), "image/jpeg")
        yield server


def test_a_deny_list_of_a_refused_build_is_not_kept(site: list[Path], tmp_path: Path) -> None:
    out, inputs = tmp_path / "out", [str(path) for path in site]
    build(str(out), inputs, SMALL, INLINE)
    before = everything(out)
    other = load_config("default", ["partitions=3", "buckets=2", "seed=9"])
    for deny in (["site.example"], ["sha256:zz"]):
        with pytest.raises(SettingsError):
            build(str(out), inputs, other, INLINE, deny=deny)
    with pytest.raises(SettingsError):
        build(str(out), inputs, SMALL, INLINE, deny=["sha256:zz"])
    assert everything(out) == before
    call = ["build", "--input", str(tmp_path / "absent.warc.gz"), "-o", str(tmp_path / "new"), "--engine", "inline"]
    (tmp_path / "deny.txt").write_text("site.example\n")
    assert main([*call, "--deny", str(tmp_path / "deny.txt")]) == 2
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("changed", ["seed=9", "media.from_web=false"])
def test_a_retry_with_other_settings_leaves_the_dataset(web: WebServer, tmp_path: Path, changed: str) -> None:
    """It had removed all samples before it looked."""
    pages, out = archive(tmp_path), tmp_path / "out"
    sets = settings(web, "media.pace.max_failures=4", delay_s=0)
    web.routes[f"{CDN}/2.jpg"] = Reply(b"busy", status=503)
    made(out, pages, sets)
    before = contents(out)
    assert any(name.endswith(".tar") for name in before)
    with pytest.raises(SettingsError, match="Changed: "):
        made(out, pages, [*sets, changed], retry=True)
    assert contents(out) == before
    assert main(["build", "--retry-failed", "-o", str(out)]) == 2
    assert contents(out) == before


def test_so_does_one_of_lists_of_pairs(web: WebServer, tmp_path: Path) -> None:
    rows = "".join(f"http://{CDN}/{number}.jpg,A wall of stone {number} by the river\n" for number in range(4))
    (tmp_path / "pairs.csv").write_text(f"url,text\n{rows}")
    config = load_config("default", settings(web, "media.pace.max_failures=4", delay_s=0))
    web.routes[f"{CDN}/2.jpg"] = Reply(b"busy", status=503)
    given = (str(tmp_path / "out"), [str(tmp_path / "pairs.csv")])
    fetch_pairs(*given, config, INLINE)
    before = contents(tmp_path / "out")
    other = load_config("default", settings(web, "seed=9", delay_s=0))
    with pytest.raises(SettingsError, match="Changed: "):
        fetch_pairs(*given, other, INLINE, retry=True, deny=["b.example"])
    assert contents(tmp_path / "out") == before


def test_a_deny_list_of_a_refused_append_is_not_kept(site: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(str(out), [str(path) for path in site], SMALL, INLINE)
    before = everything(out)
    for inputs in ([str(tmp_path / "absent.warc.gz")], []):
        with pytest.raises(InputError):
            append(str(out), inputs, SMALL, INLINE, deny=["site.example"])
    assert everything(out) == before


def test_a_plan_that_is_cut_off_is_named(site: list[Path], tmp_path: Path) -> None:
    (tmp_path / "out/work").mkdir(parents=True)
    (tmp_path / "out/work/plan.json").write_text('{"inputs": [')
    with pytest.raises(SettingsError, match=r"work/plan\.json is damaged"):
        build(str(tmp_path / "out"), [str(site[0])], SMALL, INLINE)
