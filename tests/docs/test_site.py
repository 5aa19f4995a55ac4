"""The docs as a site: every link and heading that a page leads to is there, every command and public name is in it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import weft
from jobs.cli import COMMANDS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    call = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    built = subprocess.run(call, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert (built.returncode, built.stderr) == (0, "")
    return folder


def test_the_references_have_every_command_and_every_name(site: Path) -> None:
    commands = (site / "reference/commands/index.html").read_text("utf-8")
    assert [name for name in COMMANDS if f'id="weft-{name}"' not in commands] == []
    names = (site / "reference/api/index.html").read_text("utf-8")
    assert [name for name in weft.__all__ if name != "__version__" and f"weft.{name}" not in names] == []


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    for page in ("index.html", "training/index.html", "reference/api/index.html"):
        text = (site / page).read_text("utf-8")
        loaded = [part.split('"')[0] for mark in ('src="', 'rel="stylesheet" href="') for part in text.split(mark)[1:]]
        assert loaded
        assert [address for address in loaded if "//" in address] == []


def test_files_that_pages_link_to_are_pages(site: Path) -> None:
    assert "how files come to count" in (site / "index.html").read_text("utf-8")
    assert (site / "source/schemas/commits.py/index.html").exists()
