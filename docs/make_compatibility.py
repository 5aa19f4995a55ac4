"""Writes the table of docs/format.md that says which packages open what weft wrote, by the tests that try it.

python docs/make_compatibility.py
"""

import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/format.md"
BEGIN, END = "<!-- made by docs/make_compatibility.py -->\n", "<!-- end -->\n"
HEAD = "| package | version | opens | outcome |\n| --- | --- | --- | --- |\n"


class Outcomes:
    """A plugin: the outcome of each test with the mark `opens`; of several cases the worst."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], str] = {}
        self._marks: dict[str, tuple[str, str]] = {}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        for item in items:
            if mark := item.get_closest_marker("opens"):
                self._marks[item.nodeid] = mark.args

    def pytest_runtest_logreport(self, report: Any) -> None:
        if (row := self._marks.get(report.nodeid)) is not None:
            order = ("passed", "skipped", "failed")
            self.rows[row] = max(self.rows.get(row, "passed"), report.outcome, key=order.index)


def versions() -> dict[str, str]:
    """As pinned; img2dataset lives apart."""
    files = ("constraints-img2dataset.txt", "constraints.txt")  # of what both name, ours
    lines = "".join((ROOT / name).read_text("utf-8") for name in files)
    return dict(re.findall(r"^([\w.-]+)==(\S+)$", lines, re.MULTILINE))


def table(rows: dict[tuple[str, str], str]) -> str:
    pinned = versions()
    lines = [f"| {name} | {pinned[name]} | {what} | {outcome} |\n" for (name, what), outcome in sorted(rows.items())]
    return f"{HEAD}{''.join(lines)}"


def main() -> int:
    outcomes = Outcomes()
    code = pytest.main(["-q", "-m", "opens", str(ROOT / "tests")], plugins=[outcomes])
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}{table(outcomes.rows)}{END}{rest.partition(END)[2]}", "utf-8")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
