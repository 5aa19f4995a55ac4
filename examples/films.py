"""The videos of the example site: a camera that moves over photographs of `photos.py`, and one that does not.

One thread and no assembler code: libx264 then writes the same bytes on every machine.
"""

from __future__ import annotations

from io import BytesIO

import av
from photos import SITE, Asset, made, source
from PIL import Image

Box = tuple[int, int, int, int]

_SIZE, _RATE = (480, 270), 15

#: Photograph, seconds, and the part of it that the camera sees first and last.
MOVES: list[tuple[str, float, Box, Box]] = [
    ("flower", 7, (0, 0, 640, 360), (190, 90, 430, 225)),
    ("china", 6, (0, 130, 320, 310), (320, 130, 640, 310)),
    ("chelsea", 6, (60, 10, 451, 230), (120, 60, 300, 161)),
]


def film(moves: list[tuple[str, float, Box, Box]]) -> bytes:
    """An MP4 in which each photograph is one shot."""
    out = BytesIO()
    options = {"preset": "veryfast", "crf": "26", "x264-params": "asm=0:threads=1"}
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=_RATE, options=options)
        stream.width, stream.height = _SIZE
        stream.pix_fmt = "yuv420p"
        for name, seconds, first, last in moves:
            count = round(seconds * _RATE)
            for number in range(count):
                way = number / (count - 1)
                box = tuple(a + (b - a) * way for a, b in zip(first, last, strict=True))
                shown = source(name).convert("RGB").resize(_SIZE, Image.Resampling.BICUBIC, box=box)
                container.mux(stream.encode(av.VideoFrame.from_image(shown)))
        container.mux(stream.encode())
    return out.getvalue()


SUBTITLES = """WEBVTT

00:00.500 --> 00:06.500
Far away a flower is a colour. Come closer and it is a hundred narrow petals.

00:07.500 --> 00:12.500
From left to right along the roofs, the way one would turn one's head.

00:13.500 --> 00:18.500
And the cat, who has not moved at all.
"""

FILMS = [
    made("/video/three-photographs.mp4", lambda: film(MOVES)),
    made("/video/held.mp4", lambda: film([("coffee", 6, (20, 20, 500, 290), (20, 20, 500, 290))])),
    Asset(f"{SITE}/video/three-photographs.vtt", "/video/three-photographs.vtt", SUBTITLES.encode),
]
