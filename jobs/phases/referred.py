"""Which archive a revisit record means: its own crawl's, an earlier crawl's, or one that the dataset was built of."""

import posixpath
from collections import defaultdict
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from fsspec.core import url_to_fs

from jobs.phases.task import Memory

_IN_FLIGHT = 32  # archives that are looked for at a time


class Referred:
    """The archives of a build, and those of the dataset that it adds to, by their names."""

    def __init__(self, memory: Memory) -> None:
        plan = memory.plan
        before = plan.onto.archives if plan.onto is not None else []
        self._urls, self._inputs = [*(archive.url for archive in plan.inputs), *before], len(plan.inputs)
        self._by_name = defaultdict[str, list[int]](list)
        for number, url in enumerate(self._urls):
            self._by_name[posixpath.basename(url)].append(number)
        self._found: dict[tuple[str, str], int | None] = {}
        self._there: dict[int, bool] = {}

    def find(self, name: str, by: int) -> int | None:
        """The number of the archive that a record in archive `by` calls `name`; None if it is not at hand, or nobody
        can tell which of several it is.

        Crawls give their archives the same names. So the end of the path counts, as far as it is named, and of equals
        the one in the record's own folder.
        """
        folder = posixpath.dirname(self._urls[by])
        asked = (name, folder)
        if asked not in self._found:
            self._found[asked] = self._search(name, folder)
        return self._found[asked]

    def _search(self, name: str, folder: str) -> int | None:
        there = self.at_hand(self._by_name.get(posixpath.basename(name), ()))
        own = [number for number in there if posixpath.dirname(self._urls[number]) == folder]
        if own and "/" not in name:
            return own[0]
        depths = [_common_end(self._urls[number], name) for number in there]
        best = [number for number, depth in zip(there, depths, strict=True) if depth == max(depths)]
        return best[0] if len(best) == 1 else None

    def at_hand(self, numbers: Collection[int]) -> list[int]:
        """Of archives by their numbers those that are there; each is looked for once, many at a time."""
        unknown = [number for number in numbers if number not in self._there]
        if len(unknown) > 1:
            with ThreadPoolExecutor(min(_IN_FLIGHT, len(unknown))) as pool:
                self._there |= zip(unknown, pool.map(self._is_there, unknown), strict=True)
        elif unknown:
            self._there[unknown[0]] = self._is_there(unknown[0])
        return [number for number in numbers if self._there[number]]

    def _is_there(self, number: int) -> bool:
        """Archives that were added before may have gone since. Without its inputs a build does not begin, and what was
        fetched lies in the dataset itself, behind them all."""
        if number < self._inputs or number >= len(self._urls):
            return True
        try:
            fs, path = url_to_fs(self._urls[number])
            return bool(fs.exists(path))
        except Exception:  # clients of stores have error trees of their own
            return False


def _common_end(url: str, name: str) -> int:
    """How many parts of two paths agree, from the end."""
    count = 0
    for one, other in zip(reversed(url.split("/")), reversed(name.split("/")), strict=False):
        if one != other:
            break
        count += 1
    return count
