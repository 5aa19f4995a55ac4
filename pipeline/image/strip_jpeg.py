"""JPEG files down to tables, frame and scans, and the segments that say how colours are stored."""

import re
from collections.abc import Iterator

from pipeline.image.stripped import Stripped, sized_profile
from schemas.drops import Drop

MAX_SCANS = 100
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # in compressed data neither a stuffed byte nor a restart
_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_APP0, _APP1, _APP2, _APP14 = 0xE0, 0xE1, 0xE2, 0xEE
_ALONE = (0x01, *range(0xD0, 0xD8))  # markers that no length follows
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL = (0xC0, 0xC1, 0xC9)
_KEPT = _FRAMES | {0xC4, 0xCC, 0xDB, 0xDD}  # tables and restart interval
_UNKNOWN = frozenset((*range(0x02, 0xC0), 0xC8, 0xDE, 0xDF, *range(0xF0, 0xFE)))
_JFIF, _EXIF, _ICC, _ADOBE = b"JFIF\x00", b"Exif\x00", b"ICC_PROFILE\x00", b"Adobe"
_WHOLE_SPECTRUM = b"\x00\x3f\x00"


def strip_jpeg(data: bytes, max_scans: int = MAX_SCANS, with_profile: bool = True) -> Stripped:
    """Markers are found as libjpeg finds them: junk before them is passed over, a length below 2 is that of nothing.

    Raises `Drop`: broken_image for what libjpeg would not read and what ends before its image, too_many_scans.
    """
    kept: list[bytes | memoryview] = [data[:2]]
    scans, frame, exif = list[bytes](), b"", b""
    places: dict[int, int] = {}  # of the segments of colour that are kept
    icc: dict[int, bytes] = {}
    for marker, segment, body in _segments(data):
        if marker == _SCAN:
            scans.append(segment)
            if len(scans) > max_scans:
                raise Drop("too_many_scans", f"more than {max_scans}")
            kept += [_sound_scan(segment, frame), body]
        elif marker in _KEPT:
            frame = segment if marker in _FRAMES else frame
            kept.append(segment)
        elif marker == _END:
            break
        elif marker == _START or (marker in _UNKNOWN and not scans):
            raise Drop("broken_image", f"marker {marker:02x}")
        elif scans:
            continue
        elif marker == _APP1 and segment.startswith(_EXIF, 4):
            exif = exif or segment[10:]
        elif marker == _APP2 and segment.startswith(_ICC, 4):
            icc[len(kept)] = segment
            kept.append(segment)
        elif (colour := _of_colour(marker, segment)) and marker not in places:
            places[marker] = len(kept)
            kept.append(colour)
    else:
        _refuse_cut(frame, scans)
    whole = _profile(list(icc.values()))
    profile = sized_profile(whole)
    if not (with_profile and profile and profile == whole):
        for place in icc:
            kept[place] = b""
    if _APP14 in places:
        kept[places[_APP14]] = _sound_adobe(bytes(kept[places[_APP14]]), frame)
    return Stripped(b"".join([*kept, b"\xff\xd9"]), exif, profile, len(scans))


def head_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker, and marker with what its length covers, of all that stands before the first scan."""
    position = 2
    while found := _MARKER.search(data, position):
        at, marker = found.start(), data[found.start() + 1]
        position = at + 2
        if marker in (_SCAN, _END):
            return
        if marker not in _ALONE and marker != _START:
            position += max(2, int.from_bytes(data[position : position + 2], "big"))
            yield marker, data[at:position]


def without_padding(data: bytes, zeros: int) -> bytes | None:
    """A stripped file without so many zeros before its end; None where it has fewer."""
    end = len(data) - 2
    return data[: end - zeros] + data[end:] if data.endswith(bytes(zeros), 0, end) else None


def _segments(data: bytes) -> Iterator[tuple[int, bytes, memoryview]]:
    """Marker, marker with what its length covers, and compressed data after it."""
    view, position = memoryview(data), 2
    while found := _MARKER.search(data, position):
        at, marker = found.start(), data[found.start() + 1]
        position = at + 2
        if marker in _ALONE:
            continue
        if marker in (_START, _END):
            yield marker, data[at:position], view[:0]
            continue
        end = position + max(2, int.from_bytes(data[position : position + 2], "big"))
        position = end
        if marker == _SCAN:
            after = _AFTER_SCAN.search(data, end)
            position = after.start() if after else len(data)
        yield marker, data[at:end], view[end:position]


def _of_colour(marker: int, segment: bytes) -> bytes:
    """What is kept of a JFIF or Adobe segment; "" of any other."""
    if marker == _APP0 and segment.startswith(_JFIF, 4) and len(segment) >= 18:
        if segment[9] == 1 and segment[16:18] == b"\x00\x00" and len(segment) == 18:
            return segment
        return b"\xff\xe0\x00\x10" + _JFIF + b"\x01" + segment[10:16] + b"\x00\x00"  # without its thumbnail
    if marker == _APP14 and segment.startswith(_ADOBE, 4) and len(segment) >= 16:
        return segment if len(segment) == 16 else b"\xff\xee\x00\x0e" + segment[4:16]
    return b""


def _sound_adobe(segment: bytes, frame: bytes) -> bytes:
    """With the transform that libjpeg takes where it does not know the one stated."""
    components = frame[9] if len(frame) > 9 else 0
    usual = {3: 1, 4: 2}.get(components, segment[15])
    return segment if segment[15] in (0, usual) else segment[:15] + bytes((usual,))


def _sound_scan(segment: bytes, frame: bytes) -> bytes:
    """Without the progression that a sequential scan cannot have, and that decoders only complain of."""
    is_sequential = len(frame) > 1 and frame[1] in _SEQUENTIAL
    is_sound = len(segment) > 4 and len(segment) == 8 + 2 * segment[4]
    return segment[:-3] + _WHOLE_SPECTRUM if is_sequential and is_sound else segment


def _refuse_cut(frame: bytes, scans: list[bytes]) -> None:
    """Raises `Drop` where a file without an end lacks scans. Whether the last one is whole the decoder will tell."""
    missing = {component: [1] * 64 for component in frame[10::3]}  # bits of each coefficient that are not there yet
    for scan in scans:
        if len(frame) < 13 or len(scan) < 10 or len(scan) != 8 + 2 * scan[4]:
            raise Drop("broken_image", "no end of image, and a damaged header")
        first, last, low = (0, 63, 0) if frame[1] in _SEQUENTIAL else (scan[-3], scan[-2], scan[-1] & 15)
        for component in scan[5:-3:2]:
            missing.setdefault(component, [1] * 64)[first : last + 1] = [low] * (min(last, 63) + 1 - first)
    if not scans or any(map(any, missing.values())):
        raise Drop("broken_image", "no end of image")


def _profile(segments: list[bytes]) -> bytes:
    """The ICC profile that segments make up; "" where one is missing, stands twice, or counts otherwise."""
    numbered = {segment[16]: segment[18:] for segment in segments if len(segment) > 18}
    counts = {segment[17] for segment in segments if len(segment) > 18}
    if len(numbered) != len(segments) or counts != {len(segments)} or set(numbered) != set(range(1, len(segments) + 1)):
        return b""
    return b"".join(numbered[number] for number in sorted(numbered))
