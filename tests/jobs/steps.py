"""Steps that misbehave, importable by the child processes of the tests."""

import os
import signal
import sys
import time
from typing import NamedTuple

from schemas.drops import Drop

_MARKS: list[int] = []


class Picky(Exception):
    """Does not survive pickling: its constructor wants two arguments and passes on one."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first)


class Located(NamedTuple):
    """Something to be done with what lies at an address."""

    url: str
    how: str


def misbehave_at(item: Located) -> object:
    return misbehave(item.how)


def misbehave(how: str) -> object:
    match how:
        case "pid":
            return os.getpid()
        case "drop":
            raise Drop("too_small", "3x4")
        case "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "exit":
            os._exit(3)
        case "hang":
            time.sleep(60)
        case "bomb":
            return len(bytearray(8 << 30))
        case "bug":
            raise AttributeError("no such thing")
        case "picky":
            raise Picky("some", "thing")
        case "value":
            raise ValueError("odd page")
        case "mark":
            _MARKS.append(os.getpid())
            return len(_MARKS)
        case "surroundings":
            return os.getcwd(), os.environ.get("WEFT_TEST_WORD")
    return how


def has_loaded(_: object, module: str) -> bool:
    return module in sys.modules
