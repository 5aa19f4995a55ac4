"""Workers that are processes: rows travel in memory that both see, and nothing is left of anybody who was killed."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from multiprocessing import forkserver
from pathlib import Path

import numpy as np
import pytest

from model.data.config import DatasetSettings, LoaderConfig, OrderSettings, ReadSettings
from model.data.images import ImageSettings
from model.data.listing import list_shards
from model.data.processes import Processes
from model.data.rows import LoaderError
from model.data.schedule import Taken
from model.data.shared import SharedSlots
from model.data.workers import Job
from tests.model.makers import page, some_tokens, write_dataset

ROOT = Path(__file__).parents[2]


def both_ends() -> tuple[SharedSlots, SharedSlots]:
    """As in two processes: each with its own maps of the one file."""
    giver, taker = SharedSlots(), SharedSlots.__new__(SharedSlots)
    taker._open(os.dup(giver._file.fileno()))
    return giver, taker


def item(number: int, size: int) -> dict[str, object]:
    return {"pixels": np.full((size, 2), number, np.uint8), "none": np.zeros((0, 3), np.float32), "key": str(number)}


def test_arrays_are_seen_where_they_were_put_and_a_slot_holds_the_next_once_it_is_free() -> None:
    giver, taker = both_ends()
    seen = []
    for number in range(50):
        handed = giver.put(item(number, 100 + 5000 * (number % 3)))
        assert len(pickle.dumps(handed)) < 300
        seen.append((handed.slot, taker.take(handed), number))
        if len(seen) == 3:
            for slot, found, expected in seen:
                assert (found["pixels"] == expected).all()
                assert found["none"].shape == (0, 3)
                taker.free(slot)
            seen.clear()
    assert len(giver._maps) == 3


def test_what_is_held_is_not_written_over_and_outlives_the_end(tmp_path: Path) -> None:
    giver, taker = both_ends()
    held = [taker.take(giver.put(item(number, 64))) for number in range(20)]
    taker.close()
    giver.close()
    assert [int(found["pixels"][3, 1]) for found in held] == list(range(20))


def test_memory_that_cannot_grow_lets_objects_travel_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    giver, taker = both_ends()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("model.data.shared.os.ftruncate", full)
    handed = pickle.loads(pickle.dumps(giver.put(item(7, 100))))
    assert handed.slot == -1
    assert (taker.take(handed)["pixels"] == 7).all()


TRAINER = """
import sys, time
from model.data.config import *
from model.data.images import ImageSettings
from model.data.listing import list_shards
from model.data.order import lanes_of
from model.data.processes import Processes
from model.data.schedule import Taken
from model.data.tokens import byte_tokens
from model.data.workers import Job

if __name__ == "__main__":
    config = LoaderConfig(
        datasets=(DatasetSettings("pages", sys.argv[1]),), order=OrderSettings(lanes=2),
        images=ImageSettings(size_px=64), read=ReadSettings(workers=2, workers_are="processes"),
    )
    workers = Processes(Job(config, byte_tokens(), [list_shards(sys.argv[1])], 0, [0, 1], Taken([0]), [{}]))
    workers.next(0)
    print(*(worker._process.pid for worker in workers._workers), "torch" in sys.modules, flush=True)
    time.sleep(60)
"""


def test_nothing_is_left_of_workers_whose_training_loop_was_killed(tmp_path: Path) -> None:
    """No process, and no memory that has a name. Workers need no torch, which takes seconds to import."""
    write_dataset(tmp_path / "pages", [page(n) for n in range(12)])
    (tmp_path / "trainer.py").write_text(TRAINER)
    before = set(os.listdir("/dev/shm"))
    command = [sys.executable, str(tmp_path / "trainer.py"), str(tmp_path / "pages")]
    trainer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert trainer.stdout is not None
    *pids, torch_is_there = trainer.stdout.readline().split()
    assert torch_is_there == "False"
    assert len(pids) == 2
    assert all(Path(f"/proc/{pid}").exists() for pid in pids)
    trainer.send_signal(signal.SIGKILL)
    trainer.wait()
    trainer.stdout.close()
    end = time.monotonic() + 20
    while any(map(_runs, pids)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(_runs, pids))
    # A semaphore of the queues is removed by the tracker of multiprocessing, which outlives who was killed.
    while (left := set(os.listdir("/dev/shm")) - before) and time.monotonic() < end:
        time.sleep(0.05)
    assert not {name for name in left if "weft" in name or "psm" in name}


def test_a_loader_closed_while_rows_travel_whole_through_a_pipe_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that is ended may have sent half a row: whoever waits for the rest of it would wait for ever."""
    monkeypatch.setattr("model.data.processes.shared_slots", lambda: None)
    monkeypatch.setattr("model.data.processes._END_S", 0.2)
    write_dataset(tmp_path / "pages", [page(n) for n in range(12)])
    config = LoaderConfig(
        datasets=(DatasetSettings("pages", str(tmp_path / "pages")),),
        order=OrderSettings(lanes=1),
        images=ImageSettings(size_px=224),
        read=ReadSettings(workers=1, workers_are="processes"),
    )
    files = [list_shards(str(tmp_path / "pages"))]
    workers = Processes(Job(config, some_tokens(), files, 0, [0], Taken([0]), [{}]))
    assert workers.next(0).row is not None
    time.sleep(0.3)  # the pipe is full
    ended: list[str] = []

    def take() -> None:
        try:
            while True:
                workers.next(0)
        except LoaderError as error:
            ended.append(str(error))

    taker = threading.Thread(target=take, daemon=True)
    taker.start()
    workers.close()
    taker.join(20)
    assert ended == ["the loader was closed"]


def _runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("server", ["new", "of others"])
def test_what_a_terminal_sends_to_all_processes_is_for_the_trainer(tmp_path: Path, server: str) -> None:
    """The step in hand wants more rows; a worker that ended would cost the run, or print a traceback."""
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    if server == "of others":
        forkserver.ensure_running()
    write_dataset(tmp_path / "pages", [page(n) for n in range(12)])
    config = LoaderConfig(
        datasets=(DatasetSettings("pages", str(tmp_path / "pages")),),
        order=OrderSettings(lanes=1),
        images=ImageSettings(size_px=16),
        read=ReadSettings(workers=1, workers_are="processes", prefetch_rows=1),
    )
    files = [list_shards(str(tmp_path / "pages"))]
    workers = Processes(Job(config, some_tokens(), files, 0, [0], Taken([0]), [{}]))
    if server == "of others":
        assert workers.next(0).row is not None  # it has begun
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        os.kill(workers._workers[0]._process.pid, number)
        for _ in range(4):
            assert workers.next(0).row is not None
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    workers.close()
    assert workers._workers[0]._process.exitcode == 0


def test_a_program_that_closes_no_loader_ends(tmp_path: Path) -> None:
    write_dataset(tmp_path / "pages", [page(n) for n in range(12)])
    (tmp_path / "trainer.py").write_text(TRAINER.replace("time.sleep(60)", ""))
    command = [sys.executable, str(tmp_path / "trainer.py"), str(tmp_path / "pages")]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, "")
