"""Bytes from the web become an image of a shard: guarded, oriented, sized, hashed, without metadata."""

import hashlib
import io
import math
from typing import ClassVar, Literal

import msgspec
import numpy as np
import simplejpeg
from PIL import Image, ImageOps

from pipeline.image.hash import perceptual_hash
from pipeline.image.memory import refuse_hungry
from pipeline.image.pixels import Decoded, decoded, scaled
from pipeline.image.resampling import Pixels, resampled
from pipeline.image.rules import ImageRules, color_rules, size_rules
from pipeline.image.strip import strip
from pipeline.image.stripped import stated_orientation
from pipeline.image.svg import draw, is_drawing, read_drawing
from schemas.documents import StoredImage
from schemas.drops import Drop
from schemas.images import on_white, open_image
from schemas.settings import Bounds, Settings

EXTENSIONS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}
_MAX_WEBP_PX = 16_383
_ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_KEPT_MODES = ("RGB", "L", "P", "RGBA")


class ImageEncoding(Settings, frozen=True):
    """How an image stands in the shard."""

    bounds: ClassVar[Bounds] = {"quality": (1, 100), "size_px": (1, math.inf)}

    resize: Literal["shortest", "longest", "none"] = "shortest"
    """Which side is brought down to `size_px`. Images are never enlarged."""
    size_px: int = 512
    format: Literal["keep", "jpg", "png", "webp"] = "keep"
    """`keep` leaves JPEG, PNG and WebP in their format, their very bytes where neither size nor metadata ask for more,
    and makes the others JPEG."""
    quality: int = 90
    """Of JPEG and WebP, 1 to 100."""
    keep_below_bytes: int = 1 << 20
    """Original bytes larger than this are encoded again even if the size fits."""
    keep_rights: bool = False
    """Write what an image states of creator, copyright, credit, licence and data mining into the stored file, too."""


class DecodedImage(msgspec.Struct, frozen=True):
    """An image as it will be stored, before it is encoded.

    `pixels` are uint8 RGB of shape (height, width, 3), at the size that the settings ask for, and cannot be written to:
    where `kept` is what is stored, nobody would see it. A step that changes an image returns `with_pixels`.
    """

    kind: ClassVar[str] = "image"

    url: str
    pixels: Pixels
    original_format: str  # jpeg, png, ...
    original_width: int  # px, after orientation is applied
    original_height: int
    data: bytes  # as it was served
    stored_as: str  # jpg, png or webp
    kept: bytes | None = None  # the bytes to store as they are, where nothing asks for others

    def __post_init__(self) -> None:
        pixels = self.pixels.view()  # what was given stays as it is for whoever gave it
        pixels.flags.writeable = False
        msgspec.structs.force_setattr(self, "pixels", pixels)

    @property
    def image(self) -> Image.Image:
        """The pixels as a Pillow image, mode RGB."""
        return Image.fromarray(self.pixels)

    def with_pixels(self, pixels: "Pixels | Image.Image") -> "DecodedImage":
        """The same with other pixels: RGB of any size. Raises `ValueError` for another shape or type."""
        array = np.asarray(on_white(pixels) if isinstance(pixels, Image.Image) else pixels)
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
            raise ValueError(f"pixels are uint8 of shape (height, width, 3), not {array.dtype} of {array.shape}")
        return msgspec.structs.replace(self, pixels=array, kept=None)

    def __repr__(self) -> str:
        return f"DecodedImage({self.pixels.shape[1]}x{self.pixels.shape[0]}, {self.url})"


def decode_image(
    data: bytes, rules: ImageRules = ImageRules(), encoding: ImageEncoding = ImageEncoding()
) -> StoredImage:
    """What `decode` and `store` give, one after the other; raises what they raise."""
    return store(decode(data, rules, encoding), encoding)


def decode(
    data: bytes, rules: ImageRules = ImageRules(), encoding: ImageEncoding = ImageEncoding(), url: str = ""
) -> DecodedImage:
    """Raises `Drop`: too_large, unsupported_format, vector_image, broken_image, single_color, those of `size_rules`.

    Of an animation the first frame is taken; transparency is laid on white; a colour profile is applied; SVG is drawn.
    """
    if len(data) > rules.max_bytes:
        raise Drop("too_large", f"{len(data)} bytes, cap {rules.max_bytes}")
    if is_drawing(data):
        return _drawn(data, rules, encoding, url)
    stripped = strip(data, rules.max_scans)
    source = data if stripped.data is None else stripped.data
    with open_image(source, max_pixels=rules.max_pixels) as header:
        original_format = header.format or ""
        if original_format == "TIFF" and header.mode in ("I", "F"):
            raise Drop("unsupported_format", "TIFF of measurements: what of them is white it does not say")
        width, height = header.size
        orientation = _orientation(header, stripped.exif)
        if orientation in _SIDEWAYS:
            width, height = height, width
        size_rules(width, height, rules)
        target = _target(width, height, encoding)
        is_opaque = not _has_transparency(header)
        lying = target[::-1] if orientation in _SIDEWAYS else target
        refuse_hungry(header, stripped, scaled(header.size, lying), rules.max_decode_bytes)
        found = decoded(source, header, stripped, lying)
        stored_as = encoding.format if encoding.format != "keep" else EXTENSIONS.get(original_format, "jpg")
        untouched = orientation == 1 and target == (width, height) and len(data) <= encoding.keep_below_bytes
        kept = _kept_bytes(found, header, stored_as) if untouched and is_opaque else None
    del header  # and Pillow's own copy of the pixels
    pixels = _oriented(found.pixels, orientation)
    if pixels.shape[1::-1] != target:
        pixels = resampled(pixels, *target)
    color_rules(pixels, rules)
    return DecodedImage(url, pixels, original_format.lower(), width, height, data, stored_as, kept)


