"""What image metadata states of rights, written by Exiv2 where it can write, and by hand where it cannot."""

import io
import time
import zlib

import pyexiv2
import pytest
from PIL import Image, PngImagePlugin

from pipeline.image import rights
from pipeline.image.rights import DATA_MINING, data_mining, read_rights
from pipeline.image.xmp import MAX_PACKET_BYTES
from schemas.documents import Rights

VOCABULARY = "http://ns.useplus.org/ldf/vocab/"
PACKET = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:p="http://ns.useplus.org/ldf/xmp/1.0/" {attributes}>{elements}</rdf:Description>'
    "</rdf:RDF></x:xmpmeta>"
)
NO = "DMI-PROHIBITED-AIMLTRAINING"


def picture(format: str, **more: object) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(out, format, **more)
    return out.getvalue()


def by_exiv2(format: str, **properties: object) -> bytes:
    image = pyexiv2.ImageData(picture(format))
    image.modify_xmp({f"Xmp.{name.replace('_', '.', 1)}": value for name, value in properties.items()})
    data = image.get_bytes()
    image.close()
    return bytes(data)


def packet(attributes: str = "", elements: str = "") -> bytes:
    return PACKET.format(attributes=attributes, elements=elements).encode()


def jpeg_with(*segments: bytes) -> bytes:
    plain = picture("JPEG")
    return plain[:2] + b"".join(b"\xff\xe1" + (len(one) + 2).to_bytes(2, "big") + one for one in segments) + plain[2:]


def main(body: bytes) -> bytes:
    return b"http://ns.adobe.com/xap/1.0/\0" + body


def verdicts(data: bytes) -> list[tuple[str, str]]:
    return [(one.value.rpartition("/")[2], one.verdict) for one in read_rights(data)[0]]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("value", DATA_MINING)
def test_each_value_of_the_vocabulary_in_each_format(format: str, value: str) -> None:
    assert len(DATA_MINING) == 9
    expected = {"DMI-UNSPECIFIED": "unknown", "DMI-ALLOWED": "yes"}.get(value, "no")
    assert verdicts(by_exiv2(format, plus_DataMining=VOCABULARY + value)) == [(value, expected)]


@pytest.mark.parametrize("format", ["AVIF", "TIFF", "PNG", "WEBP", "JPEG"])
def test_what_pillow_writes_is_read(format: str) -> None:
    xmp = packet(f'p:DataMining="{VOCABULARY}{NO}"')
    if format == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp.decode(), zip=True)
        data = picture("PNG", pnginfo=info)
    elif format == "TIFF":
        data = picture("TIFF", tiffinfo={700: xmp})
    else:
        data = picture(format, xmp=xmp)
    assert verdicts(data) == [(NO, "no")]


def test_rights_are_kept_and_nothing_else() -> None:
    data = by_exiv2(
        "JPEG", dc_creator=["Ann", "Bob"], dc_rights={'lang="x-default"': "(c) Ann"}, photoshop_Credit="Agency",
        xmpRights_WebStatement="https://a.example/rights", xmpRights_UsageTerms={'lang="x-default"': "Ask first"},
        plus_DataMining=VOCABULARY + "DMI-ALLOWED", exif_GPSLatitude="48,8N", xmp_CreatorTool="Camera",
    )  # fmt: skip
    assert read_rights(data)[1] == Rights(
        creator="Ann; Bob",
        copyright="(c) Ann",
        credit="Agency",
        licence="Ask first",
        web_statement="https://a.example/rights",
        data_mining=VOCABULARY + "DMI-ALLOWED",
    )


