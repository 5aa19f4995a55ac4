"""How a partition's files come to count: all of them or none, whoever is killed when.

An `Attempt` writes every file aside, under a name that holds the attempt. Its commit record is created exclusively:
that decides. Then the files get their final names in order, commit marks of shards last. A commit whose files were not
all renamed before a kill is rolled forward on the next run; files of attempts that never committed are swept when the
job ends. Two attempts at one partition (a driver died, its workers did not) race on the record, and the loser removes
its own files.
"""

import hashlib
import posixpath
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import IO

import msgspec

from schemas.drops import Counts
from schemas.shards import ShardInfo
from schemas.storage import Store, new_attempt, sync

_SUMMARY = "all.json"  # of a phase that is complete: its commits
_RECORDS_AT_A_TIME = 200
_OF_WORK = ("work/", "drops/")


class FileInfo(msgspec.Struct, frozen=True):
    """A file of a commit: its final name, the name it was written under, and what a reader must find in it."""

    name: str
    staged: str
    bytes: int
    sha256: str


class Commit(msgspec.Struct, frozen=True):
    """`work/{phase}/{partition:06d}.json`: a partition of a phase is done, with these files and counts."""

    phase: str
    partition: int
    attempt: str
    files: list[FileInfo]
    counts: Counts
    shards: list[ShardInfo] = []
    unfinished: int = 0  # of a phase that is one round of several: what calls for another

    def named(self, suffix: str) -> list[str]:
        """Names of the files that end in `suffix`."""
        return [file.name for file in self.files if file.name.endswith(suffix)]


class StagedFile:
    """A file being written aside; counts and hashes what passes."""

    def __init__(self, file: IO[bytes], name: str, staged: str) -> None:
        self._file, self._name, self._staged = file, name, staged
        self._sha256 = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._file.write(data)
        self._sha256.update(data)
        self.size += len(data)
        return len(data)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        self._file.flush()

    @property
    def closed(self) -> bool:
        return self._file.closed

    def close(self) -> None:
        if not self._file.closed:
            sync(self._file)
            self._file.close()

    def info(self) -> FileInfo:
        return FileInfo(self._name, self._staged, self.size, self._sha256.hexdigest())


class Attempt:
    """One attempt at one partition of a phase. As a context manager it abandons its files when the body fails."""

    def __init__(self, store: Store, phase: str, partition: int) -> None:
        self._store, self._phase, self._partition = store, phase, partition
        self._id = new_attempt()
        self._files: list[StagedFile] = []
        self._is_decided = False

    def create(self, name: str) -> StagedFile:
        """Open a file that will be called `name` once the partition is committed."""
        staged = posixpath.join(posixpath.dirname(name), f".{self._id}.{posixpath.basename(name)}.tmp")
        file = StagedFile(self._store.create(staged), name, staged)
        self._files.append(file)
        return file

    def put(self, name: str, data: bytes) -> None:
        """Write a small file whole."""
        file = self.create(name)
        file.write(data)
        file.close()

    def commit(self, counts: Counts, shards: Iterable[ShardInfo] = (), unfinished: int = 0) -> Commit:
        """Decide and publish; returns the commit that counts, which is another attempt's if that one was first."""
        self._store.each(StagedFile.close, self._files)  # an object store is given them now
        files = [file.info() for file in self._files]
        commit = Commit(self._phase, self._partition, self._id, files, counts, list(shards), unfinished)
        self._is_decided = True  # from here on the files may count, even if the answer to the put is lost
        if not self._store.put_if_absent(_record_name(self._phase, self._partition), msgspec.json.encode(commit)):
            commit = read_commit(self._store, self._phase, self._partition)
            if commit.attempt != self._id:  # else the first answer was lost, and the client asked again
                self.abandon()
        publish(self._store, commit)  # also another attempt's: it may have been killed before it came to it
        return commit

    def abandon(self) -> None:
        """Remove everything this attempt wrote."""
        for file in self._files:
            with suppress(OSError):  # a full disk fails the close as it failed the write
                file.close()
            self._store.remove(file.info().staged)

    def __enter__(self) -> "Attempt":
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure is not None and not self._is_decided:
            self.abandon()


