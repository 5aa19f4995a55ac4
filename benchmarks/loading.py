"""Loading of batches beside the way of open_clip and OpenFlamingo, and a decode-only ceiling, on the same shards.

    python -m benchmarks.loading [FOLDER] [ENERGON_PYTHON] [STREAMING_PYTHON]

FOLDER holds the photographs (.jpg) that samples are made of; without it they are made up. The others are Pythons that
have megatron-energon and mosaicml-streaming, with torch; without them their rows are left out. Rounds of the compared
things alternate in one run; times are CPU seconds of this process and its children, and the ratio is the figure to
quote.
"""

import gc
import io
import itertools
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import simplejpeg
import tokenizers
import torch
import webdataset
from PIL import Image

from model.data.config import DatasetSettings, LoaderConfig, OrderSettings, ReadSettings
from model.data.images import ImageSettings
from model.data.loader import Loader
from model.data.packing import PackingSettings
from model.data.tokens import Tokens
from schemas.dataset import write_reader_files
from schemas.shards import ShardInfo
from schemas.storage import Store
from schemas.tar import TarWriter

ROUNDS, SIZE, LENGTH, MAX_IMAGES = 3, 224, 256, 5
PAGES, PAIRS, PER_SHARD = 120, 480, 40
WORDS = (
    "the of and a to in is was he for it with as his on be at by had not are but from or have they which one".split()
)


