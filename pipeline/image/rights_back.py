"""Rights written into the files that are stored: a packet of XMP that holds them and nothing else."""

import hashlib
import struct
import zlib
from xml.sax.saxutils import escape, quoteattr

import msgspec

from pipeline.image.strip_webp import riff_chunks
from schemas.documents import Rights, StoredImage

_LISTS = {
    "creator": ("dc:creator", "Seq"),
    "copyright": ("dc:rights", "Alt"),
    "licence": ("xmpRights:UsageTerms", "Alt"),
}
_TEXTS = {"credit": "photoshop:Credit", "web_statement": "xmpRights:WebStatement", "data_mining": "plus:DataMining"}
_NAMESPACES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "plus": "http://ns.useplus.org/ldf/xmp/1.0/",
}
_XMP_FLAG, _ALPHA_FLAG, _PROFILE_FLAG = 0x04, 0x10, 0x20


def with_rights(image: StoredImage) -> StoredImage:
    """The same image with its rights in its file; as it is where it states none."""
    if image.rights == Rights():
        return image
    packet = rights_packet(image.rights)
    match image.format:
        case "jpg":
            data = _in_jpeg(image.data, packet)
        case "png":
            data = _in_png(image.data, packet)
        case _:
            data = _in_webp(image, packet)
    return msgspec.structs.replace(image, data=data, sha256=hashlib.sha256(data).hexdigest())


def rights_packet(rights: Rights) -> bytes:
    """XMP of the fields that are stated."""
    values = msgspec.structs.asdict(rights)
    texts = "".join(f" {name}={quoteattr(values[field])}" for field, name in _TEXTS.items() if values[field])
    lists = "".join(
        f"<{name}><rdf:{kind}><rdf:li{_language(kind)}>{escape(values[field])}</rdf:li></rdf:{kind}></{name}>"
        for field, (name, kind) in _LISTS.items()
        if values[field]
    )
    spaces = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in _NAMESPACES.items())
    described = f'<rdf:Description rdf:about=""{texts}>{lists}</rdf:Description>'
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF{spaces}>{described}</rdf:RDF></x:xmpmeta>'.encode()


def _language(kind: str) -> str:
    return ' xml:lang="x-default"' if kind == "Alt" else ""


def _in_jpeg(data: bytes, packet: bytes) -> bytes:
    """Behind JFIF, which must come first."""
    at = 2
    if data[2:4] == b"\xff\xe0":
        at = 4 + int.from_bytes(data[4:6], "big")
    body = b"http://ns.adobe.com/xap/1.0/\0" + packet  # six fields of 500 letters fit into a segment
    return data[:at] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[at:]


def _in_png(data: bytes, packet: bytes) -> bytes:
    """Behind the header of 25 bytes."""
    chunk = b"iTXtXML:com.adobe.xmp\0\0\0\0\0" + packet
    whole = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return data[:33] + whole + data[33:]


def _in_webp(image: StoredImage, packet: bytes) -> bytes:
    """Behind the pixels, and announced in the extended header."""
    found = dict(riff_chunks(image.data))
    head = found.pop(b"VP8X", b"")
    has_alpha = b"ALPH" in found or (b"VP8L" in found and bool(found[b"VP8L"][4] & 0x10))
    flags = head[0] if head else (_ALPHA_FLAG if has_alpha else 0) | (_PROFILE_FLAG if b"ICCP" in found else 0)
    size = (image.width - 1).to_bytes(3, "little") + (image.height - 1).to_bytes(3, "little")
    head = bytes((flags | _XMP_FLAG,)) + (head[1:] if head else bytes(3) + size)
    whole = {b"VP8X": head, **found, b"XMP ": packet}
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(value)) + value + bytes(len(value) % 2) for kind, value in whole.items()
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body
