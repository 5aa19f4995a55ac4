"""Checkpoints are written while training goes on, and are what they would have been."""

import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import fsspec
import msgspec
import pytest
import torch
from safetensors.torch import load_file
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Shard
from torch.distributed.tensor._dtensor_spec import DTensorSpec, TensorMeta

from model.evaluation.loaded import load_model
from model.training import saving
from model.training import step as stepping
from model.training.checkpoint_files import write_tensors
from model.training.checkpoints import CheckpointError, find_checkpoint, read_weights, steps_saved
from model.training.config import CheckpointSettings, LogSettings, TrainConfig
from model.training.loop import Ended, train
from model.training.parallel import Processes
from model.training.records import read_metrics
from model.training.staging import Staging
from schemas.settings import SettingsError
from schemas.storage import Store
from tests.model.training.makers import micro

REMOTE = "memory://runs/one"


def quiet(config: TrainConfig, on_metrics: Any = lambda step, values: None) -> Ended:
    return train(config, on_metrics, lambda text: None)


def losses(output: str | Path) -> list[tuple[int, float, float]]:
    rows = [row for row in read_metrics(str(output)) if "grad_norm" in row]
    return [(row["step"], row["loss/pages"], row["grad_norm"]) for row in rows]


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("undisturbed")
    quiet(micro(data, output, checkpoint=CheckpointSettings(every_steps=2, asynchronous=False)))
    return output


@pytest.fixture
def remote() -> Iterator[str]:
    yield REMOTE
    fsspec.filesystem("memory").store.clear()


def remote_run(data: Path, folder: Path, **changes: Any) -> TrainConfig:
    log = LogSettings(every_steps=1, tensorboard=False, folder=str(folder / "log"))
    return msgspec.structs.replace(micro(data, folder), output=REMOTE, log=log, **changes)


