"""What video bytes are opened as, and that they open nothing else."""

import contextlib
import io
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest

from pipeline.video.frames import sample_frames
from pipeline.video.probe import index_video
from schemas.containers import container_of, is_never_text, open_bytes
from schemas.drops import Drop
from tests.pipeline.videos import make_video

ROOT = Path(__file__).parents[2]
VIDEOS: dict[str, Callable[[], bytes]] = {
    "mov": make_video,
    "matroska": lambda: make_video("libvpx-vp9", "webm"),
    "avi": lambda: make_video("mpeg4", "avi"),
    "mpegts": lambda: make_video(container="mpegts"),
    "flv": lambda: make_video(container="flv"),
    "asf": lambda: make_video("mpeg4", "asf"),
    "ogg": lambda: make_video("libvpx", "ogg"),
}
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
DASH = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" '
    'profiles="urn:mpeg:dash:profile:isoff-on-demand:2011">'
    "<Period><AdaptationSet><Representation><BaseURL>{0}</BaseURL></Representation></AdaptationSet></Period></MPD>"
)
PLAYLISTS = {
    "concat": "ffconcat version 1.0\nfile {0}\n",
    "HLS": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{0}\n#EXT-X-ENDLIST\n",
    "HLS master": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{0}\n",
    "SDP": SDP,
    "SDP, CRLF": SDP.replace("\n", "\r\n"),
    "DASH": DASH,
    "address": "concat:{0}|{0}",
    "file address": "file:{0}",
    "smooth": "<SmoothStreamingMedia><StreamIndex Url='{0}'/></SmoothStreamingMedia>",
    "smil": "<smil><body><video src='{0}'/></body></smil>",
    "rtsp text": "RTSPtext\nrtsp://127.0.0.1/{0}\n",
    "asx": "<asx version='3.0'><entry><ref href='{0}'/></entry></asx>",
    "asf reference": "[Reference]\nRef1={0}\n",
    "avisynth": 'AVISource("{0}")\n',
    "pls": "[playlist]\nFile1={0}\n",
    "image pattern": "%d.png",
    "subtitles": "WEBVTT\n\n00:00.000 --> 00:01.000\n{0}\n",
    "mpsub": "FORMAT=TIME\n0 1\n{0}\n",
    "web page": "<!doctype html><video src='{0}'></video>",
    "metadata": ";FFMETADATA1\ntitle={0}\n",
}


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A video in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "private.mp4").write_bytes(make_video())
    return "private.mp4"


@pytest.mark.parametrize("name", VIDEOS)
def test_videos_are_known_by_their_first_bytes_and_open(name: str) -> None:
    data = VIDEOS[name]()
    assert container_of(data) == name
    assert len(index_video(data)) == 50


@pytest.mark.parametrize("before", ["", "\ufeff", "\n\n", " "])
@pytest.mark.parametrize("name", PLAYLISTS)
def test_what_names_other_files_is_refused_before_it_is_opened(name: str, before: str, private: str) -> None:
    body = (before + PLAYLISTS[name].replace("{0}", private)).encode()
    for read in (open_bytes, index_video, sample_frames):
        with pytest.raises(Drop) as caught:
            read(body)
        assert caught.value.reason == "unsupported_container"


