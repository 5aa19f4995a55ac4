"""One owner at a time."""

import threading
import time
from pathlib import Path

from schemas.lease import Lease
from schemas.storage import Store


def test_of_many_who_want_it_one_has_it_at_a_time(tmp_path: Path) -> None:
    store, at_once, most, turns = Store(str(tmp_path)), [0], [0], list[int]()

    def work(number: int) -> None:
        lease = Lease(store, "lease", patience_s=30)
        lease.take()
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        time.sleep(0.01)
        turns.append(number)
        at_once[0] -= 1
        lease.give_back()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most == [1]
    assert sorted(turns) == list(range(6))


def test_who_is_silent_loses_it_and_is_told(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    first, second = Lease(store, "lease", patience_s=0.2), Lease(store, "lease", patience_s=0.2)
    first.take()
    assert first.beat()
    began = time.monotonic()
    second.take()
    assert time.monotonic() - began >= 0.2
    assert not first.beat()
    first.give_back()  # what is another's stays taken
    assert second.beat()


def test_who_is_heard_keeps_it(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    first, second = Lease(store, "lease", patience_s=1.2), Lease(store, "lease", patience_s=1.2)
    first.take()
    waiting = threading.Thread(target=second.take)
    waiting.start()
    for _ in range(12):
        time.sleep(0.2)  # a disk that is busy for a second is not silence
        assert first.beat()
    assert waiting.is_alive()
    first.give_back()
    waiting.join(5)
    assert not waiting.is_alive()
    assert second.beat()
