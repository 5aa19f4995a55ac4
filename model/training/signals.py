"""Asking a run to stop: the step in hand is finished, the state saved, and the same command goes on later."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

#: SIGUSR1 is what Slurm can be asked to send before a job ends.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class Stop:
    """Whether somebody asked, and by which signal."""

    def __init__(self) -> None:
        self.by = ""

    def ask(self, number: int, frame: FrameType | None = None) -> None:
        """The second time SIGINT interrupts at once: whoever presses the keys twice does not want to wait."""
        if self.by and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.by = signal.Signals(number).name


@contextmanager
def stop_by_signal(stop: Stop | None = None) -> Iterator[Stop]:
    """Within it the signals only leave a note, in `stop` if it is given. Outside of the main thread, as under Ray, they
    are left alone."""
    stop = stop or Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop.ask) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
