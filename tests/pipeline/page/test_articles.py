"""What a site writes behind each of its articles."""

import numpy as np
import pytest

from pipeline.page import judgement
from pipeline.page.articles import leave_out_beside
from pipeline.page.leaves import Text
from pipeline.page.verdicts import Verdict, Verdicts
from tests.pipeline.makers import extract, outline, paragraphs, prose, texts, walk

HEAD = '<meta property="og:type" content="article">'
OFFER = (
    f"<section><h2>Travel like an expert</h2><p>{prose(90, 2)}</p><img src=/offer.jpg width=500 height=300></section>"
)
BODY = [prose(number) for number in range(20)]


def likely(monkeypatch: pytest.MonkeyPatch, chance: float) -> None:
    """What a model would say of all texts."""
    monkeypatch.setattr(judgement, "chances", lambda rows: np.full(len(rows), chance))


def story(behind: str, count: int = 20) -> str:
    return f"<main><div>{paragraphs(count)}</div>{behind}</main>"


@pytest.mark.parametrize(
    ("count", "head", "chance", "is_kept"),
    [(20, HEAD, 0.8, False), (20, HEAD, 0.95, True), (20, "", 0.75, False), (20, "", 0.85, True), (3, HEAD, 0.8, True)],
)
def test_a_little_behind_the_part_that_holds_an_article_is_none_of_it(
    count: int, head: str, chance: float, is_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    likely(monkeypatch, chance)
    found = outline(extract(story(OFFER, count), head))
    assert (prose(90, 2) in found) is ("Travel like an expert" in found) is ("offer.jpg" in found) is is_kept


def test_numbered_notes_behind_an_article_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    likely(monkeypatch, 0.8)
    notes = "".join(f"<p>{n} {prose(90 + n, 1)}</p>" for n in (1, 2))
    assert len(texts(extract(story(f"<section>{notes}</section>"), HEAD))) == 22
    listed = "".join(f"<li>{prose(90 + n, 1)}</li>" for n in (1, 2))
    assert len(texts(extract(story(f"<section><ol>{listed}</ol></section>"), HEAD))) == 22


def test_a_figure_behind_an_article_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    likely(monkeypatch, 0.8)
    figure = "<figure><img src=/map.jpg width=500 height=300><figcaption>The two banks</figcaption></figure>"
    found = extract(story(OFFER + figure), HEAD)
    assert texts(found) == [*BODY, "The two banks"]
    assert "map.jpg" in outline(found)


def test_an_article_in_many_parts_keeps_the_last_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    likely(monkeypatch, 0.8)
    parts = "".join(f"<section><p>{text}</p></section>" for text in BODY)
    assert texts(extract(f"<main>{parts}</main>", HEAD)) == BODY


def test_what_stands_behind_the_longest_of_many_parts_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    likely(monkeypatch, 0.8)
    parts = [*BODY[:10], prose(40, 6), prose(50, 2)]
    assert (
        texts(extract(f"<main>{''.join(f'<section><p>{text}</p></section>' for text in parts)}</main>", HEAD)) == parts
    )


AT_STORY = "https://site.example/news/2019/03/05/42049.html"
LINES = "".join(f"<li><a href=/s/{n}>The river rises again, say {n} towns</a></li>" for n in range(12))
LISTS = 5 * f"<div><ul>{LINES}</ul></div>"


@pytest.mark.parametrize(
    ("url", "count", "chance", "are_kept"),
    [
        (AT_STORY, 3, 0.55, False),
        ("https://site.example/river", 3, 0.55, True),
        (AT_STORY, 3, 0.7, True),  # clear themselves
        (AT_STORY, 1, 0.55, True),  # no story
    ],
)
def test_lists_beside_a_short_story_at_its_address_are_none_of_it(
    url: str, count: int, chance: float, are_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judgement, "chances", lambda rows: np.where(np.arange(len(rows)) < count, 0.9, chance))
    found = texts(extract(f"<main><div>{paragraphs(count)}</div></main><div>{LISTS}</div>", url=url))
    assert prose(0) in found
    assert any("river rises" in text for text in found) is are_kept


@pytest.mark.parametrize(
    ("url", "head", "is_kept"),
    [
        (AT_STORY, "", False),
        ("https://site.example/the-river-rises-again-in-the-north", HEAD, False),
        ("https://site.example/the-river-rises-again-in-the-north", "", True),
        ("https://site.example/the-river-rises", HEAD, True),
    ],
)
def test_what_is_hardly_likely_goes_beside_a_story_at_its_address(
    url: str, head: str, is_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judgement, "chances", lambda rows: np.where(np.arange(len(rows)) < 12, 0.9, 0.55))
    body = f"<main><div>{paragraphs(12)}</div><div><p>{prose(50)}</p><p>{prose(51)}</p><p>{prose(52)}</p></div></main>"
    assert (prose(51) in texts(extract(body, head, url=url))) is is_kept


def test_links_inside_a_story_stay_at_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    at = np.array([0, 61, 62])
    monkeypatch.setattr(judgement, "chances", lambda rows: np.where(np.isin(np.arange(len(rows)), at), 0.9, 0.55))
    body = f"<main><div><p>{prose(0)}</p>{LISTS}<p>{prose(1)}</p><p>{prose(2)}</p></div></main>"
    assert any("river rises" in text for text in texts(extract(body, HEAD, url=AT_STORY)))


def test_pictures_between_what_goes_beside_a_story_go_with_it() -> None:
    picture = "<div><img src=/{0}.jpg width=400 height=300></div>"
    lists = f"<div>{picture.format(1)}{LISTS}{picture.format(2)}{LISTS}{picture.format(3)}</div>"
    walked = walk(f"<main><div>{paragraphs(3)}</div></main>{lists}")
    texts_of = [index for index, leaf in enumerate(walked.leaves) if isinstance(leaf, Text)]
    verdicts: Verdicts = [None] * len(walked.leaves)
    leave_out_beside(walked, texts_of, np.array([0.9] * 3 + [0.55] * (len(texts_of) - 3)), verdicts)
    goes = [verdicts[at] is not None for at, leaf in enumerate(walked.leaves) if not isinstance(leaf, Text)]
    assert goes == [False, True, True]  # the first may be the story's own


@pytest.mark.parametrize(
    ("line", "goes"),
    [("More on it", True), ("It rises again.", False), (f"More {'on it ' * 12}", False)],
)
def test_a_line_above_what_goes_beside_a_story_goes_with_it(line: str, goes: bool) -> None:
    walked = walk(f"<main><div>{paragraphs(3)}</div></main><div><p>{line}</p>{LISTS}</div>")
    chance, verdicts = np.array([0.9] * 4 + [0.55] * 60), list[Verdict | None]([None] * 64)
    leave_out_beside(walked, list(range(64)), chance, verdicts)
    assert [verdict is not None for verdict in verdicts] == [False] * 3 + [goes] + [True] * 60
    assert chance[3] == (0 if goes else 0.9)


def test_of_a_thread_at_such_an_address_everything_is_weighed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judgement, "chances", lambda rows: np.where(np.arange(len(rows)) < 3, 0.9, 0.55))
    body = f"<main><div>{paragraphs(3)}</div></main><div>{LISTS}</div>"
    found = texts(extract(body, url="https://site.example/news/2019/03/05/showthread.php?t=42049"))
    assert any("river rises" in text for text in found)
