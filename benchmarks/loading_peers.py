"""The ways that the loader is compared with: a pipeline of webdataset, other loaders, and decoding alone."""

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import simplejpeg
import torch
import webdataset
from PIL import Image

from model.data.tokens import Tokens
from schemas.dataset import write_reader_files
from schemas.shards import ShardInfo
from schemas.storage import Store

SIZE, LENGTH, MAX_IMAGES = 224, 256, 5


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


def decode_only(folder: Path, threads: int = 1) -> tuple[int, int]:
    """The ceiling: every JPEG of the shards, at the reduced scale that a loader may use, and resized; nothing else."""
    with ThreadPoolExecutor(threads) as pool:
        return 0, sum(pool.map(_decoded, sorted((folder / "shards").glob("*.tar"))))


def _decoded(tar: Path) -> int:
    images = 0
    for sample in webdataset.WebDataset(str(tar), shardshuffle=False):
        for name, data in sample.items():
            if name.endswith("jpg"):
                height, width, _, _ = simplejpeg.decode_jpeg_header(data)
                scale = SIZE / max(width, height)
                low = int(width * scale), int(height * scale)
                pixels = simplejpeg.decode_jpeg(data, "RGB", fastdct=True, min_width=low[0], min_height=low[1])
                Image.fromarray(pixels).resize(low, Image.Resampling.BILINEAR)
                images += 1
    return images


def texts_of(folder: Path) -> list[str]:
    """Every text of the shards."""
    found: list[str] = []
    for tar in sorted((folder / "shards").glob("*.tar")):
        for sample in webdataset.WebDataset(str(tar), shardshuffle=False):
            texts = [sample["txt"].decode()] if "txt" in sample else json.loads(sample["json"])["texts"]
            found += [text for text in texts if text]
    return found


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
