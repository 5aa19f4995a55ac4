"""`weft train CONFIG -o DIR`: all that a run makes lies in DIR."""

from pathlib import Path

import msgspec
import pytest

from jobs.training.config import load_train_config
from schemas.settings import SettingsError


@pytest.mark.parametrize("output", ["elsewhere/run", "/tmp/run/"])
def test_what_the_file_has_in_its_output_goes_with_it(output: str) -> None:
    config = load_train_config("tiny", ["steps=3"], output)
    place = output.rstrip("/")
    assert config.steps == 3
    assert config.output.rstrip("/") == place
    assert config.text_model is not None
    assert (config.text_model.folder, config.model.lm.path) == (f"{place}/lm", f"{place}/lm")
    assert all(str(one.shards).startswith(f"{place}/shapes/") for one in config.data.datasets)
    assert b"tiny-out" not in msgspec.json.encode(config)


def test_what_the_call_names_itself_stays() -> None:
    config = load_train_config("tiny", ["model.lm.path=tiny-out/lm"], "elsewhere")
    assert config.model.lm.path == "tiny-out/lm"
    assert config.output == "elsewhere"


def test_names_that_only_begin_alike_stay(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("extends: tiny\ntext_model: {folder: tiny-output/lm}\n")
    config = load_train_config(str(tmp_path / "mine.yaml"), [], "elsewhere")
    assert config.text_model is not None
    assert config.text_model.folder == "tiny-output/lm"


def test_a_file_that_the_call_completes(tmp_path: Path) -> None:
    (tmp_path / "bare.yaml").write_text("shapes: {size_px: 64}\n")
    with pytest.raises(SettingsError, match="folder"):
        load_train_config(str(tmp_path / "bare.yaml"), [], "elsewhere")
    config = load_train_config(str(tmp_path / "bare.yaml"), ["shapes.folder=/data"], "elsewhere")
    assert config.shapes is not None
    assert (config.shapes.folder, config.output) == ("/data", "elsewhere")
