"""Shards of each kind with damage in them, and the features of a tiny encoder beside them."""

from pathlib import Path
from typing import Any

import av
import msgspec
import numpy as np

from jobs.dataset.features import Encoders, FeaturesConfig, Written, write_features
from jobs.engine.engine import EngineSettings
from model.data.documents import Kind
from model.data.images import ImageSettings
from model.network.config import VisionSettings
from schemas.storage import Store
from tests.model.makers import Members, page, pair, write_dataset

VISION = VisionSettings(image_px=16, patch_px=8, dim=48)
PLAIN = ImageSettings(size_px=16, p_flip=0.0, colour=0.0)


def clip(seconds: float, rate: int = 10, seed: int = 0, cut: int | None = None) -> bytes:
    """Frames of noise, so that each is told from the next; `cut` at so many bytes."""
    import io

    file, rng = io.BytesIO(), np.random.default_rng(seed)
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for _ in range(int(seconds * rate)):
            pixels = np.kron(rng.integers(0, 255, (2, 2, 3), np.uint8), np.ones((16, 16, 1), np.uint8))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return file.getvalue()[:cut]


def clip_sample(number: int, data: bytes) -> tuple[str, Members]:
    key = f"{number:09d}"
    return key, [(f"{key}.mkv", data), (f"{key}.txt", f"the cat sat {number} times".encode())]


def broken(sample: tuple[str, Members], member: int) -> tuple[str, Members]:
    """The sample with a member of which the second half is gone."""
    key, members = sample
    name, data = members[member]
    return key, [*members[:member], (name, data[: len(data) // 2]), *members[member + 1 :]]


def write_kinds(folder: Path) -> None:
    """`interleaved`, `pairs` and `clips`: some pictures do not decode, some samples are none, some clips break off."""
    pages = [page(n, images=1 + n % 4, words=12) for n in range(30)]
    pages[4], pages[11] = broken(pages[4], 1), broken(pages[11], 3)
    pages[7] = (pages[7][0], pages[7][1][:1])  # its pictures are not there
    write_dataset(folder / "interleaved", pages)
    pairs = [pair(n) for n in range(40)]
    pairs[3] = broken(pairs[3], 0)
    pairs[9] = (pairs[9][0], [("000000009.jpg", pairs[9][1][0][1]), ("000000009.txt", b" ")])
    write_dataset(folder / "pairs", pairs, per_shard=15)
    lengths = [0.3, 3, 8, 12, 13.5, 20]
    clips = [clip_sample(n, clip(lengths[n % 6], rate=10 if n % 4 else 1, seed=n)) for n in range(12)]
    whole = clip(12, seed=3)
    clips[5] = clip_sample(5, b"no clip")
    clips[9] = clip_sample(9, whole[: len(whole) * 4 // 5])
    write_dataset(folder / "clips", clips)


def make_features(shards: Path, kind: Kind, output: Path, **changes: Any) -> Written:
    config = msgspec.structs.replace(FeaturesConfig(vision=VISION, images=PLAIN), **changes)
    return write_features(str(shards), kind, Store(str(output)), config, EngineSettings(engine="inline"), Encoders())
