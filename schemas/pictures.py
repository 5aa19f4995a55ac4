"""A decoded frame as browsers show it: its colours by its tags, turned and mirrored by its display matrix.

Videos code colours in several ways and mostly do not say in which. What is not said is taken as browsers take it:
BT.709 from 720 lines on, BT.601 below. What would need tone mapping is not shown at all.
"""

import struct
from collections.abc import Callable, Iterable
from enum import IntEnum
from fractions import Fraction
from typing import Any, cast

import av
import msgspec
import numpy as np
from av.sidedata.sidedata import SideData, SideDataContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from numpy.typing import NDArray

from schemas.drops import Drop

_HD_LINES = 720
_MAX_PIXEL_RATIO = 16  # of their sides: more is nonsense, and takes memory
_UNSAID = (0, 2, 3)  # RGB where the format is not RGB; unspecified; reserved
_MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
}
#: swscale loses two levels of brightness where colours are converted in haste.
_EXACT = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
#: Curves that browsers take for that of sRGB, and powers that they do not.
_USUAL_CURVES = (*_UNSAID, 1, 6, 7, 11, 13, 14, 15)
_POWERS = {4: 2.2, 5: 2.8}
#: Primaries that browsers take for those of sRGB; of others the conversion of linear light.
_USUAL_PRIMARIES = (*_UNSAID, 1, 6, 7)
_CONVERSIONS = {
    5: ((1.0440, -0.0440, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0118, 0.9882)),  # PAL
    12: ((1.2249, -0.2247, 0.0), (-0.0420, 1.0419, 0.0), (-0.0197, -0.0786, 1.0979)),  # Display P3
}
_HDR = {16: "PQ", 18: "HLG"}
_CONTAINER: Callable[[VideoFrame], object] = cast(Any, SideDataContainer)  # its types know no arguments
_DOLBY = frozenset(("DOVI_METADATA", "DOVI_RPU_BUFFER"))


class Tag(IntEnum):
    """Numbers of ITU-T H.273, for primaries and curves, as streams are tagged with them."""

    BT709 = 1
    SMPTE170M = 6


class Colors(msgspec.Struct, frozen=True):
    """How a frame codes its colours. What it does not say is filled in."""

    matrix: Colorspace | None  # None: it is RGB
    is_full: bool  # 0 to 255, not 16 to 235
    primaries: int  # of H.273
    transfer: int

    @property
    def is_usual(self) -> bool:
        """Whether RGB by the matrix is sRGB, as far as browsers care."""
        return self.primaries in _USUAL_PRIMARIES and self.transfer in _USUAL_CURVES

    @property
    def is_plain(self) -> bool:
        """Whether a reader that knows no tags gets it right."""
        return self.matrix == Colorspace.ITU601 and not self.is_full and self.is_usual


