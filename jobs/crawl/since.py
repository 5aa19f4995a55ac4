"""A crawl that follows on others: what they captured is looked up, and what is no longer to be had is told."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from crawlers.earlier import EARLIER, Earlier, make_earlier
from crawlers.frontier import MOVED, Frontier
from jobs.engine.progress import Progress
from schemas.settings import SettingsError

#: A deny list of what earlier crawls have and the web has not, or not for us, any more.
GONE = "gone.txt"
_PARTS = "work/gone"
_REFUSED = ("robots", "opt_out")
_NOT_THERE = ("404", "410")


def look_back(folder: Path, since: Sequence[str]) -> None:
    """Read the archives of earlier crawls, once. Raises `SettingsError`, `OSError`."""
    if any(Path(source).absolute() == folder for source in since):
        raise SettingsError(f"--since names the crawl itself: {folder}")
    if not since:
        return
    with Progress("since") as progress:
        make_earlier(folder / EARLIER, since, lambda done, of: progress.show(done, lambda: f"{done} of {of} archives"))


def write_gone(folder: Path, partition: int, frontier: Frontier, earlier: Earlier) -> None:
    """The part of `GONE` that one partition can tell."""
    if earlier:
        path = folder / _PARTS / f"{partition:03d}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", errors="replace") as file:
            file.writelines(_gone(frontier, earlier))


def join_gone(folder: Path) -> int:
    """Make one file of all parts, if there are any; returns how many addresses it names."""
    parts = sorted((folder / _PARTS).glob("*.txt"))
    if not parts:
        return 0
    aside = folder / f".{GONE}.tmp"
    with aside.open("wb") as whole:
        for part in parts:
            with part.open("rb") as file:
                shutil.copyfileobj(file, whole)
    aside.replace(folder / GONE)
    with (folder / GONE).open("rb") as file:
        return sum(not line.startswith(b"#") for line in file)


def _gone(frontier: Frontier, earlier: Earlier) -> Iterator[str]:
    """Lines of a deny list. A page goes that is not there, or has moved for good; whatever is refused now goes."""
    for url, reason, detail in frontier.endings():
        if (known := earlier.find(url)) is None:
            continue
        is_gone = reason == MOVED or (reason == "http_status" and detail in _NOT_THERE)
        if reason in _REFUSED or (known.is_page and is_gone):
            yield f"# {' '.join(f'{reason} {detail}'.split())}\n"
            yield (f"{url[:-1]}%2A" if url.endswith("*") else url) + "\n"  # at its end it would stand for anything
