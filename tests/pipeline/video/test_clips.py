import errno
import gc
import io
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.video.clips import contact_sheet, cut_video, plan_clips
from pipeline.video.probe import decoded, index_video, open_video
from pipeline.video.scene_cuts import FrameScan, small
from pipeline.video.settings import ClipEncoding, ClipRules, ClipSettings
from schemas.drops import Drop
from schemas.pictures import recoded, shown
from tests.pipeline.videos import cuts_of, decode_all, make_video, rotated

SCENES = (80, 100, 60)
EACH_SCENE = ClipSettings(rules=ClipRules(target_s=0))


def encoded(**changes: float) -> ClipSettings:
    return ClipSettings(rules=ClipRules(target_s=0), encoding=ClipEncoding(copy_within_s=-1, **changes))


def test_clips_begin_and_end_on_scene_bounds_to_the_frame() -> None:
    data = make_video(scenes=SCENES, size=(320, 240))
    for settings in (EACH_SCENE, encoded()):
        clips = cut_video(data, settings).clips
        bounds = [0, *cuts_of(SCENES), sum(SCENES)]
        assert [clip.start_s for clip in clips] == pytest.approx([place / 25 for place in bounds[:-1]], abs=1e-3)
        assert [clip.end_s for clip in clips] == pytest.approx([place / 25 for place in bounds[1:]], abs=1e-3)
        assert [clip.num_frames for clip in clips] == list(SCENES)


@pytest.mark.parametrize("settings", [EACH_SCENE, encoded(crf=1)], ids=["as set", "encoded"])
def test_the_frames_of_a_clip_are_those_of_the_source(settings: ClipSettings) -> None:
    data = make_video(scenes=SCENES, size=(320, 240))
    _, source = decode_all(data)
    for clip in cut_video(data, settings).clips:
        times, shown = decode_all(clip.data)
        first = round(clip.start_s * 25)
        assert times[0] == 0.0
        for place in (0, 1, len(shown) // 2, len(shown) - 1):
            exact = clip.method == "copy"
            difference = np.abs(shown[place].astype(int) - source[first + place]).mean()
            assert difference == 0 if exact else difference < 3


def test_copies_start_on_a_keyframe_within_the_tolerance_and_say_so() -> None:
    data = make_video(scenes=(250,), size=(320, 240), options=(("g", "10"), ("sc_threshold", "0"), ("bf", "0")))
    rules = ClipRules(max_s=4, target_s=0)
    clips = cut_video(data, ClipSettings(rules=rules)).clips
    assert [clip.method for clip in clips] == ["copy"] * 3
    for clip in clips:
        assert 0 <= clip.start_s - clip.requested[0] <= 0.5 + 0.04
        assert -0.04 <= clip.requested[1] - clip.end_s <= 0.5 + 0.04
    never = ClipSettings(rules=rules, encoding=ClipEncoding(copy_within_s=-1))
    assert {clip.method for clip in cut_video(data, never).clips} == {"encode"}


def test_times_of_a_variable_rate_stay() -> None:
    times = tuple(int(time) for time in np.cumsum([20, 40, 100, 33] * 25))
    data = make_video(scenes=(100,), times_ms=times, size=(320, 240))
    clip = cut_video(data, encoded(max_fps=1000.0)).clips[0]
    shown, _ = decode_all(clip.data)
    np.testing.assert_allclose(shown, (np.array(times) - times[0]) / 1000, atol=2e-3)


def test_large_pictures_are_scaled_and_turned() -> None:
    data = rotated(make_video(scenes=(60,), size=(640, 480)), 90)
    clip = cut_video(data, ClipSettings(encoding=ClipEncoding(max_height=320))).clips[0]
    assert (clip.method, clip.info.width, clip.info.height, clip.info.rotation) == ("encode", 240, 320, 0)


def test_sound_is_kept_on_request() -> None:
    data = make_video(scenes=SCENES, size=(320, 240), audio=True)
    assert not any(clip.info.has_audio for clip in cut_video(data, EACH_SCENE).clips)
    clip = cut_video(data, ClipSettings(encoding=ClipEncoding(audio=True), rules=ClipRules(target_s=0))).clips[1]
    with av.open(io.BytesIO(clip.data)) as container:
        seconds = sum(frame.samples for frame in container.decode(audio=0)) / 44100
    assert seconds == pytest.approx(clip.end_s - clip.start_s, abs=0.15)


def test_clips_open_with_their_index_first_and_are_the_same_each_time() -> None:
    data = make_video("libvpx-vp9", "webm", scenes=(60,), size=(320, 240))
    first, second = cut_video(data), cut_video(data)
    assert [clip.sha256 for clip in first.clips] == [clip.sha256 for clip in second.clips]
    clip = first.clips[0].data
    assert clip.index(b"moov") < clip.index(b"mdat")
    assert (first.clips[0].info.codec, first.clips[0].info.pixel_format) == ("h264", "yuv420p")


@pytest.mark.parametrize(("look", "reason"), [("black", "black"), ("static", "static")])
def test_black_and_static_clips_are_dropped(look: str, reason: str) -> None:
    video = cut_video(make_video(scenes=(75,), size=(320, 240), look=look))
    assert video.clips == []
    assert [row[2] for row in video.dropped] == [reason]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (make_video(size=(96, 64)), "too_small"),
        (make_video(size=(640, 128)), "bad_aspect_ratio"),
        (make_video(scenes=(25,)), "too_short"),
        (b"nothing", "unsupported_container"),
    ],
    ids=["small", "wide", "short", "broken"],
)
def test_videos_are_dropped_by_reason(data: bytes, reason: str) -> None:
    with pytest.raises(Drop) as caught:
        cut_video(data)
    assert caught.value.reason == reason


