"""The commands of training, as a user gives them, at the smallest size."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from jobs.cli import main
from jobs.training.progress import TrainProgress
from model.training.checkpoints import steps_saved
from model.training.records import read_metrics
from tests.model.makers import photo
from tests.model.training.makers import LLAMA, write_data

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings in YAML, with their data beside them."""
    folder = tmp_path_factory.mktemp("train-command")
    write_data(folder)
    tokenizer = json.loads((folder / "tokenizer" / "tokenizer.json").read_text())
    settings = {
        "output": str(folder / "run"),
        "steps": 4,
        "model": {
            "lm": {"config": {**LLAMA, "vocab_size": len(tokenizer["model"]["vocab"])}},
            "vision": {"image_px": 16, "dim": 48},
            "connector": {"layers": 1, "latents": 3, "heads": 2, "head_dim": 16},
            "cross_attention": {"every": 1},
        },
        "data": {
            "tokenizer": str(folder / "tokenizer"),
            "datasets": [{"name": "pages", "shards": str(folder / "pages"), "batch_rows": 2}],
            "order": {"lanes": 2},
            "sequence": {"max_tokens": 48},
            "packing": {"row_tokens": 48},
            "images": {"size_px": 16},
            "read": {"workers": 1},
        },
        "held_out": {"batches": 1},
        "optimiser": {"warmup_steps": 2},
        "checkpoint": {"every_steps": 2},
        "log": {"every_steps": 1, "tensorboard": False},
        "parallel": {"device": "cpu", "threads": 1},
    }
    path = folder / "train.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


@pytest.fixture(scope="module")
def run(config: Path) -> Path:
    assert main(["train", str(config)]) == 0
    return config.parent / "run"


def test_a_run_tells_what_it_did_and_how_to_try_it(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(config), "-o", str(tmp_path), "--set", "steps=1"]) == 0
    out, err = capsys.readouterr()
    assert f"trained 1 steps: {tmp_path}" in out
    assert "held out" not in out + err
    assert "on training data: pages loss" in out
    assert "with shuffled pictures" in out
    assert "train 1/1 steps, loss pages" in err


def test_what_is_held_out_is_called_so(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    datasets = f"held_out.datasets=[{{name: pages, shards: {config.parent / 'pages'}}}]"
    assert main(["train", str(config), "-o", str(tmp_path), "--set", "steps=1", "--set", datasets]) == 0
    out, err = capsys.readouterr()
    assert "on training data" not in out + err
    assert "held out: pages loss" in out


def test_a_dry_run_shows_parameters_memory_and_a_batch(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(config), "-o", str(tmp_path / "dry"), "--dry-run"]) == 0
    out = capsys.readouterr().out
    for part in ("language model: ", "frozen", "trained in all: ", "memory: weights", "dataset pages: 24 samples"):
        assert part in out
    assert "2 rows of 48 tokens" in out
    assert "<image>" in out
    assert "one step, not kept: loss pages" in out
    assert not (tmp_path / "dry").exists()


