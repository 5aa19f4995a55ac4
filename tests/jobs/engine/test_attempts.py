"""Which partition is tried next, and which attempt counts, by a clock of the test's."""

from collections.abc import Callable

import pytest

from jobs.engine.attempts import LEAST_S, Attempts


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def flown(partitions: int, clock: Clock, most: int = 3, slow_factor: float = 4.0) -> Attempts[str]:
    """All begun at once, attempt "3a" at partition 3."""
    attempts: Attempts[str] = Attempts(range(partitions), most, slow_factor, clock)
    while (partition := attempts.next(100)) is not None:
        attempts.begin(partition, f"{partition}a")
    return attempts


def finish(attempts: Attempts[str], clock: Clock, seconds: float, *names: str) -> None:
    clock.now = seconds
    for name in names:
        assert attempts.won(name) == []


def test_no_more_fly_at_a_time_than_there_is_room_for() -> None:
    attempts: Attempts[str] = Attempts(range(5), 3)
    for partition in (0, 1):
        assert attempts.next(2) == partition
        attempts.begin(partition, str(partition))
    assert attempts.next(2) is None
    attempts.won("0")
    assert attempts.next(2) == 2


def test_a_slow_partition_is_tried_again_when_none_waits_and_most_are_done() -> None:
    clock = Clock()
    attempts = flown(4, clock)
    finish(attempts, clock, 100, "0a")
    clock.now = 1000
    assert attempts.next(100) is None, "one of four says little"
    finish(attempts, clock, 1000, "1a")
    clock.now = 100 * 4 + 1
    assert attempts.next(100) == 2
    attempts.begin(2, "2b")
    assert attempts.next(100) == 3
    attempts.begin(3, "3b")
    assert attempts.next(100) is None, "each has a second attempt now"
    assert attempts.won("2b") == ["2a"]
    assert attempts.ended("2a") is None
    assert attempts.won("3a") == ["3b"]
    assert not attempts


@pytest.mark.parametrize("set_up", [lambda: flown(4, Clock(), slow_factor=0.0), lambda: flown(4, Clock(), most=1)])
def test_there_is_no_second_attempt_where_none_is_wanted(set_up: Callable[[], Attempts[str]]) -> None:
    attempts = set_up()
    clock = attempts._clock
    assert isinstance(clock, Clock)
    finish(attempts, clock, 10, "0a", "1a", "2a")
    clock.now = 10_000
    assert attempts.next(100) is None


def test_what_takes_less_than_a_minute_is_not_slow() -> None:
    clock = Clock()
    attempts = flown(4, clock)
    finish(attempts, clock, 0.1, "0a", "1a", "2a")
    clock.now = LEAST_S
    assert attempts.next(100) is None
    clock.now = LEAST_S + 1
    assert attempts.next(100) == 3


def test_a_failure_beside_another_attempt_is_none_yet() -> None:
    clock = Clock()
    attempts = flown(2, clock, most=2)
    finish(attempts, clock, 1, "0a")
    clock.now = 100
    assert attempts.next(100) == 1
    attempts.begin(1, "1b")
    assert not attempts.failed("1a")
    assert attempts.next(100) is None
    assert attempts.failed("1b"), "it was the last that it may have"
    assert not attempts


def test_a_partition_that_failed_waits_for_its_turn() -> None:
    attempts: Attempts[str] = Attempts([7], 2)
    assert attempts.next(1) == 7
    attempts.begin(7, "a")
    assert not attempts.failed("a")
    assert attempts.next(1) == 7
