"""The photographs of the example site, made from pictures that published Python packages carry.

Nothing is downloaded and the packages are never imported (their import pulls in compiled dependencies that the example
does not need): only their installed files are opened. README.md names the author and the licence of every source.
"""

from __future__ import annotations

import importlib.util
import mimetypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter
from PIL.PngImagePlugin import PngInfo

SITE = "https://fieldnotes.example"

# Where each source lies: package, then path inside it.
SOURCES = {
    "astronaut": ("skimage", "data/astronaut.png"),
    "brick": ("skimage", "data/brick.png"),
    "camera": ("skimage", "data/camera.png"),
    "cell": ("skimage", "data/cell.png"),
    "chelsea": ("skimage", "data/chelsea.png"),
    "clock": ("skimage", "data/clock_motion.png"),
    "coffee": ("skimage", "data/coffee.png"),
    "coins": ("skimage", "data/coins.png"),
    "grass": ("skimage", "data/grass.png"),
    "gravel": ("skimage", "data/gravel.png"),
    "hubble": ("skimage", "data/hubble_deep_field.jpg"),
    "ihc": ("skimage", "data/ihc.png"),
    "retina": ("skimage", "data/retina.jpg"),
    "rocket": ("skimage", "data/rocket.jpg"),
    "text": ("skimage", "data/text.png"),
    "china": ("sklearn", "datasets/images/china.jpg"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
    "hopper": ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
}


@dataclass(frozen=True)
class Asset:
    """A file of the site; `render` is called late, so that a missing package is reported by the name of its file."""

    url: str
    mention: str  # what a page's markup contains where it shows this image
    render: Callable[[], bytes]

    @property
    def media_type(self) -> str:
        return mimetypes.guess_type(self.url.partition("?")[0])[0] or "application/octet-stream"


@cache
def source(name: str) -> Image.Image:
    """A source picture as RGB or L, without its colour profile: some encoders would copy it into every variant."""
    package, path = SOURCES[name]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"the example photographs need the package {package}: see examples/README.md")
    with Image.open(Path(spec.submodule_search_locations[0]) / path) as image:
        plain = image.convert("L" if image.mode == "L" else "RGB")
    plain.info.clear()
    return plain


def encode(image: Image.Image, suffix: str, **options: object) -> bytes:
    out = BytesIO()
    defaults: dict[str, dict[str, object]] = {
        "jpg": {"format": "JPEG", "quality": 88, "optimize": True},
        "png": {"format": "PNG", "optimize": True},
        "webp": {"format": "WEBP", "quality": 82, "method": 4},
        "gif": {"format": "GIF"},
    }
    image.save(out, **{**defaults[suffix], **options})  # type: ignore[arg-type]
    return out.getvalue()


def cut(name: str, box: tuple[int, int, int, int] | None = None, size: tuple[int, int] | None = None) -> Image.Image:
    image = source(name)
    if box:
        image = image.crop(box)
    return image.resize(size, Image.Resampling.LANCZOS) if size else image


def photo(
    path: str,
    name: str,
    box: tuple[int, int, int, int] | None = None,
    size: tuple[int, int] | None = None,
    mention: str = "",
) -> Asset:
    url = f"https:{path}" if path.startswith("//") else SITE + path
    suffix = path.partition("?")[0].rpartition(".")[2]
    return Asset(url, mention or path.partition("?")[0], lambda: encode(cut(name, box, size), suffix))


