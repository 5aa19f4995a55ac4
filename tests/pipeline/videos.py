"""Small videos, made with PyAV: what is in each frame is known."""

import functools
import io
import struct
from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np

MILLISECOND = Fraction(1, 1000)


def picture(number: int, scene: int = 0, size: tuple[int, int] = (160, 120)) -> np.ndarray:
    """A moving pattern in the colours of its scene, shape HWC."""
    rng = np.random.default_rng(scene)
    low, high = rng.integers(0, 90, 3), rng.integers(120, 256, 3)
    frequency, phase = rng.uniform(0.02, 0.12, 2), 0.12 * number
    y, x = np.mgrid[: size[1], : size[0]]
    wave = 0.5 + 0.5 * np.sin(x * frequency[0] + phase) * np.cos(y * frequency[1] + 0.7 * phase)
    return (low + (high - low) * wave[..., None]).astype(np.uint8)


@functools.cache
def make_video(
    codec: str = "libx264",
    container: str = "mp4",
    scenes: tuple[int, ...] = (50,),
    size: tuple[int, int] = (160, 120),
    pixel_format: str = "yuv420p",
    rate: int = 25,
    times_ms: tuple[int, ...] = (),
    options: tuple[tuple[str, str], ...] = (),
    look: str = "moving",
    audio: bool = False,
) -> bytes:
    """A video of scenes of so many frames each. `look`: moving, black, or static."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        quiet = {"x265-params": "log-level=none"} if codec == "libx265" else {}
        stream = output.add_stream(codec, rate=rate, options={**quiet, **dict(options)})
        stream.width, stream.height = size
        stream.pix_fmt = pixel_format
        stream.codec_context.time_base = MILLISECOND
        sound = output.add_stream("aac", rate=16000, layout="mono") if audio else None
        number = 0
        for scene, length in enumerate(scenes):
            for _ in range(length):
                frame = av.VideoFrame.from_ndarray(_look(look, number, scene, size), format="rgb24")
                frame.pts, frame.time_base = times_ms[number] if times_ms else number * 1000 // rate, MILLISECOND
                output.mux(stream.encode(frame))
                number += 1
        output.mux(stream.encode())
        if sound is not None:
            _add_sound(output, sound, number / rate)
    return file.getvalue()


def _look(look: str, number: int, scene: int, size: tuple[int, int]) -> np.ndarray:
    match look:
        case "black":
            return np.full((size[1], size[0], 3), 3, np.uint8)
        case "static":
            return picture(0, scene, size)
    return picture(number, scene, size)


def _add_sound(output: av.container.OutputContainer, stream: av.AudioStream, seconds: float) -> None:
    for start in range(0, int(seconds * 16000), 1024):
        wave = 0.2 * np.sin(np.arange(start, start + 1024) * 2 * np.pi * 440 / 16000)
        frame = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16000, start, Fraction(1, 16000)
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def rotated(mp4: bytes, degrees: int) -> bytes:
    """The same MP4, its track header saying that players must turn it clockwise."""
    matrix = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[degrees]
    a, b, c, d = (value * 65536 for value in matrix)
    at = mp4.index(b"tkhd") + 4 + 40  # version 0: the matrix follows 40 bytes of the box
    return mp4[:at] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + mp4[at + 36 :]


def decode_all(data: bytes) -> tuple[list[float], list[np.ndarray]]:
    """Every frame with its time, in the plainest way."""
    times, pictures = [], []
    with av.open(io.BytesIO(data)) as container:
        for frame in container.decode(video=0):
            times.append(frame.time)
            pictures.append(frame.to_ndarray(format="rgb24"))
    return times, pictures


def cuts_of(scenes: Sequence[int]) -> list[int]:
    """The first frames of all scenes but the first."""
    return [int(place) for place in np.cumsum(scenes)[:-1]]
