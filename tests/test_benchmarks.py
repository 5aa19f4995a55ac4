"""Benchmarks and the scripts that draw for docs/ are run by hand and seldom: a rename must not break them unseen."""

import ast
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks.cpu import cpu_seconds
from benchmarks.gpu.steps import OPEN_FLAMINGO
from jobs.engine.isolation import Isolated, IsolationSettings

ROOT = Path(__file__).parents[1]
OURS = ("benchmarks", "docs", "tests", "weft", "schemas", "crawlers", "pipeline", "model", "jobs")
SCRIPTS = [*sorted((ROOT / "benchmarks").glob("**/*.py")), *sorted((ROOT / "docs").glob("make_*.py"))]


def imports_of(script: Path) -> Iterator[str]:
    """What a script imports of ours, in functions too; and the script itself."""
    for node in ast.walk(ast.parse(script.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in OURS:
            yield ast.unparse(node)
    yield f"import {'.'.join(script.relative_to(ROOT).with_suffix('').parts)}"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: ".".join(script.relative_to(ROOT).parts))
def test_a_script_that_is_run_by_hand_finds_all_that_it_imports(script: Path) -> None:
    for line in imports_of(script):
        try:
            exec(line, {})
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in OURS:
                raise
            pytest.skip(f"{error.name} is not installed")


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_the_time_of_an_isolated_step_counts_though_its_fork_server_runs_on() -> None:
    with Isolated(burn, IsolationSettings()) as step:
        before = cpu_seconds()
        step(1.0)
        assert cpu_seconds() - before > 0.9
    assert cpu_seconds() - before > 0.9


def test_threads_may_end_while_time_is_counted() -> None:
    """Those of a server do: one for each connection."""
    until = time.monotonic() + 2

    def begin_threads() -> None:
        while time.monotonic() < until:
            some = [threading.Thread(target=time.sleep, args=(0.0002,)) for _ in range(20)]
            for thread in some:
                thread.start()
            for thread in some:
                thread.join()

    beginner = threading.Thread(target=begin_threads)
    beginner.start()
    try:
        while time.monotonic() < until:
            assert cpu_seconds() > 0
    finally:
        beginner.join()


def test_the_figures_of_a_gpu_are_taken_of_a_tiny_size_on_a_cpu(tmp_path: Path) -> None:
    """So that the first run on a GPU does not fail for want of a name. Where torch sees none it says so in a line."""
    from benchmarks.gpu.__main__ import main

    out = tmp_path / "figures.json"
    assert main(["attention", "waiting", "--device", "cpu", "--workers", "1", "--out", str(out)]) == 0
    assert main(["steps", "--device", "cpu", "--ways", "weft", OPEN_FLAMINGO]) == 0
    figures = json.loads(out.read_text("utf-8"))
    assert {row["way"] for row in figures["attention"]} >= {"dense mask, SDPA", "grouped", "chunked"}
    assert all(max(row["error"].values()) < 1e-5 for row in figures["attention"])
    assert all(0 <= row["data_wait"] <= 1 for row in figures["waiting"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_one_line_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks.gpu.__main__ import main

    assert main([]) == 1
    assert capsys.readouterr().err.count("\n") == 1