def turned_portrait() -> bytes:
    """Stored lying on its side with EXIF orientation 6, as a phone held upright does it: a reader must turn it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = cut("rocket", (205, 60, 435, 427)).transpose(Image.Transpose.ROTATE_90)
    return encode(lying, "jpg", exif=exif)


def ink() -> bytes:
    """Handwriting as dark blue ink on a transparent ground, by the recipe that the article prints."""
    page = source("text")
    strokes = ImageChops.subtract(page.filter(ImageFilter.GaussianBlur(18)), page, scale=0.25)
    image = Image.new("RGBA", page.size, (24, 32, 96, 0))
    image.putalpha(strokes)
    said = PngInfo()
    said.add_itxt("XML:com.adobe.xmp", data_mining("DMI-ALLOWED").decode())
    return encode(image, "png", pnginfo=said)


def data_mining(value: str) -> bytes:
    """XMP that says whether the picture may be mined and trained on, by the vocabulary of the PLUS Coalition."""
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/" '
        f'plus:DataMining="http://ns.useplus.org/ldf/vocab/{value}"/></rdf:RDF></x:xmpmeta>'
    ).encode()


def not_to_be_mined() -> bytes:
    return encode(cut("text", (120, 20, 280, 140), (320, 240)), "jpg", xmp=data_mining("DMI-PROHIBITED"))


def thresholds() -> bytes:
    page = source("text")
    frames = [page.point([255 * (value > level) for value in range(256)]).convert("P") for level in (45, 70, 95, 120)]
    return encode(frames[0], "gif", save_all=True, append_images=frames[1:], duration=800, loop=0)


def truncated() -> bytes:
    """A JPEG whose transfer stopped after a third: its header is whole, so only a full decode can tell."""
    whole = encode(cut("gravel", (56, 56, 456, 456)), "jpg")
    return whole[: len(whole) // 3]


# Icons: lines through points of a 24 by 24 grid.
GLYPHS: dict[str, list[tuple[int, ...]]] = {
    "favicon": [(6, 18, 6, 6, 18, 18, 18, 6)],
    "mail": [(5, 7, 19, 7, 19, 17, 5, 17, 5, 7, 12, 13, 19, 7)],
    "link": [(10, 8, 5, 8, 5, 16, 10, 16), (14, 8, 19, 8, 19, 16, 14, 16), (8, 12, 16, 12)],
    "print": [(8, 9, 8, 5, 16, 5, 16, 9), (5, 16, 5, 9, 19, 9, 19, 16, 5, 16)],
    "tip": [(12, 5, 12, 14), (12, 17, 12, 19)],
}


def icon(name: str, size: int, colour: str) -> bytes:
    image = Image.new("RGBA", (size, size), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, size - 1, size - 1), size // 5, fill=colour)
    for line in GLYPHS[name]:
        draw.line([value * size / 24 for value in line], "#fbfaf6", max(2, size // 12))
    return encode(image, "png")


def avatar(size: int, colour: str) -> bytes:
    image = Image.new("RGBA", (size, size), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.ellipse((0, 0, size - 1, size - 1), fill=colour)
    draw.ellipse((size * 0.34, size * 0.18, size * 0.66, size * 0.5), fill="#f4ead8")
    draw.chord((size * 0.18, size * 0.55, size * 0.82, size * 1.2), 180, 360, fill="#f4ead8")
    return encode(image, "png")


def furniture(name: str, size: int, colour: str) -> Asset:
    """Icons and portraits of the invented authors: drawn, not photographed."""
    path = f"/img/ui/{name}.png"
    is_icon = name in GLYPHS
    return Asset(SITE + path, path, lambda: icon(name, size, colour) if is_icon else avatar(size, colour))


def made(path: str, render: Callable[[], bytes]) -> Asset:
    return Asset(SITE + path, path, render)


LAKE = "//img.fieldnotes.example/2026"
BED = "/garden/media"

ARTICLE_PHOTOS = [
    photo("/img/red-cup.jpg", "coffee"),
    photo("/img/caf%C3%A9-crema.jpg", "coffee", (160, 10, 440, 220), (420, 315), mention="café-crema.jpg"),
    photo("/img/spoon.webp", "coffee", (290, 200, 470, 390), (270, 285), mention="img/spoon.webp"),
    photo("/img/xdf-320.jpg", "hubble", size=(320, 279)),
    photo("/img/xdf-640.jpg", "hubble", size=(640, 558)),
    photo("/img/xdf-1000.jpg", "hubble"),
    photo("/img/xdf-star.jpg", "hubble", (600, 300, 1000, 640)),
    photo("/img/xdf-corner.png", "hubble", (60, 30, 460, 370)),
    photo("/img/falcon-dusk.webp", "rocket"),
    photo("/img/falcon-dusk.jpg", "rocket"),
    made("/img/falcon-portrait.jpg", turned_portrait),
    photo("/img/pad-lights.jpg", "rocket", (60, 320, 300, 427), (480, 214)),
    photo("/img/collins.jpg", "astronaut"),
    photo("/img/patch.png", "astronaut", (95, 330, 220, 440), (250, 220)),
    photo(f"{BED}/dahlia.jpg", "flower", mention='"dahlia.jpg"'),
    photo(f"{BED}/petals.webp", "flower", (220, 130, 400, 300), (360, 340), mention='"petals.webp"'),
    photo(f"{LAKE}/tower.jpg", "china"),
    photo(f"{LAKE}/roof.jpg", "china", (90, 25, 330, 180), (480, 310)),
    photo(f"{LAKE}/balcony.jpg", "china", (60, 235, 360, 385), (450, 225)),
    photo(f"{LAKE}/lake.jpg", "china", (300, 180, 640, 330), (510, 225)),
    photo("/img/hopper.jpg", "hopper"),
    photo("/img/chelsea.jpg", "chelsea"),
    photo("/img/chelsea-eye.jpg", "chelsea", (120, 60, 320, 180), (400, 240)),
    photo("/img/chelsea-whiskers.jpg", "chelsea", (180, 170, 380, 300), (400, 260)),
    photo("/img/coins.png", "coins"),
    photo("/img/coin-figure.png?w=300&q=90", "coins", (295, 10, 370, 80), (300, 280)),
    photo("/img/coins-three.png", "coins", (175, 150, 384, 235), (418, 170)),
    photo("/img/tripod.jpg", "camera"),
    photo("/img/tripod-hands.jpg", "camera", (140, 50, 360, 220), (440, 340)),
    photo("/img/clock.png", "clock"),
    photo("/img/gravel.jpg", "gravel"),
    photo("/img/grass.jpg", "grass"),
    photo("/img/fundus.jpg", "retina", size=(700, 700)),
    photo("/img/optic-disc.jpg", "retina", (30, 480, 530, 980)),
    photo("/img/fovea.webp", "retina", (500, 480, 980, 960)),
    photo("/img/glands.jpg", "ihc"),
    photo("/img/one-gland.jpg", "ihc", (240, 290, 400, 512), (320, 444)),
    photo("/img/floating-cell.png", "cell"),
    photo("/img/notebook.png", "text"),
    made("/img/thresholds.gif", thresholds),
    made("/img/ink.png", ink),
]

# Shown only by pages that a build drops. /img/three-legs.jpg and a harbour on another host are missing from these lists
# on purpose: pages name them, the archive does not have them.
OTHER_PHOTOS = [
    photo("/img/cup-handle.jpg", "coffee", (90, 160, 390, 400)),
    photo("/img/lac.jpg", "china", (330, 150, 640, 427)),
    photo("/img/dahlia-low.jpg", "flower", (260, 177, 590, 427)),
    photo("/img/shuttle-model.jpg", "astronaut", (340, 0, 512, 260), (344, 520)),
    photo("/img/brick.png", "brick"),
    photo("/img/skyline.jpg", "camera", (332, 100, 512, 242), (360, 284)),
    photo("/img/lawn.jpg", "grass", (100, 100, 400, 400)),
    photo("/img/strip.jpg", "hubble", (0, 300, 1000, 500)),
    made("/img/path.jpg", truncated),
    made("/img/strokes.jpg", not_to_be_mined),
    made("/img/pixel.gif", lambda: encode(Image.new("P", (1, 1)), "gif", transparency=0)),
    made("/img/swatch.png", lambda: encode(Image.new("RGB", (240, 160), "#1e5c4f"), "png")),
]

THUMBNAILS = [
    photo("/img/thumb/espresso.jpg", "coffee", (60, 20, 510, 320), (120, 80)),
    photo("/img/thumb/deep-field.jpg", "hubble", (60, 30, 660, 430), (120, 80)),
    photo("/img/thumb/launch-pad.jpg", "rocket", (80, 80, 590, 420), (120, 80)),
    photo("/img/thumb/eileen-collins.jpg", "astronaut", (100, 0, 400, 200), (120, 80)),
    photo("/img/thumb/dahlia.jpg", "flower", (110, 60, 545, 350), (120, 80)),
    photo("/img/thumb/kunming-lake.jpg", "china", (40, 20, 445, 290), (120, 80)),
    photo("/img/thumb/grace-hopper.jpg", "hopper", (20, 10, 500, 330), (120, 80)),
    photo("/img/thumb/cat.jpg", "chelsea", (0, 0, 450, 300), (120, 80)),
    photo("/img/thumb/coins.jpg", "coins", (20, 20, 260, 180), (120, 80)),
    photo("/img/thumb/tripod.jpg", "camera", (60, 50, 390, 270), (120, 80)),
    photo("/img/thumb/textures.jpg", "gravel", (0, 0, 240, 160), (120, 80)),
    photo("/img/thumb/fundus.jpg", "retina", (50, 300, 1350, 1166), (120, 80)),
    photo("/img/thumb/stain.jpg", "ihc", (0, 0, 510, 340), (120, 80)),
    photo("/img/thumb/notebook.jpg", "text", (100, 0, 358, 172), (120, 80)),
]

FURNITURE = [
    furniture("favicon", 32, "#9a3b1f"),
    furniture("mail", 24, "#5b6770"),
    furniture("link", 24, "#5b6770"),
    furniture("print", 24, "#5b6770"),
    furniture("tip", 40, "#b9772c"),
    furniture("avatar-june", 64, "#9a3b1f"),
    furniture("avatar-tomas", 64, "#31546b"),
    furniture("avatar-mara", 64, "#4c6b3c"),
    furniture("avatar-shop", 64, "#6d675a"),
]

ASSETS = [*ARTICLE_PHOTOS, *OTHER_PHOTOS, *THUMBNAILS, *FURNITURE]
