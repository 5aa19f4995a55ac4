"""Frames and clips look as the source does in Chromium, whatever its colours, its turn and its pixels."""

import base64
import io
import random
import shutil
import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from model.data.clips import clip_frames
from pipeline.video.cutter import cut_clip
from pipeline.video.frames import sample_frames
from pipeline.video.probe import index_video
from pipeline.video.settings import ClipEncoding
from schemas.drops import Drop
from schemas.pictures import Turn, turn_of

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="no Chromium: apt-get install chromium")
PATCHES = np.concatenate(
    [
        [[200, 29, 30], [30, 200, 30], [30, 30, 200], [128, 128, 128], [250, 250, 250], [5, 5, 5]],
        np.random.default_rng(1).integers(20, 236, (10, 3)),
    ]
).reshape(4, 4, 3)
TURNS = {
    "as it is": (1, 0, 0, 1),
    "90": (0, 1, -1, 0),
    "180": (-1, 0, 0, -1),
    "270": (0, -1, 1, 0),
    "mirrored": (-1, 0, 0, 1),
    "mirrored, 180": (1, 0, 0, -1),
    "mirrored, 270": (0, 1, 1, 0),
    "mirrored, 90": (0, -1, -1, 0),
}
_SHOW = """async (data) => {
    const video = document.createElement('video');
    video.muted = true;
    video.src = 'data:video/mp4;base64,' + data;
    document.body.replaceChildren(video);
    await new Promise((done, failed) => { video.onloadeddata = done; video.onerror = failed; });
    const frame = new Promise((done) => video.requestVideoFrameCallback(done));
    await video.play();
    await frame;
    video.pause();
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    const context = canvas.getContext('2d');
    context.drawImage(video, 0, 0);
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
    return [canvas.width, canvas.height, Array.from({length: 16}, (_, number) => {
        const x = Math.floor((number % 4 + 0.5) * canvas.width / 4);
        const y = Math.floor((Math.floor(number / 4) + 0.5) * canvas.height / 4);
        return Array.from(pixels.slice(4 * (y * canvas.width + x), 4 * (y * canvas.width + x) + 3));
    })];
}"""


