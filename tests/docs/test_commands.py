"""Every command that the docs show is one that weft takes, also where no test runs it."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.cli import make_parser

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "examples/README.md", *sorted(ROOT.glob("docs/*.md"))]
COMMAND = re.compile(r"(?:\$ )?(?:[^\s'\"]*/)?weft ([a-z].*)")


def commands(page: Path) -> Iterator[str]:
    """What stands behind `weft` in the lines of a page's code."""
    fenced = False
    for line in page.read_text("utf-8").replace("\\\n", " ").splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif (fenced or line.startswith("    ")) and (match := COMMAND.match(line.strip())):
            yield match[1]


def words_of(command: str) -> list[str]:
    """Without its comment and what it is piped to."""
    words = shlex.split(command, comments=True)
    ends = [place for place, word in enumerate(words) if word[0] in "|>&;"]
    return words[: ends[0]] if ends else words


def test_every_command_in_the_docs_is_one_that_weft_takes(capsys: pytest.CaptureFixture[str]) -> None:
    parser, _ = make_parser()
    wrong, read = [], 0
    for page in PAGES:
        for command in commands(page):
            words = words_of(command)
            if any(word.endswith(("...", "…")) for word in words):
                continue  # only hinted at
            read += 1
            try:
                parser.parse_args(words)
            except SystemExit:
                wrong.append(f"{page.name}: weft {command}: {capsys.readouterr().err.strip()}")
    assert wrong == []
    assert read > 60
