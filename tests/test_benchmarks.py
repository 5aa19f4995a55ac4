"""Benchmarks and the scripts that draw for docs/ are run by hand and seldom: a rename must not break them unseen."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

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
