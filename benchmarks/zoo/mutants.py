"""Mutants of bytes: damage as disks, networks and attackers do it."""

import random
import re
from collections.abc import Callable, Sequence

_EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_MAGICS = (
    b"\xff\xd8\xff\xe0",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
    b"RIFF\x24\x00\x00\x00WEBPVP8 ",
    b"%!PS-Adobe-3.0 EPSF-3.0\n",
    b"BM",
    b"II*\x00",
    b"\x00\x00\x00\x20ftypavif",
    b"\x00\x00\x00\x20ftypisom",
    b"\x1aE\xdf\xa3",
    b"OggS",
    b"ffconcat version 1.0\nfile private.mp4\n",
    b"#EXTM3U\n",
    b"v=0\r\n",
    b"WARC/1.1\r\n",
    b"\x1f\x8b\x08\x00",
    b"\x28\xb5\x2f\xfd",
    b"PK\x03\x04",
    b"PAR1",
    b"<svg>",
    b"%PDF-1.4\n",
    b"",
)
_Mutation = Callable[[random.Random, bytearray, Sequence[bytes]], None]


def mutant(rng: random.Random, data: bytes, others: Sequence[bytes] = (b"",)) -> bytes:
    """`data` after one to four changes; `others` are what parts of it may be replaced by."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 4))):
        rng.choice(_MUTATIONS)(rng, changed, others)
    return bytes(changed)


def _place(rng: random.Random, data: bytearray) -> int:
    """Rather near the head, where formats keep what they are read by."""
    return min(len(data), int(len(data) * rng.random() ** rng.choice((1, 3, 6))))


def _flip(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    for _ in range(rng.choice((1, 1, 8, 64))):
        if data:
            data[_place(rng, data) % len(data)] ^= 1 << rng.randrange(8)


def _cut_off(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[_place(rng, data) :]


def _cut_out(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    start = _place(rng, data)
    del data[start : start + rng.choice((1, 2, 16, 512, 8192))]


def _insert(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = _place(rng, data)
    data[at:at] = rng.choice((rng.randbytes(rng.randrange(1, 64)), bytes(rng.randrange(1, 4096)), b"\xff" * 300))


def _duplicate(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    start, at = _place(rng, data), _place(rng, data)
    data[at:at] = data[start : start + rng.choice((4, 64, 4096))] * rng.choice((1, 2, 50))


def _splice(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    other = rng.choice(others)
    data[_place(rng, data) :] = other[rng.randrange(len(other) + 1) :]


def _lie(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    magic = rng.choice(_MAGICS)
    data[: len(magic) if rng.random() < 0.5 else 0] = magic


def _length(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    """An integer that may be a length, a size or a count becomes another."""
    if rng.random() < 0.3 and (numbers := list(re.finditer(rb"\d{1,9}", data[:65536]))):
        number = rng.choice(numbers)
        data[number.start() : number.end()] = str(rng.choice((*_EXTREMES, -1))).encode()
        return
    width, order = rng.choice((1, 2, 4)), rng.choice(("big", "little"))
    at, value = _place(rng, data), rng.choice(_EXTREMES) % (1 << 8 * width)
    data[at : at + width] = value.to_bytes(width, order)  # type: ignore[arg-type]


def _shuffle(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    places = sorted(_place(rng, data) for _ in range(3))
    first, second = data[places[0] : places[1]], data[places[1] : places[2]]
    data[places[0] : places[2]] = second + first


_MUTATIONS: tuple[_Mutation, ...] = (
    _flip,
    _flip,
    _cut_off,
    _cut_out,
    _insert,
    _duplicate,
    _splice,
    _lie,
    _length,
    _length,
    _shuffle,
)