def main(photos: Path | None, peers: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        images = _photos(photos)
        write(folder / "interleaved", [page(n, images) for n in range(PAGES)])
        write(folder / "pairs", [pair(n, images) for n in range(PAIRS)])
        tokens = _tokens()
        for kind in ("pairs", "interleaved"):
            compare(folder / kind, kind, tokens, peers)
        running(folder / "interleaved", tokens)
        memory(folder / "interleaved", tokens)
        restoring(folder / "many", tokens)


def restoring(folder: Path, tokens: Tokens, samples: int = 20_000) -> None:
    """Seconds from a saved state to the next step, at the start, in the middle and near the end of an epoch."""
    file = io.BytesIO()
    _made(0).resize((96, 64)).save(file, "JPEG")
    write(folder, [pair(number, [file.getvalue()]) for number in range(samples)])
    config = _config(folder, "pairs", packed=True)
    states, told = [], []
    with Loader(config, tokens) as loader:
        for step in loader:
            states.append(loader.state_dict())
            assert step
    for part in (0.01, 0.5, 0.99):
        start = time.perf_counter()
        with Loader(config, tokens) as loader:
            loader.load_state_dict(states[int(part * len(states))])
            next(iter(loader))
        told.append(f"{part:.0%} {time.perf_counter() - start:.2f}")
    print(f"\nfrom a state to the next step, of {len(states)} steps, s: {', '.join(told)}", flush=True)


def running(folder: Path, tokens: Tokens, steps: int = 60) -> None:
    """Threads beside processes once they run: images a second of wall time, without the start."""
    print("\nwall time without the start, images/s:", end=" ")
    rates: dict[str, list[float]] = {"threads": [], "processes": []}
    for _, workers_are in itertools.product(range(ROUNDS), rates):
        config = _config(folder, "interleaved", packed=True, workers_are=workers_are, epochs=None)
        with Loader(config, tokens) as loader:
            batches = iter(loader)
            for _ in range(10):
                next(batches)
            start = time.perf_counter()
            images = sum(len(batch.frames_FCHW) for _ in range(steps) for batch in next(batches).values())
            rates[workers_are].append(images / (time.perf_counter() - start))
    print(", ".join(f"{way} {statistics.median(found):.0f}" for way, found in rates.items()), flush=True)


def compare(folder: Path, kind: str, tokens: Tokens, peers: dict[str, str]) -> None:
    """One epoch each; what is counted are real tokens (no padding) and real images."""
    ways: dict[str, Callable[[], tuple[int, int]]] = {
        "ours, packed": lambda: ours(folder, kind, tokens, packed=True),
        "ours, packed, processes": lambda: ours(folder, kind, tokens, packed=True, workers_are="processes"),
        "ours, a window a row": lambda: ours(folder, kind, tokens, packed=False),
        "webdataset pipeline, PIL, pad to max": lambda: theirs(folder, kind, tokens),
        "decode only": lambda: decode_only(folder),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    walls: dict[str, list[float]] = {name: [] for name in ways}
    counts: dict[str, tuple[int, int]] = {}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            gc.collect()
            start, wall = _cpu(), time.perf_counter()
            counts[name] = way()
            seconds[name].append(_cpu() - start)
            walls[name].append(time.perf_counter() - wall)
    print(f"\n{kind}, {SIZE} px, rows of {LENGTH}; medians of {ROUNDS}", flush=True)
    print(f"{'':40} tokens/cpu-s  images/cpu-s  images/s wall")
    for name in ways:
        taken, wall = statistics.median(seconds[name]), statistics.median(walls[name])
        tokens_read, images = counts[name]
        if "processes" in name:  # children of the fork server are not in this process's times
            print(f"{name:40} {'':12}  {'':12}  {images / wall:13,.0f}", flush=True)
        else:
            print(
                f"{name:40} {tokens_read / taken:12,.0f}  {images / taken:12,.0f}  {images / wall:13,.0f}", flush=True
            )
    for_energon(folder, kind)
    for name, python in peers.items():
        rates = [by_peer(folder, kind, name, python) for _ in range(ROUNDS)]
        print(f"{name + ', no tokens, no packing':40} {'':12}  {statistics.median(rates):12,.0f}", flush=True)


def ours(folder: Path, kind: str, tokens: Tokens, packed: bool, workers_are: str = "threads") -> tuple[int, int]:
    loader = Loader(_config(folder, kind, packed, workers_are), tokens)
    with loader:
        for _ in loader:
            pass
    report = loader.report()
    return report.tokens, report.frames


def _config(
    folder: Path, kind: str, packed: bool, workers_are: str = "threads", epochs: int | None = 1
) -> LoaderConfig:
    return LoaderConfig(
        datasets=(DatasetSettings("x", str(folder), kind, batch_rows=8),),  # type: ignore[arg-type]
        order=OrderSettings(lanes=4, epochs=epochs),
        packing=PackingSettings(enabled=packed),
        images=ImageSettings(size_px=SIZE, colour=0),
        read=ReadSettings(workers=2, workers_are=workers_are),  # type: ignore[arg-type]
    )


def theirs(folder: Path, kind: str, tokens: Tokens) -> tuple[int, int]:
    """What the pipelines of open_clip (pairs) and OpenFlamingo (pages) do, written from their description.

    Pillow decodes at full size, resizes by bicubic, crops; float tensors are normalised and stacked; text is padded to
    the longest of the batch (pairs) or to 256 (pages), whose image slots are filled with zeros. One process.
    """
    urls = sorted(str(path) for path in (folder / "shards").glob("*.tar"))
    samples = webdataset.WebDataset(urls, shardshuffle=False).shuffle(100).decode("pil")
    make = (_pair_batches if kind == "pairs" else _page_batches)(samples, tokens)
    num_tokens = num_images = 0
    for of_tokens, of_images in make:
        num_tokens += of_tokens
        num_images += of_images
    return num_tokens, num_images


def _pair_batches(samples: Iterator[dict[str, object]], tokens: Tokens) -> Iterator[tuple[int, int]]:
    batch: list[tuple[torch.Tensor, list[int]]] = []
    for sample in samples:
        batch.append((_tensor(sample["jpg"]), [*tokens.encode(str(sample["txt"])), tokens.end_of_chunk_id]))  # type: ignore[arg-type]
        if len(batch) == 64:
            yield _stacked(batch)
            batch = []
    if batch:
        yield _stacked(batch)


def _stacked(batch: list[tuple[torch.Tensor, list[int]]]) -> tuple[int, int]:
    ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(text) for _, text in batch], batch_first=True)
    images = torch.stack([image for image, _ in batch])
    assert len(ids) == len(images)
    return sum(len(text) for _, text in batch), len(images)