def read_commit(store: Store, phase: str, partition: int) -> Commit:
    return msgspec.json.decode(store.read(_record_name(phase, partition)), type=Commit)


def read_commits(store: Store, phase: str, partitions: Sequence[int]) -> list[Commit]:
    """The commits of these partitions, many asked for at a time."""
    found: list[Commit] = []
    for start in range(0, len(partitions), _RECORDS_AT_A_TIME):
        names = [_record_name(phase, partition) for partition in partitions[start : start + _RECORDS_AT_A_TIME]]
        found += [msgspec.json.decode(data, type=Commit) for data in store.read_all(names)]
    return found


class Done(msgspec.Struct):
    """What is done of a phase."""

    commits: dict[int, Commit]  # by partition
    is_closed: bool = False  # all of it: `write_summary`
    left: list[str] = []  # files of attempts, of a phase that is closed: nobody commits them any more


def read_done(store: Store, phase: str) -> Done:
    """What is done of a phase, its files in place. Of one that was closed it takes a listing and reading one file."""
    names = store.list(f"work/{phase}")
    numbers = _numbers(names)
    if _SUMMARY in names:
        found = msgspec.json.decode(store.read(f"work/{phase}/{_SUMMARY}"), type=list[Commit])
        known = {commit.partition: commit for commit in found}
        if known.keys() == set(numbers):
            return Done(known, True, [f"work/{phase}/{name}" for name in names if _is_staged(name)])
        store.remove(f"work/{phase}/{_SUMMARY}")  # somebody took records away: those that are made anew are to count
    done = read_commits(store, phase, numbers)
    roll_forward(store, done)
    return Done({commit.partition: commit for commit in done})


def write_summary(store: Store, phase: str, commits: Sequence[Commit]) -> None:
    """Close a phase whose partitions are all committed and published: `read_done` will ask for nothing else."""
    store.put(f"work/{phase}/{_SUMMARY}", msgspec.json.encode(commits))


def committed(store: Store, phase: str) -> list[int]:
    """The partitions of a phase that are done."""
    return _numbers(store.list(f"work/{phase}"))


def _numbers(names: Iterable[str]) -> list[int]:
    """Of records, by their names."""
    bare = (name.removesuffix(".json") for name in names if name.endswith(".json"))
    return sorted(int(name) for name in bare if name.isdigit())


def publish(store: Store, commit: Commit) -> None:
    """Give the files of a commit their final names; safe to repeat after a kill at any point.

    Those of a dataset in order, which is what their readers go by; those that the build itself reads before them, many
    at a time: it reads them when the phase is complete.
    """
    moves = [(file.staged, file.name) for file in commit.files]
    store.move_all([move for move in moves if move[1].startswith(_OF_WORK)])
    store.move_all([move for move in moves if not move[1].startswith(_OF_WORK)], in_order=True)


def roll_forward(store: Store, commits: Iterable[Commit]) -> None:
    """Publish those commits whose attempt was killed between its decision and its last rename."""
    present: dict[str, set[str]] = {}
    for commit in commits:
        for file in commit.files:
            folder, name = posixpath.split(file.staged)
            if folder not in present:
                present[folder] = set(store.list(folder))
            if name in present[folder]:
                publish(store, commit)
                break


def sweep(store: Store, folders: Iterable[str]) -> int:
    """Remove files that attempts left aside; only to be called when every partition is committed and published."""
    left: list[str] = []

    def look(folder: str) -> None:
        left.extend(posixpath.join(folder, name) for name in store.list(folder) if _is_staged(name))

    store.each(look, folders)
    store.remove_all(left)
    return len(left)


def _is_staged(name: str) -> bool:
    return name.startswith(".") and name.endswith(".tmp")


def _record_name(phase: str, partition: int) -> str:
    return f"work/{phase}/{partition:06d}.json"
