"""Threads that neither their address nor their markup calls so."""

import pytest

from tests.pipeline.makers import extract, paragraphs, prose, texts

PERSONS = ("ann", "bo", "cy", "ann", "di", "ed")


def post(number: int, named: str = "post", extra: str = "", title: str = "") -> str:
    person = f"<div class=who><a href=/users/{PERSONS[number]}>{PERSONS[number]}</a><div>Old hand</div></div>"
    when = f"<div class=when>Mar {number + 1}, 2024 at 10:0{number}</div>{extra}"
    return f"<div class={named}>{title}{person}{when}<div class=said><p>{prose(number)}</p></div></div>"


def said(rows: str, above: str = "<h1>Which boat?</h1>", head: str = "") -> list[str]:
    return texts(extract(f"<div>{above}<div>{rows}</div></div>", f"<title>Which boat?</title>{head}"))


@pytest.mark.parametrize(
    ("named", "extra"),
    [
        ("post", ""),
        ("x1", "<div><a href=#p{0}>#{0}</a></div>"),
        ("x1", "<div><a href=/answer>Zitieren</a> </div>"),
        ("x1", "<div><a href=/answer>Reply</a></div>"),
    ],
)
def test_rows_of_persons_times_and_prose_are_posts(named: str, extra: str) -> None:
    rows = "".join(post(number, named, extra.format(number + 1)) for number in range(6))
    assert [text for text in said(rows) if text != "Which boat?"] == [prose(number) for number in range(6)]


def test_a_list_of_stories_with_writers_and_dates_is_no_thread() -> None:
    titles = [f"What became of the old ferry in year {number}" for number in range(6)]
    rows = "".join(post(at, title=f"<h2><a href=/story/{at}>{title}</a></h2>") for at, title in enumerate(titles))
    found = said(rows, "<h1>Stories</h1>")
    assert [text for text in found if text in titles] == titles


def test_what_readers_wrote_below_prose_is_none_of_it() -> None:
    rows = "".join(post(number, "comment") for number in range(6))
    found = said(rows, f"<h1>Which boat?</h1><article>{paragraphs(9, 20)}</article>")
    assert found[-9:] == [prose(number) for number in range(20, 29)]


def test_rows_without_persons_or_times_are_no_posts() -> None:
    plain = "".join(f"<div class=post><h3>Mill {n}</h3><div><p>{prose(n)}</p></div></div>" for n in range(6))
    assert [text for text in said(plain) if text.startswith("Mill")] == [f"Mill {n}" for n in range(6)]
