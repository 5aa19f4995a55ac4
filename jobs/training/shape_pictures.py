"""Pictures and clips of shapes, and the words for them."""

import io
import math
import random
from typing import Any

import msgspec
from PIL import Image, ImageDraw

#: Hues far enough apart to be recognised by a few pixels.
COLOURS = {
    "red": (214, 48, 48),
    "green": (44, 160, 68),
    "blue": (48, 88, 214),
    "yellow": (214, 178, 30),
    "purple": (142, 60, 176),
    "black": (16, 16, 16),
}
SHAPES = ("circle", "square", "triangle")
NUMBERS = {1: "a", 2: "two"}
PLACES = ("top", "bottom", "left", "right")
DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
#: Words that mean nothing: on each page some of them name colours.
NAMES = ("wug", "dax", "blick", "toma", "fep", "zup", "kiki", "lorp", "gazzer", "modi", "tupa", "vash")

_FINER = 4  # drawn so many times as large and reduced, for smooth edges


class Scene(msgspec.Struct, frozen=True):
    """What a picture shows; its caption says all of it."""

    colour: str
    shape: str
    number: int  # 1 or 2
    place: str  # of the group: in which half of the picture

    @property
    def thing(self) -> str:
        return f"{NUMBERS[self.number]} {self.colour} {self.shape}{'s' if self.number > 1 else ''}"

    @property
    def caption(self) -> str:
        side = f"at the {self.place}" if self.place in ("top", "bottom") else f"on the {self.place}"
        return f"{self.thing} {side}"


def draw(scene: Scene, size_px: int, rng: random.Random) -> bytes:
    """A square PNG. Size, tint, ground and exact position are left to chance."""
    centres = _centres(scene, rng)
    radius = rng.uniform(0.18, 0.21)
    return _png(_picture(scene, centres, radius, _tint(scene.colour, rng), _ground(rng), size_px))


def clip_of(scene: Scene, direction: str, size_px: int, seconds: int, rng: random.Random) -> bytes:
    """An MP4 of one frame a second in which the shape crosses the picture; where it starts is left to chance."""
    import av

    frame_of: Any = av.VideoFrame.from_image

    dx, dy = DIRECTIONS[direction]
    length = rng.uniform(0.4, 0.55)
    across = rng.uniform(0.25, 0.75)
    radius, tint, ground = rng.uniform(0.18, 0.21), _tint(scene.colour, rng), _ground(rng)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=1)
        stream.width = stream.height = size_px
        stream.pix_fmt = "yuv420p"
        stream.options = {"qscale": "2"}
        for number in range(seconds):
            way = (number / max(1, seconds - 1) - 0.5) * length
            centre = (0.5 + dx * way, across) if dx else (across, 0.5 + dy * way)
            image = _picture(scene, [centre], radius, tint, ground, size_px)
            for packet in stream.encode(frame_of(image)):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return file.getvalue()


def _centres(scene: Scene, rng: random.Random) -> list[tuple[float, float]]:
    """Centres of a group that lies along the middle of its half, in parts of the side."""
    gap = 0.48
    start = 0.5 - gap * (scene.number - 1) / 2 + rng.uniform(-0.03, 0.03)
    along = [start + gap * number for number in range(scene.number)]
    across = (0.25 if scene.place in ("top", "left") else 0.75) + rng.uniform(-0.04, 0.04)
    return [(place, across) if scene.place in ("top", "bottom") else (across, place) for place in along]


def _picture(
    scene: Scene,
    centres: list[tuple[float, float]],
    radius: float,
    colour: tuple[int, int, int],
    ground: tuple[int, int, int],
    size_px: int,
) -> Image.Image:
    side = size_px * _FINER
    image = Image.new("RGB", (side, side), ground)
    pen = ImageDraw.Draw(image)
    for x, y in centres:
        _shape(pen, scene.shape, x * side, y * side, radius * side, colour)
    return image.resize((size_px, size_px), Image.Resampling.BOX)


def _shape(pen: ImageDraw.ImageDraw, shape: str, x: float, y: float, r: float, colour: tuple[int, int, int]) -> None:
    """Each about as large as the others by area."""
    if shape == "circle":
        pen.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    elif shape == "square":
        half = r * math.sqrt(math.pi) / 2
        pen.rectangle((x - half, y - half, x + half, y + half), fill=colour)
    else:
        high = r * 1.25
        corners = [(x, y - high), (x - high * 0.95, y + high * 0.7), (x + high * 0.95, y + high * 0.7)]
        pen.polygon(corners, fill=colour)


def _tint(colour: str, rng: random.Random) -> tuple[int, int, int]:
    red, green, blue = (min(255, max(0, value + rng.randint(-12, 12))) for value in COLOURS[colour])
    return red, green, blue


def _ground(rng: random.Random) -> tuple[int, int, int]:
    """Nearly white: lighter than any of the colours."""
    grey = rng.randint(225, 247)
    return grey + rng.randint(-8, 8), grey + rng.randint(-8, 8), grey + rng.randint(-8, 8)


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=6)
    return file.getvalue()
