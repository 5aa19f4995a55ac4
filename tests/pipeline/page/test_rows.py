"""Which texts of a page stand at the same place of its rows."""

from pipeline.page.evidence import evidence
from pipeline.page.leaves import Text
from pipeline.page.metadata import Metadata
from tests.pipeline.makers import URL, prose, walk


def places(body: str) -> list[list[str]]:
    walked = walk(body)
    indexes = [index for index, leaf in enumerate(walked.leaves) if isinstance(leaf, Text)]
    found = evidence(walked, indexes, Metadata(base=URL), [None] * len(walked.leaves), 0).places
    return sorted([walked.leaves[indexes[text]].text for text in some] for some in found)


def post(number: int, named: str = "post", user: str = "user") -> str:
    return (
        f"<div class={named} id=p{number}><div class={user}><b>Name{number}</b></div>"
        f"<div class=body id=body_{number}>{prose(number)}</div></div>"
    )


def test_what_stands_at_one_place_of_each_row_whatever_number_is_in_its_name() -> None:
    names, texts = [f"Name{n}" for n in range(4)], [prose(n) for n in range(4)]
    assert places("".join(map(post, range(4)))) == sorted([names, texts])


def test_rows_of_two_kinds_in_turn_are_two_places_each() -> None:
    found = places("".join(post(n, ("odd", "even")[n % 2]) for n in range(6)))
    assert found == sorted(
        [[f"Name{n}" for n in (0, 2, 4)], [f"Name{n}" for n in (1, 3, 5)], [prose(n) for n in (0, 2, 4)],
         [prose(n) for n in (1, 3, 5)]]
    )  # fmt: skip


def test_a_place_has_texts_of_at_least_three_rows_and_of_two_in_five() -> None:
    rows = "".join(post(n, user="user" if n < 3 else "guest") for n in range(8))
    assert places(rows) == sorted([[prose(n) for n in range(8)], [f"Name{n}" for n in range(3, 8)]])
    assert places(post(0) + post(1)) == []


def test_of_rows_within_rows_the_most_numerous_count() -> None:
    posts = "".join(map(post, range(4)))
    found = places(f"<div class=top>{prose(20)}</div><div class=posts>{posts}</div><div class=rules>{prose(21)}</div>")
    assert [prose(n) for n in range(4)] in found
    assert not any(prose(20) in some for some in found)


def test_the_fields_of_a_card_may_be_more_than_the_cards() -> None:
    names = ("price", "place", "kind", "size", "said")
    fields = [[f"{name} {n}" for name in names] for n in range(3)]
    cards = (
        "".join(f"<div class={name}>{text}</div>" for name, text in zip(names, card, strict=True)) for card in fields
    )
    assert places("".join(f"<div class=card>{card}</div>" for card in cards)) == sorted(
        [f"{name} {n}" for n in range(3)] for name in names
    )


def test_rows_of_tables_that_lay_out_are_rows() -> None:
    rows = "".join(f"<tr><td>{post(n)}</td></tr>" for n in range(4))
    assert [prose(n) for n in range(4)] in places(f"<table>{rows}</table>")
