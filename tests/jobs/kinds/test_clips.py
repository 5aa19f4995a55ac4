"""Whole builds of clips, in this process."""

import gzip
import io
import json
import os
import random
from collections.abc import Sequence
from pathlib import Path

import av
import msgspec
import pyarrow.parquet as pq
import pytest
import webdataset

from crawlers.captured import Media
from jobs.build import build
from jobs.cli import main
from jobs.config import BuildConfig
from jobs.dataset.check import problems
from jobs.dataset.summary import summary
from jobs.engine.engine import EngineSettings
from jobs.phases.cut_step import cut_step
from jobs.phases.own_steps import OwnFunction
from pipeline.video.settings import ClipRules, ClipSettings, VideoCaptionRules
from schemas.clips import CutVideo
from schemas.dataset import Dataset
from schemas.storage import Store
from schemas.videos import COLUMNS
from tests.jobs.conftest import contents
from tests.jobs.site import article, photo, write_archive
from tests.jobs.test_build import drops
from tests.pipeline.videos import make_video

INLINE = EngineSettings(engine="inline")
CLIPS = msgspec.structs.replace(
    BuildConfig(), kinds=("clips",), partitions=2, buckets=2, clips=ClipSettings(rules=ClipRules(target_s=0))
)
CAPTION = "A baker folds the dough by hand and leaves it to rest under a cloth"
VTT = b"WEBVTT\n\n00:00.500 --> 00:02.000\nNow the baker folds the dough\n\n00:04.000 --> 00:06.000\nand it rests\n"


