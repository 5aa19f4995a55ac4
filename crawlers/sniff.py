"""What a body is, by its first bytes."""

import re

_IMAGE_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"II*\0", b"MM\0*")
_VIDEO_MAGIC = (b"\x1aE\xdf\xa3", b"OggS", b"FLV\x01", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3")
_SRT = re.compile(rb"\s*\d+[ \t]*\r?\n\s*\d+:\d\d:\d\d[,.]\d{3}\s*-->")
_HEAD = 4096  # bytes
_CONTROLS = bytes({*range(32)} - set(b"\t\n\f\r\x1b"))  # not that by which ISO-2022 changes letters
_CONTROLS_OF_TEXT = 0.03
_STILL_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")


def is_image(head: bytes) -> bool:
    """JPEG, PNG, GIF, WebP, BMP or TIFF; AVIF is known by its header."""
    is_webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    is_bmp = head[:2] == b"BM" and head[6:10] == bytes(4)  # the reserved field: BMW begins like a bitmap, too
    return is_webp or is_bmp or head.startswith(_IMAGE_MAGIC)


def is_avif(head: bytes) -> bool:
    """AVIF and its relatives: stills in the container of MP4."""
    return head[4:8] == b"ftyp" and head[8:12] in _STILL_BRANDS


def is_video(head: bytes) -> bool:
    """MP4 and QuickTime, WebM and Matroska, Ogg, AVI, FLV, MPEG."""
    is_mp4 = head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide") and not is_avif(head)
    is_avi = head[:4] == b"RIFF" and head[8:12] == b"AVI "
    return is_mp4 or is_avi or head.startswith(_VIDEO_MAGIC)


def is_subtitles(head: bytes) -> bool:
    """WebVTT or SubRip."""
    return head.removeprefix(b"\xef\xbb\xbf").startswith(b"WEBVTT") or _SRT.match(head) is not None


def is_binary(body: bytes) -> bool:
    """Whether a body is no text at all: a PDF, or bytes of which more are controls than a slip explains. Of compressed
    or random ones a tenth are."""
    head = body[:_HEAD]
    even, odd = head[:64:2].count(0), head[1:64:2].count(0)  # where a page has its first tags, in ASCII
    is_utf16 = head.startswith((b"\xff\xfe", b"\xfe\xff")) or min(even, odd) + 8 < max(even, odd)
    controls = len(head) - len(head.translate(None, _CONTROLS))
    return head.startswith(b"%PDF") or (not is_utf16 and controls > _CONTROLS_OF_TEXT * len(head))