def _page_batches(samples: Iterator[dict[str, object]], tokens: Tokens) -> Iterator[tuple[int, int]]:
    pages: list[tuple[torch.Tensor, torch.Tensor]] = []
    num_tokens = num_images = 0
    for sample in samples:
        document: dict[str, list[str | None]] = sample["json"]  # type: ignore[assignment]
        ids: list[int] = []
        images = []
        for text, name in zip(document["texts"], document["images"], strict=True):
            if name is not None:
                images.append(_tensor(sample[name.split(".", 1)[1]]))  # type: ignore[arg-type]
                ids += [tokens.end_of_chunk_id, tokens.image_id]
            else:
                ids += tokens.encode(text or "")
        ids = ids[:LENGTH]
        kept = min(MAX_IMAGES, ids.count(tokens.image_id))
        slots = torch.zeros(MAX_IMAGES, 3, SIZE, SIZE)
        slots[:kept] = torch.stack(images)[:kept] if kept else slots[:0]
        pages.append((slots, torch.tensor(ids + [0] * (LENGTH - len(ids)))))
        num_tokens, num_images = num_tokens + len(ids), num_images + kept
        if len(pages) == 8:
            torch.stack([slots for slots, _ in pages]), torch.stack([ids for _, ids in pages])
            pages = []
    yield num_tokens, num_images


def _tensor(image: Image.Image) -> torch.Tensor:
    """Resize of the short side, centre crop, float, normalised."""
    scale = SIZE / min(image.size)
    image = image.convert("RGB").resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)  # fmt: skip  # noqa: E501
    left, top = (image.width - SIZE) // 2, (image.height - SIZE) // 2
    pixels = torch.from_numpy(np.array(image.crop((left, top, left + SIZE, top + SIZE))))
    return (pixels.permute(2, 0, 1).float() / 255 - 0.45) / 0.26


def decode_only(folder: Path) -> tuple[int, int]:
    """The ceiling: every JPEG of the shards, at the reduced scale that a loader may use, and resized; nothing else."""
    images = 0
    for tar in sorted((folder / "shards").glob("*.tar")):
        for sample in webdataset.WebDataset(str(tar), shardshuffle=False):
            for name, data in sample.items():
                if name.endswith("jpg"):
                    height, width, _, _ = simplejpeg.decode_jpeg_header(data)
                    scale = SIZE / max(width, height)
                    low = int(width * scale), int(height * scale)
                    pixels = simplejpeg.decode_jpeg(data, "RGB", fastdct=True, min_width=low[0], min_height=low[1])
                    Image.fromarray(pixels).resize(low, Image.Resampling.BILINEAR)
                    images += 1
    return 0, images


