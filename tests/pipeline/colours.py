"""ICC profiles that tests put into images: by a matrix, of grey, and by tables as printers and XYB have them."""

import struct
from collections.abc import Callable, Mapping, Sequence

import numpy as np

#: XYZ of red, green and blue under D50.
RED, GREEN, BLUE = (0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)  # sRGB
P3 = ((0.5151, 0.2412, -0.0011), (0.2919, 0.6922, 0.0419), (0.1572, 0.0666, 0.7841))
ADOBE_RGB = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))
PROPHOTO = ((0.7977, 0.2880, 0.0), (0.1352, 0.7119, 0.0), (0.0313, 0.0001, 0.8249))

_WHITE = (0.9642, 1.0, 0.8249)


def profile(
    red: Sequence[float], green: Sequence[float], blue: Sequence[float], name: bytes = b"swapped", gamma: float = 2.2
) -> bytes:
    """A matrix profile, ICC version 2, with these colorants."""
    colorants = {b"rXYZ": _xyz(red), b"gXYZ": _xyz(green), b"bXYZ": _xyz(blue)}
    curves = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _gamma(gamma))
    return _profile(b"RGB ", b"mntr", b"XYZ ", {**colorants, **curves}, name)


def grey_profile(gamma: float) -> bytes:
    return _profile(b"GRAY", b"mntr", b"XYZ ", {b"kTRC": _gamma(gamma)})


def cmyk_profile() -> bytes:
    """A press whose inks are dull: black is dark grey, and cyan a strong blue."""

    def lab(c: float, m: float, y: float, k: float) -> tuple[float, float, float]:
        light = (1 - 0.45 * c) * (1 - 0.5 * m) * (1 - 0.08 * y) * (1 - 0.88 * k)
        shown = 1 - k * 0.9
        return 96 * light, (-36 * c + 70 * m - 4 * y) * shown, (-48 * c - 4 * m + 88 * y) * shown

    return _profile(b"CMYK", b"prtr", b"Lab ", dict.fromkeys((b"A2B0", b"A2B1", b"A2B2"), _table(4, 7, lab)))


def table_profile() -> bytes:
    """RGB by a table: the channels turned, as in XYB, where a reader that ignores it sees wrong colours."""

    def lab(r: float, g: float, b: float) -> tuple[float, float, float]:
        return 100 * g, 110 * (r - 0.5), 110 * (b - 0.5)

    return _profile(b"RGB ", b"mntr", b"Lab ", {b"A2B0": _table(3, 17, lab)})


def _table(inputs: int, grid: int, lab: Callable[..., tuple[float, float, float]]) -> bytes:
    """A `mft2` tag: 16-bit Lab of version 2 at the points of a grid."""
    axes = np.meshgrid(*[np.linspace(0, 1, grid)] * inputs, indexing="ij")
    light, a, b = np.vectorize(lab)(*axes)
    values = np.stack([light * 652.8, (a + 128) * 256, (b + 128) * 256], axis=-1)
    samples = np.clip(values.round(), 0, 65535).astype(">u2").tobytes()
    line = np.array([0, 65535], ">u2").tobytes()
    unit = b"".join(struct.pack(">i", 65536 * (row == column)) for row in range(3) for column in range(3))
    head = b"mft2" + bytes(4) + bytes((inputs, 3, grid, 0)) + unit + struct.pack(">HH", 2, 2)
    return head + line * inputs + samples + line * 3


def _gamma(value: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(value * 256)) + bytes(2)


def _xyz(values: Sequence[float]) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(values)


def _fixed(values: Sequence[float]) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _profile(space: bytes, kind: bytes, connection: bytes, tags: Mapping[bytes, bytes], name: bytes = b"test") -> bytes:
    described = b"desc" + bytes(4) + struct.pack(">I", len(name) + 1) + name + b"\x00" + bytes(4 + 4 + 2 + 1 + 67)
    tags = {b"desc": described, b"cprt": b"text" + bytes(4) + b"none\x00", b"wtpt": _xyz(_WHITE), **tags}
    table, body, start = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for tag, value in tags.items():
        table += tag + struct.pack(">II", start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = struct.pack(">I4sI4s4s4s", start + len(body), b"none", 0x02400000, kind, space, connection)
    head += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(_WHITE)
    return head + bytes(128 - len(head)) + table + body