def patched(
    matrix: int = 6,
    full: bool = False,
    tags: tuple[int, int, int] | None = None,
    size: tuple[int, int] = (320, 240),
    pixel_format: str = "yuv420p",
    turn: tuple[int, int, int, int] = (1, 0, 0, 1),
    pixels: Fraction | None = None,
) -> bytes:
    """A still of 16 colours. `matrix` is that by which it is coded, `tags` say matrix, primaries and curve."""
    file = io.BytesIO()
    picture = np.repeat(np.repeat(PATCHES, size[1] // 4, 0), size[0] // 4, 1).astype(np.uint8)
    with av.open(file, "w", format="mp4") as output:
        stream = output.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = picture.shape[1], picture.shape[0], pixel_format
        context = stream.codec_context
        if tags:
            context.colorspace, context.color_primaries, context.color_trc = tags
        if tags or full:
            context.color_range = 2 if full else 1
        if pixels:
            context.sample_aspect_ratio = pixels
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame = frame.reformat(
                format=pixel_format, dst_colorspace={1: 1, 6: 5}[matrix], dst_color_range=2 if full else 1
            )
            frame.colorspace = tags[0] if tags else 2
            frame.pts, frame.time_base = number * 40, Fraction(1, 1000)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    data = file.getvalue()
    a, b, c, d = (value * 65536 for value in turn)
    at = data.index(b"tkhd") + 4 + 40
    return data[:at] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + data[at + 36 :]


CASES: dict[str, Callable[[], bytes]] = {
    "601, untagged": patched,
    "601": lambda: patched(tags=(6, 6, 6)),
    "601 of PAL": lambda: patched(tags=(5, 5, 6)),
    "601 of PAL, its curve": lambda: patched(tags=(5, 5, 5)),
    "gamma 2.2": lambda: patched(tags=(6, 6, 4)),
    "709": lambda: patched(1, tags=(1, 1, 1)),
    "709, curve of sRGB": lambda: patched(1, tags=(1, 1, 13)),
    "709, Display P3": lambda: patched(1, tags=(1, 12, 1)),
    "HD, untagged": lambda: patched(1, size=(1280, 720)),
    "HD, 709": lambda: patched(1, tags=(1, 1, 1), size=(1280, 720)),
    "HD, 601": lambda: patched(6, tags=(6, 6, 6), size=(1280, 720)),
    "HD on its side, untagged": lambda: patched(1, size=(720, 1280)),
    "just below HD, untagged": lambda: patched(6, size=(1264, 712)),
    "full 601, untagged": lambda: patched(full=True, pixel_format="yuvj420p"),
    "full 601": lambda: patched(full=True, tags=(6, 6, 6), pixel_format="yuvj420p"),
    "full 709": lambda: patched(1, True, (1, 1, 1), pixel_format="yuvj420p"),
    "full HD": lambda: patched(1, True, (1, 1, 1), (1280, 720), "yuvj420p"),
    "10 bits, 709": lambda: patched(1, tags=(1, 1, 1), pixel_format="yuv420p10le"),
    "10 bits HD, untagged": lambda: patched(1, size=(1280, 720), pixel_format="yuv420p10le"),
    "4:4:4, 709": lambda: patched(1, tags=(1, 1, 1), pixel_format="yuv444p"),
    "wide pixels": lambda: patched(pixels=Fraction(4, 3)),
    "narrow pixels, HD": lambda: patched(1, size=(1280, 720), pixels=Fraction(1, 2)),
    "wide pixels, turned": lambda: patched(pixels=Fraction(4, 3), turn=TURNS["90"]),
    **{f"turned: {name}": (lambda turn=turn: patched(turn=turn)) for name, turn in TURNS.items()},
    **{
        f"HD, turned: {name}": (lambda turn=turn: patched(1, size=(1280, 720), turn=turn))
        for name, turn in TURNS.items()
    },
}


@pytest.fixture(scope="module")
def show() -> Iterator[Callable[[bytes], tuple[tuple[int, int], np.ndarray]]]:
    """Size and 16 colours of the first frame of an MP4, as Chromium shows it."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()

        def shown(data: bytes) -> tuple[tuple[int, int], np.ndarray]:
            width, height, colors = page.evaluate(_SHOW, base64.b64encode(data).decode())
            return (width, height), np.array(colors)

        yield shown
        browser.close()


def centres(picture: Any) -> tuple[tuple[int, int], np.ndarray]:
    pixels = np.asarray(picture)
    height, width = pixels.shape[:2]
    places = [(int((y + 0.5) * height / 4), int((x + 0.5) * width / 4)) for y in range(4) for x in range(4)]
    return (width, height), np.array([pixels[place] for place in places], int)


def clip_of(data: bytes, **encoding: Any) -> bytes:
    return cut_clip(data, index_video(data), 0, 1, ClipEncoding(crf=1, **encoding)).data


@needs_chromium
@pytest.mark.parametrize("name", CASES)
def test_readers_and_clips_look_as_the_source_does_in_chromium(name: str, show: Any) -> None:
    data = CASES[name]()
    size, expected = show(data)
    encoded = clip_of(data, copy_within_s=-1)
    found = {
        "our frames": centres(sample_frames(data).rgb_FHWC[0]),
        "PyAV's": centres(sample_frames(data, decoder="pyav").rgb_FHWC[0]),
        "the loader's": centres(clip_frames(data, random.Random(0), 1, 1.0)[0]),
        "the clip in Chromium": show(encoded),
        "the copied clip in Chromium": show(clip_of(data)),
        "our frames of the clip": centres(sample_frames(encoded).rgb_FHWC[0]),
        "its frames where tags are ignored": centres(first_untagged(encoded)),
    }
    for what, (of_size, colors) in found.items():
        error = np.abs(colors - expected)
        assert error.mean() < 3, (what, error.mean())
        assert error.max() <= (40 if "P3" in name else 14), (what, error.max())  # Chromium is gentle to its blues
        assert of_size[0] / of_size[1] == pytest.approx(size[0] / size[1], rel=0.02), what


def first_untagged(data: bytes) -> np.ndarray:
    """As decord, OpenCV and others read, who take all for BT.601."""
    with av.open(io.BytesIO(data)) as container:
        frame = next(container.decode(video=0))
        frame.colorspace = 2
        return frame.to_ndarray(format="rgb24")


@pytest.mark.parametrize("name", TURNS)
def test_a_display_matrix_is_a_mirror_and_a_turn(name: str) -> None:
    with av.open(io.BytesIO(patched(turn=TURNS[name]))) as container:
        turn = turn_of(next(container.decode(video=0)))
    degrees = int("".join(filter(str.isdigit, name)) or 0)
    assert turn == Turn(degrees, "mirrored" in name)
    picture = sample_frames(patched(turn=TURNS[name])).rgb_FHWC[0]
    plain = sample_frames(patched()).rgb_FHWC[0]
    np.testing.assert_array_equal(picture, np.rot90(plain[:, ::-1] if turn.mirrored else plain, -degrees // 90))


@pytest.mark.parametrize(
    ("tags", "detail"),
    [((9, 9, 16), "PQ"), ((9, 9, 18), "HLG"), ((1, 1, 16), "PQ"), ((9, 9, 1), "primaries 9"), ((8, 1, 1), "matrix 8"),
     ((1, 11, 1), "primaries 11"), ((1, 1, 8), "curve 8"), ((14, 9, 18), "HLG")],
)  # fmt: skip
def test_colours_that_cannot_be_shown_alike_have_their_reasons(tags: tuple[int, int, int], detail: str) -> None:
    data = patched(1, tags=tags, pixel_format="yuv420p10le")
    with pytest.raises(Drop) as caught:
        index_video(data)
    assert caught.value.reason == ("hdr" if tags[2] in (16, 18) else "unsupported_color")
    assert detail in caught.value.detail


def test_encoded_clips_say_what_their_colours_are() -> None:
    for data in (patched(), patched(1, size=(1280, 720)), patched(full=True, pixel_format="yuvj420p")):
        with av.open(io.BytesIO(clip_of(data, copy_within_s=-1))) as container:
            frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range) == (6, 1)
        assert {int(frame.color_primaries), int(frame.color_trc)} <= {1, 6}


@pytest.mark.parametrize("pixels", [Fraction(1, 20), Fraction(100, 1)])
def test_pixels_that_no_screen_has_are_refused(pixels: Fraction) -> None:
    with pytest.raises(Drop) as caught:
        index_video(patched(pixels=pixels))
    assert caught.value.reason == "broken_video"
