import io
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import pytest

from crawlers.crawl_status import HostLeft, Status
from jobs.crawl.progress import CrawlProgress, spell
from jobs.engine.build_progress import BuildProgress, Part
from jobs.engine.progress import Progress
from jobs.training.progress import TrainProgress

READINGS = {"loss/pages": 2.0, "loss/pairs": 1.0, "tokens_per_s": 12345.0, "images_per_s": 67.0, "data_wait": 0.1}


@contextmanager
def terminal_of(columns: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[TextIO, list[str]]]:
    """A pseudo-terminal, and the lines that were written to it, without the codes that move the cursor, at the end."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = os.openpty()
    lines: list[str] = []

    def read() -> None:
        written = b""
        try:
            while some := os.read(ours, 1 << 16):
                written += some
        except OSError:  # how a terminal ends
            pass
        plain = re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", written.decode())
        lines.extend(line.rstrip() for line in re.split(r"[\r\n]+", plain) if line)

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(theirs, "w") as stream:
        yield stream, lines
    reader.join()
    os.close(ours)


def test_what_earlier_runs_did_says_nothing_about_the_pace() -> None:
    shown = Progress("extract", 80, "partitions", done=20, stream=io.StringIO())
    assert shown.line(40, "", 10.0) == "extract 40/80 partitions, 10 s, about 20 s left"
    assert shown.line(20, "", 10.0) == "extract 20/80 partitions, 10 s"


def test_text_is_only_made_where_it_is_seen() -> None:
    shown = Progress("train", 80, "steps", stream=io.StringIO())
    shown.show(1, lambda: pytest.fail("nobody sees it"))


def test_a_crawl_shows_the_sum_of_its_partitions() -> None:
    log = io.StringIO()
    one = Status({"page": 20, "image": 30}, {"200": 50}, {"opt_out": 2}, 4_000_000, 60, 7, 1, hosts=2)
    one.slowest = [HostLeft("a.com", 5, 300.0)]
    with Progress("crawl", stream=log) as shown:
        CrawlProgress(shown).show([one, one])
        CrawlProgress(shown).show([one, one], last=True)
    line = re.sub(r"[\d.,]+ requests/s", "N requests/s", log.getvalue())
    assert line == (
        "crawl 0 s: 40 pages, 60 images, 8.0 MB, N requests/s, 14 queued on 4 hosts, 2 in flight, 200 100, "
        "slowest: a.com 5 for 5 min, slowest: a.com 5 for 5 min, dropped: opt_out 4\n"
    )


def test_what_a_build_fetches_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the slowest host, or by the rate of this run where that takes longer; runs before it do not count."""
    at = 1000.0
    monkeypatch.setattr("jobs.crawl.progress.time.monotonic", lambda: at)
    log = io.StringIO()
    build = BuildProgress(log, lambda: at)
    build.foresee([Part("media", "fetching"), Part("publish", "writing", 0.0)])
    status = Status({"image": 30}, bytes=4_000_000, requests=60, queued=90, in_flight=1, hosts=2)
    with build.stage("media") as stage:
        shown = CrawlProgress(stage, knows_end=True)
        shown.show([status])
        at += 2.0
        status.visits, status.requests = {"image": 34}, 66
        shown.show([status])
        assert build.pieces()[3:] == (
            "less than a minute left",
            "34 images, 4.0 MB, 2.0/s, 90 queued on 2 hosts, 1 in flight",
        )
        status.slowest = [HostLeft("slow.com", 80, 8000.0), HostLeft("fast.com", 10, 0.0)]
        at += 20.0
        shown.show([status])
        assert "90 queued on 2 hosts, about 2 h left, 1 in flight" in shown.text([status], alone=True)
    line = log.getvalue().splitlines()[-1]
    assert line.count(" left") == 1
    assert ", about 2 h left, 34 images, " in line
    assert line.endswith("90 queued on 2 hosts, 1 in flight, slowest: slow.com 80 for 2 h, slowest: fast.com 10")
    assert [spell(seconds) for seconds in (0.4, 99, 130, 7000, 1e5, 1e6)] == [
        "0 s", "99 s", "2 min", "2 h", "28 h", "12 days",
    ]  # fmt: skip


def test_on_a_terminal_sentences_stand_above_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal_of(100, monkeypatch) as (stream, lines), TrainProgress(40, stream=stream) as shown:
        shown.on_metrics(1, READINGS)
        shown.on_message("a checkpoint [0] was written")
        shown.on_metrics(40, READINGS)
    assert "a checkpoint [0] was written" in lines
    assert re.fullmatch(r"train +━+ 40/40 0:00:\d\d 0:00:00 loss pages 2.000, pairs 1.000, 12,345 token.*", lines[-1])


def test_the_line_of_a_crawl_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal_of(60, monkeypatch) as (stream, lines), Progress("crawl", stream=stream) as shown:
        shown.show(0, lambda: ", ".join(f"host{number}.example {number}" for number in range(40)), last=True)
    assert lines
    assert all(len(line) <= 60 for line in lines)
    assert all(line.count("crawl") for line in lines), "one line, not a paragraph"


def test_a_process_that_is_not_the_first_says_nothing() -> None:
    log = io.StringIO()
    with TrainProgress(1, show=False, stream=log) as shown:
        shown.on_message("made")
        shown.on_metrics(1, READINGS)
        shown.on_metrics(1, {"held_out/pages/loss": 0.4, "held_out/pages/shuffled": 1.0})
    assert log.getvalue() == ""