def test_steps_go_on_while_a_checkpoint_is_written(
    undisturbed: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write of step 2 waits for step 4: were it waited for, nothing would ever go on."""
    reached, write = threading.Event(), saving.write_tensors
    saved_at: dict[int, list[int]] = {}

    def waiting(*arguments: Any) -> None:
        assert reached.wait(60)
        write(*arguments)

    def on_metrics(step: int, values: Mapping[str, float]) -> None:
        saved_at[step] = steps_saved(str(tmp_path))
        if step == 4:
            reached.set()

    monkeypatch.setattr(saving, "write_tensors", waiting)
    assert quiet(micro(data, tmp_path), on_metrics).finished
    assert saved_at[3] == saved_at[4] == []
    assert steps_saved(str(tmp_path)) == [2, 4, 6]
    for step in (2, 4, 6):
        there, mine = (read_weights(f"{run}/checkpoints/step-{step:08d}") for run in (undisturbed, tmp_path))
        assert all(torch.equal(value, mine[name]) for name, value in there.items())
    shutil.rmtree(tmp_path / "checkpoints" / "step-00000006")
    shutil.rmtree(tmp_path / "checkpoints" / "step-00000004")
    quiet(micro(data, tmp_path))
    assert losses(tmp_path) == losses(undisturbed)


def test_gradients_are_computed_while_the_state_is_copied_and_an_update_waits_for_it(
    undisturbed: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy of step 2 begins when the gradients of step 3 are there: waited for before, nothing would go on."""
    computed, copy, norm_of = threading.Event(), Staging.copy, stepping.gradient_norm

    def late(staging: Staging, state: Any) -> Any:
        assert computed.wait(60)
        time.sleep(0.3)  # an update that did not wait would be in the copy
        return copy(staging, state)

    def gradient_norm(*arguments: Any) -> torch.Tensor:
        if any(thread.name == saving.THREAD for thread in threading.enumerate()):
            computed.set()
        return norm_of(*arguments)

    monkeypatch.setattr(Staging, "copy", late)
    monkeypatch.setattr(stepping, "gradient_norm", gradient_norm)
    assert quiet(micro(data, tmp_path, checkpoint=CheckpointSettings(every_steps=2), steps=3)).finished
    there, mine = (read_weights(f"{run}/checkpoints/step-00000002") for run in (undisturbed, tmp_path))
    assert all(torch.equal(value, mine[name]) for name, value in there.items())


def test_a_state_that_cannot_be_copied_costs_a_checkpoint_and_no_step(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, told = Staging.copy, list[str]()

    def once(staging: Staging, state: Any) -> Any:
        if not told:
            told.append("")
            raise RuntimeError("no memory is left")
        return copy(staging, state)

    monkeypatch.setattr(Staging, "copy", once)
    settings = CheckpointSettings(every_steps=2)
    assert train(micro(data, tmp_path, checkpoint=settings), lambda step, values: None, told.append).finished
    assert steps_saved(str(tmp_path)) == [4, 6]
    assert sum("no memory is left" in text for text in told) == 1


def test_a_state_that_one_process_cannot_copy_is_written_by_none(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are told: those that waited to write would have met this one at the next checkpoint, a save behind."""
    gather, told = Processes.gather, list[Any]()

    def failing(staging: Staging, state: Any) -> Any:
        raise RuntimeError("no memory is left")

    def gathered(processes: Processes, value: Any) -> list[Any]:
        told.append(value)
        return gather(processes, value)

    monkeypatch.setattr(Staging, "copy", failing)
    monkeypatch.setattr(Processes, "gather", gathered)
    with pytest.raises(CheckpointError, match="no memory is left"):
        quiet(micro(data, tmp_path, steps=1))
    assert "RuntimeError: no memory is left" in told


def test_memory_that_is_not_to_be_had_is_told_by_the_copy_alone(capsys: pytest.CaptureFixture[str]) -> None:
    staging, huge = Staging(), torch.empty(1 << 56, device="meta")
    staging.prepare([torch.zeros(2), huge], 1)
    assert torch.equal(staging.copy({"a": torch.ones(2)})["a"], torch.ones(2))
    assert capsys.readouterr().err == ""
    with pytest.raises(RuntimeError, match="memory"):
        staging.copy(huge)


def test_no_thread_of_a_run_that_fails_is_left(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In torch when the interpreter ends it would take the process with it, by SIGABRT."""
    taking = threading.Event()

    def slow(*arguments: Any) -> torch.Tensor:
        taking.set()
        time.sleep(0.05)
        return torch.zeros(2)

    def on_metrics(step: int, values: Mapping[str, float]) -> None:
        assert taking.wait(10)
        raise RuntimeError("stop")

    monkeypatch.setattr("model.training.staging._memory", slow)
    before = set(threading.enumerate())
    with pytest.raises(RuntimeError, match="stop"):
        quiet(micro(data, tmp_path), on_metrics)
    assert set(threading.enumerate()) == before


def test_a_step_waits_for_a_checkpoint_if_it_is_asked_to(data: Path, tmp_path: Path) -> None:
    saved_at: dict[int, list[int]] = {}
    settings = CheckpointSettings(every_steps=1, asynchronous=False)
    quiet(
        micro(data, tmp_path, steps=3, checkpoint=settings),
        lambda step, values: saved_at.setdefault(step, steps_saved(str(tmp_path))),
    )
    assert [saved_at[step] for step in (2, 3)] == [[1], [1, 2]]


def test_a_run_that_fails_still_writes_what_it_began(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = saving.write_tensors

    def slow(*arguments: Any) -> None:
        time.sleep(0.5)
        write(*arguments)

    def on_metrics(step: int, values: Mapping[str, float]) -> None:
        if step == 3:
            raise RuntimeError("stop")

    monkeypatch.setattr(saving, "write_tensors", slow)
    with pytest.raises(RuntimeError, match="stop"):
        quiet(micro(data, tmp_path), on_metrics)
    assert steps_saved(str(tmp_path)) == [2]


def test_a_copy_takes_the_memory_of_the_one_before() -> None:
    staging, weight = Staging(), torch.arange(6.0)
    first = staging.copy({"a": weight, "b": [1, "two"]})
    weight += 1
    assert torch.equal(first["a"], torch.arange(6.0))
    assert first["b"] == [1, "two"]
    second = staging.copy({"a": weight, "b": [1, "two"]})
    assert second["a"].data_ptr() == first["a"].data_ptr()
    assert torch.equal(second["a"], weight)
    assert staging.copy({"a": weight[:2]})["a"].tolist() == [1, 2]


def test_a_copy_of_a_share_lies_in_the_memory_that_was_taken_for_it() -> None:
    """The mesh is of another device, as of GPUs; nothing of it is there to be asked."""
    mesh = DeviceMesh("meta", torch.arange(2), _init_backend=False, _rank=0)
    spec = DTensorSpec(mesh, (Shard(0),), TensorMeta(torch.Size((4, 3)), (3, 1), torch.float32))
    share: Any = DTensor(torch.arange(6.0).reshape(2, 3), spec, requires_grad=False)
    copied = Staging().copy({"a": share})["a"]
    assert copied.to_local().device.type == "cpu"
    assert copied.shape == (4, 3)
    assert torch.equal(copied.to_local(), share.to_local())


def test_tensors_of_all_types_are_written_one_by_one(tmp_path: Path) -> None:
    types = (torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.int64, torch.uint8, torch.bool)
    tensors = {f"of.{dtype}": torch.arange(6).reshape(2, 3).to(dtype) for dtype in types}
    tensors |= {"turned": torch.rand(3, 2).T, "scalar": torch.tensor(2.5), "empty": torch.empty(0, 4)}
    write_tensors(Store(str(tmp_path)), "all.safetensors", iter(tensors.values()), tensors)
    found = load_file(tmp_path / "all.safetensors")
    assert set(found) == set(tensors)
    assert all(found[name].dtype == value.dtype and torch.equal(found[name], value) for name, value in tensors.items())


def test_each_step_is_measured_once_however_often_a_run_is_started(data: Path, tmp_path: Path) -> None:
    config, told = micro(data, tmp_path, steps=2), list[int]()

    def measured() -> list[int]:
        return [row["step"] for row in read_metrics(str(tmp_path)) if "trained_on/pages/loss" in row]

    def killed(step: int, values: Mapping[str, float]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quiet(config, killed)
    assert measured() == [0]
    first = quiet(config)
    assert measured() == [0, 2]
    again = quiet(config, lambda step, values: told.append(step))
    assert (measured(), told, again.measured) == ([0, 2], [], first.measured)
    others = msgspec.structs.replace(config.held_out, batches=2)
    quiet(msgspec.structs.replace(config, held_out=others))
    assert measured() == [0, 2, 2]
    quiet(msgspec.structs.replace(config, output=str(tmp_path), steps=3))
    assert measured() == [0, 2, 2, 3]


def test_an_output_that_is_a_url_is_a_run_like_any_other(
    undisturbed: Path, data: Path, tmp_path: Path, remote: str
) -> None:
    config = remote_run(data, tmp_path, checkpoint=CheckpointSettings(every_steps=2, keep_latest=2))
    assert not quiet(msgspec.structs.replace(config, steps=4)).stopped_by
    assert steps_saved(remote) == [2, 4]
    # Half of a checkpoint, as a kill leaves it; and the machine is another one.
    files = fsspec.filesystem("memory")
    files.cp("/runs/one/checkpoints/step-00000004", "/runs/one/checkpoints/step-00000005", recursive=True)
    files.rm("/runs/one/checkpoints/step-00000005/checkpoint.json")
    shutil.rmtree(tmp_path / "log")
    assert quiet(config).finished
    assert steps_saved(remote) == [4, 6]
    assert sorted(Store(remote).list("checkpoints")) == ["step-00000004", "step-00000006"]
    assert losses(remote) == losses(undisturbed)
    assert find_checkpoint(remote) == f"{remote}/checkpoints/step-00000006"
    weights = read_weights(find_checkpoint(undisturbed))
    found = load_model(remote, "cpu")
    assert all(torch.equal(value, weights[name]) for name, value in found.model.trainable_state_dict().items())
    assert found.checkpoint == find_checkpoint(remote)
    with pytest.raises(SettingsError, match="other settings: seed"):
        quiet(msgspec.structs.replace(config, seed=3))


def test_a_storage_that_fails_costs_one_checkpoint_and_leaves_none_that_counts(
    data: Path, tmp_path: Path, remote: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = Store.put

    def broken(self: Store, name: str, value: bytes) -> None:
        if name == "checkpoint.json" and lost in self.url:
            raise OSError("the bucket is gone")
        put(self, name, value)

    monkeypatch.setattr(Store, "put", broken)
    lost = "step-00000002"
    said: list[str] = []
    assert train(remote_run(data, tmp_path), lambda step, values: None, said.append).finished
    assert any("step 2 could not be written: OSError: the bucket is gone" in text for text in said)
    assert steps_saved(remote)[-1] == 6
    lost = "step-00000007"
    with pytest.raises(CheckpointError, match="the bucket is gone"):
        quiet(remote_run(data, tmp_path, steps=7))
    assert steps_saved(remote)[-1] == 6


@pytest.mark.parametrize("url", ["nothing://bucket/run", "gs://bucket/run"])
def test_a_storage_that_is_not_known_is_one_line(data: Path, tmp_path: Path, url: str) -> None:
    try:
        Store(url)
        pytest.skip("it is installed")
    except (ValueError, ImportError):
        pass
    with pytest.raises(SettingsError, match=f"^output: {url}"):
        quiet(msgspec.structs.replace(micro(data, tmp_path), output=url))
    with pytest.raises(SettingsError, match="no checkpoint in"):
        load_model(url)
