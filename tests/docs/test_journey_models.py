"""The files of the trainer's journey as they stand, with small models of the same families and made datasets."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from model.evaluation.config import EvaluateConfig
from model.evaluation.harness import evaluate
from model.evaluation.loaded import load_model
from model.training.config import TrainConfig
from model.training.loop import train
from schemas.settings import Settings, load_settings
from tests.model.evaluation.public import MAKERS
from tests.model.makers import page, pair, save_tokenizer, some_tokens, write_dataset

DOCS = Path(__file__).parents[2] / "docs"
SIZES = {
    "hidden_size": 32, "ffn_dim": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "word_embed_proj_dim": 32, "max_position_embeddings": 512, "image_size": 28, "patch_size": 14,
}  # fmt: skip
SMALLER = [
    "parallel={device: cpu, threads: 1}", "model.connector={layers: 1, latents: 2, heads: 2, head_dim: 8, dim: 32}",
    "data.order.lanes=2", "data.read.workers=1", "data.packing={row_tokens: 64}", "data.sequence.max_tokens=64",
    "log={every_steps: 1, tensorboard: false}", "held_out={every_steps: 0, batches: 1}", "steps=1",
]  # fmt: skip


def blocks(page: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)


def read(text: str, kind: type[Settings], *overrides: str) -> Any:
    return load_settings(kind, text, overrides)


@pytest.mark.parametrize("page", ["training.md", "finetuning.md", "evaluation.md", "journey-training.md"])
def test_the_files_in_the_pages_can_be_read(page: str) -> None:
    read_files = 0
    for text in blocks(page):
        if "output:" in text or "tasks:" in text:
            read(text, EvaluateConfig if "tasks:" in text else TrainConfig)
            read_files += 1
    assert read_files


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the files name: models, shards, datasets."""
    import transformers

    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    lm = transformers.OPTConfig(**SIZES, vocab_size=some_tokens().base_size)
    transformers.OPTForCausalLM(lm).save_pretrained(tmp_path / "models/opt-1.3b")
    save_tokenizer(tmp_path / "models/opt-1.3b")
    vision = transformers.CLIPVisionConfig(**SIZES)
    transformers.CLIPVisionModel(vision).save_pretrained(tmp_path / "models/clip-vit-large-patch14")
    write_dataset(tmp_path / "dataset/interleaved", [page(n, images=2, words=8) for n in range(12)])
    write_dataset(tmp_path / "dataset/pairs", [pair(n, words=5) for n in range(24)])
    for name in ("coco", "vqav2", "hateful_memes"):
        MAKERS[name](tmp_path / "data" / name)
    return tmp_path


def test_from_shards_to_scores_and_a_task_of_its_own(here: Path) -> None:
    first, tasks, tuned = (
        text.replace("/models/", "models/").replace("/data/", f"{here}/data/") for text in blocks("journey-training.md")
    )
    small = [*SMALLER, "data.images.size_px=28"]
    train(read(first, TrainConfig, *small), on_message=lambda text: None)
    asked = read(tasks, EvaluateConfig, "beams=1", "device=cpu", "shots=[0, 2]")
    scores = list(evaluate(load_model("runs/first", "cpu"), asked))
    assert [(score.task, score.metric, score.shots) for score in scores] == [
        (task, metric, shots)
        for task, metric in (("COCO", "cider"), ("VQAv2", "vqa"), ("HatefulMemes", "roc_auc"))
        for shots in (0, 2)
    ]
    larger = [*SMALLER, "data.images.size_px=56", "model.vision.size_px=56"]
    train(read(tuned, TrainConfig, *larger), on_message=lambda text: None)
    by_looks = read(tasks, EvaluateConfig, "beams=1", "device=cpu", "shots=[2]", "examples=rices", "keep_features=kept")
    assert len(list(evaluate(load_model("runs/vqa", "cpu"), by_looks))) == 3
    assert list((here / "kept").glob("*/rows.f16"))
