"""Delta debugging: the smallest input that shows the same finding, found by leaving out parts."""

import time
from collections.abc import Callable


def minimise(data: bytes, shows: Callable[[bytes], bool], most_s: float = 60.0) -> bytes:
    """`data` less the parts without which `shows` still holds, tried from halves down to single bytes."""
    end, parts = time.monotonic() + most_s, 2
    while len(data) > 1 and time.monotonic() < end:
        size = -(-len(data) // parts)
        for start in range(0, len(data), size):
            shorter = data[:start] + data[start + size :]
            if time.monotonic() > end or shows(shorter):
                data = shorter if time.monotonic() <= end else data
                parts = max(2, parts - 1)
                break
        else:
            if size == 1:
                break
            parts = min(len(data), parts * 2)
    return data
