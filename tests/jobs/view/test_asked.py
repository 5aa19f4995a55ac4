"""What stands in an address of the viewer is read as it was meant, and numbers are shown as they are."""

import html
import re
import shutil
from pathlib import Path
from urllib.parse import quote

import pytest

from jobs.dataset.html import number
from jobs.view.filters import read_filter
from tests.jobs.looked_at import viewer
from tests.jobs.view.test_flags import post
from tests.jobs.view.test_view import ask


def test_a_number_of_a_page_that_is_none_is_the_first(looked_at: Path) -> None:
    """`"²".isdigit()` holds, and `int("²")` fails."""
    with viewer(str(looked_at), compare=str(looked_at)) as address:
        paths = ["browse/interleaved", "drops", "flags", "duplicates", "compare/interleaved"]
        for path in [*(f"{path}?page=" for path in paths), "drops/look?draw="]:
            for wrong in ("²", "9" * 30, "9" * 5000, "-1", "x"):
                assert ask(f"{address}/{path}{quote(wrong)}")[0] == 200, (path, wrong[:40])


def test_a_page_behind_the_last_says_so_and_leads_to_it(looked_at: Path, tmp_path: Path) -> None:
    with viewer(str(looked_at), flags=str(tmp_path / "flags.jsonl"), compare=str(looked_at)) as address:
        post(address, {"kind": "dropped", "key": "https://x.example/1", "verdict": "bad"})
        for path in ("browse/pairs?", "drops?", "flags?", "compare/pairs?state=same&"):
            shown = ask(f"{address}/{path}page=99")[2].decode()
            assert "<b>No page 99</b>There is 1." in shown, path
            assert f'href="/{path.rstrip("?&")}">To the last</a>' in shown.replace('?">', '">'), path


def test_a_long_condition_is_not_cut_and_one_that_is_too_long_is_refused(looked_at: Path) -> None:
    """Cut at 2,000 characters it ended within a comment, and all samples were shown."""
    condition = f"true -- {'x' * 3000}\nAND false"
    assert read_filter({"where": condition, "q": "x" * 300}).pairs == [("q", "x" * 300), ("where", condition)]
    with viewer(str(looked_at)) as address:
        assert b"Nothing fits" in ask(f"{address}/browse/pairs?where={quote(condition)}")[2]
        assert b"Nothing fits" in ask(f"{address}/browse/pairs?q={'x' * 900}")[2]
        for path in (f"browse/pairs?where={'x' * 20_001}", f"random/pairs?q={'x' * 1_001}"):
            status, _, body = ask(f"{address}/{path}")
            assert status == 400, path
            assert b"are the most" in body


def test_a_query_may_be_far_longer_than_an_address_mostly_is(looked_at: Path) -> None:
    with viewer(str(looked_at)) as address:
        for length in (10_000, 2_000_000):
            body = ask(f"{address}/query?sql=" + quote(f"SELECT 41 + 1 /* {'x' * length} */ AS n"))[2]
            assert b">42</td>" in body, length
        status, _, body = ask(f"{address}/query?sql={'x' * 5_000_000}")
        assert (status, b"the address has 5,000,011 bytes, and 4,194,304 are the most" in body) == (414, True)


def test_bounds_stand_in_links_as_they_were_asked_for() -> None:
    """Rounded to six digits the second page was of other samples than the first."""
    asked = {
        "score": "clip",
        "score_min": "0.312345678",
        "words_min": "1234567",
        "words_max": "1e-07",
        "images_min": "2",
    }
    chosen = read_filter(asked)
    assert read_filter(dict(chosen.pairs)) == chosen
    assert ("images_min", "2") in chosen.pairs


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1234.5, "1,234"), (1234567.8, "1,234,568"), (999.7, "1,000"), (655.31, "655"), (0.98765, "0.988"), (12, "12")],
)
def test_numbers_are_shown_without_an_exponent(value: float, shown: str) -> None:
    assert number(value) == shown


def test_examples_of_queries_can_be_asked_of_any_dataset(looked_at: Path, tmp_path: Path) -> None:
    """A dataset without pages was asked for its pages."""
    shutil.copytree(looked_at, tmp_path / "out")
    for kind in ("interleaved", "pairs", "clips"):
        shutil.rmtree(tmp_path / "out" / kind)
        with viewer(str(tmp_path / "out")) as address:
            links = re.findall(r'href="(/query\?sql=[^"]*)"', ask(f"{address}/query")[2].decode())
            assert links
            for link in links:
                assert b'role="alert"' not in ask(address + html.unescape(link))[2], (kind, link)