def test_the_model_speaks_and_draws_a_sheet(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(2):
        (tmp_path / f"{number}.jpg").write_bytes(photo(number))
    pictures = ["--image", str(tmp_path / "0.jpg"), "--image", str(tmp_path / "1.jpg")]
    asked = ["generate", str(run), *pictures, "--max-new-tokens", "3", "--device", "cpu"]
    assert main([*asked, "--each", "--picture", str(tmp_path / "sheet.png")]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in out[:2]] == [str(tmp_path / "0.jpg"), str(tmp_path / "1.jpg")]
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")
    assert main([*asked, "--prompt", "a <image> b <image>", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == [str(tmp_path / "0.jpg"), str(tmp_path / "1.jpg")]


def test_of_many_pictures_a_bad_one_costs_the_others_nothing(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(2):
        (tmp_path / f"{number}.jpg").write_bytes(photo(number))
    (tmp_path / "cut.jpg").write_bytes(photo(3)[:200])
    pictures = [str(tmp_path / name) for name in ("0.jpg", "cut.jpg", "absent.jpg", "1.jpg")]
    options = [part for path in pictures for part in ("--image", path)]
    asked = ["generate", str(run), *options, "--each", "--max-new-tokens", "3", "--device", "cpu"]
    assert main([*asked, "--picture", str(tmp_path / "sheet.png")]) == 1
    out, err = capsys.readouterr()
    assert [line.partition(":")[0] for line in out.splitlines()[:2]] == [pictures[0], pictures[3]]
    assert f"weft: {pictures[1]}: broken_image" in err
    assert pictures[2] in err


def test_tasks_are_scored_in_a_table_and_as_json(
    run: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = {"path": str(config.parent / "pairs"), "limit": 4}
    tasks = [{"name": "captions", "query": source, "support": source, "metric": "exact", "max_new_tokens": 3}]
    (tmp_path / "tasks.yaml").write_text(yaml.safe_dump({"tasks": tasks, "shots": [0, 1], "beams": 1, "device": "cpu"}))
    asked = ["evaluate", str(tmp_path / "tasks.yaml"), str(run), "-o", str(tmp_path / "scores.json")]
    assert main(asked) == 0
    out = capsys.readouterr().out
    assert "0 shots" in out
    assert "captions" in out
    report = json.loads((tmp_path / "scores.json").read_text())
    assert [score["shots"] for score in report["scores"]] == [0, 1]
    assert len(report["scores"][0]["answers"]) == 4
    assert main([*asked, "--json"]) == 0
    assert "answers" not in json.loads(capsys.readouterr().out)["scores"][0]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", "nothing.yaml"], 2, "no such config file or preset: nothing.yaml (presets: tiny)"),
        (["train", "CONFIG", "--set", "steps=many"], 2, "steps: a whole number is wanted, not a text"),
        (["train", "CONFIG", "--set", "output=/proc/no", "--set", "steps=1"], 1, "the storage failed"),
        (["train", "CONFIG", "-o", "/tmp/never", "--set", "data.images.size_px=99"], 2, "data.images.size_px is 99"),
        (["generate", "/nowhere", "--image", "x.png"], 2, "no checkpoint in /nowhere"),
        (["generate", "RUN", "--image", "/nowhere.png", "--device", "cpu"], 2, "/nowhere.png"),
        (["generate", "RUN", "--image", "CONFIG", "--device", "cpu"], 1, "unsupported_format"),
        (["generate", "RUN", "--beams", "0"], 2, "beams"),
        (["generate", "RUN", "--each"], 2, "--each is of pictures"),
        (["generate", "RUN", "--prompt", "a", "--temperature", "nan"], 2, "temperature and top_k not below 0"),
        (["generate", "RUN", "--prompt", "a", "--device", "meta"], 2, "device meta: it has no values"),
        (["evaluate", "/nowhere.yaml", "RUN"], 2, "no such config file: /nowhere.yaml"),
        (["evaluate", "/nowhere.yaml", "RUN", "-o", "RUN"], 2, "is a folder: name a file in it"),
        (["evaluate", "/nowhere.yaml", "RUN", "-o", "/proc/no/scores.json"], 1, "/proc/no"),
        (["train", "CONFIG", "--set", "optimiser.betas=[0.9, 1.0]"], 2, "betas are 0 or more and below 1"),
        (["train", "CONFIG", "--set", "optimiser.lm_rate=-1"], 2, "vision_rate and lm_rate are 0 or more"),
        (["train", "CONFIG", "--set", "optimiser.learning_rate=.nan"], 2, "learning_rate is finite"),
        (["train", "CONFIG", "--set", "seed=18446744073709551615"], 2, "seed is a whole number of 64 bits"),
        (["train", "CONFIG", "--set", "data.order.seed=-1"], 2, "data.order: seed must not be below 0"),
        (["train", "CONFIG", "--set", "data.datasets=[{name: a, shards: x, weight: 0}]"], 2, "share and weight over 0"),
        (["train", "CONFIG", "--set", "data.datasets=[{name: '', shards: x}]"], 2, "each with a name of its own"),
        (["train", "CONFIG", "--set", "model.connector.dim=0"], 2, "dim must be 1 or more"),
    ],
)
def test_errors_say_what_is_wrong_and_end_with_their_code(
    run: Path, config: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    named = {"CONFIG": str(config), "RUN": str(run)}
    assert main([named.get(argument, argument) for argument in arguments]) == code
    assert message in capsys.readouterr().err


def test_of_two_trainings_into_one_folder_the_second_is_refused(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first is at its first step when the second begins."""
    command, codes = ["train", str(config), "-o", str(tmp_path / "out"), "--set", "steps=1"], list[int]()

    def while_it_trains(self: TrainProgress, step: int, values: object) -> None:
        codes.append(main(command))

    with monkeypatch.context() as patched:
        patched.setattr(TrainProgress, "on_metrics", while_it_trains)
        assert main(command) == 0
    assert set(codes) == {2}
    told = f"weft: another training is at work in {tmp_path / 'out'}: wait for its end, or choose another folder"
    assert capsys.readouterr().err.splitlines().count(told) == len(codes)
    assert main(command) == 0


def test_a_run_that_is_killed_goes_on_as_the_undisturbed_one(run: Path, config: Path, tmp_path: Path) -> None:
    """SIGKILL somewhere after the first checkpoint; then the same command."""
    command = [sys.executable, "-m", "jobs.cli", "train", str(config), "-o", str(tmp_path), "--set", "steps=400"]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not steps_saved(str(tmp_path)) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    reached = max(steps_saved(str(tmp_path)))
    assert main(["train", str(config), "-o", str(tmp_path), "--set", f"steps={max(4, reached + 2)}"]) == 0
    killed = {row["step"]: row["loss/pages"] for row in read_metrics(str(tmp_path)) if "grad_norm" in row}
    undisturbed = {row["step"]: row["loss/pages"] for row in read_metrics(str(run)) if "grad_norm" in row}
    assert sorted(killed) == list(range(1, max(4, reached + 2) + 1))
    assert all(killed[step] == loss for step, loss in undisturbed.items())