class Turn(msgspec.Struct, frozen=True):
    """How a coded picture is laid on the screen: mirrored left to right first, then turned clockwise."""

    degrees: int = 0  # 0, 90, 180 or 270
    mirrored: bool = False

    def __bool__(self) -> bool:
        return bool(self.degrees) or self.mirrored

    def of(self, picture_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self.mirrored:
            picture_HWC = picture_HWC[:, ::-1]
        return np.ascontiguousarray(np.rot90(picture_HWC, -self.degrees // 90)) if self else picture_HWC


def colors_of(frame: VideoFrame) -> Colors:
    """Raises `Drop`: hdr, and unsupported_color for BT.2020 and what nobody shows alike."""
    matrix, primaries, transfer = int(frame.colorspace), int(frame.color_primaries), int(frame.color_trc)
    if transfer in _HDR:
        raise Drop("hdr", _HDR[transfer])
    if not _DOLBY.isdisjoint(_side_data(frame)):
        raise Drop("hdr", "Dolby Vision")
    is_rgb = frame.format.is_rgb or frame.format.has_palette
    if 9 in (primaries, matrix) or not (is_rgb or matrix in _MATRICES or matrix in _UNSAID):
        raise Drop("unsupported_color", f"matrix {matrix}, primaries {primaries}")
    if primaries not in (*_USUAL_PRIMARIES, *_CONVERSIONS) or transfer not in (*_USUAL_CURVES, *_POWERS):
        raise Drop("unsupported_color", f"primaries {primaries}, curve {transfer}")
    is_hd = frame.height >= _HD_LINES
    guess = Tag.BT709 if is_hd else Tag.SMPTE170M
    return Colors(
        None if is_rgb else _MATRICES.get(matrix, Colorspace.ITU709 if is_hd else Colorspace.ITU601),
        not is_rgb and (int(frame.color_range) == ColorRange.JPEG or frame.format.name.startswith("yuvj")),
        guess if primaries in _UNSAID else primaries,
        guess if transfer in _UNSAID else transfer,
    )


def turn_of(frame: VideoFrame) -> Turn:
    """By the display matrix; angles between those of a screen are rounded."""
    data = _side_data(frame).get("DISPLAYMATRIX", b"")
    if len(data) < 36:
        return Turn(round(-frame.rotation / 90) % 4 * 90)
    a, b, _, c, d = struct.unpack_from("=5i", data)
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Turn(180 if d < 0 else 0, (a < 0) != (d < 0))
    return Turn(90 if c < 0 else 270, (b < 0) == (c < 0))


def _side_data(frame: VideoFrame) -> dict[str, bytes]:
    """By type; empty where PyAV does not know one of them.

    `frame.side_data` would be kept by the frame, which it holds: a circle, and the picture stays until that is looked
    for, a thousand pictures of 3 MB later.
    """
    try:
        return {side.type.name: bytes(side) for side in cast(Iterable[SideData], _CONTAINER(frame))}
    except ValueError:
        return {}


def size_as_shown(size: tuple[int, int], pixel_ratio: Fraction | None, turn: Turn) -> tuple[int, int]:
    """Width and height of a coded picture, its pixels made square, as it is turned. Raises `Drop("broken_video")`."""
    width, height = size
    ratio = pixel_ratio or Fraction(1)
    if width < 1 or height < 1 or not Fraction(1, _MAX_PIXEL_RATIO) <= ratio <= _MAX_PIXEL_RATIO:
        raise Drop("broken_video", f"{width}x{height}, pixels {ratio}")
    width = max(1, round(width * ratio))
    return (height, width) if turn.degrees % 180 else (width, height)


def shown(frame: VideoFrame, width: int, height: int) -> NDArray[np.uint8]:
    """The picture in sRGB, `width` and `height` as it is shown, shape HWC. Raises `Drop`: hdr, unsupported_color."""
    return _shown(frame, width, height, Interpolation.BILINEAR)


def recoded(frame: VideoFrame, width: int, height: int) -> VideoFrame:
    """The frame for an encoder, scaled: yuv420p as every reader takes it, BT.601 of limited range.

    `width` and `height` are as it is shown. Raises `Drop`: hdr, unsupported_color.
    """
    colors, turn = colors_of(frame), turn_of(frame)
    if turn or not colors.is_usual:
        size = (frame.height, frame.width) if turn.degrees % 180 else (frame.width, frame.height)
        frame = VideoFrame.from_ndarray(_shown(frame, *size, _EXACT), format="rgb24")
        colors = Colors(None, False, Tag.BT709, Tag.BT709)
    return frame.reformat(
        width,
        height,
        "yuv420p",
        **_source(colors),
        dst_colorspace=Colorspace.ITU601,
        dst_color_range=ColorRange.MPEG,
        interpolation=Interpolation.AREA if colors.is_plain else _EXACT,
        threads=1,  # else each frame has as many as the machine has CPUs, for as long as it is held
    )


def tag_recoded(context: av.VideoCodecContext, colors: Colors | None) -> None:
    """Tell an encoder of `recoded` frames what it gets: players that are not told guess by the size."""
    context.colorspace, context.color_range = Tag.SMPTE170M, ColorRange.MPEG
    context.color_primaries, context.color_trc = Tag.BT709, Tag.BT709
    if colors is not None and colors.is_usual:
        context.color_primaries, context.color_trc = colors.primaries, colors.transfer


def _shown(frame: VideoFrame, width: int, height: int, interpolation: Interpolation) -> NDArray[np.uint8]:
    colors, turn = colors_of(frame), turn_of(frame)
    if turn.degrees % 180:
        width, height = height, width
    source = _source(colors)
    rgb = frame.reformat(
        width, height, "rgb24", **source, dst_colorspace=colors.matrix, interpolation=interpolation, threads=1
    ).to_ndarray()
    rgb = rgb.astype(np.uint8, copy=False)
    return turn.of(rgb if colors.is_usual else _to_srgb(rgb, colors))


def _source(colors: Colors) -> dict[str, Colorspace | ColorRange]:
    if colors.matrix is None:
        return {}
    return {
        "src_colorspace": colors.matrix,
        "src_color_range": ColorRange.JPEG if colors.is_full else ColorRange.MPEG,
    }


def _to_srgb(rgb_HWC: NDArray[np.uint8], colors: Colors) -> NDArray[np.uint8]:
    """From other primaries and curves, by way of linear light."""
    values = np.arange(256, dtype=np.float32) / 255
    power = _POWERS.get(colors.transfer)
    linear = values**power if power else np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    light_HWC = linear.astype(np.float32)[rgb_HWC]
    if conversion := _CONVERSIONS.get(colors.primaries):
        light_HWC = light_HWC @ np.array(conversion, np.float32).T
    light_HWC = light_HWC.clip(0, 1)
    srgb = np.where(light_HWC <= 0.0031308, light_HWC * 12.92, 1.055 * light_HWC ** (1 / 2.4) - 0.055)
    picture_HWC: NDArray[np.uint8] = np.rint(srgb * 255).astype(np.uint8)
    return picture_HWC
