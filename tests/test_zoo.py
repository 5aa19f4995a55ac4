"""Defects that hostile input once showed stay mended, and a few new items of each class show none."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.zoo.canary import canary, canary_port
from benchmarks.zoo.classes import CLASSES
from benchmarks.zoo.minimise import minimise
from benchmarks.zoo.run import ItemJudge, item

KEPT = sorted((Path(__file__).parent / "fixtures/zoo").glob("*.bin"))
_FEW = {"videos": 6, "servers": 6, "pages": 15}


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ItemJudge]:
    """One child process for all: what it has imported, it has imported for each class."""
    with canary(tmp_path_factory.mktemp("zoo")) as bird, ItemJudge(bird, limit_s=20.0) as child:
        yield child


@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.stem)
def test_a_defect_that_was_found_once_stays_mended(judge: ItemJudge, kept: Path) -> None:
    assert judge(CLASSES[kept.name.partition("-")[0]], kept.read_bytes()) == ""


@pytest.mark.parametrize("name", CLASSES)
def test_a_few_items_of_each_class_break_no_promise(judge: ItemJudge, name: str) -> None:
    for number in range(_FEW.get(name, 40)):
        found = judge(CLASSES[name], item(CLASSES[name], 0, number))
        assert found == "", f"python -m benchmarks.zoo {name} --seed 0: number {number}"


def test_a_finding_is_made_as_small_as_what_shows_it() -> None:
    assert minimise(b"x" * 500 + b"ab" + b"y" * 300 + b"c", lambda data: b"ab" in data and b"c" in data) == b"abc"


def test_the_canary_sings(tmp_path: Path) -> None:
    with canary(tmp_path) as bird:
        assert (Path.cwd() / "private.mp4").exists()
        socket.create_connection(("127.0.0.1", canary_port())).close()
        end = time.monotonic() + 10
        while not (heard := bird.touched()) and time.monotonic() < end:
            time.sleep(0.01)
        assert heard
