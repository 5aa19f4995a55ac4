"""Time that extraction takes beside another version of the repo: page by page in turn, in one process.

    python -m benchmarks.extraction_versions CHECKOUT TRUTH.jsonl.gz [--rounds N]

A machine with other work slows both alike, as no page of one is far from the same page of the other. CHECKOUT is a
folder with the other version, as `git worktree add` makes it. Shown are the seconds of a round over the tuned half,
by kind of page too, and the ratio: of the fastest round of each page, summed.
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from benchmarks.truth import known_pages

ROOT = Path(__file__).resolve().parent.parent
Reader = Callable[[str, bytes], None]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("checkout", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--rounds", type=int, default=4)
    arguments = parser.parse_args()
    if not (arguments.checkout / "pipeline/page/extract.py").is_file():
        sys.exit(f"{arguments.checkout} has no pipeline/page/extract.py: it is no checkout of the repo")
    pages = list(known_pages(arguments.truth, "tuned"))
    readers = [reader_of(folder.resolve()) for folder in (arguments.checkout, ROOT)]
    best = [[float("inf")] * len(pages) for _ in readers]
    for turn in range(arguments.rounds + 1):  # the first fills caches
        for number, page in enumerate(pages):
            for which in (0, 1) if (turn + number) % 2 else (1, 0):
                started = time.perf_counter()
                readers[which](page.url, page.html)
                seconds = time.perf_counter() - started
                best[which][number] = min(best[which][number], seconds if turn else float("inf"))
    kinds: dict[str, list[int]] = defaultdict(list)
    for number, page in enumerate(pages):
        kinds["all"].append(number)
        kinds[page.kind].append(number)
    for kind, numbers in sorted(kinds.items()):
        other, here = (sum(seconds[number] for number in numbers) for seconds in best)
        print(f"{kind:<15}{other:>8.3f} s {here:>8.3f} s   ratio {here / other:.3f}")


def reader_of(folder: Path) -> Reader:
    """What reads a page by the version in a folder, whose modules are imported anew."""
    ours = {path.name for path in folder.iterdir() if (path / "__init__.py").is_file()} - {"benchmarks"}
    for name in [name for name in sys.modules if name.partition(".")[0] in ours]:
        del sys.modules[name]
    sys.path.insert(0, str(folder))
    extract, documents, drops = map(import_module, ("pipeline.page.extract", "schemas.documents", "schemas.drops"))
    sys.path.pop(0)
    assert str(extract.__file__).startswith(str(folder)), extract.__file__

    def read(url: str, html: bytes) -> None:
        try:
            extract.extract_page(documents.Page(uid=0, url=url, html=html))
        except drops.Drop:
            pass

    return read


if __name__ == "__main__":
    main()
