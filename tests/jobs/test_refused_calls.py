"""A call that is refused changes nothing of what lies there."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from crawlers.inputs import InputError
from jobs.build import append, build
from jobs.cli import main
from jobs.config import load_config
from jobs.dataset.removal import remove
from jobs.engine.held import held
from jobs.fetch_pairs import fetch_pairs
from schemas.settings import SettingsError
from schemas.storage import Store
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


def test_of_two_builds_into_one_folder_the_second_is_told_of_the_first(site: list[Path], tmp_path: Path) -> None:
    out, inputs = tmp_path / "out", [str(path) for path in site]
    for at_work in (partial(build, str(out), inputs, SMALL), partial(append, str(out), inputs, SMALL)):
        with held(Store(str(out))), pytest.raises(SettingsError, match=f"another build is at work in {out}: "):
            at_work(INLINE)
    with held(Store(str(out))), pytest.raises(SettingsError, match="another build is at work"):
        fetch_pairs(str(out), [str(tmp_path / "pairs.csv")], SMALL, INLINE)
    assert not out.exists()
    build(str(out), inputs, SMALL, INLINE)
    with held(Store(str(out))), pytest.raises(SettingsError, match="another build is at work"):
        remove(Store(str(out)), ["site.example"], INLINE)


def test_what_holds_a_folder_ends_with_its_process(tmp_path: Path) -> None:
    code = (
        f"from jobs.engine.held import held\nfrom schemas.storage import Store\nwith held(Store({str(tmp_path)!r})):\n"
    )
    code += "  print('held', flush=True)\n  input()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(SettingsError, match="another build is at work"), held(Store(str(tmp_path))):
            pass
        other.kill()
    with held(Store(str(tmp_path))):
        pass


def test_folders_that_a_refused_build_made_are_gone(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(InputError):
        build(str(tmp_path / "there/some/new"), [str(tmp_path / "absent.warc.gz")], SMALL, INLINE)
    assert (tmp_path / "there").is_dir()
    assert not (tmp_path / "there/some").exists()
