"""robots.txt captured by others, out of real archives, judged as the crawler judges its own."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from crawlers.captured_robots import CapturedRobots, RobotsVerdict, read_robots_captures
from crawlers.warc import WarcSettings
from schemas.consent import ConsentSettings
from schemas.drops import Tally
from tests.crawlers.robots_archive import EARLY, LATE, NO_TRAINING, robots, write_robots

PAGE, PAGE_TIME = "https://a.example/page", "2026-03-01T10:00:00Z"
A = "https://a.example/robots.txt"


MIB = 1 << 20
LONG = b"User-agent: *\nDisallow: /p\n" + b"#" * 100 + b"\n" + b"Disallow: /q%d\n" * 80_000
ZIPPED = gzip.compress(LONG * 3, 1)


def judged(
    tmp_path: Path,
    captures: dict[str, Any],
    url: str = PAGE,
    settings: ConsentSettings = ConsentSettings(),
    truncated: str = "",
) -> RobotsVerdict:
    named = [(address, *one) for address, one in captures.items()]
    path = write_robots(tmp_path / "robots.warc.gz", named, truncated)
    tally = Tally()
    with open(path, "rb") as file:
        found = list(read_robots_captures(file, path, Path(path).stat().st_size, WarcSettings(), tally))
    assert tally.counts().drops == {}
    assert len(found) == len(captures)
    return CapturedRobots(found).judge(url, PAGE_TIME, settings)


@pytest.mark.parametrize(
    ("captures", "reason"),
    [
        ({A: robots("User-agent: *\nDisallow: /p")}, "robots"),
        ({A: robots("User-agent: weft\nDisallow: /\n\nUser-agent: *\nDisallow:")}, "robots"),
        ({A: robots(NO_TRAINING)}, "opt_out"),
        ({A: robots("User-agent: *\nContent-Signal: ai-train=no\nDisallow:")}, "opt_out"),
        ({A: robots("busy", 503)}, "robots_unavailable"),
        ({A: robots("slower", 429)}, "robots_unavailable"),
        ({A: robots(gzip.compress(NO_TRAINING.encode())[:30], **{"Content-Encoding": "gzip"})}, "robots_unavailable"),
        ({A: robots(gzip.compress(NO_TRAINING.encode()), **{"Content-Encoding": "gzip"})}, "opt_out"),
        ({A: robots("", 301, Location="https://www.a.example/robots.txt"),
          "https://www.a.example/robots.txt": robots("User-agent: *\nDisallow: /p")}, "robots"),
        ({"http://a.example/robots.txt": robots("User-agent: *\nDisallow: /p")}, "robots"),
        ({A: robots("User-agent: *\nDisallow: /p", 203)}, "robots"),
        ({A: robots("User-agent: *\nDisallow: /p", 206)}, "robots"),
        ({A: robots("User-agent: *\nDisa", 206, **{"Content-Range": "bytes 0-17/27"})}, "robots_unavailable"),
        ({A: robots(LONG)}, "robots"),
        ({A: robots(LONG * 9)}, "robots"),
        ({A: robots(ZIPPED, **{"Content-Encoding": "gzip"})}, "robots"),
        ({A: robots(b"Disallow: /p\n" * 90_000 + b"User-agent: *\nDisallow: /p\n")}, ""),
        ({A: robots("no such file", 404)}, ""),
        ({A: robots("forbidden", 403)}, ""),
        ({A: robots("", 301, Location="/robots.txt")}, ""),  # in a circle: more than five
        ({A: robots("", 301, Location="https://b.example/robots.txt")}, ""),  # of another domain: unknown
        ({A: robots("User-agent: *\nDisallow: /p", time=LATE)}, ""),
        ({"https://b.example/robots.txt": robots("User-agent: *\nDisallow: /")}, ""),
        ({"https://a.example:8443/robots.txt": robots("User-agent: *\nDisallow: /")}, ""),
    ],
)  # fmt: skip
def test_a_page_is_judged_by_the_status_and_the_rules_of_its_host(
    tmp_path: Path, captures: dict[str, Any], reason: str
) -> None:
    assert judged(tmp_path, captures).reason == reason


@pytest.mark.parametrize(
    ("body", "why", "reason"),
    [
        (LONG[:MIB], "length", "robots"),
        (LONG[: 500 << 10], "length", "robots"),
        (LONG[: 400 << 10], "length", "robots_unavailable"),
        (LONG[:MIB], "disconnect", "robots_unavailable"),
    ],
)
def test_a_file_that_its_crawler_cut_by_length_is_read_as_far_as_it_was_taken(
    tmp_path: Path, body: bytes, why: str, reason: str
) -> None:
    headers: dict[str, Any] = {"Content-Length": str(len(LONG))}
    capture = robots(body, **headers)
    assert judged(tmp_path, {A: capture}, truncated=why).reason == reason


def test_a_setting_that_does_not_honour_a_signal_records_it(tmp_path: Path) -> None:
    verdict = judged(tmp_path, {A: robots(NO_TRAINING)}, settings=ConsentSettings(honour=()))
    assert not verdict.reason
    assert {(one.signal, one.verdict, one.time) for one in verdict.signals} == {
        ("content-usage", "no", EARLY),
        ("robots", "unknown", EARLY),
    }


def test_an_address_with_a_port_has_rules_of_its_own(tmp_path: Path) -> None:
    captures = {"https://a.example:8443/robots.txt": robots(NO_TRAINING)}
    assert judged(tmp_path, captures, "https://a.example:8443/x").reason == "opt_out"


def test_of_two_schemes_that_of_the_page_counts(tmp_path: Path) -> None:
    captures = {A: robots(), "http://a.example/robots.txt": robots(NO_TRAINING)}
    assert judged(tmp_path, captures).reason == ""
    assert judged(tmp_path, captures, PAGE.replace("https", "http")).reason == "opt_out"