def _drawn(data: bytes, rules: ImageRules, encoding: ImageEncoding, url: str) -> DecodedImage:
    """A drawing of lines and letters, which JPEG would blur: stored as PNG unless the settings name a format."""
    if not rules.svg_px:
        raise Drop("vector_image")
    drawing = read_drawing(data)
    size_rules(drawing.width, drawing.height, rules)
    pixels = draw(drawing, rules.svg_px)
    height, width = pixels.shape[:2]
    if (target := _target(width, height, encoding)) != (width, height):
        pixels = resampled(pixels, *target)
    color_rules(pixels, rules)
    stored_as = encoding.format if encoding.format != "keep" else "png"
    return DecodedImage(url, pixels, "svg", drawing.width, drawing.height, data, stored_as)


def store(image: DecodedImage, encoding: ImageEncoding = ImageEncoding()) -> StoredImage:
    """Encoded and hashed. Raises `Drop("too_big")`."""
    stored = image.kept if image.kept is not None else _encode(image.pixels, image.stored_as, encoding.quality)
    return StoredImage(
        data=stored,
        format=image.stored_as,
        width=image.pixels.shape[1],
        height=image.pixels.shape[0],
        original_format=image.original_format,
        original_width=image.original_width,
        original_height=image.original_height,
        original_sha256=hashlib.sha256(image.data).hexdigest(),
        sha256=hashlib.sha256(stored).hexdigest(),
        phash=perceptual_hash(image.pixels),
    )


def _orientation(header: Image.Image, exif: bytes) -> int:
    if header.format != "AVIF":  # Pillow turns TIFF itself; the others have none
        return stated_orientation(exif)
    try:
        value = header.getexif().get(_ORIENTATION, 1)  # with the container's own properties put in
    except Exception:  # EXIF is often damaged, and parsed by Pillow here
        return 1
    return value if value in range(1, 9) else 1


def _has_transparency(header: Image.Image) -> bool:
    """Raises `Drop("broken_image")`."""
    try:
        return header.has_transparency_data
    except Exception as error:  # Pillow asserts a palette, which a damaged file may lack
        raise Drop("broken_image", f"{type(error).__name__}: {error}") from None


def _oriented(pixels: Pixels, orientation: int) -> Pixels:
    if orientation == 1:
        return pixels
    image = Image.fromarray(pixels)
    image.getexif()[_ORIENTATION] = orientation
    return np.asarray(ImageOps.exif_transpose(image))


def _target(width: int, height: int, encoding: ImageEncoding) -> tuple[int, int]:
    if encoding.resize == "none":
        return width, height
    side = min(width, height) if encoding.resize == "shortest" else max(width, height)
    if side <= encoding.size_px:
        return width, height
    scale = encoding.size_px / side
    return max(1, round(width * scale)), max(1, round(height * scale))


def _kept_bytes(found: Decoded, header: Image.Image, stored_as: str) -> bytes | None:
    """The bytes that were decoded, if they may stand as they are."""
    if EXTENSIONS.get(header.format or "") != stored_as or header.mode not in _KEPT_MODES or found.data is None:
        return None
    return strip(found.data, with_profile=False).data if found.has_profile else found.data


def _encode(pixels: Pixels, format: str, quality: int) -> bytes:
    height, width = pixels.shape[:2]
    if format == "jpg":
        return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality, "RGB", "420"))
    if format == "webp" and max(width, height) > _MAX_WEBP_PX:
        raise Drop("too_big", f"{width}x{height}, WebP holds sides up to {_MAX_WEBP_PX}")
    out = io.BytesIO()
    image = Image.fromarray(pixels)
    if format == "webp":
        image.save(out, "WEBP", quality=quality, method=2)
    else:
        image.save(out, "PNG", compress_level=3)  # three times as fast as the default, a twentieth larger
    return out.getvalue()