@pytest.mark.parametrize(
    "body",
    [
        packet(f'p:DataMining="{NO}"'), packet("", f"<p:DataMining>{VOCABULARY}{NO}</p:DataMining>"),
        packet("", f'<p:DataMining rdf:resource="{VOCABULARY}{NO}"/>'),
        packet("", f"<p:DataMining><rdf:Bag><rdf:li>{NO}</rdf:li></rdf:Bag></p:DataMining>"),
        packet("", f'<p:DataMining><rdf:Description rdf:value="{NO}"/></p:DataMining>'),
        b"<?xpacket begin='\xef\xbb\xbf' id='W5M0'?>" + packet(f'p:DataMining="{NO}"') + b"<?xpacket end='w'?> ",
        packet(f'p:DataMining="{NO.lower()}"'), packet(f'p:DataMining="plus:{NO}"'),
        packet(f'p:DataMining="{NO}"').decode().encode("utf-16"),
    ],
)  # fmt: skip
def test_all_forms_of_rdf_are_read(body: bytes) -> None:
    ((value, verdict),) = verdicts(jpeg_with(main(body)))
    assert verdict == "no"
    assert value.upper().endswith(NO)


def test_an_extended_packet_is_put_together() -> None:
    whole = packet(f'p:DataMining="{NO}"', "x" * 90_000)
    digest, head = b"0" * 32, b"http://ns.adobe.com/xmp/extension/\0"
    sizes = len(whole).to_bytes(4, "big")
    parts = [
        head + digest + sizes + at.to_bytes(4, "big") + whole[at : at + 40_000] for at in range(0, len(whole), 40_000)
    ]
    assert verdicts(jpeg_with(main(packet()), *reversed(parts))) == [(NO, "no")]


@pytest.mark.parametrize("value", ["", "nonsense", "Allowed", "DMI-ALLOWED-FOR-FRIENDS"])
def test_what_is_not_of_the_vocabulary_is_unknown(value: str) -> None:
    assert data_mining(value) == "unknown"


@pytest.mark.parametrize("value", ["Prohibited for AI/ML training", "DMI-PROHIBITED-SOMETHINGNEW"])
def test_whatever_else_prohibits_is_a_no(value: str) -> None:
    assert data_mining(value) == "no"


BOMB = f'<!DOCTYPE x [<!ENTITY a "{"b" * 1000}">]>'.encode() + packet(
    "", "<p:DataMining>" + "&a;" * 1000 + NO + "</p:DataMining>"
)


@pytest.mark.parametrize("body", [BOMB, packet(f'p:DataMining="{NO}"')[:-20], b"\0\xff junk " + NO.encode()])
def test_of_a_damaged_or_hostile_packet_the_value_is_found(body: bytes) -> None:
    assert verdicts(jpeg_with(main(body + b" adobe:ns:meta"))) == [(NO, "no")]


def png_with(body: bytes) -> bytes:
    plain = picture("PNG")
    chunk = b"iTXtXML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(body)
    return plain[:33] + (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big") + plain[33:]


def test_a_packet_of_50_megabytes_takes_no_time_and_its_beginning_counts() -> None:
    body = packet(f'p:DataMining="{NO}"', "<rdf:li>x</rdf:li>" * 3_000_000)
    assert len(body) > 50 << 20
    for data in (png_with(body), picture("WEBP", xmp=body)):
        began = time.process_time()
        assert verdicts(data) == [(NO, "no")]
        assert time.process_time() - began < 1


def test_a_packet_of_many_elements_is_looked_through() -> None:
    body = packet(f'p:DataMining="{NO}"', "<rdf:li/>" * (MAX_PACKET_BYTES // 10))
    assert verdicts(jpeg_with(main(b""))) == []
    assert verdicts(png_with(body)) == [(NO, "no")]


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\nadobe:ns:meta", b"RIFF1234WEBPXMP ", b"XMP DataXMP"]
)
def test_what_is_no_image_states_nothing(data: bytes) -> None:
    assert read_rights(data) == ((), Rights())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16", "iso-8859-1"])
def test_a_packet_is_read_in_its_encoding_and_one_without_rights_is_not_parsed(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = f"<?xml version='1.0' encoding='{encoding.removesuffix('-le')}'?>" if encoding != "utf-8" else ""
    body = (declared + packet('p:DataMining="DMI-PROHIBITED"').decode()).encode(encoding)
    assert [one.verdict for one in read_rights(jpeg_with(main(body)))[0]] == ["no"]
    monkeypatch.setattr(rights, "walk", None)
    assert read_rights(jpeg_with(main(packet("", "<a>a history</a>" * 9)))) == ((), Rights())
