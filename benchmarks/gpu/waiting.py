"""A run of `model.training.loop.train` over shards of photographs: what part of the time waits for data, and how many
tokens a second it makes where threads or processes decode."""

import dataclasses
import io
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from PIL import Image

from benchmarks.gpu.sizes import Size, build
from model.data.config import DatasetSettings, LoaderConfig, OrderSettings, ReadSettings
from model.data.images import ImageSettings
from model.data.packing import PackingSettings
from model.data.sequences import SequenceSettings
from model.training.config import CheckpointSettings, HeldOutSettings, LogSettings, ParallelSettings, TrainConfig
from model.training.loop import train
from model.training.text_model import BOS, EOS, train_tokenizer
from schemas.tar import TarWriter

WORDS = (
    "the of and a to in is was he for it with as his on be at by had not are but from or have they which one".split()
)
_PAGES, _PER_SHARD, _PHOTOS = 600, 50, 200


#: Name of a way -> `workers_are`, how long a thread may keep the interpreter from others (None: as Python has it), and
#: whether steps are compiled.
WAYS: dict[str, tuple[Any, float | None, bool]] = {
    "threads": ("threads", None, False),
    "threads that switch after 0.1 ms": ("threads", 1e-4, False),
    "processes": ("processes", None, False),
    "threads, compiled": ("threads", None, True),
    "processes, compiled": ("processes", None, True),
    "threads that switch after 0.1 ms, compiled": ("threads", 1e-4, True),
}


def waiting(size: Size, device: torch.device, workers: int, names: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """A line for each shape and each of the ways, some of them by name; of the second half of the run.

    Not compiled on a CPU, unless it is asked for: that takes minutes.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _write_pages(folder / "pages")
        size = _saved(size, folder, device)
        tokenizer = train_tokenizer(iter([" ".join(WORDS)] * 4), 300)
        tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": BOS, "eos_token": EOS}))
        for name in names or [name for name in WAYS if device.type == "cuda" or not WAYS[name][2]]:
            workers_are, switch_s, compiled = WAYS[name]
            for shape in size.shapes:
                read = ReadSettings(workers=workers, workers_are=workers_are, prefetch_rows=2 * shape.rows)
                config = _config(size, folder, shape.tokens, shape.images, shape.rows, read, device, compiled)
                with _switching_after(switch_s):
                    found = _run(msgspec.structs.replace(config, output=str(folder / "out")))
                line = {"shape": str(shape), "way": name, "workers": workers, **found}
                print(line, file=sys.stderr, flush=True)
                yield line


@contextmanager
def _switching_after(seconds: float | None) -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(before if seconds is None else seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _saved(size: Size, folder: Path, device: torch.device) -> Size:
    """The same models in folders, as a run has them: drawn on a CPU they would take longer than the run."""
    model: Any = build(size, device)
    model.lm.save_pretrained(folder / "lm")
    model.vision.model.save_pretrained(folder / "vision")
    lm = msgspec.structs.replace(size.model.lm, config=None, path=str(folder / "lm"))
    vision = msgspec.structs.replace(
        size.model.vision, config=None, path=str(folder / "vision"), image_px=model.vision.image_px
    )
    return dataclasses.replace(size, model=msgspec.structs.replace(size.model, lm=lm, vision=vision))


def _run(config: TrainConfig) -> dict[str, Any]:
    lines: list[dict[str, float]] = []
    start = time.perf_counter()
    train(config, lambda step, values: lines.append(dict(values)), lambda text: None)
    measured = [line for line in lines if "data_wait" in line][-1]
    shutil.rmtree(config.output)
    names = ("data_wait", "tokens_per_s", "images_per_s", "mfu", "padding", "memory_gb")
    return {"run_s": time.perf_counter() - start, **{name: measured.get(name) for name in names}}


def _config(
    size: Size,
    folder: Path,
    tokens: int,
    images: int,
    rows: int,
    read: ReadSettings,
    device: torch.device,
    compiled: bool,
) -> TrainConfig:
    on_gpu = device.type == "cuda"
    return TrainConfig(
        output="",
        steps=size.steps,
        model=size.model,
        data=LoaderConfig(
            tokenizer=str(folder),
            datasets=(DatasetSettings("pages", str(folder / "pages"), batch_rows=rows),),
            order=OrderSettings(lanes=read.workers),
            sequence=SequenceSettings(max_tokens=tokens, max_media=images),
            packing=PackingSettings(row_tokens=tokens, open_rows=8),
            images=ImageSettings(size_px=size.model.vision.image_px),
            read=read,
        ),
        held_out=HeldOutSettings(every_steps=0, batches=1),
        parallel=ParallelSettings(
            precision="bfloat16" if on_gpu else "float32", device="cuda" if on_gpu else "cpu", compile=compiled
        ),
        checkpoint=CheckpointSettings(every_steps=0, every_minutes=0),
        log=LogSettings(every_steps=max(1, size.steps // 2), tensorboard=False),
    )


def _write_pages(folder: Path) -> None:
    """Pages of one to four photographs and some 60 tokens an image, as one finds them: 300 to 500 pixels wide."""
    rng, photos = random.Random(0), [_photo(n) for n in range(_PHOTOS)]
    (folder / "shards").mkdir(parents=True)
    sizes = {}
    for shard in range(0, _PAGES, _PER_SHARD):
        name, starts = f"{shard // _PER_SHARD:06d}-000.tar", []
        with (folder / "shards" / name).open("wb") as file:
            writer = TarWriter(file)
            for number in range(shard, shard + _PER_SHARD):
                starts.append(writer.size)
                for member, data in _page(number, rng, photos):
                    writer.add(member, data)
            starts.append(writer.size)
            writer.close()
        (folder / "shards" / f"{name}.idx").write_bytes(np.array(starts, "<u8").tobytes())
        sizes[name] = _PER_SHARD
    (folder / "shards" / "sizes.json").write_text(json.dumps(sizes))


def _page(number: int, rng: random.Random, photos: list[bytes]) -> list[tuple[str, bytes]]:
    key = f"{number:012d}"
    texts: list[str | None] = []
    names: list[str | None] = []
    members = []
    for _ in range(rng.randint(1, 4)):
        texts += [" ".join(rng.choices(WORDS, k=rng.randint(20, 40))), None]
        names += [None, f"{key}.{len(names) + 1}.jpg"]
        members.append((str(names[-1]), rng.choice(photos)))
    document = {"key": key, "texts": texts, "images": names}
    return [(f"{key}.json", json.dumps(document).encode()), *members]


def _photo(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    width, height = (int(side) for side in rng.integers(300, 500, 2))
    coarse, file = rng.integers(0, 255, (24, 32, 3), np.uint8), io.BytesIO()
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return file.getvalue()
