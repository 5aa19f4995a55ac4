"""Packets of XMP in image files: found in JPEG, PNG and WebP by their containers' own rules, elsewhere by Pillow.

Metadata is hostile input: packets are bounded, and never unpacked beyond that.
"""

import zlib

from pipeline.image.strip_jpeg import head_segments
from pipeline.image.strip_png import SIGNATURE, chunks_of
from pipeline.image.strip_webp import riff_chunks
from schemas.drops import Drop
from schemas.images import open_image

#: Of one packet; editors write histories of a megabyte. What is longer is looked through, and not parsed.
MAX_PACKET_BYTES = 2 << 20
_APP1 = 0xE1
_MAIN, _EXTENSION = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
_KEYWORD = b"XML:com.adobe.xmp\0"
#: Stands in each packet, whose text other formats do not pack; every second byte of UTF-16.
_SIGNS = (b"rdf-syntax-ns", "rdf-syntax-ns".encode("utf-16-le"), "rdf-syntax-ns".encode("utf-16-be"))


def xmp_packets(data: bytes) -> list[bytes]:
    """All packets of a file, each at most a byte longer than `MAX_PACKET_BYTES`; none where it is damaged."""
    if data.startswith(b"\xff\xd8\xff"):
        return _of_jpeg(data)
    if data.startswith(SIGNATURE):
        return [packet for body in chunks_of(data, b"iTXt") if (packet := _of_itxt(body))]
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return [body[: MAX_PACKET_BYTES + 1] for kind, body in riff_chunks(data) if kind == b"XMP "]
    return _by_pillow(data) if any(sign in data for sign in _SIGNS) else []


def _of_jpeg(data: bytes) -> list[bytes]:
    """The packet, and the extensions that did not fit into its segment, each put together by its identifier."""
    packets: list[bytes] = []
    parts: dict[bytes, dict[int, bytes]] = {}
    held = 0
    for marker, segment in head_segments(data):
        if marker != _APP1:
            continue
        if segment.startswith(_MAIN, 4):
            packets.append(segment[4 + len(_MAIN) :])
        elif segment.startswith(_EXTENSION, 4) and held <= MAX_PACKET_BYTES:
            body = segment[4 + len(_EXTENSION) :]  # 32 digits, length of the whole, offset, a part
            held += len(body)
            parts.setdefault(body[:32], {})[int.from_bytes(body[36:40], "big")] = body[40:]
    return packets + [b"".join(found[at] for at in sorted(found)) for found in parts.values()]


def _of_itxt(body: bytes) -> bytes:
    if not body.startswith(_KEYWORD) or len(body) < len(_KEYWORD) + 4:
        return b""
    is_packed, rest = body[len(_KEYWORD)], body[len(_KEYWORD) + 2 :]
    text = rest.split(b"\0", 2)[-1]  # behind language and translated keyword
    if not is_packed:
        return text[: MAX_PACKET_BYTES + 1]
    try:
        return zlib.decompressobj().decompress(text, MAX_PACKET_BYTES + 1)
    except zlib.error:
        return b""


def _by_pillow(data: bytes) -> list[bytes]:
    """AVIF, TIFF, GIF."""
    try:
        with open_image(data) as image:
            found = image.info.get("xmp", b"")
    except Drop:  # what decodes it will say so
        return []
    found = found.encode() if isinstance(found, str) else found
    return [bytes(found[: MAX_PACKET_BYTES + 1])] if found else []
