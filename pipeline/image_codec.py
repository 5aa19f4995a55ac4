"""Bytes from the web become an image of a shard: guarded, oriented, sized, hashed, without metadata."""

import hashlib
import io
import warnings
from typing import Literal

import msgspec
import simplejpeg
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from pipeline.image_hash import perceptual_hash
from pipeline.image_rules import ImageRules, color_rules, size_rules
from pipeline.strip import is_sound_png, strip_jpeg, strip_png
from schemas.documents import StoredImage
from schemas.drops import Drop

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
EXTENSIONS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}
_MAX_WEBP_PX = 16_383
_ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)


class ImageEncoding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an image stands in the shard."""

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


def decode_image(
    data: bytes, rules: ImageRules = ImageRules(), encoding: ImageEncoding = ImageEncoding()
) -> StoredImage:
    """Raises `Drop`: too_large, unsupported_format, broken_image, single_color, and those of `size_rules`.

    Of an animation the first frame is taken; transparency is laid on white; a colour profile is applied.
    """
    if len(data) > rules.max_bytes:
        raise Drop("too_large", f"{len(data)} bytes, cap {rules.max_bytes}")
    with _opened(data) as header:
        original_format = header.format or ""
        width, height = header.size
        orientation = _orientation(header)
        if orientation in _SIDEWAYS:
            width, height = height, width
        size_rules(width, height, rules)
        target = _target(width, height, encoding)
        image = _pixels(data, header, target[::-1] if orientation in _SIDEWAYS else target)
        stored_as = encoding.format if encoding.format != "keep" else EXTENSIONS.get(original_format, "jpg")
        untouched = orientation == 1 and target == (width, height) and len(data) <= encoding.keep_below_bytes
        kept = _kept_bytes(data, header, stored_as) if untouched else None
    image = _oriented(image, orientation)
    if image.size != target:
        # What the decoder has scaled already needs little more: there a short filter does, at half the cost.
        is_near = image.width <= 2 * target[0] and image.height <= 2 * target[1]
        image = image.resize(target, Image.Resampling.HAMMING if is_near else Image.Resampling.LANCZOS)
    color_rules(image, rules)
    stored = kept if kept is not None else _encode(image, stored_as, encoding.quality)
    return StoredImage(
        data=stored,
        format=stored_as,
        width=target[0],
        height=target[1],
        original_format=original_format.lower(),
        original_width=width,
        original_height=height,
        original_sha256=hashlib.sha256(data).hexdigest(),
        sha256=hashlib.sha256(stored).hexdigest(),
        phash=perceptual_hash(image),
    )


def _opened(data: bytes) -> Image.Image:
    """Only the header is read here."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own pixel warning and EXIF complaints: size_rules judges
            return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise Drop("unsupported_format", repr(data[:8])) from None
    except Image.DecompressionBombError as error:
        raise Drop("too_many_pixels", str(error)) from None
    except Exception as error:  # parsers of damaged headers raise whatever they stumble over
        raise Drop("broken_image", f"{type(error).__name__}: {error}") from None


def _pixels(data: bytes, header: Image.Image, target: tuple[int, int]) -> Image.Image:
    """The whole image in mode RGB, decoded at no more than about twice `target`. Raises `Drop("broken_image")`."""
    try:
        if header.format == "JPEG" and header.mode in ("RGB", "L"):
            # Strict: libjpeg alone takes damaged data for grey blocks. Scaling inside the DCT is nearly free.
            array = simplejpeg.decode_jpeg(data, "RGB", min_width=target[0], min_height=target[1], strict=True)
            image: Image.Image = Image.fromarray(array)
            return _in_srgb(image, header)
        if header.format == "PNG" and not is_sound_png(data):
            raise ValueError("a chunk without its checksum")
        header.load()
        return _in_srgb(_on_white(header), header)
    except Exception as error:  # as above: decoders of damaged data raise anything
        raise Drop("broken_image", f"{type(error).__name__}: {error}") from None


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow's convert would clip instead of scale
        image = image.convert("F").point(lambda value: value * (255 / 65535)).convert("L")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def _in_srgb(image: Image.Image, header: Image.Image) -> Image.Image:
    """Colours of a wide-gamut profile as sRGB; a profile that cannot be read is ignored, as browsers do."""
    profile = header.info.get("icc_profile")
    if not profile or header.mode not in ("RGB", "RGBA", "P") or b"sRGB" in profile[:1024]:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return converted or image


def _orientation(header: Image.Image) -> int:
    if header.format == "TIFF":  # Pillow turns these itself
        return 1
    try:
        value = header.getexif().get(_ORIENTATION, 1)
    except Exception:  # EXIF is full of damage that no one needs to hear of
        return 1
    return value if value in range(1, 9) else 1


def _oriented(image: Image.Image, orientation: int) -> Image.Image:
    if orientation == 1:
        return image
    image.getexif()[_ORIENTATION] = orientation
    return ImageOps.exif_transpose(image)


def _target(width: int, height: int, encoding: ImageEncoding) -> tuple[int, int]:
    if encoding.resize == "none":
        return width, height
    side = min(width, height) if encoding.resize == "shortest" else max(width, height)
    if side <= encoding.size_px:
        return width, height
    scale = encoding.size_px / side
    return max(1, round(width * scale)), max(1, round(height * scale))


def _kept_bytes(data: bytes, header: Image.Image, stored_as: str) -> bytes | None:
    """The original bytes without metadata, if they may stand as they are."""
    if EXTENSIONS.get(header.format or "") != stored_as or header.has_transparency_data:
        return None
    match header.format:
        case "JPEG" if header.mode in ("RGB", "L"):
            return strip_jpeg(data)
        case "PNG" if header.mode in ("RGB", "L", "P", "RGBA"):
            return strip_png(data)
        case "WEBP" if not getattr(header, "is_animated", False):
            return None if {"exif", "xmp"} & header.info.keys() else data
    return None


def _encode(image: Image.Image, format: str, quality: int) -> bytes:
    out = io.BytesIO()
    image.info.clear()  # Pillow would write a comment found in the original
    if format == "webp" and max(image.size) > _MAX_WEBP_PX:
        raise Drop("too_big", f"{image.width}x{image.height}, WebP holds sides up to {_MAX_WEBP_PX}")
    match format:
        case "jpg":
            image.save(out, "JPEG", quality=quality)
        case "webp":
            image.save(out, "WEBP", quality=quality, method=2)
        case "png":
            image.save(out, "PNG", compress_level=3)  # three times as fast as the default, a twentieth larger
    return out.getvalue()
