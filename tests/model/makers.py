"""Documents, tokenizers and shards of each kind, made in the tests."""

import io
import json
import random
import tarfile
from functools import cache
from pathlib import Path

import numpy as np
import tokenizers
from PIL import Image

from model.data.tokens import Tokens
from schemas.storage import Store
from schemas.tar import TarWriter

WORDS = "the cat sat on a mat while dogs ran past houses and rivers under old trees".split()


@cache
def trained() -> tokenizers.Tokenizer:
    """A byte-level BPE, so that every text has tokens."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=alphabet, special_tokens=["<s>", "</s>"], show_progress=False
    )
    tokenizer.train_from_iterator([" ".join(WORDS)] * 4, trainer)
    return tokenizer


@cache
def some_tokens() -> Tokens:
    return Tokens(trained(), "<s>", "</s>")


def save_tokenizer(folder: Path) -> Path:
    """A model folder as `save_pretrained` leaves it, as far as a tokenizer goes."""
    folder.mkdir(parents=True, exist_ok=True)
    trained().save(str(folder / "tokenizer.json"))
    config = {"bos_token": "<s>", "eos_token": {"content": "</s>", "special": True}}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def photo(seed: int, width: int = 96, height: int = 64, format: str = "JPEG") -> bytes:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (6, 8, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(file, format)
    return file.getvalue()


def prose(rng: random.Random, words: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(words))


Members = list[tuple[str, bytes]]


def page(number: int, images: int = 3, words: int = 40) -> tuple[str, Members]:
    """An interleaved sample: key, and members by full name."""
    rng = random.Random(number)
    key = f"{number:012d}"
    texts: list[str | None] = []
    names: list[str | None] = []
    members: Members = []
    for image in range(images):
        texts += [prose(rng, rng.randint(1, words)), None]
        names += [None, f"{key}.{len(names) + 1}.jpg"]
        members.append((str(names[-1]), photo(number * 10 + image)))
    texts.append(prose(rng, words))
    names.append(None)
    document = {"key": key, "texts": texts, "images": names}
    return key, [(f"{key}.json", json.dumps(document).encode()), *members]


def pair(number: int, words: int = 8) -> tuple[str, Members]:
    """img2dataset's layout."""
    key = f"{number:09d}"
    caption = prose(random.Random(number), words)
    return key, [
        (f"{key}.jpg", photo(number)),
        (f"{key}.json", json.dumps({"caption": caption, "key": key}).encode()),
        (f"{key}.txt", caption.encode()),
    ]


def write_tar(path: Path, samples: list[tuple[str, Members]], index: bool = True) -> Path:
    """A shard as weft writes it, with or without its offset index."""
    path.parent.mkdir(parents=True, exist_ok=True)
    starts = []
    with path.open("wb") as file:
        writer = TarWriter(file)
        for _, members in samples:
            starts.append(writer.size)
            for name, data in members:
                writer.add(name, data)
        starts.append(writer.size)
        writer.close()
    if index:
        Path(f"{path}.idx").write_bytes(np.array(starts, "<u8").tobytes())
    return path


def write_foreign_tar(path: Path, samples: list[tuple[str, Members]], format: int = tarfile.PAX_FORMAT) -> Path:
    """A shard as the tarfile module writes it, without index, in the tar dialect `format`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=format) as tar:
        for _, members in samples:
            for name, data in members:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return path


def write_dataset(folder: Path, samples: list[tuple[str, Members]], per_shard: int = 7) -> Store:
    """A kind's folder: shards, offset indexes, sizes.json."""
    sizes = {}
    for number, start in enumerate(range(0, len(samples), per_shard)):
        name = f"{number:06d}-000.tar"
        sizes[name] = len(samples[start : start + per_shard])
        write_tar(folder / "shards" / name, samples[start : start + per_shard])
    (folder / "shards" / "sizes.json").write_text(json.dumps(sizes))
    return Store(str(folder))
