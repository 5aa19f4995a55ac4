"""How zstd streams are cut into frames (RFC 8878): told from the headers of frames and blocks, without decompressing.

The library reads on over the end of a cut frame as if it were whole, and reads one frame of several.
"""

from collections.abc import Callable

MAGIC = b"\x28\xb5\x2f\xfd"
SKIPPABLE = b"\x2a\x4d\x18"  # behind a byte of 0x50 to 0x5F
DICTIONARY = b"\x5d\x2a\x4d\x18"  # the skippable frame that holds the dictionary of a `.warc.zst`
#: Bytes that the header of a frame takes at most, and the header of a block.
_FRAME_HEADER, _BLOCK_HEADER = 18, 3
_LARGEST_BLOCK = 128 << 10
_RLE, _RESERVED = 1, 3


class NotZstd(ValueError):
    """No frame begins here, or a block of it is impossible."""


class CutOff(ValueError):
    """The frame goes on behind the end of the data."""


def is_frame(start: bytes) -> bool:
    """Whether a frame may begin with these bytes, be it to be skipped."""
    return start[:4] == MAGIC or is_skippable(start)


def is_skippable(start: bytes) -> bool:
    return start[1:4] == SKIPPABLE and start[0] & 0xF0 == 0x50


def frame_end(at: Callable[[int, int], bytes], offset: int) -> int:
    """Where the frame at `offset` ends; `at(offset, length)` gives bytes, fewer only at the end of the data.

    Raises `NotZstd` and `CutOff`.
    """
    header = at(offset, _FRAME_HEADER)
    if is_skippable(header):
        end = offset + 8 + int.from_bytes(header[4:8], "little")
    elif header[:4] == MAGIC and len(header) > 4:
        flags = header[4]
        if flags & 8:
            raise NotZstd("a reserved bit is set")
        single, size = flags & 32, flags >> 6
        position = (
            offset + 5 + (not single) + (0, 1, 2, 4)[flags & 3] + (1 if single and not size else (0, 2, 4, 8)[size])
        )
        end = _blocks_end(at, position) + (4 if flags & 4 else 0)
    elif MAGIC.startswith(header[:4]):
        raise CutOff("in the header of a frame")
    else:
        raise NotZstd(f"no frame begins with {header[:4]!r}")
    if end > offset and not at(end - 1, 1):
        raise CutOff("in a frame")
    return end


def _blocks_end(at: Callable[[int, int], bytes], position: int) -> int:
    while True:
        header = int.from_bytes(found := at(position, _BLOCK_HEADER), "little")
        if len(found) < _BLOCK_HEADER:
            raise CutOff("before the last block of a frame")
        is_last, kind, size = header & 1, header >> 1 & 3, header >> 3
        if kind == _RESERVED or size > _LARGEST_BLOCK:
            raise NotZstd(f"an impossible block at byte {position}")
        position += _BLOCK_HEADER + (1 if kind == _RLE else size)
        if is_last:
            return position
