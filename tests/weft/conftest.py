from pathlib import Path

import pytest

from tests.weft.makers import make_dataset


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """13 pages in four shards and 20 pairs in two; not to be written to."""
    return make_dataset(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a run of two steps; not to be written to."""
    import torch

    from model.training.loop import train
    from tests.model.training.makers import micro, write_data

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("checkpoint")
    write_data(folder)
    train(micro(folder, folder / "run", steps=2), on_message=lambda text: None)
    return folder / "run"
