"""The one place that opens video bytes: the container is named by its first bytes, and FFmpeg is told its demuxer.

FFmpeg left to itself probes, and among what it finds are playlists, session descriptions and lists of files, which make
it read whatever they name. Here nothing is probed, and nothing but the bytes in hand can be opened.
"""

import errno
import io
import re
from typing import Any, NoReturn

import av
from av.container import InputContainer

from schemas.drops import Drop

_BOXES = (b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"wide", b"free", b"skip", b"pnot", b"uuid", b"sidx")
_MAGIC = (
    (b"\x1aE\xdf\xa3", "matroska"),
    (b"OggS", "ogg"),
    (b"FLV\x01", "flv"),
    (b"\x00\x00\x01\xba", "mpeg"),
    (b"\x00\x00\x01\xb3", "mpegvideo"),
    (b"0&\xb2u\x8ef\xcf\x11\xa6\xd9\x00\xaa\x00b\xcel", "asf"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
)
#: What FFmpeg itself calls them, where it has more names than one.
FULL_NAMES = {"mov": "mov,mp4,m4a,3gp,3g2,mj2", "matroska": "matroska,webm"}
#: Size of a packet of a transport stream, and where in it its sync byte stands: bare, with a time code, with parity.
_TRANSPORT = ((188, 0), (192, 4), (204, 0))
_SYNC = 0x47
_PACKETS = 5  # that must begin with the sync byte, of those that are there
#: What text that FFmpeg would follow looks like; only to say in the detail what was refused.
_PLAYLISTS = (
    (re.compile(rb"ffconcat"), "a list of files"),
    (re.compile(rb"#EXTM3U"), "an HLS playlist"),
    (re.compile(rb"<\?xml[^>]{0,200}>\s*<MPD|<MPD"), "a DASH manifest"),
    (re.compile(rb"v=0\r?\n|(?:[a-z]=[^\n]{0,200}\n)"), "a session description"),
    (re.compile(rb"WEBVTT|\d{1,9}\s{0,8}\n\d{1,4}:\d\d:\d\d"), "subtitles"),
    (re.compile(rb"(?i:<!doctype html|<html)"), "a web page"),
)
_OPENS_NOTHING = {
    "protocol_whitelist": "none",
    "enable_drefs": "0",  # data that an MP4 keeps in another file
    "use_absolute_path": "0",
}


def container_of(data: bytes) -> str:
    """FFmpeg's name of the demuxer of a video, by its first bytes. Raises `Drop("unsupported_container")`."""
    if data[4:8] in _BOXES:
        return "mov"
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return "avi"
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    if any(_is_transport(data, size, at) for size, at in _TRANSPORT):
        return "mpegts"
    raise Drop("unsupported_container", _what(data))


def open_bytes(data: bytes) -> InputContainer:
    """Raises `Drop`: unsupported_container, broken_video."""
    if not data:
        raise Drop("broken_video", "empty")
    name = container_of(data)
    try:
        return av.open(
            io.BytesIO(data),
            "r",
            format=name,
            container_options={**_OPENS_NOTHING, "format_whitelist": name},
            metadata_errors="ignore",
            io_open=_refuse,
        )
    except MemoryError:
        raise
    except (av.FFmpegError, ValueError) as error:
        raise Drop("broken_video", f"{type(error).__name__}: {error}"[:200]) from None


def is_never_text(data: bytes) -> bool:
    """Whether a prober that is told no demuxer can take the bytes for nothing that names other files.

    What does so is text, told by its first characters or by those after a line's end, and read up to the first NUL.
    """
    head, nul, _ = data[:64].partition(b"\0")
    is_known = (data[4:8] == b"ftyp" and not head) or data.startswith(b"\x1aE\xdf\xa3")
    return is_known and bool(nul) and not re.search(rb"[\r\n<#]", head)


def _refuse(url: str, flags: int, options: Any) -> NoReturn:
    """FFmpeg wants to open something else."""
    raise av.PermissionError(errno.EACCES, "a video may open nothing but itself", url)


def _is_transport(data: bytes, size: int, at: int) -> bool:
    syncs = data[at : at + size * _PACKETS : size]
    return len(data) >= 2 * size and syncs == bytes([_SYNC]) * len(syncs)


def _what(data: bytes) -> str:
    head = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip()
    found = next((what for pattern, what in _PLAYLISTS if pattern.match(head)), "")
    return f"{found}: {head[:40]!r}" if found else repr(head[:16])
