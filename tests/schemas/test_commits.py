import hashlib

import pytest

from schemas import commits
from schemas.commits import Attempt, Commit, committed, publish, read_commit, roll_forward, sweep
from schemas.drops import Counts
from schemas.shards import ShardInfo
from schemas.storage import Store

COUNTS = Counts({"page": 2}, {"page": 1}, {"page": {"no_text": 1}})


class Killed(BaseException):
    """What a SIGKILL looks like from inside: nothing after it runs."""


def everything(store: Store) -> list[str]:
    """All files of a store."""
    if not store.fs.exists(store.root):
        return []
    return sorted(str(path).removeprefix(store.root).lstrip("/") for path in store.fs.find(store.root))


def stage(store: Store, *names: str, partition: int = 0) -> Attempt:
    attempt = Attempt(store, "extract", partition)
    for name in names:
        attempt.put(name, name.encode())
    return attempt


def decide_then_kill(store: Store, attempt: Attempt, renames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commit `attempt`, and stop the process after its record and `renames` files are in place."""
    moves = 0
    move = store.move

    def dying_move(source: str, target: str) -> None:
        nonlocal moves
        if moves == renames:
            raise Killed
        moves += 1
        move(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(store, "move", dying_move)
        with pytest.raises(Killed):
            attempt.commit(COUNTS)


def test_nothing_counts_before_the_commit(store: Store) -> None:
    attempt = stage(store, "out/a", "out/b")
    assert not store.exists("out/a")
    assert committed(store, "extract") == []
    attempt.commit(COUNTS)
    assert store.list("out") == ["a", "b"]
    assert store.read("out/a") == b"out/a"
    assert committed(store, "extract") == [0]


def test_a_commit_tells_size_and_hash_of_what_a_reader_will_find(store: Store) -> None:
    with Attempt(store, "extract", 3) as attempt:
        file = attempt.create("out/a.bin")
        file.write(b"some ")
        file.write(b"bytes")
        assert file.tell() == 10
        commit = attempt.commit(COUNTS)
    (info,) = commit.files
    assert (info.name, info.bytes) == ("out/a.bin", 10)
    assert info.sha256 == hashlib.sha256(store.read("out/a.bin")).hexdigest()


def test_a_commit_is_read_back_as_it_was(store: Store) -> None:
    shard = ShardInfo("000007-000", 1, 2, 3, "t", 4, "p")
    attempt = stage(store, "out/a", partition=7)
    commit = attempt.commit(COUNTS, [shard])
    assert read_commit(store, "extract", 7) == commit
    assert commit.counts == COUNTS
    assert commit.shards == [shard]
    assert store.list("work/extract") == ["000007.json"]


def test_files_are_named_by_suffix(store: Store) -> None:
    commit = stage(store, "out/a.pages.parquet", "out/a.drafts.parquet", "drops/a.parquet").commit(COUNTS)
    assert commit.named(".drafts.parquet") == ["out/a.drafts.parquet"]
    assert commit.named("a.parquet") == ["drops/a.parquet"]


def test_a_failing_body_leaves_nothing(store: Store) -> None:
    def work() -> None:
        with Attempt(store, "extract", 0) as attempt:
            attempt.put("out/closed", b"data")
            attempt.create("out/still-open").write(b"data")
            raise ValueError("bad data")

    with pytest.raises(ValueError, match="bad data"):
        work()
    assert everything(store) == []


def test_abandon_may_be_repeated(store: Store) -> None:
    attempt = stage(store, "out/a")
    attempt.abandon()
    attempt.abandon()
    assert everything(store) == []


def test_the_loser_of_a_race_removes_its_files_and_returns_what_counts(store: Store) -> None:
    first, second = stage(store, "out/a"), stage(store, "out/a", "out/b")
    winner = first.commit(COUNTS)
    returned = second.commit(Counts())
    assert returned == winner
    assert everything(store) == ["out/a", "work/extract/000000.json"]


def test_attempts_do_not_write_over_each_other(store: Store) -> None:
    first, second = Attempt(store, "extract", 0), Attempt(store, "extract", 0)
    left, right = first.create("out/a"), second.create("out/a")
    left.write(b"left")
    right.write(b"right")
    first.commit(COUNTS)
    second.commit(COUNTS)
    assert store.read("out/a") == b"left"


def test_partitions_and_phases_commit_apart(store: Store) -> None:
    for phase, partition in (("extract", 0), ("extract", 12), ("urls", 0)):
        with Attempt(store, phase, partition) as attempt:
            attempt.commit(COUNTS)
    assert committed(store, "extract") == [0, 12]
    assert committed(store, "urls") == [0]
    assert committed(store, "texts") == []


def test_committed_passes_over_what_is_no_record(store: Store) -> None:
    stage(store, "work/extract/000000.pages.parquet").commit(COUNTS)
    store.put("work/extract/.123abc.000001.json.tmp", b"half")
    store.put("work/extract/notes.json", b"{}")
    assert committed(store, "extract") == [0]


def test_files_get_their_names_in_the_order_they_were_created(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard's commit mark is created last, so it is there only when the shard is."""
    attempt = stage(store, "z.tar", "y.parquet", "a.json")
    decide_then_kill(store, attempt, 2, monkeypatch)
    assert [name for name in everything(store) if not name.startswith((".", "work"))] == ["y.parquet", "z.tar"]


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_a_commit_killed_between_decision_and_renames_is_rolled_forward(
    store: Store, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    names = ["out/a", "out/b", "commit/c"]
    decide_then_kill(store, stage(store, *names), renames, monkeypatch)
    assert committed(store, "extract") == [0]
    assert not all(store.exists(name) for name in names)
    roll_forward(store, [read_commit(store, "extract", 0)])
    assert everything(store) == sorted([*names, "work/extract/000000.json"])
    assert all(store.read(name) == name.encode() for name in names)


def test_rolling_forward_touches_only_what_is_unfinished(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    done = stage(store, "out/a", partition=0).commit(COUNTS)
    decide_then_kill(store, stage(store, "out/b", partition=1), 0, monkeypatch)
    published: list[int] = []

    def watched(store: Store, commit: Commit) -> None:
        published.append(commit.partition)
        publish(store, commit)

    monkeypatch.setattr(commits, "publish", watched)
    roll_forward(store, [done, read_commit(store, "extract", 1)])
    assert published == [1]
    assert store.list("out") == ["a", "b"]


def test_publishing_may_be_repeated(store: Store) -> None:
    commit = stage(store, "out/a", "out/b").commit(COUNTS)
    before = everything(store)
    publish(store, commit)
    assert everything(store) == before


def test_publishing_files_that_are_nowhere_is_an_error(store: Store) -> None:
    commit = stage(store, "out/a").commit(COUNTS)
    store.remove("out/a")
    with pytest.raises(FileNotFoundError):
        publish(store, commit)


def test_an_error_after_the_decision_loses_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the record is there the files count: leaving the context by an exception must not remove them."""

    def work() -> None:
        with Attempt(store, "extract", 0) as attempt:
            attempt.put("out/a", b"data")
            attempt.commit(COUNTS)

    def unreachable(source: str, target: str) -> None:
        raise OSError("connection lost")

    with monkeypatch.context() as patched:
        patched.setattr(store, "move", unreachable)
        with pytest.raises(OSError, match="connection lost"):
            work()
    assert committed(store, "extract") == [0]
    roll_forward(store, [read_commit(store, "extract", 0)])
    assert store.read("out/a") == b"data"


def test_a_retry_finishes_what_its_killed_winner_could_not(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker killed between record and renames is retried in the same run: what the retry returns must be there."""
    decide_then_kill(store, stage(store, "out/a", "out/b"), 1, monkeypatch)
    commit = stage(store, "out/a", "out/b").commit(COUNTS)
    assert commit == read_commit(store, "extract", 0)
    assert all(store.exists(file.name) for file in commit.files)


def test_sweep_removes_only_what_attempts_left_aside(store: Store) -> None:
    stage(store, "shards/a.tar").commit(COUNTS)
    stage(store, "shards/b.tar", partition=1)  # never committed: its process was killed
    store.put("shards/.hidden", b"not ours")
    store.put("shards/notes.tmp", b"not ours")
    assert sweep(store, ["shards", "nowhere"]) == 1
    assert store.list("shards") == [".hidden", "a.tar", "notes.tmp"]


def test_an_attempt_without_files_commits(store: Store) -> None:
    with Attempt(store, "extract", 0) as attempt:
        commit = attempt.commit(COUNTS)
    assert commit.files == []
    assert committed(store, "extract") == [0]


def test_a_commit_whose_answer_was_lost_is_still_ones_own(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client asks again when the answer to its put is cut off, and then hears that the record is there already."""
    real = Store.put_if_absent

    def answer_lost(self: Store, name: str, data: bytes) -> bool:
        assert real(self, name, data)
        return real(self, name, data)

    monkeypatch.setattr(Store, "put_if_absent", answer_lost)
    commit = stage(store, "out/a").commit(COUNTS)
    assert read_commit(store, "extract", 0) == commit
    assert everything(store) == ["out/a", "work/extract/000000.json"]
