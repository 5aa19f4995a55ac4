from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from model.evaluation.loaded import LoadedModel, load_model
from model.training.checkpoints import WEIGHTS, find_checkpoint
from model.training.loop import train
from tests.model.training.makers import micro, write_data


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps, its gates opened, as after many: pictures change what it says."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("exported")
    write_data(folder)
    train(micro(folder, folder / "run", steps=2), on_message=lambda text: None)
    weights = Path(find_checkpoint(folder / "run")) / WEIGHTS
    opened = {name: value + 2 * name.endswith("_gate") for name, value in load_file(weights).items()}
    save_file(opened, weights)
    return folder / "run"


@pytest.fixture(scope="session")
def loaded(run: Path) -> LoadedModel:
    return load_model(str(run), "cpu")
