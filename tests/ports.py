"""A port that is free, and stays so."""

import random
import socket
from contextlib import suppress


def free_port() -> int:
    """Below those that the system gives to whoever connects: such a one may be taken before it is used, or between."""
    for port in random.Random().sample(range(20_000, 32_000), 100):
        with socket.socket() as found, suppress(OSError):
            found.bind(("127.0.0.1", port))
            return port
    raise OSError("a hundred ports are taken")
