"""Clips with all that surrounds them: the web, kills, Ray, deny lists, scorers, evaluation sets."""

import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import av
import msgspec
import pytest

from jobs.build import build
from jobs.config import BuildConfig, load_config
from jobs.dataset.check import problems
from jobs.dataset.summary import shards_of
from jobs.engine.engine import EngineSettings
from schemas.dataset import Dataset
from schemas.storage import Store
from schemas.videos import ClipSample
from tests.crawlers.servers import Reply, WebServer
from tests.jobs.conftest import contents
from tests.models import write_classifier
from tests.pipeline.videos import make_video

INLINE = EngineSettings(engine="inline")
SMALL = ["kinds=[clips]", "partitions=2", "buckets=2", "clips.rules.target_s=0"]
CAPTION = "A potter turns a bowl on the wheel and wets her hands again"
VTT = b"WEBVTT\n\n00:00.000 --> 00:02.000\nThe bowl grows\n"


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


def write_list(folder: Path, addresses: list[str], **more: str) -> str:
    path = folder / "list.jsonl"
    rows = [{"url": url, "text": f"{CAPTION} number {number}", **more} for number, url in enumerate(addresses)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def write_files(folder: Path, count: int, **look: str) -> list[str]:
    for number in range(count):
        (folder / f"{number}.mp4").write_bytes(make_video(scenes=(50 + number, 55), size=(320, 240), **look))
    return [f"{number}.mp4" for number in range(count)]


def config(*settings: str) -> BuildConfig:
    return load_config("default", [*SMALL, *settings])


def made(folder: Path, videos: str, *settings: str, deny: tuple[str, ...] = ()) -> Dataset:
    return build(str(folder), [], config(files_of(videos), *settings), INLINE, deny, [videos])


def files_of(videos: str) -> str:
    """The setting that lets a list name files beside it."""
    return f"videos_folder={Path(videos).parent}"


def clips(folder: Path) -> list[ClipSample]:
    return [
        msgspec.json.decode(next(iter(members.values())), type=ClipSample)
        for _, shard in shards_of(Store(str(folder)), "clips")
        for members in shard.members(shard.index().to_pylist())
    ]


def test_videos_and_subtitles_of_a_list_are_fetched(web: WebServer, tmp_path: Path) -> None:
    web.routes = {
        "/a.mp4": Reply(make_video(size=(320, 240)), "video/mp4"), "/a.vtt": Reply(VTT, "text/vtt"),
        "/page.mp4": Reply(b"<html>Please accept our cookies</html>"),
        "/noai.mp4": Reply(make_video(size=(320, 240)), "video/mp4", headers=(("X-Robots-Tag", "noai"),)),
    }  # fmt: skip
    names = ["a.mp4", "gone.mp4", "page.mp4", "noai.mp4"]
    videos = write_list(
        tmp_path, [f"http://pots.example/{name}" for name in names], subtitles="http://pots.example/a.vtt"
    )
    reach = f"media.fetch.connect_to={json.dumps({'pots.example': web.address})}"
    dataset = made(tmp_path / "out", videos, "media.from_web=true", "media.pace.delay_s=0", reach)
    assert dataset.drops["video"] == {"http_status": 1, "unsupported_type": 1, "opt_out": 1}
    [clip] = clips(tmp_path / "out")
    assert clip.url == "http://pots.example/a.mp4"
    assert [cue.text for cue in clip.subtitles] == ["The bowl grows"]


def test_what_is_denied_is_kept_out_and_taken_out(tmp_path: Path) -> None:
    write_files(tmp_path, 3)
    rows = [
        {"path": f"{number}.mp4", "text": CAPTION, "page_url": f"https://p{number}.example/"} for number in range(3)
    ]
    (tmp_path / "list.jsonl").write_text("\n".join(map(json.dumps, rows)))
    out, videos = tmp_path / "out", str(tmp_path / "list.jsonl")
    assert made(out, videos, deny=("p0.example",)).kinds["clips"].samples == 4
    assert {clip.page_url for clip in clips(out)} == {"https://p1.example/", "https://p2.example/"}
    left = made(out, videos, deny=("p1.example",))
    assert {clip.page_url for clip in clips(out)} == {"https://p2.example/"}
    assert left.kinds["clips"].samples == 2
    assert left.drops["clip"]["denied"] == 2
    assert list(problems(Store(str(out)))) == []


def test_sampled_frames_are_screened(tmp_path: Path) -> None:
    write_files(tmp_path, 2)
    videos = write_list(tmp_path, ["0.mp4", "1.mp4"])
    model = f"scorers.nsfw.path={write_classifier(tmp_path / 'nsfw')}"
    made(tmp_path / "all", videos, model, "scorers.max_nsfw=1.0")
    found = {clip.key: clip.scores["nsfw"] for clip in clips(tmp_path / "all")}
    assert len(found) == 4
    assert all(clip.screened == ["nsfw"] for clip in clips(tmp_path / "all"))
    limit = sorted(found.values())[1]
    dataset = made(tmp_path / "some", videos, model, f"scorers.max_nsfw={limit}")
    assert {clip.key for clip in clips(tmp_path / "some")} == {key for key, value in found.items() if value <= limit}
    assert dataset.drops["clip"] == {"nsfw": sum(value > limit for value in found.values())}


def test_a_clip_that_shows_an_evaluation_image_goes(tmp_path: Path) -> None:
    write_files(tmp_path, 2)
    videos = write_list(tmp_path, ["0.mp4", "1.mp4"])
    made(tmp_path / "all", videos)
    one = next(clip for clip in clips(tmp_path / "all") if clip.url.endswith("1.mp4") and clip.clip == 1)
    with av.open(io.BytesIO((tmp_path / "1.mp4").read_bytes())) as container:
        shown = next(frame for frame in container.decode(video=0) if frame.time >= one.start_s - 1e-6)
        shown.to_image().save(tmp_path / "eval.png")
    rules = f"decontamination.images=[{tmp_path}/eval.png]"
    dataset = made(tmp_path / "clean", videos, rules)
    assert "evaluation_image" in dataset.drops["clip"]
    assert one.key not in {clip.key for clip in clips(tmp_path / "clean")}


def test_killed_in_one_process_and_finished_on_ray(tmp_path: Path) -> None:
    videos = write_list(tmp_path, write_files(tmp_path, 6))
    made(tmp_path / "peace", videos)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "jobs.build", "--videos", videos, "--output", str(out), "--workers", "2"]
    command += [word for setting in (files_of(videos), *SMALL) for word in ("--set", setting)]
    killed = subprocess.Popen([*command, "--engine", "inline"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not (found := (out / "work/clips/000000.json").exists()) and killed.poll() is None:
        time.sleep(0.005)
    assert found, "the build ended before it could be killed"
    killed.kill()
    killed.communicate()
    assert not (out / "dataset.json").exists()
    done = subprocess.run([*command, "--engine", "ray"], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert contents(out) == contents(tmp_path / "peace")
