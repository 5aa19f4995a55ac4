import io
import itertools

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.video.frames import decord_suits, frames_at, read_frames, sample_frames, sample_times
from pipeline.video.probe import index_video
from pipeline.video.settings import Sampling
from schemas.drops import Drop
from tests.pipeline.videos import decode_all, make_video, rotated

UNEVEN = tuple(itertools.accumulate(itertools.islice(itertools.cycle((20, 40, 100, 33)), 49), initial=0))
# Made when a test asks for them: nobody waits for videos who only collects tests.
BOTH = {
    "h264": make_video,
    "h264, B frames": lambda: make_video(options=(("bf", "3"), ("g", "12"))),
    "hevc": lambda: make_video("libx265"),
    "vp9": lambda: make_video("libvpx-vp9", "webm"),
    "mpeg4": lambda: make_video("mpeg4"),
    "matroska": lambda: make_video(container="matroska"),
    "variable rate": lambda: make_video(times_ms=UNEVEN),
    "odd size": lambda: make_video(size=(161, 121), pixel_format="yuv444p"),
    "sound": lambda: make_video(audio=True),
    "turned": lambda: rotated(make_video(), 90),
    "turned far": lambda: rotated(make_video(), 270),
    "upside down": lambda: rotated(make_video(), 180),
}
FALLBACK = {
    "av1": lambda: make_video("libsvtav1"),
    "10 bit": lambda: make_video("libx265", pixel_format="yuv420p10le"),
    "avi, B frames": lambda: make_video("mpeg4", "avi", options=(("bf", "2"),)),
    "transport stream": lambda: make_video(container="mpegts"),
    "flv": lambda: make_video(container="flv"),
}
SAMPLINGS = [Sampling(), Sampling("uniform"), Sampling("all", fps=7)]


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=lambda sampling: sampling.mode)
@pytest.mark.parametrize("name", BOTH)
def test_both_decoders_give_the_same_frames_at_the_same_times(name: str, sampling: Sampling) -> None:
    ours, other = (sample_frames(BOTH[name](), sampling, decoder) for decoder in ("", "pyav"))
    assert (ours.decoder, other.decoder) == ("decord", "pyav")
    np.testing.assert_array_equal(ours.times_F, other.times_F)
    np.testing.assert_array_equal(ours.rgb_FHWC, other.rgb_FHWC)


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=lambda sampling: sampling.mode)
@pytest.mark.parametrize("name", FALLBACK)
def test_what_decord_gets_wrong_is_read_by_the_fallback(name: str, sampling: Sampling) -> None:
    frames = sample_frames(FALLBACK[name](), sampling)
    assert frames.decoder == "pyav"
    times, pictures = decode_all(FALLBACK[name]())
    index = index_video(FALLBACK[name]())
    for time, picture in zip(frames.times_F, frames.rgb_FHWC, strict=True):
        place = int(np.argmin(np.abs(np.array(times) - index.start_s - time)))
        assert times[place] - index.start_s == pytest.approx(time, abs=1e-6)
        np.testing.assert_array_equal(picture, pictures[place])


@pytest.mark.parametrize("name", [*BOTH, *FALLBACK])
def test_the_index_has_the_times_that_decoding_gives(name: str) -> None:
    data = (BOTH | FALLBACK)[name]()
    index, (times, _) = index_video(data), decode_all(data)
    np.testing.assert_allclose(index.times_F + index.start_s, times, atol=1e-6)


def test_every_frame_in_any_order_of_keyframes() -> None:
    data = BOTH["h264, B frames"]()
    index, (_, pictures) = index_video(data), decode_all(data)
    assert index.keyframes_F.sum() > 2
    for decoder in ("decord", "pyav"):
        frames = read_frames(data, index, np.arange(len(index)), decoder)
        np.testing.assert_array_equal(frames.rgb_FHWC, np.stack(pictures))


