"""Processes of a Ray, found by what they run."""

import os
import re
from pathlib import Path


def ray_processes(running: str, session: int) -> list[int]:
    """Those of this session whose title, behind `ray::`, begins as the pattern says; sessions cost least to ask."""
    title = re.compile(f"ray::{running}".encode())
    found = []
    for number in map(int, filter(str.isdigit, os.listdir("/proc"))):
        try:
            if os.getsid(number) == session and title.match(Path(f"/proc/{number}/cmdline").read_bytes()):
                found.append(number)
        except OSError:  # it has ended
            pass
    return sorted(found)
