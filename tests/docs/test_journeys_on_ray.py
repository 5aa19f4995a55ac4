"""The three journeys of docs/ run as they stand there, one after the other, as a new user would."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^(<!-- not run: [^\n]* -->\n)?```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: Added to the training of the page, which takes minutes.
FEW_STEPS = (
    "--set steps=4 --set optimiser.final_steps=2 --set held_out.every_steps=4 --set held_out.captions=4 "
    "--set shapes.train_pages=40 --set shapes.train_pairs=60 --set shapes.train_clips=20 --set text_model.steps=5"
)


def commands(page: str) -> Iterator[tuple[bool, str]]:
    """Of a page: whether it is run, and a line for the shell, or a program in Python."""
    for skipped, language, code in BLOCK.findall((DOCS / page).read_text("utf-8")):
        for command in code.splitlines() if language == "sh" else [f"python - <<'EOF'\n{code}EOF"]:
            yield not skipped, command


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the journeys are made: the examples, with fewer questions, and the configurations."""
    made = tmp_path_factory.mktemp("journeys")
    shutil.copytree(ROOT / "examples", made / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    (made / "configs").symlink_to(ROOT / "configs")
    tasks = made / "examples/tiny-tasks.yaml"
    text = re.sub(r"shots: .*", "shots: [0, 1]", tasks.read_text("utf-8"))
    text = re.sub(r"limit: \d+", "limit: 2", text)
    tasks.write_text(re.sub(r"(naming-query\.jsonl)", r"\1, limit: 2", text), "utf-8")
    return made


def run(command: str, folder: Path) -> str:
    """What a command prints. Fails where it does not end well, or says anything of a traceback."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    done = subprocess.run(
        ["bash", "-ec", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr, f"{command}\n{done.stderr}"
    return done.stdout


def walked(page: str, folder: Path) -> dict[str, str]:
    """What each command of a page printed."""
    given = {"weft train configs/tiny.yaml": f"weft train configs/tiny.yaml {FEW_STEPS}"}
    return {command: run(given.get(command, command), folder) for is_run, command in commands(page) if is_run}


@pytest.fixture(scope="module")
def dataset(folder: Path) -> dict[str, str]:
    """The first journey; the others begin with what it makes."""
    return walked("journey-data.md", folder)


def printed(said: dict[str, str], beginning: str) -> str:
    (text,) = [text for command, text in said.items() if command.startswith(beginning)]
    return text


def test_from_a_site_to_a_dataset(dataset: dict[str, str], folder: Path) -> None:
    assert "15 samples, 39 images" in printed(dataset, "weft build --kinds interleaved,pairs,clips")
    assert "build 1 added 0 samples of interleaved" in printed(dataset, "weft build --append")
    assert (folder / "dataset/report.html").stat().st_size > 100_000


def test_a_dataset_is_looked_at_judged_filtered_and_compared(dataset: dict[str, str], folder: Path) -> None:
    said = walked("journey-research.md", folder)
    assert "check: every hash, member and image is as committed" in printed(said, "weft inspect illustrated")
    assert (folder / "compared.html").stat().st_size > 100_000


def test_a_model_is_trained_asked_and_scored(dataset: dict[str, str], folder: Path) -> None:
    said = walked("journey-training.md", folder)
    scores = printed(said, "weft evaluate")
    assert [name for name in ("captions", "moving shapes", "made-up names") if name not in scores] == []
    streamed = next(text for command, text in said.items() if command.startswith("python - "))
    assert re.search(r"^pages \(2, \d+\) \(\d+, 3, 64, 64\) \d+$", streamed, re.MULTILINE)