def polyglots() -> Iterator[tuple[str, bytes]]:
    """The header of one container before a playlist, in every way that leaves the header sound."""
    for name, text in PLAYLISTS.items():
        body = text.replace("{0}", "private.mp4").encode()
        yield f"free box, {name}", struct.pack(">I4s", 8 + len(body), b"free") + body
        yield f"ftyp, {name}", struct.pack(">I4s4s4s", 16, b"ftyp", b"isom", b"isom") + body
        yield f"a box of a size that is text, {name}", b"#EXTftyp" + body
        yield f"EBML, {name}", b"\x1aE\xdf\xa3\xa3" + body
        yield f"EBML of a line, {name}", b"\x1aE\xdf\xa3\n" + body
        yield f"EBML void, {name}", b"\x1aE\xdf\xa3\x9fB\x82\x88matroska\xec" + bytes([0x80 | len(body) & 0x7F]) + body
        yield f"Ogg, {name}", b"OggS\0\2" + body
        yield f"AVI, {name}", b"RIFF\n\n\n\nAVI " + body
        yield f"FLV, {name}", b"FLV\x01\n" + body
        yield f"MPEG, {name}", b"\x00\x00\x01\xba\n" + body
        yield f"ASF, {name}", b"0&\xb2u\x8ef\xcf\x11\xa6\xd9\x00\xaa\x00b\xcel" + body
        yield f"GIF, {name}", b"GIF89a" + body
        yield f"transport stream, {name}", (b"G\n" + body[:186].ljust(186)) * 6
        whole = make_video()
        yield f"a whole video, {name}", whole + body


def test_a_polyglot_is_what_its_header_says_and_opens_nothing(private: str, capfd: pytest.CaptureFixture[str]) -> None:
    opened: list[str] = []
    for name, data in polyglots():
        try:
            frames = sample_frames(data)
        except Drop:
            continue
        opened.append(name)
        assert len(frames.times_F) == 2
    assert all(name.startswith("a whole video") for name in opened)
    assert "private" not in "".join(capfd.readouterr())


def test_decord_which_probes_gets_no_text() -> None:
    assert is_never_text(make_video())
    assert is_never_text(make_video("libvpx-vp9", "webm"))
    for name, data in polyglots():
        if is_never_text(data):
            text = data.partition(b"\0")[0]
            assert not re.search(rb"[\r\n<#]|ffconcat|c=IN", text), name


def referring(mp4: bytes, path: bytes) -> bytes:
    """The same MP4, its data said to lie in another file: an alias in the box of data references."""
    at = mp4.index(b"dref") - 4
    url = mp4.index(b"url ", at) - 4
    size = struct.unpack(">I", mp4[url : url + 4])[0]
    absolute = bytes(150) + struct.pack(">hh", 2, len(path)) + path + bytes(len(path) % 2)
    entry = b"alis" + bytes(4) + absolute + struct.pack(">hh", -1, 0)
    entry = struct.pack(">I", 4 + len(entry)) + entry
    more = len(entry) - size
    out = bytearray(mp4[:url] + entry + mp4[url + size :])
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        place = out.index(box) - 4
        out[place : place + 4] = struct.pack(">I", struct.unpack(">I", out[place : place + 4])[0] + more)
    return bytes(out)


@pytest.mark.parametrize("path", [b"private.mp4", b"/etc/passwd", b"http://127.0.0.1:9/x"])
def test_data_in_another_file_is_not_opened(path: bytes, private: str) -> None:
    data = referring(make_video(), path)
    asked: list[str] = []

    def open_other(url: str, *_: object) -> None:
        asked.append(url)
        raise OSError(url)

    follows = {"enable_drefs": "1", "use_absolute_path": "1"}
    with contextlib.suppress(OSError), av.open(io.BytesIO(data), container_options=follows, io_open=open_other):
        pass
    assert asked  # FFmpeg would: what is refused below is no broken file
    with pytest.raises(Drop) as caught:
        sample_frames(data)
    assert caught.value.reason in ("broken_video", "no_frames")


def test_no_other_place_opens_videos() -> None:
    """Writing is free: what is opened for it is ours."""
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for folder in ("schemas", "crawlers", "pipeline", "model", "jobs", "weft")
        for path in (ROOT / folder).rglob("*.py")
        for line in path.read_text().splitlines()
        if re.search(
            r"\bav\.open\(|\bav import open|VideoReader|cv2\.|VideoCapture|torchcodec|\bffmpeg\b|ffprobe", line
        )
        and not re.search(r'av\.open\([^)]*"w"', line)
    ]
    assert [line.partition(":")[0] for line in found] == ["schemas/containers.py", "pipeline/video/frames.py"], found
