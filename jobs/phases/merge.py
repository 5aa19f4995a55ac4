"""After a phase with many tasks: their files are merged, so that readers open tens of files and not thousands."""

import math
from collections.abc import Sequence

from jobs.phases.sizes import put_sizes, read_sizes, sizes_of
from jobs.phases.task import ROWS, Merged, Phase, Task, file_of
from schemas.commits import Commit
from schemas.merging import MERGE_BYTES, merge_files

#: A phase with no more tasks is left as it is.
MERGE_ABOVE = 8
_LEAST_GROUP, _LARGEST_GROUP = 16, 1024
_BYTES_A_TASK = 1 << 30
_BLOCKS_A_TASK = 1 << 20  # places of blocks that one task holds; they take 40 bytes each


def plan_merge(phase: str, commits: Sequence[Commit], buckets: int) -> Merged | None:
    """How the files of a phase are merged, by their number and size; None where they are left as they are.

    `buckets` is the greatest number of buckets of any of them, and so of tasks that read. A reader opens a file of each
    group. A merge reads each file of its group once for every `MERGE_BYTES` of all: so groups of
    sqrt(buckets * MERGE_BYTES / bytes of a file) make the fewest requests.
    """
    sizes = [file.bytes for commit in commits for file in commit.files if file.name.endswith(ROWS)]
    if len(commits) <= MERGE_ABOVE or not sizes:
        return None
    each = max(1, sum(sizes) // len(commits))
    wanted = math.isqrt(buckets * MERGE_BYTES // each)
    groups = math.ceil(len(commits) / min(_LARGEST_GROUP, max(_LEAST_GROUP, wanted)))
    group = math.ceil(len(commits) / groups)
    ranges = math.ceil(group * each / _BYTES_A_TASK)
    width = min(math.ceil(buckets / ranges), max(1, _BLOCKS_A_TASK // group))
    return Merged(phase, group, math.ceil(len(commits) / group), width, math.ceil(buckets / width))


def merged_names(commits: Sequence[Commit]) -> list[str]:
    """What the tasks of a phase call their files of rows, without the ending."""
    names = {file.name.partition(".")[2] for commit in commits for file in commit.files if file.name.endswith(ROWS)}
    return sorted(name.removesuffix(ROWS) for name in names)


def merge_rows(task: Task, merged: Merged, tasks: int, names: Sequence[str]) -> None:
    """Merge a range of buckets of the files of a group; `tasks` is their number in the whole phase."""
    group, place = divmod(task.index, merged.ranges)
    first, stop = place * merged.width, None if place + 1 == merged.ranges else (place + 1) * merged.width
    of_group = range(group * merged.group, min(tasks, (group + 1) * merged.group))
    for name in names:
        files = [file_of(merged.phase, index, f"{name}{ROWS}") for index in of_group]
        with task.created(f"{name}{ROWS}") as file:
            merge_files(task.store, files, first, stop, file)
    if merged.phase == task.plan.first_phase and place == 0:
        put_sizes(task, read_sizes(task.store, sizes_of(merged.phase, of_group), task.plan.partitions))


def merging(merged: Merged) -> Phase:
    """The phase that does it."""
    return Phase(merged.name, "merged", merge_rows)
