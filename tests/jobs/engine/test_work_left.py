"""What is foretold of the time that is left, by a clock that the tests turn."""

import pytest

from jobs.engine.work_left import WorkLeft, about, clock_of


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_part_at_hand_goes_on_at_its_pace_and_those_to_come_by_their_shares() -> None:
    clock = Clock()
    left = WorkLeft({"read": 60, "open": 30, "write": 10}, clock)
    left.begin("read")
    assert left.left_s is None
    clock.now += 60
    left.reach(0.5)
    assert left.left_s == pytest.approx(60 + 40 * 2)  # two seconds for a share of one
    assert left.done == pytest.approx(0.3)
    clock.now += 60
    left.begin("open")
    assert left.done == pytest.approx(0.6)
    left.reach(0.5)
    clock.now += 300  # four times as slow as its share
    assert left.left_s == pytest.approx(300 + 10 * (420 / 45), rel=0.01)
    left.end()
    assert left.done == 1.0


def test_a_part_that_is_far_slower_than_its_share_is_believed_after_a_minute() -> None:
    clock = Clock()
    left = WorkLeft({"read": 10, "count": 1}, clock)
    left.begin("read")
    clock.now += 100
    left.reach(1.0)
    left.begin("count")
    clock.now += 50
    left.reach(0.01)
    assert left.left_s is not None
    assert left.left_s < 20  # by its share
    clock.now += 50
    left.reach(0.02)
    assert left.left_s == pytest.approx(49 * 100)


def test_what_an_earlier_run_has_done_says_nothing_about_the_pace() -> None:
    clock = Clock()
    left = WorkLeft({"read": 50, "write": 50}, clock)
    left.begin("read")
    left.reach(0.9, before=True)
    clock.now += 10
    assert left.left_s is None
    left.reach(0.95)
    assert left.left_s == pytest.approx(10 + 50 * 10 / 2.5)


def test_a_part_that_knows_itself_is_believed_and_is_no_measure_for_others() -> None:
    clock = Clock()
    left = WorkLeft({"read": 10, "fetch": 10, "write": 10}, clock)
    left.begin("read")
    clock.now += 10
    left.reach(1.0)
    left.begin("fetch")
    left.foretell(7200.0)
    clock.now += 3600
    assert left.left_s == pytest.approx(3600 + 10)
    left.reach(1.0)
    left.begin("write")
    assert left.left_s == pytest.approx(10)


def test_what_is_done_never_becomes_less_and_nothing_is_foretold_of_next_to_nothing() -> None:
    clock = Clock()
    left = WorkLeft({"read": 1.0}, clock)
    left.begin("read")
    left.reach(0.5)
    left.reach(0.2)
    assert left.done == 0.5
    assert left.left_s is None  # no time has passed
    assert WorkLeft({}, clock).done == 0.0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a minute"),
        (44, "less than a minute"),
        (50, "about 1 min"),
        (433, "about 7 min"),
        (733, "about 10 min"),
        (3100, "about 50 min"),
        (5399, "about 90 min"),
        (12_000, "about 3.5 h"),
        (100_000, "about 28 h"),
        (360_000, "about 4 days"),
    ],
)
def test_no_more_digits_are_told_than_are_true(seconds: float, words: str) -> None:
    assert about(seconds) == words


def test_how_long_it_went() -> None:
    assert [clock_of(seconds) for seconds in (0.9, 59, 303, 12_000)] == ["0 s", "59 s", "5 min 3 s", "3 h 20 min"]
