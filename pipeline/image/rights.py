"""What the metadata of an image states of rights: the data-mining property of PLUS, and the fields that name people.

XMP follows ISO 16684-1, the property IPTC Photo Metadata 2023.1 and the vocabulary of the PLUS Coalition
(ns.useplus.org/ldf/vocab).
"""

import re

from pipeline.image.xmp import MAX_PACKET_BYTES, xmp_packets
from schemas.documents import Rights
from schemas.safe_xml import BadXml, walk
from schemas.signals import Signal, Verdict, said

_DC, _XMP_RIGHTS = "http://purl.org/dc/elements/1.1/", "http://ns.adobe.com/xap/1.0/rights/"
_PLUS, _PHOTOSHOP = "http://ns.useplus.org/ldf/xmp/1.0/", "http://ns.adobe.com/photoshop/1.0/"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DATA_MINING = "data_mining"
#: The field that a property gives, and how much it counts where several give one.
_FIELDS = {
    f"{_PLUS} DataMining": _DATA_MINING,
    f"{_DC} creator": "creator",
    f"{_DC} rights": "copyright",
    f"{_PHOTOSHOP} Credit": "credit",
    f"{_XMP_RIGHTS} WebStatement": "web_statement",
    "http://creativecommons.org/ns# license": "licence",
    f"{_PLUS} LicensorURL": "licence",
    f"{_XMP_RIGHTS} UsageTerms": "licence",
}
_STATED = re.compile(rb"(?:D\0?M\0?I\0?-\0?)(?:[A-Z-]\0?){1,60}", re.IGNORECASE)
_LONGEST = 500
#: What stands in each packet that states any of it, unless it is in an encoding of its own.
_WANTED = re.compile(b"|".join({field.rpartition(" ")[2].encode() for field in _FIELDS} | {b"DMI-"}))
_ENCODED = re.compile(rb"\0|encoding\s*=\s*[\"'](?!utf-8|us-ascii)", re.IGNORECASE)

#: The nine values of the vocabulary.
DATA_MINING: dict[str, Verdict] = {
    "DMI-UNSPECIFIED": "unknown",
    "DMI-ALLOWED": "yes",
    "DMI-PROHIBITED-AIMLTRAINING": "no",
    "DMI-PROHIBITED-GENAIMLTRAINING": "no",
    "DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING": "no",
    "DMI-PROHIBITED": "no",
    "DMI-PROHIBITED-SEECONSTRAINT": "no",
    "DMI-PROHIBITED-SEEEMBEDDEDRIGHTSEXPR": "no",
    "DMI-PROHIBITED-SEELINKEDRIGHTSEXPR": "no",
}


class _Properties:
    """Collects the properties wanted: attributes of a description, texts of elements, items of lists, references."""

    def __init__(self) -> None:
        self.found: dict[str, list[str]] = {}
        self._open: list[str] = []  # the field of each element around, "" of one that gives none
        self._text: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        field = _FIELDS.get(name) or (self._open[-1] if self._open else "")
        self._open.append(field)
        self._text.clear()
        for attribute, value in attributes.items():
            if attribute in _FIELDS:
                self._add(_FIELDS[attribute], value)
            elif field and attribute in (f"{_RDF} resource", f"{_RDF} value"):
                self._add(field, value)

    def text(self, text: str) -> None:
        if self._open and self._open[-1]:
            self._text.append(text)

    def end(self, _: str) -> None:
        if field := self._open.pop():
            self._add(field, "".join(self._text))
        self._text.clear()

    def _add(self, field: str, value: str) -> None:
        if (text := " ".join(value.split())[:_LONGEST]) and len(values := self.found.setdefault(field, [])) < 10:
            values.append(text)


def read_rights(data: bytes, time: str = "") -> tuple[tuple[Signal, ...], Rights]:
    """The signals in the metadata of an image file, and what it states of rights."""
    found: dict[str, list[str]] = {}
    for packet in xmp_packets(data):
        for field, values in _properties(packet).items():
            found.setdefault(field, []).extend(values)
    stated = found.get(_DATA_MINING, [])
    signals = tuple(said("plus:DataMining", "XMP", value, data_mining(value), time) for value in stated)
    fields = {field: "; ".join(dict.fromkeys(values))[:_LONGEST] for field, values in found.items()}
    return signals, Rights(**fields)


def data_mining(value: str) -> Verdict:
    """By the last part of its address. Whatever else prohibits is a no: the vocabulary may grow."""
    term = value.strip().rpartition("/")[2].rpartition(":")[2].upper()
    return DATA_MINING.get(term) or ("no" if "PROHIBITED" in value.upper() else "unknown")


def _properties(packet: bytes) -> dict[str, list[str]]:
    """Of a packet; of one that cannot be parsed only the values of the vocabulary that stand in it."""
    if not _WANTED.search(packet) and not _ENCODED.search(packet):
        return {}  # most are histories of an editor
    reader = _Properties()
    try:
        if len(packet) > MAX_PACKET_BYTES:
            raise BadXml("too long")
        walk(packet.strip(b"\0\t\r\n "), reader.start, reader.text, reader.end)
    except BadXml:
        stated = {match[0].replace(b"\0", b"").decode() for match in _STATED.finditer(packet)}
        return {_DATA_MINING: sorted(stated)[:10]} if stated else {}
    return reader.found
