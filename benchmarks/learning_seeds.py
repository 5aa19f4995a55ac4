"""The published figures of the run on generated shapes, over seeds: `python -m benchmarks.learning --seeds 1 2 3`.

Whole, and as short as the demo's; with the connector of configs/tiny.yaml, and with the MLP beside it; each run on one
core. Pictures and language model are made once for each form: seeds differ in the new weights and the order of data.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from model.training.records import read_metrics

ROOT = Path(__file__).parents[1]
CONNECTORS = {"resampler": [], "mlp": ["model.connector={kind: mlp, layers: 2, latents: 16, dim: 96}"]}
FORMS = ("whole", "short")

Figures = dict[str, float]


class Run(NamedTuple):
    """One run. Those of a form share the folder of that name, and the data in it."""

    form: str
    connector: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.connector}-{self.seed}"


def over_seeds(seeds: Sequence[int], out: Path, at_a_time: int | None = None) -> list[list[dict[str, float]]]:
    """Make what is not there yet of the runs, `at_a_time` side by side, and print the tables.

    Returns the metrics of the whole runs of configs/tiny.yaml.
    """
    runs = [Run(form, connector, seed) for form in FORMS for connector in CONNECTORS for seed in seeds]
    with ThreadPoolExecutor(at_a_time or os.cpu_count()) as pool:
        list(pool.map(lambda form: _make_data(out / form, form), FORMS))
        for run, _ in zip(runs, pool.map(lambda run: _make(out / run.form, run), runs), strict=True):
            print(f"{run.form} {run.name}: done", file=sys.stderr, flush=True)
    for form in FORMS:
        found = {name: [_read(out / form, run) for run in runs if run[:2] == (form, name)] for name in CONNECTORS}
        print("\n".join(table(form, found)), flush=True)
    return [read_metrics(str(out / run.form / run.name)) for run in runs if run[:2] == ("whole", "resampler")]


def table(form: str, found: dict[str, list[Figures]]) -> list[str]:
    """A line for each figure, a column for each connector: the mean over its runs, the least and the most."""
    names = dict.fromkeys(name for runs in found.values() for figures in runs for name in figures)
    lines = [f"| {form} | " + " | ".join(found) + " |", "| --- |" + " --- |" * len(found)]
    for name in names:
        cells = [_cell([figures[name] for figures in runs if name in figures]) for runs in found.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _cell(values: list[float]) -> str:
    return f"{mean(values):.3f} ({min(values):.3f} to {max(values):.3f})" if values else ""


def short_settings() -> list[str]:
    """SHORT of the Makefile: what makes a run as short as the demo's."""
    text = (ROOT / "Makefile").read_text("utf-8").replace("\\\n", "")
    return shlex.split(text.partition("\nSHORT :=")[2].partition("\n")[0])


def _make_data(folder: Path, form: str) -> None:
    """Before several runs would each make them."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "tiny-out/lm/config.json").exists():
        _train(folder, form, "made", ["steps=0", "held_out.captions=0"])


def _make(folder: Path, run: Run) -> None:
    """Train and measure; what is measured already is left."""
    if (folder / f"{run.name}.json").exists():
        return
    seeds = [f"seed={run.seed}", f"data.order.seed={run.seed}"]
    cpu_s = _train(folder, run.form, run.name, [*seeds, *CONNECTORS[run.connector]])
    (folder / f"{run.name}.cpu").write_text(f"{cpu_s / 60}")
    tasks = ["--tasks", str(ROOT / "examples/tiny-tasks.yaml")] if run.form == "whole" else []
    _call(folder, f"{run.name}.measured", ["benchmarks.learning", run.name, *tasks, "--json", f"{run.name}.json"])


def _read(folder: Path, run: Run) -> Figures:
    cpu_minutes = float((folder / f"{run.name}.cpu").read_text())
    figures: Figures = json.loads((folder / f"{run.name}.json").read_text("utf-8"))
    return {"CPU minutes of training": cpu_minutes, **figures}


def _train(folder: Path, form: str, output: str, settings: Sequence[str]) -> float:
    """CPU seconds of a run."""
    given = [word for one in (f"output={output}", *settings) for word in ("--set", one)]
    config = str(ROOT / "configs/tiny.yaml")
    return _call(
        folder, f"{output}.log", ["jobs.train", config, *(short_settings() if form == "short" else []), *given]
    )


def _call(folder: Path, log: str, module: Sequence[str]) -> float:
    """Its CPU seconds. Raises `SystemExit` with the end of what it said, if it failed."""
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    with (folder / log).open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *module], cwd=folder, stdout=file, stderr=file, env=environment
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(module)}:\n{(folder / log).read_text('utf-8')[-2000:]}")
    return usage.ru_utime + usage.ru_stime
