"""Hostile and odd input of all classes, for as long as you like; what breaks a promise is made small and kept.

    python -m benchmarks.zoo [CLASS ...] [--seed 1] [--minutes 5 | --hours 2] [--keep DIR]
    python -m benchmarks.zoo --replay DIR/images-a-stored-jpg-does-not-open-again-1f3a9c.bin

An item is a pure function of class, seed and number. Each is judged in a child process, bounded in time and memory;
its working directory holds a file, and a server listens, that nothing may touch.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.zoo.classes import CLASSES
from benchmarks.zoo.run import Keeper, judged_items, replay


def main() -> int:
    parser = argparse.ArgumentParser(description="hostile and odd input")
    parser.add_argument("classes", nargs="*", metavar="CLASS", help=", ".join(CLASSES))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=5.0, help="in all, shared by the classes")
    parser.add_argument("--hours", type=float, default=0.0)
    parser.add_argument("--keep", type=Path, default=None, help="where findings go, made small")
    parser.add_argument("--replay", type=Path, nargs="*", default=[], help="kept files to judge again")
    arguments = parser.parse_args()
    if unknown := set(arguments.classes) - CLASSES.keys():
        parser.error(f"no class {', '.join(sorted(unknown))}; there are {', '.join(CLASSES)}")
    if arguments.replay:
        findings = {path: replay(path.resolve()) for path in arguments.replay}
        for path, finding in findings.items():
            print(f"{path.name}: {finding or 'fine'}")
        return int(any(findings.values()))
    names = arguments.classes or list(CLASSES)
    seconds = (arguments.hours * 60 or arguments.minutes) * 60 / len(names)
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        keeper = Keeper(arguments.keep.resolve() if arguments.keep else None)
        for name in names:
            outcome = judged_items(CLASSES[name], arguments.seed, seconds, Path(scratch), keeper)
            failed = failed or bool(outcome.findings)
            print(outcome, flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
