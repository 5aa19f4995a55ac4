from pathlib import Path

import pytest
import torch

from model.data.config import DatasetSettings
from model.data.tokens import load_tokens
from model.network.config import LanguageSettings
from model.network.language import load_language_model
from model.training.config import TextModelSettings
from model.training.text_model import make_text_model
from schemas.settings import SettingsError


def test_a_text_model_learns_and_loads_as_any_other(data: Path, tmp_path: Path) -> None:
    settings = TextModelSettings(
        folder=str(tmp_path / "lm"), vocabulary=300, width=32, layers=1, heads=2, steps=60, rows=4, row_tokens=32
    )
    losses: list[float] = []
    datasets = [DatasetSettings("pages", str(data / "pages")), DatasetSettings("pairs", str(data / "pairs"), "pairs")]
    assert make_text_model(settings, datasets, lambda step, loss: losses.append(loss))
    assert len(losses) == 60
    assert losses[-1] < losses[0] - 0.5
    assert not make_text_model(settings, datasets)
    tokens = load_tokens(settings.folder)
    assert tokens.base_size <= 300
    assert tokens.decode(tokens.encode("the cat: \u00e4\u6f22\U0001f600")) == "the cat: \u00e4\u6f22\U0001f600"
    model = load_language_model(LanguageSettings(path=settings.folder))
    logits = model(input_ids=torch.tensor([tokens.encode("the cat")])).logits
    assert logits.shape[-1] == tokens.base_size
    assert not list(tmp_path.glob(".*"))


def test_too_little_text_is_told(data: Path, tmp_path: Path) -> None:
    settings = TextModelSettings(folder=str(tmp_path / "lm"), row_tokens=100_000)
    with pytest.raises(SettingsError, match="tokens, too few"):
        make_text_model(settings, [DatasetSettings("pairs", str(data / "pairs"), "pairs")])
    assert not (tmp_path / "lm").exists()
