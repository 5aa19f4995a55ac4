"""Encoded images and clips become frames of one size, without torchvision.

JPEGs are decoded at the smallest scale that still covers the target, the aspect is kept, the rest is filled with the
mean colour: as in the Flamingo paper (A.3.1).
"""

import random
import warnings
from typing import Any

import msgspec
import numpy as np
import simplejpeg
from PIL import Image, ImageEnhance, ImageOps

from model.data.documents import Medium
from model.data.feature_files import Beside, Features
from model.data.fitting import Pixels as Pixels
from model.data.fitting import fitted, framed
from schemas.drops import Drop
from schemas.images import on_white
from schemas.images import open_image as _opened
from schemas.settings import Settings

_JPEG = b"\xff\xd8\xff"
_EXIF_WITHIN_BYTES = 4096


class ImageSettings(Settings, frozen=True):
    """How images and frames are made ready. Evaluation sets `p_flip` and `colour` to 0."""

    size_px: int = 320
    """Width and height of every frame. The encoder decides: 224, 320, 336, 384, ..."""
    fit: str = "pad"
    """`pad` keeps the aspect and fills with `mean` (paper); `crop` cuts the middle; `stretch` changes the aspect."""
    mean: tuple[float, float, float] = (0.48145466, 0.4578275, 0.40821073)
    """What is filled in, 0 to 1: the mean that the vision encoder subtracts (default CLIP's), so that it sees zeros."""
    p_flip: float = 0.5
    """How often an image, or a clip as a whole, is mirrored left to right. 0 where there is writing to be read."""
    colour: float = 0.1
    """Brightness, contrast and saturation are each changed by up to this part, evenly drawn. 0 turns it off."""
    max_pixels: int = 80_000_000
    """An image over this is dropped by its header, before it is decoded."""
    clip_frames: int = 8
    """Frames of a clip at most (paper: 8)."""
    clip_fps: float = 1.0
    """Frames taken of each second of a clip (paper: 1); of a longer clip a random stretch, from a whole step on."""

    def __post_init__(self) -> None:
        if self.fit not in ("pad", "crop", "stretch"):
            raise ValueError("fit must be pad, crop or stretch")
        if self.size_px < 1 or self.clip_frames < 1 or self.clip_fps <= 0:
            raise ValueError("size_px, clip_frames and clip_fps must be positive")
        if not all(0 <= value <= 1 for value in (*self.mean, self.colour)):
            raise ValueError("mean and colour are 0 to 1")

    @property
    def augments(self) -> bool:
        """Whether a frame looks otherwise each time that it is seen."""
        return self.p_flip > 0 or self.colour > 0

    def seen(self) -> dict[str, Any]:
        """What decides how an encoder sees a medium, but for the augmentation."""
        tree: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return {name: value for name, value in tree.items() if name not in ("p_flip", "colour")}


def frames_of(medium: Medium, rng: random.Random, settings: ImageSettings) -> Pixels | Features:
    """The features that stand beside a medium, else its pixels; draws and drops are the same. Raises as `pixels_of`."""
    if medium.beside is None:
        return pixels_of(medium, rng, settings)
    rng.random()  # whether to flip
    return _features_of(medium.beside, rng, settings)


def pixels_of(medium: Medium, rng: random.Random, settings: ImageSettings) -> Pixels:
    """Frames [F, H, W, C] of a medium, RGB.

    The augmentation is drawn from `rng`, once for all frames of a clip. Raises `Drop`: broken_image,
    unsupported_format, too_many_pixels, broken_clip.
    """
    flip = rng.random() < settings.p_flip
    factors = [1 + settings.colour * rng.uniform(-1, 1) for _ in range(3)] if settings.colour else []
    if medium.kind == "clip":
        from model.data.clips import clip_frames  # loads FFmpeg, which images do not need

        images = clip_frames(medium.data, rng, settings.clip_frames, settings.clip_fps, medium.span_s)
    else:
        images = [open_image(medium.data, settings)]
    squares = (_augmented(fitted(image, settings.size_px, settings.fit), flip, factors) for image in images)
    frames = [framed(square, settings.size_px, settings.mean) for square in squares]
    return np.stack(frames) if len(frames) > 1 else frames[0][None]


def plain_frame(image: Image.Image, settings: ImageSettings) -> Pixels:
    """One frame [H, W, C] as it is, without augmentation."""
    return framed(fitted(image, settings.size_px, settings.fit), settings.size_px, settings.mean)


def _features_of(beside: Beside, rng: random.Random, settings: ImageSettings) -> Features:
    """Of an image all, of a clip those of a stretch. Raises `Drop` for what pixels are dropped for."""
    record, features = beside.record, beside.features
    if record.clip is not None:
        chosen = record.clip.chosen(rng, settings.clip_frames, settings.clip_fps)
    if record.reason:
        raise Drop(record.reason, record.detail)
    if features is None:
        raise Drop("broken_sample", "its features: none of this medium")
    return features if record.clip is None else features.only(chosen)


def open_image(data: bytes, settings: ImageSettings) -> Image.Image:
    """An RGB image that still covers the target size, at a reduced scale where the format can. Raises `Drop`."""
    if data.startswith(_JPEG) and b"Exif" not in data[:_EXIF_WITHIN_BYTES]:
        try:
            height, width, space, _ = simplejpeg.decode_jpeg_header(data)
        except ValueError as error:
            try:
                return _by_pillow(data, settings)  # which knows odd sampling factors
            except Drop:
                raise Drop("broken_image", str(error)) from None
        try:
            _check_pixels(width, height, settings)
            if space in ("YCbCr", "Gray", "RGB"):
                low = _least(width, height, settings)
                pixels = simplejpeg.decode_jpeg(data, "RGB", fastdct=True, min_width=low[0], min_height=low[1])
                return Image.fromarray(pixels)
        except ValueError as error:
            raise Drop("broken_image", str(error)) from None
    return _by_pillow(data, settings)


def _by_pillow(data: bytes, settings: ImageSettings) -> Image.Image:
    try:
        with warnings.catch_warnings(), _opened(data) as image:
            warnings.simplefilter("ignore")  # of odd metadata
            _check_pixels(*image.size, settings)
            image.draft("RGB", _least(*image.size, settings))
            image.load()
            return on_white(ImageOps.exif_transpose(image))
    except Drop:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds on damaged files
        raise Drop("broken_image", f"{type(error).__name__}: {error}") from None


def _check_pixels(width: int, height: int, settings: ImageSettings) -> None:
    if width * height > settings.max_pixels:
        raise Drop("too_many_pixels", f"{width} x {height}")


def _least(width: int, height: int, settings: ImageSettings) -> tuple[int, int]:
    """Width and height below which decoding would lose what the target shows."""
    size = settings.size_px
    scale = (max if settings.fit == "crop" else min)(size / width, size / height)
    if settings.fit == "stretch":
        return min(size, width), min(size, height)
    return max(1, min(width, int(width * scale))), max(1, min(height, int(height * scale)))


def _augmented(image: Image.Image, flip: bool, factors: list[float]) -> Image.Image:
    """Brightness and contrast in one table, as they are both lines; saturation by Pillow."""
    if factors:
        brightness, contrast, saturation = factors
        grey = 127.5 * (1 - contrast)
        table = [min(255, max(0, round(value * brightness * contrast + grey))) for value in range(256)]
        image = ImageEnhance.Color(image.point(table * 3)).enhance(saturation)
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else image
