"""Several processes, as `torchrun` starts them, give the answers of one."""

import contextlib
import io
import json
import os
import sys
from pathlib import Path

import pytest
import torch
import yaml

from jobs.cli import main
from model.evaluation.spread import ALONE, spread
from model.training.loop import train
from model.training.parallel import Processes
from tests.model.makers import photo
from tests.model.several import in_processes
from tests.model.training.makers import micro, write_data

PICTURES = 3


class _Among(Processes):
    """One of some processes, whose results are put in a list that all of them see."""

    def __init__(self, rank: int, world: int, given: list[object]) -> None:
        super().__init__(rank, world, torch.device("cpu"))
        self.given = given

    def gather(self, value: object) -> list[object]:
        self.given[self.rank] = value
        return self.given


@pytest.mark.parametrize("count", [0, 1, 5, 8])
def test_results_are_those_of_one_process_in_their_order(count: int) -> None:
    def work(numbers: range) -> list[str]:
        return [f"{n} with {numbers}" for n in numbers]

    given: list[object] = [[[]] * count] * 3  # until they have given something
    for rank in (2, 1, 0):
        done: list[int] = []
        found = spread(count, 2, work, _Among(rank, 3, given), done.append)
        assert all(0 < number <= count for number in done)
    assert found == spread(count, 2, work, ALONE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("spread")
    write_data(folder)
    train(micro(folder, folder / "run", steps=2), on_message=lambda text: None)
    lines = []
    for number in range(18):
        (folder / f"{number}.jpg").write_bytes(photo(number))
        lines.append(json.dumps({"image": f"{number}.jpg", "answer": ("the cat", "a mat")[number % 2]}))
    (folder / "items.jsonl").write_text("\n".join(lines))
    source = {"path": str(folder / "items.jsonl")}
    one = {"query": source, "support": source, "max_new_tokens": 3}
    tasks = [{"name": "said", "metric": "exact", **one}, {"name": "chosen", "metric": "classification", **one}]
    settings = {"tasks": tasks, "shots": [1], "beams": 2, "device": "cpu"}
    (folder / "tasks.yaml").write_text(yaml.safe_dump(settings))
    return folder


def ask(folder: Path, name: str, strategy: str = "replicas") -> None:
    """Scores, and what is said of pictures, in files of that name."""
    options = ["--fsdp"] if strategy == "fsdp" else []
    run, pictures = str(folder / "run"), [f"--image={folder}/{number}.jpg" for number in range(PICTURES)]
    told = io.StringIO()
    with (
        (folder / f"{name}.txt").open("w") as said,
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(told),
    ):
        asked = ["generate", run, *pictures, "--each", "--max-new-tokens", "4", "--device", "cpu", *options]
        assert main(asked) == 0, told.getvalue()
        asked = ["evaluate", str(folder / "tasks.yaml"), run, "-o", str(folder / f"{name}.json")]
        examples = "random" if strategy == "fsdp" or name == "alone-random" else "rices"
        asked += ["--set", f"strategy={strategy}", "--set", f"examples={examples}"]
        assert main(asked) == 0, told.getvalue()


def in_each(rank: int, port: int, folder: Path) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1"}
    os.environ["MASTER_PORT"] = str(port)
    torch.set_num_threads(1)
    for strategy in ("replicas", "fsdp"):
        ask(folder, f"{strategy}-{rank}", strategy)


@pytest.mark.skipif(sys.platform != "linux", reason="gloo on loopback")
def test_two_processes_have_the_scores_and_texts_of_one(folder: Path) -> None:
    in_processes(in_each, (folder,), 2)
    ask(folder, "alone")
    ask(folder, "alone-random")
    for strategy, same in (("replicas", "alone"), ("fsdp", "alone-random")):
        said, texts = ((folder / f"{name}.txt").read_text().splitlines() for name in (f"{strategy}-0", same))
        assert said[:PICTURES] == texts[:PICTURES]
        scores, expected = (json.loads((folder / f"{name}.json").read_text()) for name in (f"{strategy}-0", same))
        assert scores == expected
        assert (folder / f"{strategy}-1.txt").read_text() == ""
        assert not (folder / f"{strategy}-1.json").exists()
