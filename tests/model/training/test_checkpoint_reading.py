"""What stands in a checkpoint is read, and not run."""

import io
import json
import os
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import torch
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_saver import save as save_distributed

from model.training.checkpoint_reading import METADATA, Planner, Reader
from model.training.checkpoints import CheckpointError, find_checkpoint
from model.training.loop import train
from schemas.settings import SettingsError
from tests.model.training.makers import micro


class Harm:
    """Unpickled, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def test_a_run_does_not_go_on_from_a_checkpoint_that_names_functions(data: Path, tmp_path: Path) -> None:
    config = msgspec.structs.replace(micro(data, tmp_path / "run"), steps=2)
    train(config, lambda step, values: None, lambda text: None)
    metadata = Path(find_checkpoint(tmp_path / "run")) / METADATA
    metadata.write_bytes(pickle.dumps(Harm(tmp_path / "made")))
    with pytest.raises(CheckpointError, match=r"mkdir.*describes no tensor"):
        train(msgspec.structs.replace(config, steps=4), lambda step, values: None, lambda text: None)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("value", [{"a": 1}, [torch.Size([3])], pickle.Pickler])
def test_contents_that_are_none_are_refused(tmp_path: Path, value: Any) -> None:
    (tmp_path / METADATA).write_bytes(pickle.dumps(value))
    with pytest.raises(pickle.UnpicklingError):
        Reader(tmp_path).read_metadata()


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.complex64])
def test_tensors_of_all_types_are_described(tmp_path: Path, dtype: torch.dtype) -> None:
    save_distributed({"weight": torch.zeros(2, 3).to(dtype)}, checkpoint_id=tmp_path, no_dist=True)
    found = Reader(tmp_path).read_metadata().state_dict_metadata["weight"]
    assert isinstance(found, TensorStorageMetadata)
    assert (found.properties.dtype, found.size) == (dtype, torch.Size([2, 3]))


def test_what_is_no_tensor_is_plain_data_or_refused(tmp_path: Path) -> None:
    planner, item = Planner(flatten_state_dict=False), SimpleNamespace(dest_index=SimpleNamespace(fqn="betas"))
    planner.state_dict = {}
    planner.load_bytes(item, saved((0.9, 0.95)))  # type: ignore[arg-type]
    assert planner.state_dict == {"betas": (0.9, 0.95)}
    with pytest.raises(pickle.UnpicklingError):
        planner.load_bytes(item, saved(Harm(tmp_path / "made")))  # type: ignore[arg-type]
    assert not (tmp_path / "made").exists()


def saved(value: Any) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return file


@pytest.mark.parametrize("damaged", ["", "[]", "{}", '{"loader": {}, "random": {}}'])
def test_a_damaged_state_of_a_process_is_one_line(data: Path, tmp_path: Path, damaged: str) -> None:
    config = msgspec.structs.replace(micro(data, tmp_path / "run"), steps=2)
    train(config, on_message=lambda text: None)
    Path(find_checkpoint(tmp_path / "run"), "process-00000.json").write_text(damaged)
    with pytest.raises(CheckpointError, match="step-00000002 cannot be read"):
        train(msgspec.structs.replace(config, steps=4), on_message=lambda text: None)


@pytest.mark.parametrize("number", ["processes", "tensor"])
def test_a_mark_of_no_processes_is_one_line(data: Path, tmp_path: Path, number: str) -> None:
    config = msgspec.structs.replace(micro(data, tmp_path / "run"), steps=2)
    train(config, on_message=lambda text: None)
    mark = Path(find_checkpoint(tmp_path / "run"), "checkpoint.json")
    mark.write_text(json.dumps({**json.loads(mark.read_text()), number: 0}))
    with pytest.raises(CheckpointError, match="step-00000002 cannot be read"):
        train(msgspec.structs.replace(config, steps=4), on_message=lambda text: None)


@pytest.mark.parametrize("size", [0, 40])
def test_a_cut_table_of_contents_is_one_line_that_says_what_can_be_done(
    data: Path, tmp_path: Path, size: int, capfd: pytest.CaptureFixture[str]
) -> None:
    config = msgspec.structs.replace(micro(data, tmp_path / "run"), steps=4)
    train(config, on_message=lambda text: None)
    path = Path(find_checkpoint(tmp_path / "run"), METADATA)
    path.write_bytes(path.read_bytes()[:size])
    capfd.readouterr()
    with pytest.raises(CheckpointError, match=r"step-00000004 cannot be read: .*the run goes on after step 2$"):
        train(msgspec.structs.replace(config, steps=6), on_message=lambda text: None)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("damaged", [b"", b"\xff\xfe", b"output: [", b"output: x\nsteps: 1\nnew: 1\n"])
def test_damaged_settings_of_a_run_are_told_by_their_file(data: Path, tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / "settings.yaml").write_bytes(damaged)
    with pytest.raises(SettingsError, match=r"settings\.yaml is none of this weft, or damaged"):
        train(micro(data, tmp_path), on_message=lambda text: None)
