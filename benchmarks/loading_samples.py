"""Made-up samples on which loaders are compared: pairs and pages in shards, of photographs, and a small tokenizer."""

import io
import json
import random
from pathlib import Path

import numpy as np
import tokenizers
from PIL import Image

from model.data.tokens import Tokens
from schemas.tar import TarWriter

PER_SHARD = 40
WORDS = (
    "the of and a to in is was he for it with as his on be at by had not are but from or have they which one".split()
)


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


def write(folder: Path, samples: list[tuple[str, list[tuple[str, bytes]]]], per_shard: int = PER_SHARD) -> None:
    (folder / "shards").mkdir(parents=True)
    sizes = {}
    for first in range(0, len(samples), per_shard):
        name, starts = f"{first // per_shard:06d}.tar", []
        with (folder / "shards" / name).open("wb") as file:
            tar = TarWriter(file)
            for _, members in samples[first : first + per_shard]:
                starts.append(tar.size)
                for member in members:
                    tar.add(*member)
            starts.append(tar.size)
            tar.close()
        (folder / "shards" / f"{name}.idx").write_bytes(np.array(starts, "<u8").tobytes())
        sizes[name] = len(starts) - 1
    (folder / "shards" / "sizes.json").write_text(json.dumps(sizes))


def photographs(folder: Path | None) -> list[bytes]:
    """Photographs as they stand in a shard: short side 512 at most, quality 90."""
    sources = sorted(folder.glob("*.jpg")) if folder else []
    return [_stored(Image.open(path)) for path in sources] or [_stored(made_photograph(seed)) for seed in range(40)]


def made_photograph(seed: int) -> Image.Image:
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


def tokens_of_words() -> Tokens:
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=1000, initial_alphabet=alphabet, special_tokens=["<s>", "</s>"], show_progress=False)  # fmt: skip  # noqa: E501
    tokenizer.train_from_iterator([" ".join(WORDS)], trainer)
    return Tokens(tokenizer, "<s>", "</s>")
