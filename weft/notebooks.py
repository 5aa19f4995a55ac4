"""Notebooks run their cells inside an event loop, where none can be started: such work gets a thread of its own."""

import asyncio
import ctypes
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

R = TypeVar("R")


def outside_a_loop(work: Callable[[], R]) -> R:
    """`work()`, which starts an event loop, from wherever it is called. An interrupt reaches it in its thread too."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    outcome: Future[R] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # raised by result()
            outcome.set_exception(error)

    thread = threading.Thread(target=run, name="weft")
    thread.start()
    try:
        return outcome.result()
    except KeyboardInterrupt:
        if thread.ident is not None and not outcome.done():
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident), ctypes.py_object(KeyboardInterrupt)
            )
        thread.join()
        raise
