"""Runs of a few steps: what they write, how they stop, and that they go on as if nothing had happened."""

import json
import math
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch.distributed.checkpoint import FileSystemReader

from model.data.listing import list_shards
from model.data.loader import Loader, LoaderError
from model.data.reading import TarFile
from model.data.tokens import load_tokens
from model.training import saving
from model.training.assembly import list_datasets, tokenizer_of
from model.training.checkpoints import CheckpointError, find_checkpoint, read_weights, steps_saved
from model.training.config import CheckpointSettings, GuardSettings, HeldOutSettings, TextModelSettings, TrainConfig
from model.training.guard import Guard, TrainingError
from model.training.loop import Ended, train
from model.training.parallel import Processes
from model.training.records import GUARD, Records, read_metrics
from schemas.settings import SettingsError, dump_settings, load_settings
from tests.model.training.makers import micro


def quiet(config: TrainConfig, on_metrics: Any = lambda step, values: None) -> Ended:
    return train(config, on_metrics, lambda text: None)


def losses(output: Path) -> list[tuple[int, float, float, float]]:
    rows = [row for row in read_metrics(str(output)) if "grad_norm" in row]
    return [(row["step"], row["loss/pages"], row["loss/pairs"], row["grad_norm"]) for row in rows]


def weights(output: Path) -> dict[str, torch.Tensor]:
    return read_weights(find_checkpoint(output))


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("undisturbed")
    quiet(micro(data, output))
    return output


def stop_at(step: int, number: signal.Signals) -> Any:
    def on_metrics(at: int, values: Mapping[str, float]) -> None:
        if at == step and "grad_norm" in values:
            os.kill(os.getpid(), number)

    return on_metrics


def test_a_run_writes_metrics_checkpoints_and_settings(undisturbed: Path) -> None:
    assert [step for step, *_ in losses(undisturbed)] == [1, 2, 3, 4, 5, 6]
    row = next(row for row in read_metrics(str(undisturbed)) if row["step"] == 3)
    for name in (
        "tokens_per_s",
        "images_per_s",
        "padding",
        "data_wait",
        "learning_rate",
        "tflops",
        "gates/0/attention",
    ):
        assert math.isfinite(row[name])
    assert row["gates/0/attention"] > 0
    assert 0 <= row["padding"] < 1
    assert 0 <= row["data_wait"] <= 1
    assert steps_saved(str(undisturbed)) == [2, 4, 6]
    assert {path.name for path in Path(find_checkpoint(undisturbed)).iterdir()} >= {
        ".metadata", "checkpoint.json", "process-00000.json", "settings.yaml", "weights.safetensors",
    }  # fmt: skip
    assert (undisturbed / "settings.yaml").exists()


def test_a_checkpoint_keeps_its_names(undisturbed: Path) -> None:
    """Those of the runs that were saved already, whatever the classes are called today."""
    folder = Path(find_checkpoint(undisturbed))
    assert list(json.loads((folder / "checkpoint.json").read_text())) == ["step", "processes", "counters", "norms"]
    assert list(json.loads((folder / "process-00000.json").read_text())) == ["loader", "random"]
    distributed = FileSystemReader(folder).read_metadata().state_dict_metadata
    assert {name.partition(".")[0] for name in distributed} == {"model", "optimiser"}
    parts = {"connector", "blocks", "new_embeddings", "new_logits"}
    assert {name.partition(".")[0] for name in weights(undisturbed)} == parts
    assert {name.split(".")[1] for name in distributed if name.startswith("model.")} == parts


def test_pictures_mean_nothing_at_the_start(undisturbed: Path) -> None:
    first = read_metrics(str(undisturbed))[0]
    assert first["step"] == 0
    assert first["trained_on/pages/gap"] == 0.0
    assert first["trained_on/pairs/gap"] == 0.0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_saves_after_the_step_and_the_run_goes_on_bit_for_bit(
    undisturbed: Path, data: Path, tmp_path: Path, number: signal.Signals
) -> None:
    config = micro(data, tmp_path, checkpoint=CheckpointSettings(every_steps=0, every_minutes=0))
    handler = signal.getsignal(number)
    ended = quiet(config, stop_at(3, number))
    assert signal.getsignal(number) == handler
    assert (ended.step, ended.finished, ended.stopped_by) == (4, False, number.name)
    assert steps_saved(str(tmp_path)) == [4]
    assert quiet(config).finished
    assert losses(tmp_path) == losses(undisturbed)
    assert all(torch.equal(value, weights(undisturbed)[name]) for name, value in weights(tmp_path).items())


