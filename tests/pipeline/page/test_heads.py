"""What a page says right below its title is kept, though the list stands in another part."""

import numpy as np
import pytest

from pipeline.page import judgement
from tests.pipeline.makers import extract, prose, texts

SAID = "All about mending what is already there."
FILTERS = f"<ul>{''.join(f'<li><a href=/f/{n}>Filter {n}</a></li>' for n in range(9))}</ul>"
POSTS = "".join(
    f"<article><h2><a href=/{n}>A post of number {n}</a></h2><p>{prose(n, 2)}</p></article>" for n in range(8)
)


def is_kept(head: str, meta: str = "") -> bool:
    return SAID in texts(extract(f"<div>{head}<main>{POSTS}</main></div>", meta))


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (f"<section><h1>Repairs</h1><p>{SAID}</p></section>", True),
        (f"<section><div><h1>Repairs</h1></div><div><p>{SAID}</p></div></section>", True),
        (f"<section><h2>Repairs</h2><p>{SAID}</p></section>", False),
        (f"<section><h1>Repairs</h1><p><a href=/a>{SAID}</a></p></section>", False),
    ],
)
def test_what_stands_below_the_only_title_is_kept(head: str, expected: bool) -> None:
    assert is_kept(head) is expected


@pytest.mark.parametrize(("kind", "expected"), [("website", True), ("article", False)])
def test_of_a_list_it_stays_though_the_evidence_speaks_against_it(
    kind: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model says that nothing is likely but long texts."""
    monkeypatch.setattr(judgement, "chances", lambda rows: np.where(rows[:, 0] > np.log(100), 0.9, 0.05))
    head = f"<section><h1>Repairs</h1><p>{SAID}</p></section>"
    assert is_kept(head, f'<meta property="og:type" content="{kind}">') is expected


def test_a_sentence_that_is_set_as_a_heading_stays_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judgement, "chances", lambda rows: np.where(rows[:, 0] > np.log(100), 0.9, 0.05))
    assert is_kept(f"<section><h1>Repairs</h1><h2>{SAID}</h2></section>")


@pytest.mark.parametrize(("named", "expected"), [("category-description", True), ("note-description", False)])
def test_so_does_what_is_called_its_description(named: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judgement, "chances", lambda rows: np.where(rows[:, 0] > np.log(100), 0.9, 0.05))
    assert is_kept(f"<section><h1>Repairs</h1>{FILTERS}<div class={named}><p>{SAID}</p></div></section>") is expected
