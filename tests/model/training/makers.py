"""A run of the smallest size: a random language model of two layers, pages and pairs of the loader's tests."""

from pathlib import Path
from typing import Any

import msgspec

from model.data.config import DatasetSettings, LoaderConfig, OrderSettings, ReadSettings
from model.data.images import ImageSettings
from model.data.packing import PackingSettings
from model.data.sequences import SequenceSettings
from model.network.config import (
    ConnectorSettings,
    CrossAttentionSettings,
    FlamingoConfig,
    LanguageSettings,
    VisionSettings,
)
from model.training.config import (
    CheckpointSettings,
    HeldOutSettings,
    LogSettings,
    OptimiserSettings,
    ParallelSettings,
    TrainConfig,
)
from tests.model.makers import page, pair, save_tokenizer, some_tokens, write_dataset

LLAMA = {
    "model_type": "llama",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 128,
    "tie_word_embeddings": True,
    "initializer_range": 0.1,
}


def write_data(folder: Path) -> None:
    """`pages`, `pairs` and `tokenizer` below the folder."""
    write_dataset(folder / "pages", [page(n, images=2, words=8) for n in range(24)])
    write_dataset(folder / "pairs", [pair(n, words=5) for n in range(30)])
    save_tokenizer(folder / "tokenizer")


def micro(data: Path, output: Path, **changes: Any) -> TrainConfig:
    datasets = (
        DatasetSettings("pages", str(data / "pages"), batch_rows=2),
        DatasetSettings("pairs", str(data / "pairs"), "pairs", weight=0.2, batch_rows=2),
    )
    config = TrainConfig(
        output=str(output),
        steps=6,
        model=FlamingoConfig(
            lm=LanguageSettings(config={**LLAMA, "vocab_size": some_tokens().base_size}),
            vision=VisionSettings(image_px=16, patch_px=8, dim=48),
            connector=ConnectorSettings(layers=1, latents=3, heads=2, head_dim=16),
            cross_attention=CrossAttentionSettings(every=1, ff_mult=2),
            init_std=None,
        ),
        data=LoaderConfig(
            tokenizer=str(data / "tokenizer"),
            datasets=datasets,
            order=OrderSettings(lanes=4),
            sequence=SequenceSettings(max_tokens=48),
            packing=PackingSettings(row_tokens=48, open_rows=3),
            images=ImageSettings(size_px=16),
            read=ReadSettings(workers=1, prefetch_rows=2),
        ),
        held_out=HeldOutSettings(every_steps=0, batches=1),
        optimiser=OptimiserSettings(learning_rate=3e-3, warmup_steps=2),
        parallel=ParallelSettings(device="cpu", threads=1),
        checkpoint=CheckpointSettings(every_steps=2),
        log=LogSettings(every_steps=1, tensorboard=False),
    )
    return msgspec.structs.replace(config, **changes)
