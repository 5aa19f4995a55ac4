"""Children are forks of one process that has imported their modules; nobody can tell but by the time."""

import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from jobs.build import build
from jobs.engine.fork_server import ForkServer, fork_server
from jobs.engine.isolation import Isolated, IsolationSettings
from pipeline.page.charset import utf8_html
from schemas.drops import Drop
from tests.jobs.steps import has_loaded, misbehave
from tests.jobs.test_build import INLINE, SMALL

HANGS = """
import sys, threading
from jobs.engine.fork_server import fork_server
from jobs.engine.isolation import Isolated, IsolationSettings
from tests.jobs.steps import misbehave
step = Isolated(misbehave, IsolationSettings(timeout_s=60))
print(fork_server()._process.pid, step("pid"), flush=True)
step("hang")
"""


def isolated() -> Isolated[str, object]:
    return Isolated(misbehave, IsolationSettings())


def test_a_child_does_not_see_what_another_left_behind() -> None:
    for _ in range(2):
        with isolated() as step:
            assert [step("mark"), step("mark")] == [1, 2]


def test_a_child_is_in_the_folder_and_environment_of_the_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for word in ("one", "two"):
        (tmp_path / word).mkdir()
        monkeypatch.chdir(tmp_path / word)
        monkeypatch.setenv("WEFT_TEST_WORD", word)
        with isolated() as step:
            assert step("surroundings") == (str(tmp_path / word), word)


def test_what_forks_has_no_threads_whatever_it_has_imported(tmp_path: Path, site: list[Path]) -> None:
    """A lock that another thread holds at the moment of the fork would never be free in the child."""
    build(str(tmp_path), [str(path) for path in site], SMALL, INLINE)
    assert len(list(Path(f"/proc/{fork_server()._process.pid}/task").iterdir())) == 1


def test_what_pages_need_late_is_there_before_a_child_is() -> None:
    with Isolated(partial(has_loaded, utf8_html), IsolationSettings()) as step:
        assert step("bs4.dammit")


def test_threads_may_start_children_at_once() -> None:
    def pids(_: int) -> tuple[object, object]:
        with isolated() as step:
            return step("pid"), step("pid")

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(pids, range(24)))
    assert all(first == second for first, second in found)
    assert len(dict(found)) == 24


def test_a_dead_server_costs_one_item_and_is_replaced() -> None:
    with isolated() as step:
        assert step("fine") == "fine"
        before = fork_server()._process
        before.kill()
        before.wait()
        with pytest.raises(Drop) as caught:
            step("fine")
        assert (caught.value.reason, caught.value.detail) == ("crashed", "SIGKILL")
        assert step("fine") == "fine"
        assert fork_server()._process.pid != before.pid


def test_nothing_lives_on_when_a_process_is_killed_while_its_child_hangs() -> None:
    killed = subprocess.Popen([sys.executable, "-c", HANGS], stdout=subprocess.PIPE, text=True)
    assert killed.stdout is not None
    left = [Path(f"/proc/{pid}") for pid in killed.stdout.readline().split()]
    assert len(left) == 2
    time.sleep(0.1)  # until it hangs; if it does not yet, the claim is only easier
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    until = time.monotonic() + 30
    while any(running(path) for path in left) and time.monotonic() < until:
        time.sleep(0.01)
    assert not any(running(path) for path in left)


def running(process: Path) -> bool:
    """Ended ones that nobody has waited for yet do not count."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_ctrl_c_is_for_the_parent_from_the_first_moment(capfd: pytest.CaptureFixture[str]) -> None:
    server = ForkServer()
    server._process.send_signal(signal.SIGINT)  # before it has imported anything
    ours, theirs = socket.socketpair()
    with ours, theirs:
        server.fork(pickle.dumps(misbehave), theirs).kill()
        assert server.usable
    server.close()
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert capfd.readouterr().err == ""
