"""Two builds compared, as pages."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.cli import main
from tests.jobs.dataset.test_compare import SITE, builds  # noqa: F401
from tests.jobs.looked_at import viewer
from tests.jobs.view.test_view import ask


@pytest.fixture(scope="module")
def view(builds: Path) -> Iterator[str]:  # noqa: F811
    with viewer(str(builds / "new"), compare=str(builds / "old")) as address:
        yield address


def test_counts_and_both_on_one_axis(view: str) -> None:
    status, _, data = ask(f"{view}/compare")
    body = data.decode()
    assert status == 200
    assert 'aria-label="1 here, 0 in the other"' in body  # of two images
    assert 'aria-label="2 here, 4 in the other"' in body  # of one
    assert ">-2<" in body
    assert ">+1<" in body


def test_each_state_is_a_list_with_reasons_to_choose_from(view: str) -> None:
    lost = ask(f"{view}/compare/interleaved?state=lost")[2].decode()
    assert f"{SITE}/2.html" in lost
    assert f"{SITE}/3.html" in lost
    assert "not seen 1" in lost
    few = ask(f"{view}/compare/interleaved?state=lost&reason=few_words")[2].decode()
    assert f"{SITE}/2.html" in few
    assert f"{SITE}/3.html" not in few
    changed = ask(f"{view}/compare/interleaved?state=changed")[2].decode()
    assert "1 → 2" in changed
    assert ask(f"{view}/compare/interleaved?state=changed&change=title")[2].count(b"/1.html") == 0
    assert b"1 \xe2\x86\x92 2" in ask(f"{view}/compare/interleaved?state=changed&change=num_images")[2]
    assert f"{SITE}/4.html" in ask(f"{view}/compare/interleaved?state=gained")[2].decode()
    assert ask(f"{view}/compare/pairs?state=same")[2].count(b"/sample/pairs/") == 2
    assert b"None" in ask(f"{view}/compare/interleaved?state=lost&q=nowhere")[2]
    assert ask(f"{view}/compare/clips")[0] == 404


def test_without_another_build_it_is_said_how(looked_at: Path) -> None:
    with viewer(str(looked_at)) as address:
        status, _, body = ask(f"{address}/compare")
    assert (status, b"--compare OTHER" in body) == (404, True)


def test_what_is_no_dataset_is_refused_in_one_line(
    looked_at: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["view", str(looked_at), "--compare", str(tmp_path), "--port", "0"]) == 2
    assert "no dataset of weft" in capsys.readouterr().err
