"""What the driver leaves to a thread is done in order, and what fails is told."""

import threading
from pathlib import Path

import pytest

from jobs.phases.behind import Behind
from schemas.storage import Store

FAR = Store("memory://behind")


def test_things_are_done_one_after_the_other_while_the_caller_goes_on() -> None:
    may_begin, done = threading.Event(), list[int]()
    with Behind(FAR) as behind:
        behind.do(lambda: None if may_begin.wait(20) else done.append(-1))
        for number in range(5):
            behind.do(lambda number=number: done.append(number))  # type: ignore[misc]
        assert done == []
        may_begin.set()
        behind.wait()
        assert done == [0, 1, 2, 3, 4]


def test_what_fails_is_told_at_the_end() -> None:
    def fail() -> None:
        raise OSError("store lost")

    with Behind(FAR) as behind:
        behind.do(fail)
        with pytest.raises(OSError, match="store lost"):
            behind.wait()


def test_on_this_machine_it_is_done_at_once(tmp_path: Path) -> None:
    done: list[int] = []
    with Behind(Store(str(tmp_path))) as behind:
        behind.do(lambda: done.append(1))
        assert done == [1]
