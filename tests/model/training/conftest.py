from pathlib import Path

import pytest
import torch

from tests.model.training.makers import write_data


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("training-data")
    write_data(folder)
    return folder
