"""Files with something wrong, from a seed: bytes flipped, cut, put in, and parts of the container twice or moved."""

import random
from collections.abc import Callable, Iterator

_MARKERS = [bytes((0xFF, marker)) for marker in range(0x01, 0xFF)]


def mutants(data: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """`count` changed copies; the same ones for the same seed. Half of the changes are in the first 600 bytes."""
    rng = random.Random(f"{seed} {len(data)}")
    for _ in range(count):
        changed = data
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            changed = rng.choice(_CHANGES)(changed, rng)
        yield changed


def _place(data: bytes, rng: random.Random) -> int:
    return rng.randrange(min(len(data), 600)) if rng.random() < 0.5 else rng.randrange(len(data))


def _flip(data: bytes, rng: random.Random) -> bytes:
    at = _place(data, rng)
    return data[:at] + bytes((data[at] ^ (1 << rng.randrange(8)),)) + data[at + 1 :]


def _set(data: bytes, rng: random.Random) -> bytes:
    at, value = _place(data, rng), rng.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))
    return data[:at] + bytes((value,)) + data[at + 1 :]


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) // 2, len(data)) if rng.random() < 0.5 else -rng.randrange(1, 40)]


def _remove(data: bytes, rng: random.Random) -> bytes:
    at = _place(data, rng)
    return data[:at] + data[at + rng.choice((1, 1, 2, 4, 16)) :]


def _insert(data: bytes, rng: random.Random) -> bytes:
    at = _place(data, rng)
    return data[:at] + rng.choice((bytes(rng.randrange(1, 9)), rng.randbytes(rng.randrange(1, 9)))) + data[at:]


def _marker(data: bytes, rng: random.Random) -> bytes:
    """A JPEG segment of any kind and any stated length, between two others where it can be."""
    at = rng.choice((2, data.find(b"\xff\xdb"), data.find(b"\xff\xc4"), data.find(b"\xff\xda"), _place(data, rng)))
    body = rng.randbytes(rng.randrange(12))
    length = rng.choice((0, 1, 2, len(body) + 2, len(body) + 9, 0xFFFF)).to_bytes(2, "big")
    return data[: max(at, 2)] + rng.choice(_MARKERS) + length + body + data[max(at, 2) :]


def _double(data: bytes, rng: random.Random) -> bytes:
    start = _place(data, rng)
    piece = data[start : start + rng.choice((2, 4, 12, 20, 80, 400))]
    at = rng.choice((start, _place(data, rng)))
    return data[:at] + piece + data[at:]


def _append(data: bytes, rng: random.Random) -> bytes:
    return data + rng.choice((data, rng.randbytes(30), b"\x00" * 30, b"Exif\x00\x00MM\x00*"))


_CHANGES: list[Callable[[bytes, random.Random], bytes]] = [
    _flip, _set, _cut, _remove, _insert, _marker, _double, _append,
]  # fmt: skip
