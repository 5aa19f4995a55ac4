"""The progress of a build: one bar on a terminal, lines in a log."""

import io
import re
import time

import pytest

from jobs.engine import build_progress
from jobs.engine.build_bar import fitted
from jobs.engine.build_progress import BuildProgress, Part, counted_bytes
from schemas.drops import Counts
from tests.jobs.engine.test_progress import terminal_of
from tests.jobs.engine.test_work_left import Clock

PAGES = Counts({"page": 1000}, {"page": 150}, {"page": {"few_words": 800, "language": 30, "no_image": 15, "spam": 5}})
PARTS = [
    Part("extract", "reading archives", 8.0),
    Part("bands", "finding near-duplicates", 1.0, ("bands", "stars-", "similar")),
    Part("publish", "writing pages", 1.0),
]
GB = 10**9


def test_a_log_has_a_line_for_each_part_and_one_every_ten_seconds_and_no_codes() -> None:
    log, clock = io.StringIO(), Clock()
    with BuildProgress(log, clock) as shown:
        shown.prepare("listing the inputs")
        shown.foresee(PARTS)
        with shown.phase("extract", 3, weights=[GB, GB, 2 * GB]) as phase:
            for second in range(25):
                clock.now += 1
                phase.reach(0, second / 25)
            phase.advance(0, PAGES)
            phase.advance(1, PAGES)
            phase.advance(2, PAGES)
        for name in ("extract-merged", "bands", "stars-00", "stars-01", "similar"):
            with shown.phase(name, 2) as phase:
                phase.advance(0, Counts())
                phase.advance(1, Counts())
        with shown.phase("publish", 1) as phase:
            phase.advance(0, Counts())
        shown.end()
    assert log.getvalue().splitlines() == [
        "listing the inputs ...",
        "1 of 3: reading archives, 10 s, about 2 min left, 0.4 of 4.0 GB",
        "1 of 3: reading archives, 20 s, about 2 min left, 0.8 of 4.0 GB",
        "1 of 3: reading archives, 25 s, less than a minute left, 2 of 2 merged, 3,000 pages in, 450 kept, "
        "few_words 2,400, language 90, no_image 45",
        "2 of 3: finding near-duplicates, 25 s, less than a minute left, 2 of 2 tasks",
        "3 of 3: writing pages, 25 s, less than a minute left",
    ]


def test_what_was_done_before_is_shown_as_done() -> None:
    log = io.StringIO()
    with BuildProgress(log) as shown:
        shown.foresee(PARTS)
        with shown.phase("extract", 3, done=range(3)):
            pass
        with shown.phase("publish", 4, done=[2]):
            pass
    assert log.getvalue().splitlines() == [
        "1 of 3: reading archives, 0 s, done before",
        "3 of 3: writing pages, 0 s, 1 of 4 tasks",
    ]


def test_a_second_attempt_takes_nothing_back() -> None:
    shown = BuildProgress(io.StringIO())
    shown.foresee(PARTS[:1])
    with shown.phase("extract", 2) as phase:
        phase.reach(1, 0.8)
        phase.reach(1, 0.1)  # begun anew
        assert shown.pieces()[0] == pytest.approx(0.4)
        phase.advance(1, Counts())
        phase.reach(1, 0.3)  # the slower one, which does not count any more
        assert shown.pieces()[0] == pytest.approx(0.5)


def test_a_part_that_nobody_foresaw_is_shown_all_the_same() -> None:
    shown = BuildProgress(io.StringIO())
    shown.foresee(PARTS[:1])
    with shown.phase("hanging", 2):
        assert shown.pieces()[1] == "2 of 2: hanging"


def test_a_part_that_is_not_made_of_tasks_says_itself_what_it_does() -> None:
    log, clock = io.StringIO(), Clock()
    shown = BuildProgress(log, clock)
    shown.foresee([PARTS[0], Part("media", "fetching from the web", 5.0)])
    with shown.stage("media") as stage:
        clock.now += 20
        stage.tell("12 of 80 images, 3.1 requests/s", 0.15, left_s=600)
        assert shown.pieces()[2:] == ("20 s", "about 10 min left", "12 of 80 images, 3.1 requests/s")
        clock.now += 20
        stage.show(0, lambda: "50 images", last=True)
    assert log.getvalue().splitlines() == [
        "2 of 2: fetching from the web, 20 s, about 10 min left, 12 of 80 images, 3.1 requests/s",
        "2 of 2: fetching from the web, 40 s, about 4 min left, 50 images",
    ]


@pytest.mark.parametrize("width", [1, 10, 24, 40, 60, 80, 100, 140, 300])
@pytest.mark.parametrize("left", ["", "about 12 min left"])
@pytest.mark.parametrize("detail", ["", "1.2 of 3.0 GB, 3,410 pages in, 512 kept, few_words 210, language 90"])
def test_the_bar_fits_every_terminal(width: int, left: str, detail: str) -> None:
    pieces = fitted("⠋", 0.42, "6 of 16: finding near-duplicates", "5 min 3 s", left, detail, width)
    line = "".join(text for text, _ in pieces)
    assert len(line) <= width
    assert line.startswith("⠋"[:width]) or width < 3
    if width >= 40:
        assert "6 of 16: finding near-duplicates" in line
    if width >= 60 and left:
        assert left in line
    if width == 300:
        assert line == ", ".join(
            filter(None, [f"⠋ {'━' * 6}{'─' * 10}  42% 6 of 16: finding near-duplicates", "5 min 3 s", left, detail])
        )


def test_on_a_terminal_there_is_one_bar_at_once_and_it_stays_in_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal_of(60, monkeypatch) as (stream, lines), BuildProgress(stream) as shown:
        shown.prepare("starting")
        shown.foresee(PARTS)
        with shown.phase("extract", 8, done=[0, 1]) as phase:
            for task in range(2, 8):
                phase.advance(task, PAGES)
            shown.say("a sentence")
        shown.end()
    assert re.fullmatch(r". ─+ +0% starting, 0 s", lines[0])
    assert "a sentence" in lines
    assert re.fullmatch(r". ━+ 100% done, 0 s", lines[-1])
    assert all(len(line) <= 60 for line in lines)


def test_sizes_are_told_in_the_unit_of_the_whole() -> None:
    assert counted_bytes(1.2 * GB, 3 * GB) == "1.2 of 3.0 GB"
    assert counted_bytes(500, 90_000) == "0.5 of 90.0 kB"


def test_a_log_goes_on_while_nothing_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_progress, "LINE_EVERY_S", 0.02)
    log = io.StringIO()
    with BuildProgress(log) as shown:
        shown.prepare("starting")
        shown.foresee(PARTS)
        with shown.phase("publish", 4):
            deadline = time.monotonic() + 30
            while log.getvalue().count("3 of 3") < 3 and time.monotonic() < deadline:
                time.sleep(0.01)
    count = log.getvalue().count("3 of 3: writing pages, 0 s, 0 of 4 tasks")
    assert count >= 3
    time.sleep(0.1)
    assert log.getvalue().count("3 of 3") == count, "it has ended"