def test_sampled_frames_have_hashes_that_differ_by_scene() -> None:
    clips = cut_video(make_video(scenes=SCENES, size=(320, 240)), EACH_SCENE).clips
    assert [len(clip.frame_hashes) for clip in clips] == [4, 4, 3]
    assert clips[0].frame_times_s == pytest.approx([0, 1, 2, 3], abs=0.04)
    assert contact_sheet(clips[0].data).size == (960, 180)


@given(st.lists(st.floats(0.6, 70), min_size=1, max_size=20), st.sampled_from([0.0, 10.0, 22.0]))
def test_planned_clips_cover_the_video_and_keep_to_the_maximum(lengths: list[float], target: float) -> None:
    edges = np.concatenate([[0.0], np.cumsum(lengths)])
    times = np.unique(np.concatenate([edges[:-1], np.linspace(0, edges[-1], 500, endpoint=False)]))
    scan = FrameScan(times, np.searchsorted(times, edges[:-1]), times[:0], np.zeros((0, 36, 64), np.uint8))
    planned = plan_clips(scan, float(edges[-1]), ClipRules(target_s=target))
    assert planned[0][0] == 0
    assert planned[-1][1] == pytest.approx(edges[-1])
    assert all(end == pytest.approx(start) for (_, end), (start, _) in itertools.pairwise(planned))
    assert all(end - start <= 30 + 1e-6 for start, end in planned)


def test_the_index_of_a_clip_begins_at_zero() -> None:
    clip = cut_video(make_video(scenes=SCENES, size=(320, 240)), EACH_SCENE).clips[1]
    assert index_video(clip.data).times_F[0] == 0


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted as Linux shows them")
def test_frames_that_are_held_hold_no_threads() -> None:
    """Each had one for each CPU; no other could be started, and all videos after one such were lost."""
    before = len(os.listdir("/proc/self/task"))
    with open_video(make_video("libx264", "mp4", (30,), (64, 48))) as (container, stream):
        frames = list(decoded(container, stream))
    for look in (small, lambda frame: recoded(frame, 32, 24), lambda frame: shown(frame, 32, 24)):
        for frame in frames:
            look(frame)
    assert len(os.listdir("/proc/self/task")) <= before + 5


def test_pictures_are_freed_once_they_have_been_looked_at() -> None:
    """Each was kept until Python looked for circles: 30 seconds of 1080p took 3 GB, and such videos were lost."""
    data = make_video("libx264", "mp4", (60,), (320, 240))
    gc.collect()
    gc.disable()
    try:
        before = _frames_alive()
        cut_video(data, encoded())
        assert _frames_alive() == before
    finally:
        gc.enable()


def _frames_alive() -> int:
    # isinstance() asks an object for its `__class__`, and some of other libraries' warn when they are asked.
    return sum(issubclass(type(one), av.VideoFrame) for one in gc.get_objects())


@pytest.mark.parametrize(
    "where",
    ["probe.open_bytes", "probe.decoded", "scene_cuts.small", "cutter.recoded", "cutter.open_video", "frames.shown"],
)
def test_memory_that_is_used_up_is_no_fault_of_the_video(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """FFmpeg's error of memory is one of its others too; frames were left out, and videos were called broken."""

    def without_memory(*_: object, **__: object) -> None:
        raise av.error.MemoryError(errno.ENOMEM, "Cannot allocate memory")

    data = make_video("libx264", "mp4", (60,), (320, 240))
    monkeypatch.setattr(f"pipeline.video.{where}", without_memory)
    monkeypatch.setattr("pipeline.video.frames.decord_suits", lambda _: False)
    with pytest.raises(MemoryError):
        cut_video(data, encoded() if where == "cutter.recoded" else EACH_SCENE)


def test_packets_that_find_no_memory_are_not_passed_over() -> None:
    class Packet:
        def decode(self) -> None:
            raise av.error.MemoryError(errno.ENOMEM, "Cannot allocate memory")

    class Container:
        def demux(self, _: object) -> Iterator[Packet]:
            yield Packet()

    with pytest.raises(MemoryError):
        list(decoded(cast(Any, Container()), cast(Any, None)))


def test_a_codec_is_named_by_its_format() -> None:
    """The decoder's name was given: libdav1d."""
    encoder = "libsvtav1" if "libsvtav1" in av.codecs_available else "libaom-av1"
    assert index_video(make_video(encoder, "mp4", (10,), (64, 64))).info.codec == "av1"