def by_peer(folder: Path, kind: str, name: str, python: str) -> float:
    """Images a CPU second of another loader over the same samples in its own environment: no text is tokenised."""
    script = Path(__file__).with_name(f"{name}_run.py")
    done = subprocess.run([python, str(script), str(folder), kind, str(SIZE)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    seconds, images = done.stdout.split()[-2:]
    return int(images) / float(seconds)


def for_energon(folder: Path, kind: str) -> None:
    """What Energon needs beside the shards to open them."""
    counts = json.loads((folder / "shards" / "sizes.json").read_text())
    shards = [ShardInfo(name.removesuffix(".tar"), n, 0, 0, "", 0, "") for name, n in counts.items()]
    write_reader_files(Store(str(folder.parent)), folder.name, shards)
    if kind == "pairs":
        fields = "{image: jpg, caption: txt}"
        sample = "{__module__: megatron.energon, __class__: CaptioningSample}"
        (folder / ".nv-meta" / "dataset.yaml").write_text(f"sample_type: {sample}\nfield_map: {fields}\n")


def memory(folder: Path, tokens: Tokens) -> None:
    """Resident memory after each of ten epochs."""
    config = _config(folder, "interleaved", packed=True)
    loader = Loader(config, tokens)
    print("\nmemory after each epoch, MB:", end=" ")
    for epoch in range(1, 11):
        order = OrderSettings(lanes=4, epochs=epoch)
        again = Loader(LoaderConfig(**{name: getattr(config, name) for name in config.__struct_fields__} | {"order": order}), tokens)  # fmt: skip  # noqa: E501
        again.load_state_dict(loader.state_dict())
        loader = again
        with loader:
            for _ in loader:
                pass
        gc.collect()
        print(round(int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6), end=" ", flush=True)
    print()


def page(number: int, images: list[bytes]) -> tuple[str, list[tuple[str, bytes]]]:
    rng = random.Random(number)
    key, texts, members = f"{number:012d}", list[str | None](), list[tuple[str, bytes]]()
    names: list[str | None] = []
    for _ in range(min(12, 1 + int(rng.expovariate(0.4)))):
        texts += [" ".join(rng.choices(WORDS, k=rng.randint(20, 150))), None]
        name = f"{key}.{len(names) + 1}.jpg"
        names += [None, name]
        members.append((name, rng.choice(images)))
    document = json.dumps({"key": key, "texts": texts, "images": names}).encode()
    return key, [(f"{key}.json", document), *members]


def pair(number: int, images: list[bytes]) -> tuple[str, list[tuple[str, bytes]]]:
    rng = random.Random(number)
    key, text = f"{number:012d}", " ".join(rng.choices(WORDS, k=max(3, round(rng.lognormvariate(2.4, 0.6))))).encode()
    return key, [(f"{key}.jpg", rng.choice(images)), (f"{key}.json", b"{}"), (f"{key}.txt", text)]


def write(folder: Path, samples: list[tuple[str, list[tuple[str, bytes]]]]) -> None:
    (folder / "shards").mkdir(parents=True)
    sizes = {}
    for first in range(0, len(samples), PER_SHARD):
        name, starts = f"{first // PER_SHARD:06d}.tar", []
        with (folder / "shards" / name).open("wb") as file:
            tar = TarWriter(file)
            for _, members in samples[first : first + PER_SHARD]:
                starts.append(tar.size)
                for member in members:
                    tar.add(*member)
            starts.append(tar.size)
            tar.close()
        (folder / "shards" / f"{name}.idx").write_bytes(np.array(starts, "<u8").tobytes())
        sizes[name] = len(starts) - 1
    (folder / "shards" / "sizes.json").write_text(json.dumps(sizes))


def _photos(folder: Path | None) -> list[bytes]:
    """Photographs as they stand in a shard: short side 512 at most, quality 90."""
    sources = sorted(folder.glob("*.jpg")) if folder else []
    return [_stored(Image.open(path)) for path in sources] or [_stored(_made(seed)) for seed in range(40)]


def _made(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 255, (40, 60, 3), np.uint8)).resize((900, 600), Image.Resampling.BICUBIC)
    noise = rng.normal(0, 6, (600, 900, 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def _stored(image: Image.Image) -> bytes:
    scale = min(1.0, 512 / min(image.size))
    file = io.BytesIO()
    image.convert("RGB").resize((round(image.width * scale), round(image.height * scale))).save(
        file, "JPEG", quality=90
    )
    return file.getvalue()


def _tokens() -> Tokens:
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=1000, initial_alphabet=alphabet, special_tokens=["<s>", "</s>"], show_progress=False)  # fmt: skip  # noqa: E501
    tokenizer.train_from_iterator([" ".join(WORDS)], trainer)
    return Tokens(tokenizer, "<s>", "</s>")


def _cpu() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder, *pythons = [*sys.argv[1:], "", "", ""][:3]
    named = {name: python for name, python in zip(("energon", "streaming"), pythons, strict=True) if python}
    main(Path(folder) if folder else None, named)