@pytest.mark.parametrize(("degrees", "size"), [(90, (120, 160)), (180, (160, 120)), (270, (120, 160))])
def test_rotation_is_applied(degrees: int, size: tuple[int, int]) -> None:
    data = rotated(make_video(), degrees)
    info = index_video(data).info
    assert (info.rotation, (info.width, info.height)) == (degrees, size)
    plain = sample_frames(make_video(), decoder="pyav").rgb_FHWC[0]
    turned = np.rot90(plain, -degrees // 90)
    np.testing.assert_array_equal(sample_frames(data, decoder="pyav").rgb_FHWC[0], turned)


def test_what_is_known_without_decoding() -> None:
    info = index_video(make_video(audio=True)).info
    assert (info.codec, info.pixel_format, info.width, info.height) == ("h264", "yuv420p", 160, 120)
    assert info.has_audio
    assert info.duration_s == pytest.approx(2.0, abs=0.01)


def sound_alone(video_track: bool = False) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as output:
        if video_track:
            empty = output.add_stream("mpeg4", rate=25)
            empty.width, empty.height, empty.pix_fmt = 64, 48, "yuv420p"
        stream = output.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        output.mux([*stream.encode(frame), *stream.encode(None)])
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "broken_video"),
        (b"<html>no video</html>" * 50, "unsupported_container"),
        (make_video()[: len(make_video()) // 2], "broken_video"),  # the index of an MP4 stands at its end
        (sound_alone(video_track=True), "no_frames"),
        (sound_alone(), "no_video_stream"),
    ],
    ids=["empty", "a page", "truncated MP4", "no frames", "sound"],
)
def test_files_without_frames_are_dropped_by_reason(data: bytes, reason: str) -> None:
    with pytest.raises(Drop) as caught:
        sample_frames(data)
    assert caught.value.reason == reason


def test_a_file_cut_off_in_the_middle_gives_its_first_part() -> None:
    whole = make_video("libvpx-vp9", "webm")
    cut = whole[: len(whole) // 2]
    frames, expected = sample_frames(cut, Sampling("all", fps=5)), sample_frames(whole, Sampling("all", fps=5))
    assert 0 < len(frames.times_F) < len(expected.times_F)
    np.testing.assert_array_equal(frames.rgb_FHWC[:-1], expected.rgb_FHWC[: len(frames.times_F) - 1])


def test_damage_in_the_middle_costs_the_damaged_frames() -> None:
    whole = bytearray(make_video(options=(("g", "10"), ("bf", "0"))))
    at = whole.index(b"mdat") + 4
    whole[at + 4000 : at + 4300] = bytes(300)
    data = bytes(whole)
    ours, other = sample_frames(data, Sampling("all", fps=5)), sample_frames(data, Sampling("all", fps=5), "pyav")
    np.testing.assert_array_equal(ours.times_F, other.times_F)
    np.testing.assert_array_equal(ours.rgb_FHWC, other.rgb_FHWC)


@pytest.mark.parametrize(
    ("sampling", "end", "expected"),
    [
        (Sampling(), 30.0, [0, 1, 2, 3, 4, 5, 6, 7]),
        (Sampling(), 3.0, [0, 1, 2]),
        (Sampling(), 0.04, [0]),
        (Sampling("rate", 3, 2.0), 30.0, [0, 0.5, 1]),
        (Sampling("uniform", 4), 8.0, [1, 3, 5, 7]),
        (Sampling("all", fps=0.5), 5.0, [0, 2, 4]),
    ],
)
def test_times_of_sampling(sampling: Sampling, end: float, expected: list[float]) -> None:
    assert sample_times(0.0, end, sampling) == expected
    assert sample_times(10.0, 10 + end, sampling) == pytest.approx([10 + time for time in expected])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 2.5), min_size=1, max_size=12))
def test_a_time_gets_the_frame_shown_then(times: list[float]) -> None:
    index = index_video(make_video(times_ms=UNEVEN))
    places = frames_at(index, times)
    for time in times:
        shown = max(place for place in range(len(index)) if index.times_F[place] <= time + 1e-6)
        assert shown in places


def test_decord_is_given_what_it_reads_right() -> None:
    assert all(decord_suits(index_video(video())) for video in BOTH.values())
