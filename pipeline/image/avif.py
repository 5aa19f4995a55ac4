"""What an AVIF file says of its colours in its container: the codes of CICP, which Pillow does not give.

Boxes: ISO/IEC 14496-12 and 23008-12 (HEIF).
"""

from collections.abc import Iterator

from pipeline.image.icc import cicp_profile, refuse_hdr

_MAX_BOXES = 10_000


def avif_profile(data: bytes) -> bytes:
    """A profile made of the codes that its main image states; "" for sRGB. Raises `Drop("hdr")`."""
    boxes = dict[bytes, bytes]()
    for kind, body in _boxes(data):
        if kind == b"meta":
            for name, inner in _boxes(body[4:]):
                boxes.setdefault(name, inner)
    properties = dict(_boxes(boxes.get(b"iprp", b"")))
    colours = _colours(
        list(_boxes(properties.get(b"ipco", b""))), properties.get(b"ipma", b""), boxes.get(b"pitm", b"")
    )
    for body in colours:
        if body.startswith(b"nclx") and len(body) >= 11:
            primaries, transfer = int.from_bytes(body[4:6], "big"), int.from_bytes(body[6:8], "big")
            refuse_hdr(transfer)
            return cicp_profile(primaries, transfer)
    return b""


def _colours(properties: list[tuple[bytes, bytes]], associations: bytes, main: bytes) -> list[bytes]:
    """The `colr` properties of the main image; of any, where that cannot be told."""
    of_main = _associated(associations, int.from_bytes(main[4:8] if main[:1] == b"\x01" else main[4:6], "big"))
    chosen = [properties[number - 1] for number in of_main if 0 < number <= len(properties)]
    return [body for kind, body in chosen or properties if kind == b"colr"]


def _associated(body: bytes, item: int) -> list[int]:
    """Numbers of the properties of an item, from an `ipma` box."""
    if len(body) < 8:
        return []
    wide_item, wide_number = 4 if body[0] else 2, 2 if body[3] & 1 else 1
    position = 8
    for _ in range(min(int.from_bytes(body[4:8], "big"), _MAX_BOXES)):
        found = int.from_bytes(body[position : position + wide_item], "big")
        position += wide_item
        count = body[position] if position < len(body) else 0
        numbers = [
            int.from_bytes(body[at : at + wide_number], "big") & (0x7FFF if wide_number == 2 else 0x7F)
            for at in range(position + 1, position + 1 + count * wide_number, wide_number)
        ]
        if found == item:
            return numbers
        position += 1 + count * wide_number
    return []


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and body of the boxes that lie one after the other."""
    position = 0
    for _ in range(_MAX_BOXES):
        size, kind, head = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[position + 8 : position + 16], "big"), 16
        elif size == 0:
            size = len(data) - position
        if size < head or position + size > len(data):
            return
        yield kind, data[position + head : position + size]
        position += size
