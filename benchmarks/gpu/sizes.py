"""The models and batches that are measured.

Shapes: B rows, T tokens a row, N images a row.
"""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import torch

from model.data.batch import Batch
from model.network.config import (
    ConnectorSettings,
    CrossAttentionSettings,
    FlamingoConfig,
    LanguageSettings,
    VisionSettings,
)
from model.network.flamingo import Flamingo
from model.network.vision.encoder import Encoder


@dataclass(frozen=True)
class Shape:
    """Rows of documents packed end to end; each document has so many images."""

    rows: int
    tokens: int
    documents: tuple[int, ...]  # images of each document of a row

    @property
    def images(self) -> int:
        return sum(self.documents)

    def __str__(self) -> str:
        return f"{self.rows} x {self.tokens}, {self.images} images"


@dataclass(frozen=True)
class Size:
    name: str
    model: FlamingoConfig
    shapes: tuple[Shape, ...]
    calls: int  # of what is timed, in each of three rounds
    steps: int  # of the run that reads shards


def _lm(width: int, layers: int, heads: int, kv_heads: int, inner: int, vocabulary: int) -> dict[str, Any]:
    return {
        "model_type": "llama",
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "intermediate_size": inner,
        "vocab_size": vocabulary,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": None,
    }


def _vit(width: int, layers: int, heads: int, px: int, patch: int) -> dict[str, Any]:
    return {
        "model_type": "clip_vision_model",
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": 4 * width,
        "image_size": px,
        "patch_size": patch,
    }


#: A Llama of 1.07 billion weights (the layers of Llama 3.2 1B, the vocabulary of GPT-NeoX), a ViT-L/14, random weights.
FULL = Size(
    "1B",
    FlamingoConfig(
        lm=LanguageSettings(config=_lm(2048, 16, 32, 8, 8192, 50_304), dtype="bfloat16"),
        vision=VisionSettings(kind="transformers", config=_vit(1024, 24, 16, 224, 14), dtype="bfloat16"),
        connector=ConnectorSettings(dim=1024, heads=16, head_dim=64),
        cross_attention=CrossAttentionSettings(every=4),
    ),
    (Shape(32, 256, (2, 2, 1)), Shape(4, 2048, (8, 16, 8))),
    calls=8,
    steps=40,
)
#: The same in small, for a CPU.
TINY = Size(
    "tiny",
    FlamingoConfig(
        lm=LanguageSettings(config=_lm(32, 2, 4, 2, 64, 500)),
        vision=VisionSettings(kind="transformers", config=_vit(32, 2, 2, 16, 8)),
        connector=ConnectorSettings(layers=1, latents=4, heads=2, head_dim=16),
        cross_attention=CrossAttentionSettings(every=1),
    ),
    (Shape(2, 32, (1, 1)), Shape(1, 64, (2, 2))),
    calls=1,
    steps=3,
)


def build(size: Size, device: torch.device, encoder: Encoder | None = None, **changes: Any) -> Flamingo:
    """With its gates opened: a gate of 0 would hide what the blocks compute. `encoder` stands for that of the size."""
    torch.manual_seed(0)
    config = msgspec.structs.replace(size.model, **changes)
    with torch.device(device):
        model = Flamingo.build(config, new_ids(size), vision=encoder)
    model.to(device)
    with torch.no_grad():
        for block in model.gated_blocks():
            block.attention_gate.fill_(0.5)
            block.feed_forward_gate.fill_(0.5)
    return model


def new_ids(size: Size) -> tuple[int, int]:
    assert size.model.lm.config is not None
    vocabulary: int = size.model.lm.config["vocab_size"]
    return vocabulary, vocabulary + 1


def made_batch(size: Size, shape: Shape, seed: int = 0) -> Batch:
    """Full rows; the documents of a row have lengths as their images, drawn a little apart."""
    rng = np.random.default_rng(seed)
    document, index = (np.full((shape.rows, shape.tokens), -1) for _ in range(2))
    position = np.zeros((shape.rows, shape.tokens), np.int64)
    images = documents = 0
    for row in range(shape.rows):
        shares = np.array(shape.documents) * rng.uniform(0.8, 1.2, len(shape.documents))
        ends = np.round(np.cumsum(shares) / shares.sum() * shape.tokens).astype(int)
        for start, end, own in zip([0, *ends[:-1]], ends, shape.documents, strict=True):
            length = end - start
            # A few words stand before the first image.
            places = np.sort(rng.choice(np.arange(2, length), own, replace=False))
            within = np.searchsorted(places, np.arange(length), "right") - 1
            document[row, start:end], position[row, start:end] = documents, np.arange(length)
            index[row, start:end] = np.where(within < 0, -1, within + images)
            documents, images = documents + 1, images + own
    assert size.model.lm.config is not None
    assert size.model.vision.config is not None
    px = size.model.vision.config["image_size"]
    tokens = rng.integers(0, size.model.lm.config["vocab_size"], document.shape)
    frames = rng.integers(0, 256, (images, px, px, 3), np.uint8)
    return Batch(
        tokens_BT=torch.from_numpy(tokens),
        document_BT=torch.from_numpy(document).int(),
        position_BT=torch.from_numpy(position),
        media_index_BT=torch.from_numpy(index).int(),
        loss_weight_BT=torch.from_numpy(position > 0).float(),
        frames_FCHW=torch.from_numpy(frames).permute(0, 3, 1, 2),
        frame_offsets_M1=torch.arange(images + 1, dtype=torch.int32),
        source_D=torch.zeros(documents, dtype=torch.int64),
        keys=tuple(str(n) for n in range(documents)),
        sources=("made",),
    )