def page(number: int, video: str, extra: str = "") -> bytes:
    caption = f"{CAPTION} for the {number} time this morning"
    return (
        f"<html><head><title>Bread {number}</title></head><body><figure><video src='{video}'>{extra}</video>"
        f"<figcaption>{caption}</figcaption></figure></body></html>"
    ).encode()


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("videos")
    site = "https://bread.example"
    html, mp4 = "text/html; charset=utf-8", "video/mp4"
    good = make_video(scenes=(80, 100, 60), size=(320, 240))
    one = [
        (f"{site}/0.html", page(0, "/v/good.mp4", "<track src='/v/good.vtt'>"), html),
        (f"{site}/1.html", page(1, "/v/webm"), html),
        (f"{site}/2.html", page(2, "/v/lost.mp4"), html),
        (f"{site}/3.html", page(3, "/v/broken.mp4"), html),
        (f"{site}/4.html", page(4, "/v/good.mp4"), html),
        (f"{site}/none.html", b"<html><body><p>No video here.</p></body></html>", html),
        (f"{site}/bare.html", b"<html><body><video src='/v/bare.mp4'></video></body></html>", html),
        (
            f"{site}/noai.html",
            page(6, "/v/noai.mp4").replace(b"<head>", b"<head><meta name=robots content=noai>"),
            html,
        ),
    ]
    two = [
        (f"{site}/v/good.mp4", good, mp4),
        (f"{site}/v/good.vtt", VTT, "text/vtt"),
        (f"{site}/v/webm", make_video("libvpx-vp9", "webm", scenes=(75,), size=(320, 240)), "application/octet-stream"),
        (f"{site}/v/broken.mp4", good[: len(good) // 2], mp4),
        (f"{site}/v/bare.mp4", good, mp4),
    ]
    return [write_archive(folder / "a.warc.gz", one), write_archive(folder / "b.warc.gz", two)]


def built(folder: Path, inputs: list[Path], config: BuildConfig = CLIPS, videos: list[Path] | None = None) -> Dataset:
    lists = [str(path) for path in videos or []]
    if lists:
        config = msgspec.structs.replace(config, videos_folder=str(videos[0].parent))
    return build(str(folder), [str(path) for path in inputs], config, INLINE, videos=lists)


def samples(folder: Path) -> list[dict]:
    shards = sorted(map(str, (folder / "clips/shards").glob("*.tar")))
    stock = webdataset.WebDataset(shards, shardshuffle=False, empty_check=False)
    return sorted(
        (dict(one, document=json.loads(one["json"])) for one in stock), key=lambda one: one["document"]["start_s"]
    )


@pytest.fixture(scope="module")
def dataset(archives: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Dataset]:
    folder = tmp_path_factory.mktemp("clips") / "out"
    return folder, built(folder, archives)


@pytest.mark.opens("webdataset", "shards of clips")
def test_stock_webdataset_reads_clips_with_their_texts(dataset: tuple[Path, Dataset]) -> None:
    folder, totals = dataset
    read = samples(folder)
    assert len(read) == totals.kinds["clips"].samples == 4
    for sample in read:
        document = sample["document"]
        assert sample["__key__"] == document["key"]
        assert sample["txt"].decode() == document["caption"]
        assert document["caption"].startswith(CAPTION)
        assert document["caption_source"] == "figcaption"
        with av.open(io.BytesIO(sample["mp4"])) as container:
            shown = sum(1 for _ in container.decode(video=0))
        assert shown == document["num_frames"]
    of_good = [one["document"] for one in read if one["document"]["url"].endswith("good.mp4")]
    assert [(one["start_s"], one["end_s"]) for one in of_good] == [(0, 3.2), (3.2, 7.2), (7.2, 9.6)]
    assert [[cue["text"] for cue in one["subtitles"]] for one in of_good] == [
        ["Now the baker folds the dough"],
        ["and it rests"],
        [],
    ]
    assert of_good[1]["subtitles"][0]["start_s"] == pytest.approx(0.8)


def test_everything_let_go_is_counted_by_reason(dataset: tuple[Path, Dataset]) -> None:
    folder, totals = dataset
    assert totals.drops["video"] == {
        "broken_video": 1,
        "duplicate_video": 1,
        "no_caption": 1,
        "not_captured": 1,
    }
    assert totals.drops["page"] == {"no_video": 1, "opt_out": 1}
    assert all(count.unaccounted(kind) == 0 for count in totals.phases.values() for kind in count.seen)
    assert list(problems(Store(str(folder)))) == []


def test_the_index_and_the_summary(dataset: tuple[Path, Dataset]) -> None:
    folder, _ = dataset
    rows = [row for path in (folder / "clips/shards").glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    assert {"key", "offset", "size", "members", *COLUMNS} == set(rows[0])
    assert {row["domain"] for row in rows} == {"bread.example"}
    report = summary(Store(str(folder)))["kinds"]["clips"]
    assert report["samples"] == 4
    assert report["seconds_per_clip"]["max"] == pytest.approx(4.0)


def test_a_rewrite_gives_the_same_bytes(dataset: tuple[Path, Dataset], archives: list[Path], tmp_path: Path) -> None:
    built(tmp_path / "again", archives)
    assert contents(tmp_path / "again") == contents(dataset[0])


def test_damage_in_a_shard_is_found(dataset: tuple[Path, Dataset], tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(dataset[0], copy)
    tar = next((copy / "clips/shards").glob("*.tar"))
    data = bytearray(tar.read_bytes())
    data[data.index(b"mdat") + 2000] ^= 0xFF
    tar.write_bytes(data)
    assert any(".mp4" in problem for problem in problems(Store(str(copy))))


def test_subtitles_that_a_row_names_and_nobody_has_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "v.mp4").write_bytes(make_video(scenes=(80, 100), size=(320, 240)))
    (tmp_path / "list.jsonl").write_text(json.dumps({"path": "v.mp4", "text": CAPTION, "subtitles": "gone.srt"}))
    built(tmp_path / "out", [], videos=[tmp_path / "list.jsonl"])
    assert "1 videos of lists have clips without the subtitles named" in caplog.text
    assert "gone.srt, row 0 of" in caplog.text


def test_a_list_of_files_with_texts(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(make_video(scenes=(80, 100), size=(320, 240)))
    (tmp_path / "v.srt").write_bytes(b"1\n00:00:01,000 --> 00:00:02,000\nsaid\n")
    rows = [
        {"path": "v.mp4", "text": CAPTION, "subtitles": "v.srt", "licence": "CC0"},
        {"path": "missing.mp4", "text": CAPTION},
        {"path": "v2.mp4", "text": "short"},
    ]
    (tmp_path / "list.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    totals = built(tmp_path / "out", [], videos=[tmp_path / "list.jsonl"])
    documents = [sample["document"] for sample in samples(tmp_path / "out")]
    assert [document["caption_source"] for document in documents] == ["list", "list"]
    assert [cue["text"] for document in documents for cue in document["subtitles"]] == ["said"]
    assert documents[0]["licence"] == "CC0"
    assert totals.drops == {"video": {"few_words": 1, "not_captured": 1}}
    details = [row["detail"] for row in drops(tmp_path / "out")]
    assert sorted(one.partition(", row ")[2].partition(" of ")[0] for one in details) == ["1", "2"]


def test_personal_data_in_cues_is_replaced_and_counted(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(make_video(scenes=(80, 100), size=(320, 240)))
    cues = (
        "00:00.100 --> 00:01.000\nThe baker who folds the dough says to write to ann@example.org or\n\n"
        "00:01.000 --> 00:02.000\nto call her by hand at (212)\n736-5000 for a loaf of bread\n"
    )
    (tmp_path / "v.vtt").write_text(f"WEBVTT\n\n{cues}")
    (tmp_path / "list.jsonl").write_text(json.dumps({"path": "v.mp4", "text": "bob@example.org", "subtitles": "v.vtt"}))
    of_cues = msgspec.structs.replace(CLIPS.clips, caption=VideoCaptionRules(sources=("subtitles",)))
    config = msgspec.structs.replace(CLIPS, clips=of_cues)
    totals = built(tmp_path / "out", [], config, [tmp_path / "list.jsonl"])
    (document,) = (one["document"] for one in samples(tmp_path / "out"))
    said = [
        "The baker who folds the dough says to write to <EMAIL> or",
        "to call her by hand at <PHONE> for a loaf of bread",
    ]
    assert ([cue["text"] for cue in document["subtitles"]], document["caption"]) == (said, " ".join(said))
    assert totals.phases["video-lists"].redacted == {"email": 1}  # of the row
    assert totals.phases["clips"].redacted == {"email": 1, "phone": 1}
    assert document["redacted"] == {"email": 2, "phone": 1}


@pytest.mark.parametrize("body", [b"ffconcat version 1.0\nfile private.mp4\n", b"#EXTM3U\n#EXTINF:3,\nprivate.mp4\n"])
def test_web_content_reaches_no_file_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "private.mp4").write_bytes(make_video(scenes=(75,), size=(320, 240)))
    site = "https://bread.example"
    records = [(f"{site}/1.html", page(1, "/v.mp4"), "text/html"), (f"{site}/v.mp4", body, "text/vtt")]
    totals = built(tmp_path / "out", [write_archive(tmp_path / "a.warc.gz", records)])
    assert totals.kinds["clips"].samples == 0
    assert totals.drops["video"] in ({"unsupported_container": 1}, {"not_captured": 1})


def test_pages_and_clips_in_one_build(tmp_path: Path) -> None:
    site = "https://bread.example"
    body = article(1, ["/a.jpg"]).replace("<article>", f"<article><video src='/v.mp4' title='{CAPTION}'></video>")
    records = [
        (f"{site}/1.html", body.encode(), "text/html"),
        (f"{site}/a.jpg", photo(1), "image/jpeg"),
        (f"{site}/v.mp4", make_video(scenes=(75,), size=(320, 240)), "video/mp4"),
    ]
    config = msgspec.structs.replace(CLIPS, kinds=("interleaved", "clips"))
    totals = built(tmp_path / "out", [write_archive(tmp_path / "a.warc.gz", records)], config)
    assert {kind: total.samples for kind, total in totals.kinds.items()} == {"interleaved": 1, "clips": 1}
    assert list(problems(Store(str(tmp_path / "out")))) == []


def test_a_crash_of_the_decoder_costs_one_video(
    archives: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.phases.cut_step.cut_step", crash_on_webm)
    totals = built(tmp_path / "out", archives)
    assert totals.drops["video"]["crashed"] == 1
    assert totals.kinds["clips"].samples == 3


def crash_on_webm(config: BuildConfig, with_frames: bool, own: Sequence[OwnFunction], media: Media) -> CutVideo:
    """Stands for a decoder that crashes; runs in the child."""
    if media.url.endswith("webm"):
        os.abort()
    return cut_step(config, with_frames, own, media)


def test_noise_never_ends_a_build(tmp_path: Path) -> None:
    rng = random.Random(0)
    good = make_video(scenes=(60,), size=(320, 240))
    rows = []
    for number in range(12):
        data = bytearray(good)
        for place in rng.sample(range(len(data)), 60):
            data[place] = rng.randrange(256)
        (tmp_path / f"{number}.mp4").write_bytes(bytes(data[: rng.randrange(100, len(data))] if number % 2 else data))
        rows.append(json.dumps({"path": f"{number}.mp4", "text": CAPTION}))
    (tmp_path / "list.jsonl").write_text("\n".join(rows))
    totals = built(tmp_path / "out", [], videos=[tmp_path / "list.jsonl"])
    kept = totals.phases["clips"].kept.get("video", 0)
    assert kept + sum(totals.drops.get("video", {}).values()) == 12


def test_show_and_inspect_tell_of_clips(
    dataset: tuple[Path, Dataset], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = dataset
    page_url = "https://bread.example/1.html"
    assert main(["show", str(folder), page_url, "--draw", "always", "--images", str(tmp_path / "clip")]) == 0
    shown = capsys.readouterr().out
    assert CAPTION in shown
    assert "caption by figcaption" in shown
    assert "▀" in shown
    assert sorted(path.suffix for path in (tmp_path / "clip").iterdir()) == [".jpg", ".mp4"]
    assert main(["show", str(folder), "000009"]) == 1
    assert main(["inspect", str(folder), "--check"]) == 0
    told = capsys.readouterr().out
    assert "clips: 4 samples" in told
    assert "seconds per clip" in told


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("list.jsonl", '{"video": "a.mp4", "text": "A baker"}', "has no column url or path; it has video, text"),
        ("list.jsonl", "no JSON", "cannot read the list"),
        ("list.parquet", "no parquet", "cannot read the list"),
        ("list.txt", "a.mp4", "a list is one of .parquet, .csv"),
    ],
)
def test_a_wrong_list_is_told_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content)
    videos = str(tmp_path / name)
    assert main(["build", "--kinds", "clips", "--videos", videos, "--output", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert main(["build", "--videos", videos, "--output", str(tmp_path / "pages")]) == 2
    assert "add --kinds clips" in capsys.readouterr().err


def test_rows_without_an_address_and_a_list_that_breaks_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "list.csv").write_text("url,text\n,nothing\nhttp://a.example/v.mp4,A baker\n")
    assert built(tmp_path / "out", [], videos=[tmp_path / "list.csv"]).drops["video"]["bad_row"] == 1
    (tmp_path / "list.jsonl.gz").write_bytes(gzip.compress(b'{"path": "a.mp4"}\n' * 1000)[:-12])
    arguments = ["--kinds", "clips", "--videos", str(tmp_path / "list.jsonl.gz"), "--output", str(tmp_path / "broken")]
    assert main(["build", *arguments, "--engine", "inline"]) == 1
    assert "is damaged" in capsys.readouterr().err
