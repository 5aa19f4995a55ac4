"""Benchmarks and the scripts that draw for docs/ are run by hand and seldom: a rename must not break them unseen."""

import ast
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.cpu import cpu_seconds
from jobs.engine.isolation import Isolated, IsolationSettings

ROOT = Path(__file__).parents[1]
OURS = ("benchmarks", "docs", "tests", "weft", "schemas", "crawlers", "pipeline", "model", "jobs")
SCRIPTS = [*sorted((ROOT / "benchmarks").glob("*.py")), *sorted((ROOT / "docs").glob("make_*.py"))]


def imports_of(script: Path) -> Iterator[str]:
    """What a script imports of ours, in functions too; and the script itself."""
    for node in ast.walk(ast.parse(script.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in OURS:
            yield ast.unparse(node)
    yield f"import {script.parent.name}.{script.stem}"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: f"{script.parent.name}.{script.stem}")
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
