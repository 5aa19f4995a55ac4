"""What a file says of its colours otherwise than by a profile, made an ICC profile: one mechanism converts them all.

Profiles are of version 2, a matrix and curves: ICC.1:2001-04. Codes of CICP: ITU-T H.273.
"""

import functools
import struct
from collections.abc import Sequence

import numpy as np

from schemas.drops import Drop

Chromaticities = tuple[float, ...]  # x and y of white, red, green and blue

SRGB: Chromaticities = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_D65 = (0.3127, 0.3290)
_PRIMARIES: dict[int, Chromaticities] = {
    1: SRGB,
    4: (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
_UNSPECIFIED = 2
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
_OF_CAMERAS = (1, 6, 7, 14, 15)  # BT.709 and its like
_OF_SRGB = 13
_CURVE_POINTS = 1024


def refuse_hdr(transfer: int) -> None:
    """Raises `Drop("hdr")` for the transfer characteristics of CICP that are brighter than a page: PQ and HLG."""
    if transfer in (16, 18):
        raise Drop("hdr", "PQ" if transfer == 16 else "HLG")


@functools.lru_cache(maxsize=64)
def cicp_profile(primaries: int, transfer: int, of_cameras: float | None = None) -> bytes:
    """The profile of two codes of CICP; "" for what is sRGB, unspecified or unknown.

    The curve of BT.709 and its like says how cameras record, not how screens show it: by the gamma `of_cameras`, or as
    sRGB.
    """
    if primaries == _UNSPECIFIED:
        primaries = 1
    if transfer == _UNSPECIFIED or (transfer in _OF_CAMERAS and of_cameras is None):
        transfer = _OF_SRGB
    if primaries not in _PRIMARIES or (primaries, transfer) == (1, _OF_SRGB):
        return b""
    curve = of_cameras if transfer in _OF_CAMERAS else _GAMMAS.get(transfer)
    if transfer == _OF_SRGB:
        return matrix_profile(_PRIMARIES[primaries], _srgb_curve())
    return matrix_profile(_PRIMARIES[primaries], curve) if curve else b""


def matrix_profile(chromaticities: Chromaticities, curve: float | Sequence[int]) -> bytes:
    """RGB of these primaries. `curve` is a gamma, or samples of 16 bits. "" for primaries that span no colours."""
    if not (colorants := _colorants(chromaticities)):
        return b""
    points = [round(min(curve, 255.0) * 256)] if isinstance(curve, float) else list(curve)
    body = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 1) + bytes(79),
        b"cprt": b"text" + bytes(8),
        b"wtpt": b"XYZ " + bytes(4) + _fixed(_D50),
        **{
            name: b"XYZ " + bytes(4) + value for name, value in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colorants, strict=True)
        },
    }
    shape = b"curv" + bytes(4) + struct.pack(f">I{len(points)}H", len(points), *points)
    body |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), shape)
    table, data = struct.pack(">I", len(body)), b""
    start = 128 + 4 + 12 * len(body)
    for name, value in body.items():
        table += name + struct.pack(">II", start + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    head = struct.pack(">I4sI4s4s4s", start + len(data), b"weft", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(_D50)
    return head + bytes(128 - len(head)) + table + data


def _colorants(chromaticities: Chromaticities) -> list[bytes]:
    """XYZ of red, green and blue under D50, as a profile has them."""
    xyz = [np.array([x / y, 1.0, (1 - x - y) / y]) for x, y in _pairs(chromaticities) if y > 0]
    if len(xyz) != 4:
        return []
    white, primaries = xyz[0], np.stack(xyz[1:], axis=1)
    try:
        scaled = primaries * np.linalg.solve(primaries, white)
    except np.linalg.LinAlgError:
        return []
    adapted = np.linalg.solve(_BRADFORD, np.diag(_BRADFORD @ _D50 / (_BRADFORD @ white)) @ _BRADFORD) @ scaled
    if not np.isfinite(adapted).all() or np.abs(adapted).max() > 100:
        return []
    return [_fixed(adapted[:, at]) for at in range(3)]


def _pairs(values: Chromaticities) -> list[tuple[float, float]]:
    return list(zip(values[::2], values[1::2], strict=True))


def _fixed(values: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> bytes:
    return b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)


@functools.cache
def _srgb_curve() -> tuple[int, ...]:
    at = np.linspace(0, 1, _CURVE_POINTS)
    return _points(np.where(at <= 0.04045, at / 12.92, ((at + 0.055) / 1.055) ** 2.4))


def _points(values: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> tuple[int, ...]:
    return tuple(round(float(value) * 65535) for value in values)
