"""Features of a frozen encoder: what they take on the disk, how fast they are written and streamed, what a step gains.

    python -m benchmarks.features [--device cuda] [--images N] [--part encode write stream step]

On a GPU a ViT-L/14 and a language model of a billion weights, both random, and 2,048 pairs of photographs, in under 90
seconds. On a CPU patches under a projection, which cost next to nothing, give as many numbers as a ViT-L/14, so that
what is told is the cost of writing and reading them; the step is that of a tiny model. `encode`: the encoder alone on
frames in memory. `write`: `weft features --engine inline`. `stream`: a loader beside itself with pixels. `step`: the
same batch of pixels and of their features through one training step each, the difference of their losses with it.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

from benchmarks.cpu import cpu_seconds
from benchmarks.gpu.measure import free, measured
from benchmarks.gpu.sizes import FULL, TINY, Size, build, made_batch
from benchmarks.gpu.steps import make_step
from benchmarks.gpu.table import table
from benchmarks.loading_samples import pair, photographs, tokens_of_words, write
from jobs.dataset.features import Encoders, FeaturesConfig, write_features
from jobs.engine.engine import EngineSettings
from model.data.batch import Batch
from model.data.config import DatasetSettings, LoaderConfig, OrderSettings, ReadSettings
from model.data.feature_files import StoredAs
from model.data.images import ImageSettings
from model.data.loader import Loader
from model.data.packing import PackingSettings
from model.features.encoding import EncoderHost
from model.network.attention import MediaSpans
from model.network.config import VisionSettings
from model.network.flamingo import Flamingo
from model.network.vision.absent import AbsentEncoder
from model.network.vision.encoder import make_encoder
from model.training.config import ParallelSettings
from schemas.storage import Store

Row = dict[str, Any]
PARTS = ("encode", "write", "stream", "step")
STORED: tuple[StoredAs, ...] = ("float16", "int8")
_AS_LARGE_AS_VIT_L = VisionSettings(kind="patch", image_px=224, patch_px=14, dim=1024, batch_frames=32)
#: Of a step on a CPU: small enough for a minute, large enough that it costs something.
_SMALL_VISION = {"model_type": "clip_vision_model", "hidden_size": 192, "num_hidden_layers": 4,
                 "num_attention_heads": 3, "intermediate_size": 768, "image_size": 112, "patch_size": 16}  # fmt: skip


class Bench:
    """A folder with shards of pairs and an encoder, and what is measured on them."""

    def __init__(self, folder: Path, device: torch.device, images: int, workers: int) -> None:
        self.folder, self.device, self.images, self.workers = folder, device, images, workers
        on_gpu = device.type == "cuda"
        self.size: Size = FULL if on_gpu else TINY
        config = self.size.model.vision.config if on_gpu else _SMALL_VISION
        torch.manual_seed(0)
        with torch.device(device):
            made: Any = make_encoder(VisionSettings(kind="transformers", config=config))
        made.model.to(torch.bfloat16 if on_gpu else torch.float32).save_pretrained(folder / "vision")
        self.trained_on = VisionSettings(kind="transformers", path=str(folder / "vision"))
        self.vision = self.trained_on if on_gpu else _AS_LARGE_AS_VIT_L
        self.px = 224
        self.shards = folder / "pairs"
        photos = photographs(None)
        write(self.shards, [pair(number, photos) for number in range(images)], per_shard=max(1, images // 4))

    def encode(self) -> Iterator[Row]:
        frames = np.random.default_rng(0).integers(0, 256, (self.vision.batch_frames, self.px, self.px, 3), np.uint8)
        for stored_as in STORED:
            host = EncoderHost(self.vision, stored_as)
            cpu, calls = cpu_seconds(), 4 if self.device.type == "cuda" else 1
            found = measured(lambda host=host: host.encode(frames), self.device, calls)  # type: ignore[misc]
            cpu = (cpu_seconds() - cpu) / (2 + 3 * calls)
            yield {
                "stored as": stored_as,
                "frames/s": len(frames) / found.ms * 1000,
                "CPU ms/frame": cpu / len(frames) * 1000,
            }

    def write(self) -> Iterator[Row]:
        for stored_as in STORED:
            images = ImageSettings(size_px=self.px, p_flip=0.0, colour=0.0)
            config = FeaturesConfig(vision=self.vision, images=images, stored_as=stored_as)
            start, cpu = time.perf_counter(), cpu_seconds()
            written = write_features(
                str(self.shards), "pairs", Store(str(self.folder / stored_as)), config,
                EngineSettings(engine="inline"), Encoders(),
            )  # fmt: skip
            seconds, cpu = time.perf_counter() - start, cpu_seconds() - cpu
            yield {
                "stored as": stored_as,
                "bytes/image": written.bytes / written.frames,
                "images/s, with loading the encoder": written.frames / seconds,
                "CPU ms/image": cpu / written.frames * 1000,
            }

    def stream(self) -> Iterator[Row]:
        """An epoch each, twice: the second counts, with the files in memory."""
        shard_bytes = sum(path.stat().st_size for path in self.shards.rglob("*.tar"))
        for name in ("pixels", *STORED):
            for _ in range(2):
                start, cpu = time.perf_counter(), cpu_seconds()
                with Loader(self._loader(name), tokens_of_words()) as loader:
                    frames = sum(len(batch.frames_FCHW) for step in loader for batch in step.values())
                seconds, cpu = time.perf_counter() - start, cpu_seconds() - cpu
            row = {"read": name, "images/s": frames / seconds, "CPU ms/image": cpu / frames * 1000}
            yield row | ({"bytes/image": shard_bytes / self.images} if name == "pixels" else {})

    def step(self) -> Iterator[Row]:
        """Of the largest shape; a model with the encoder for pixels, one without for features."""
        on_gpu, losses = self.device.type == "cuda", {}
        for name in ("pixels", *STORED):
            batch = made_batch(self._size(), self.size.shapes[-1])
            model = self._model(name).train()
            if name in STORED:
                batch = self._seen(batch, name)
            layout = ParallelSettings(precision="bfloat16" if on_gpu else "float32")
            step = make_step(layout, model, self.device, batch)
            losses[name] = self._loss(model, batch)
            cpu = cpu_seconds()
            found = measured(step, self.device, calls=4, warm_up=3)
            cpu = (cpu_seconds() - cpu) / (3 + 3 * 4)
            frozen = sum(p.numel() * p.element_size() for p in model.vision.parameters()) / 1e6
            yield {
                "batch of": name,
                "ms": found.ms,
                "CPU ms": cpu * 1000,
                "images/s": len(batch.frames_FCHW) / found.ms * 1000,
                "peak GB": found.peak_gb,
                "MB of encoder": frozen,
                "loss - that of pixels": abs(losses[name] - losses["pixels"]),
            }
            del model, step
            free(self.device)

    @torch.no_grad()
    def _loss(self, model: Flamingo, batch: Batch) -> float:
        """The mean over predicted tokens."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            losses_BT = model.loss(batch.to(self.device), MediaSpans.of(batch)).cpu()
        return float((losses_BT * batch.loss_weight_BT).sum() / batch.loss_weight_BT.sum())

    def _size(self) -> Size:
        px = 224 if self.device.type == "cuda" else _SMALL_VISION["image_size"]
        vision = msgspec.structs.replace(self.trained_on, path=None, config={"image_size": px})
        return replace(self.size, model=msgspec.structs.replace(self.size.model, vision=vision))

    def _model(self, name: str) -> Flamingo:
        """The weights that are new are the same: they are drawn from one seed."""
        if name == "pixels":
            dtype: Any = "bfloat16" if self.device.type == "cuda" else "float32"
            return build(self.size, self.device, vision=msgspec.structs.replace(self.trained_on, dtype=dtype))
        info = EncoderHost(self.trained_on, "float16").describe()
        absent = AbsentEncoder(info.width, info.size_px, info.features)
        return build(self.size, self.device, encoder=absent, vision=self.trained_on)

    def _seen(self, batch: Batch, stored_as: StoredAs) -> Batch:
        """The batch with features in place of its pixels."""
        frames = np.ascontiguousarray(batch.frames_FCHW.permute(0, 2, 3, 1).numpy())
        found = EncoderHost(self.trained_on, stored_as).encode(frames)
        return replace(
            batch,
            frames_FCHW=batch.frames_FCHW[:, :, :0, :0],
            features_FVI=torch.from_numpy(found.values_FVI),
            scales_FI=None if found.scales_FI is None else torch.from_numpy(found.scales_FI),
        )

    def _loader(self, name: str) -> LoaderConfig:
        features = "" if name == "pixels" else str(self.folder / name)
        return LoaderConfig(
            datasets=(DatasetSettings("pairs", str(self.shards), "pairs", batch_rows=16, features=features),),
            order=OrderSettings(lanes=self.workers, epochs=1),
            packing=PackingSettings(row_tokens=256, open_rows=8),
            images=ImageSettings(size_px=self.px, p_flip=0.0, colour=0.0),
            read=ReadSettings(workers=self.workers, prefetch_rows=8),
        )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cuda", "cpu"))
    parser.add_argument("--images", type=int, default=0, help="default 2,048 on a GPU, else 160")
    parser.add_argument("--part", nargs="*", default=list(PARTS), choices=PARTS)
    given = parser.parse_args(arguments)
    if given.device == "cuda" and not torch.cuda.is_available():
        print("torch sees no GPU here: `--device cpu` runs a small size", file=sys.stderr)
        return 1
    if given.device == "cpu":
        torch.set_num_threads(1)  # CPU seconds are told, which others on the machine change less
    device = torch.device("cuda", 0) if given.device == "cuda" else torch.device("cpu")
    images = given.images or (2048 if given.device == "cuda" else 160)
    workers = max(2, min(12, (os.cpu_count() or 1) - 2))
    machine = torch.cuda.get_device_name() if given.device == "cuda" else platform.machine()
    print(
        f"{machine}, torch {torch.__version__}, {images} images, {os.cpu_count()} CPUs, {workers} workers", flush=True
    )
    with tempfile.TemporaryDirectory() as scratch:
        start = time.perf_counter()
        bench = Bench(Path(scratch), device, images, workers)
        print(f"made in {time.perf_counter() - start:.0f} s", flush=True)
        runs: dict[str, Callable[[], Iterator[Row]]] = {part: getattr(bench, part) for part in PARTS}
        for part in PARTS:
            if part in given.part:
                start = time.perf_counter()
                rows = list(runs[part]())
                print(f"\n{part}, {time.perf_counter() - start:.0f} s\n{table(rows)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