def test_what_was_written_after_the_last_checkpoint_is_written_again(
    undisturbed: Path, data: Path, tmp_path: Path
) -> None:
    """As after a kill: the metrics are ahead of the checkpoint, and end in half a line."""
    config = micro(data, tmp_path)
    quiet(msgspec.structs.replace(config, steps=2))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3, "loss/pages": 99, "loss/pairs": 99, "grad_norm": 9}\n{"step": 4, "lo')
    (tmp_path / "checkpoints" / ".step-00000003.tmp").mkdir()
    quiet(config)
    assert losses(tmp_path) == losses(undisturbed)
    assert not list((tmp_path / "checkpoints").glob(".*"))
    said: list[str] = []
    train(msgspec.structs.replace(config, steps=4), on_message=said.append)
    assert "nothing is left to train: step 6 is done, and steps=4 was asked for" in said


def test_a_full_disk_costs_one_checkpoint_and_not_the_run(
    undisturbed: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0
    write = saving.write_tensors

    def full(*arguments: Any) -> None:
        nonlocal tries
        tries += 1
        if tries == 2:
            raise OSError(28, "No space left on device")
        write(*arguments)

    monkeypatch.setattr(saving, "write_tensors", full)
    said: list[str] = []
    assert train(micro(data, tmp_path), on_message=said.append).finished
    assert steps_saved(str(tmp_path)) == [2, 6]
    assert any("step 4 could not be written: OSError: [Errno 28]" in text for text in said)
    assert not list((tmp_path / "checkpoints").glob(".*"))
    assert losses(tmp_path) == losses(undisturbed)


def test_a_last_checkpoint_that_cannot_be_written_is_an_error(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saving, "write_tensors", full)
    with pytest.raises(CheckpointError, match="No space left"):
        quiet(micro(data, tmp_path, steps=1))


def test_old_checkpoints_go_and_some_stay_for_ever(data: Path, tmp_path: Path) -> None:
    settings = CheckpointSettings(every_steps=1, keep_latest=2, keep_every_steps=3)
    quiet(micro(data, tmp_path, checkpoint=settings))
    assert steps_saved(str(tmp_path)) == [3, 5, 6]


def test_other_settings_are_refused_and_more_steps_are_not(data: Path, tmp_path: Path) -> None:
    config = micro(data, tmp_path, steps=1)
    quiet(config)
    with pytest.raises(SettingsError, match=r"other settings: loss: 'token_mean' -> 'sequence_sum'"):
        quiet(msgspec.structs.replace(config, loss="sequence_sum"))
    assert quiet(msgspec.structs.replace(config, steps=2)).step == 2


def test_steps_that_are_not_finite_change_nothing_and_name_their_samples(data: Path, tmp_path: Path) -> None:
    def on_metrics(step: int, values: Mapping[str, float]) -> None:
        return None

    config = micro(data, tmp_path, guard=GuardSettings(max_skipped_in_a_row=2))
    config = msgspec.structs.replace(
        config, optimiser=msgspec.structs.replace(config.optimiser, learning_rate=1e30, warmup_steps=0, clip_norm=0.0)
    )
    with pytest.raises(TrainingError, match=r"2 steps in a row were left out.*its samples begin with pages \d+"):
        quiet(config, on_metrics)
    rows = [json.loads(line) for line in (tmp_path / GUARD).read_text().splitlines()]
    assert len(rows) == 2
    assert "nan" in rows[0]["reason"] or "inf" in rows[0]["reason"]
    assert len(rows[0]["samples"]["pages"]) > 1
    assert set(rows[0]["samples"]) == {"pages", "pairs"}


def test_a_log_of_such_steps_that_cannot_be_written_ends_no_run(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left for guard.jsonl")

    monkeypatch.setattr(Records, "guard", full)
    said: list[str] = []
    config = micro(data, tmp_path, steps=4, guard=GuardSettings(spike_factor=1e-9, spike_window=2))
    assert train(config, on_message=said.append).finished
    assert any("could not be written" in text and GUARD in text for text in said)


def test_after_gradients_that_were_0_nothing_is_a_spike() -> None:
    guard = Guard(GuardSettings(spike_window=2))
    assert all(guard.judge(norm) for norm in (0.0, 0.0, 1.0))
    assert not guard.reason


def test_spikes_are_told_and_left_out_if_wanted() -> None:
    guard = Guard(GuardSettings(spike_factor=5, spike_window=3, skip_spikes=True, max_skipped_in_a_row=2))
    assert [guard.judge(norm) for norm in (1.0, 1.2, 1.1, 100.0)] == [True, True, True, False]
    assert "91 times the usual" in guard.reason
    assert not guard.is_lost
    assert not guard.judge(float("nan"))
    assert guard.is_lost
    watching = Guard(GuardSettings(spike_factor=5, spike_window=3))
    assert all(watching.judge(norm) for norm in (1.0, 1.2, 1.1, 100.0))
    assert watching.reason


def test_a_run_that_goes_on_leaves_out_the_spikes_of_an_undisturbed_one(data: Path, tmp_path: Path) -> None:
    guard = GuardSettings(spike_factor=1.0, spike_window=2, skip_spikes=True)
    runs = [micro(data, tmp_path / name, guard=guard) for name in ("one", "two")]
    quiet(runs[0])
    quiet(msgspec.structs.replace(runs[1], steps=2))
    quiet(runs[1])
    one, two = (
        [(row["step"], row["grad_norm"], row["skipped"]) for row in read_metrics(run.output) if "skipped" in row]
        for run in runs
    )
    assert {step for step, _, skipped in one if skipped} & {3, 4}
    assert two == one


def test_captions_are_judged(data: Path, tmp_path: Path) -> None:
    ended = quiet(micro(data, tmp_path, steps=1, held_out=HeldOutSettings(every_steps=0, batches=1, captions=2)))
    assert ended.measured["trained_on/pairs/accuracy"] == 0.0
    assert "trained_on/pages/accuracy" not in ended.measured


def test_a_run_does_not_go_on_with_another_tokenizer(data: Path, tmp_path: Path) -> None:
    config = micro(data, tmp_path / "out", steps=2)
    quiet(config)
    other = json.loads((data / "tokenizer/tokenizer.json").read_text())
    first, second = list(other["model"]["vocab"])[-2:]
    ids = other["model"]["vocab"]
    ids[first], ids[second] = ids[second], ids[first]
    (tmp_path / "other").mkdir()
    (tmp_path / "other/tokenizer.json").write_text(json.dumps(other))
    (tmp_path / "other/tokenizer_config.json").write_bytes((data / "tokenizer/tokenizer_config.json").read_bytes())
    changed = msgspec.structs.replace(config.data, tokenizer=str(tmp_path / "other"))
    with pytest.raises(LoaderError, match=r"with the tokenizer .*/tokenizer \(.*\), not .*/other \("):
        quiet(msgspec.structs.replace(config, steps=4, data=changed))
    assert quiet(msgspec.structs.replace(config, steps=4)).finished


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data.images.size_px": 32}, "data.images.size_px is 32, but the vision encoder takes 16 pixels"),
        ({"data.datasets.0.shards": "/nowhere"}, "dataset pages: no shards in /nowhere"),
        ({"data.tokenizer": "/nowhere"}, "no tokenizer at /nowhere"),
        ({"model.lm.config.vocab_size": 50}, "do not belong together"),
        ({"model.lm.path": "/nowhere", "model.lm.config": None}, "no model folder at /nowhere"),
        ({"parallel.device": "cuda"}, "torch sees no GPU here"),
    ],
)
def test_what_does_not_fit_is_told_with_its_setting(
    data: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    if "parallel.device" in changes and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    tree = msgspec.to_builtins(micro(data, tmp_path))
    for path, value in changes.items():
        *parents, leaf = path.split(".")
        place: Any = tree
        for name in parents:
            place = place[int(name)] if name.isdigit() else place[name]
        place[leaf] = value
    with pytest.raises(SettingsError, match=message):
        quiet(msgspec.convert(tree, TrainConfig))


def test_an_empty_dataset_is_named(data: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty" / "shards"
    empty.mkdir(parents=True)
    (empty / "000000-000.tar").write_bytes(b"\0" * 10240)
    (empty / "sizes.json").write_text('{"000000-000.tar": 0}')
    config = micro(data, tmp_path / "out")
    datasets = (msgspec.structs.replace(config.data.datasets[0], shards=str(tmp_path / "empty")),)
    with pytest.raises(SettingsError, match=r"dataset pages: its shards in .*empty hold no sample"):
        quiet(msgspec.structs.replace(config, data=msgspec.structs.replace(config.data, datasets=datasets)))


@pytest.mark.parametrize("url", ["s3://bucket/run", "gs://bucket/run", "file:///tmp/run"])
@pytest.mark.parametrize("path", ["log.folder", "text_model.folder", "data.read.cache"])
def test_a_folder_that_is_written_to_is_no_url(
    url: str, path: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path of that name would be a folder `s3:` beside the program."""
    monkeypatch.chdir(tmp_path)
    config = micro(data, tmp_path, text_model=TextModelSettings("lm"))
    with pytest.raises(SettingsError, match="is no local folder"):
        load_settings(TrainConfig, dump_settings(config), [f"{path}={url}"])
    assert not list(tmp_path.iterdir())


class _Among(Processes):
    """A process of two, of which the first has told `said`."""

    def __init__(self, rank: int, said: Any = None) -> None:
        super().__init__(rank, 2, torch.device("cpu"))
        self.said = said

    def gather(self, value: Any) -> list[Any]:
        return [value if self.is_first else self.said, None]


def test_the_first_process_lists_the_shards_for_all_once(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = micro(data, tmp_path)
    found = list_datasets(config, _Among(0))
    assert all(file.samples for files in found for file in files)
    monkeypatch.setattr("model.training.assembly.list_shards", None)
    monkeypatch.setattr("model.data.loader.list_shards", None)
    assert list_datasets(config, _Among(1, (found, ""))) == found
    with Loader(config.data, load_tokens(tokenizer_of(config)), files=found) as loader:
        assert loader.samples("pages") == sum(file.samples for file in found[0])


@pytest.mark.parametrize("named", [True, False])
def test_shards_that_are_measured_on_are_listed_once_too(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    """Batches and captions of every measurement are of what the first process listed."""
    given = micro(data, tmp_path)
    held_out = HeldOutSettings(given.data.datasets if named else (), every_steps=1, batches=1, captions=2)
    listed: list[Any] = []

    def noted(shards: Any, *options: Any) -> list[TarFile]:
        listed.append(shards)
        return list_shards(shards, *options)

    for module in ("training.assembly", "data.loader", "data.plain"):
        monkeypatch.setattr(f"model.{module}.list_shards", noted)
    ended = train(msgspec.structs.replace(given, steps=1, held_out=held_out), on_message=lambda text: None)
    assert f"{'held_out' if named else 'trained_on'}/pairs/accuracy" in ended.measured
    assert len(listed) == (4 if named else 2)


def test_what_the_first_process_cannot_list_is_said_by_all(data: Path, tmp_path: Path) -> None:
    config = micro(data, tmp_path)
    datasets = (msgspec.structs.replace(config.data.datasets[0], shards="/nowhere"),)
    config = msgspec.structs.replace(config, data=msgspec.structs.replace(config.data, datasets=datasets))
    for process in (_Among(0), _Among(1, ([], "dataset pages: no shards in /nowhere"))):
        with pytest.raises(SettingsError, match="dataset pages: no shards in /nowhere"):
            list_datasets(config, process)
