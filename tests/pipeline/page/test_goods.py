"""The goods on a page that lists them."""

import numpy as np
import pytest

from pipeline.page import judgement
from tests.pipeline.makers import extract, outline, paragraphs, prose, texts

SAID = [prose(n) for n in range(1, 4)]  # more than a page may say that consists of cards
INTRO = f"<h1>Kettles</h1><div class=intro>{paragraphs(3, 1)}</div>"
CARD = (
    "<li><div class=a1><a href=/k{0}><img src=/img/k{0}.jpg width=400 height=400></a>{2}</div>"
    "<div class=b1><h3><a href=/k{0}>Kettle number {0}</a></h3><div class=c1>{1}</div></div></li>"
)


def shown(heading="", price="$8{0}.00", extra="", head="", count=9, named="grid"):
    cards = "".join(CARD.format(n, price.format(n), extra.format(n)) for n in range(count))
    body = f"<main>{INTRO}<section>{heading}<ul class={named}>{cards}</ul></section></main>"
    return extract(body, f"<title>Kettles</title>{head}")


@pytest.mark.parametrize("price", ["$8{0}.00", "from 8{0},00 €", "1 28{0} руб.", "kr 8{0}", "8{0}円", "GBP 8{0}"])
def test_cards_with_prices_below_the_title_are_what_the_page_lists(price):
    draft = shown(price=price)
    named = [text for text in texts(draft) if text not in SAID]
    assert named == [said for n in range(9) for said in (f"Kettle number {n}", price.format(n))]
    assert [name for name in outline(draft) if name.endswith(".jpg")] == [f"k{n}.jpg" for n in range(9)]


@pytest.mark.parametrize(
    "other",
    [
        {"heading": "<h2>Best sellers of the month</h2>"},  # goods of another page
        {"price": "Read more"},
        {"head": '<script type="application/ld+json">{"@type": "Product", "name": "Kettles"}</script>'},
    ],
)
def test_other_cards_are_judged_as_before(other):
    assert texts(shown(**other)) == SAID


FILTERS = "<div class=left><h3>Colour</h3><p>Red</p><p>Blue</p><h3>Volume</h3><p>1 l</p><p>2 l</p></div>"


@pytest.mark.parametrize(("sentences", "is_kept"), [(4, True), (8, False)])
def test_a_page_that_calls_itself_an_article_and_says_little_may_list_goods(sentences, is_kept):
    said = INTRO.replace(paragraphs(3, 1), paragraphs(3, 1, sentences))
    cards = "".join(CARD.format(n, f"$8{n}.00", "") for n in range(9))
    head = '<title>Kettles</title><meta property="og:type" content="article">'
    assert ("Kettle number 8" in texts(extract(f"<main>{said}<ul>{cards}</ul></main>", head))) is is_kept


BOXES = "<input type=checkbox name=id[] value={0}>"


@pytest.mark.parametrize(
    ("field", "is_kept"), [(BOXES, True), (BOXES.replace("id[]", "k{0}"), False), ("<input name=id[]>", False)]
)
def test_goods_in_a_form_that_compares_them_are_read(field, is_kept):
    cards = "".join(CARD.format(n, f"$8{n}.00", field.format(n)) for n in range(9))
    body = f"<main>{INTRO}<form action=/compare><ul>{cards}</ul></form></main>"
    assert ("Kettle number 8" in texts(extract(body, "<title>Kettles</title>"))) is is_kept


@pytest.mark.parametrize("heading", [FILTERS, "<h2>Our range</h2>"])
@pytest.mark.parametrize("named", ["grid", "teaser"])
def test_more_cards_than_stand_beside_a_product_are_what_the_page_lists_under_any_heading(heading, named):
    found = texts(shown(heading=heading, count=18, named=named))
    assert all(f"Kettle number {n}" in found and f"$8{n}.00" in found for n in range(18))


@pytest.mark.parametrize(("levels", "sentences", "is_kept"), [(4, 4, True), (1, 4, False), (4, 8, False)])
def test_headings_of_filters_head_no_cards_where_the_page_says_little(levels, sentences, is_kept):
    filters = f"{'<div>' * levels}<h3>Colour</h3><p>Red</p><h3>Volume</h3><p>1 l</p>{'</div>' * levels}"
    said = INTRO.replace(paragraphs(3, 1), paragraphs(3, 1, sentences))
    cards = "".join(CARD.format(n, f"$8{n}.00", "") for n in range(9))
    body = f"<main>{said}<section><div class=bar>{filters}</div><ul>{cards}</ul></section></main>"
    assert ("Kettle number 8" in texts(extract(body, "<title>Kettles</title>"))) is is_kept


def test_a_part_of_a_card_with_a_weak_name_stays_out():
    found = texts(shown(extra="<div class=rating>4.{0} of 5 stars</div>", count=18))
    assert "Kettle number 3" in found
    assert "4.3 of 5 stars" not in found


@pytest.mark.parametrize("other", [{"count": 17}, {"heading": "<h2>You may also like</h2>"}])
def test_fewer_cards_under_a_heading_of_their_own_or_said_to_be_others_are_none(other):
    found = texts(shown(**{"heading": "<h2>Our range</h2>", "count": 18} | other))
    assert "Kettle number 3" not in found


def test_a_name_that_a_card_says_twice_is_kept_once():
    extra = "<h3><a href=/k{0}>Kettle number {0}</a></h3>"
    assert texts(shown(extra=extra)).count("Kettle number 3") == 1


@pytest.mark.parametrize(
    "action", ["Add to cart", "In den Warenkorb", "Ajouter au panier", "В корзину", "カートに入れる"]
)
def test_a_link_that_is_a_button_is_no_word_of_the_price_beside_it(action):
    link = f"<a class='button add' href='?add={{0}}'><span>{action}</span></a>"
    found = texts(shown(price="<span>$8{0}.00</span>" + link))
    assert "$83.00" in found
    assert not any(action in text for text in found)


def test_a_link_that_says_so_in_a_sentence_is_a_word_of_it():
    body = f"<p>Then <a class=link href=/c>compare</a> the two of them.</p><p>{prose(3)}</p>"
    assert texts(extract(f"<article>{body}</article>"))[0] == "Then compare the two of them."


THING = '<script type="application/ld+json">{"@type": "Product", "name": "Kettle"}</script>'
FACTS = "<ul><li>Width: 40 mm, height: 60 mm</li><li>Switched at 80 °C, as tea likes it</li></ul>"


def of_product(below, head=THING):
    """What is kept of a page on which a description is followed by many lines of the shop, then by something."""
    service = "".join(f"<p>Store {n}: <a href=/store{n}>opens at {n}</a></p>" for n in range(9))
    body = f"<div><div><h1>Kettle</h1>{paragraphs(9)}</div></div><div>{service}</div><div>{below}</div>"
    return [text for text in texts(extract(body, head)) if text not in map(prose, range(9))]


@pytest.mark.parametrize(
    "below",
    [
        f"<div class=a1><div><h2>Kettle specifications</h2></div><div>{FACTS}</div></div>",
        f"<div class=a1><h2><button>Technische Daten</button></h2>{FACTS}</div>",
        f"<div class=a1><button><h2>Technical details</h2></button>{FACTS}</div>",
        f"<a href=# aria-controls=p1>Measurements</a><div id=p1 class=modal-wrapper>{FACTS}</div>",
        f"<a href=# aria-controls=p1>Details</a><div id=p1><div class=modal-body><p>{FACTS}</p></div></div>",
        f"<a href=# data-target=#p1>Specifications</a><p>Ask.</p><div id=p1 style='display:none'>{FACTS}</div>",
    ],
)
def test_what_a_shop_says_of_a_product_is_kept_wherever_it_stands(below):
    found = of_product(below)
    assert any("height: 60 mm" in text for text in found)
    assert not any("Store" in text for text in found)


def test_facts_end_where_another_section_begins():
    below = (
        f"<a href=#p1>Item details</a><div id=p1><h3>Highlights</h3>{FACTS}<h3>Our shop</h3><p>Owned by Ann.</p></div>"
    )
    found = of_product(below)
    assert any("height: 60 mm" in text for text in found)
    assert not any("Ann" in text for text in found)


@pytest.mark.parametrize(
    ("below", "head", "is_kept"),
    [
        ("<ul><li>Whistles in two notes</li><li>Lid of beech</li><li>Holds one litre</li></ul>", THING, True),
        (
            "<table><tr><th>Volume</th><td>1 l</td></tr><tr><th>Lid</th><td>beech</td></tr><tr><th>Notes</th>"
            "<td>Whistles in two notes</td></tr></table>",
            THING,
            True,
        ),
        ("<ul><li>Whistles in two notes</li><li>Lid of beech</li></ul>", THING, False),
        ("<ul><li>Whistles in two notes</li><li>Lid of beech</li><li><a href=/x>Litres</a></li></ul>", THING, False),
        ("<ul><li>Whistles in two notes</li><li>Lid of beech</li><li>Holds one litre</li></ul>", "", False),
    ],
)
def test_of_a_product_points_and_tables_without_links_are_kept_where_they_are_likely(below, head, is_kept, monkeypatch):
    monkeypatch.setattr(judgement, "chances", lambda rows: np.where(rows[:, 0] > np.log(100), 0.9, 0.3))
    found = " ".join(of_product(f"<div>{below}</div>", head))
    assert ("Whistles in two notes" in found) is is_kept


def test_points_that_are_unlikely_stay_out(monkeypatch):
    monkeypatch.setattr(judgement, "chances", lambda rows: np.where(rows[:, 0] > np.log(100), 0.9, 0.2))
    below = "<ul><li>Whistles in two notes</li><li>Lid of beech</li><li>Holds one litre</li></ul>"
    assert "Whistles in two notes" not in " ".join(of_product(f"<div>{below}</div>"))


TICK = "<td><label><input type=checkbox name=a{n}></label></td>"


@pytest.mark.parametrize(
    ("row", "is_kept"),
    [
        (f"<tr><td>Part {{n}}</td><td>{{n}} kHz</td>{TICK}</tr>", True),
        (f"<tr>{TICK}<td>Part {{n}} of many</td></tr>", False),
        (f"<tr><td>Part {{n}}</td><td>{{n}} kHz</td>{TICK.replace('checkbox', 'radio')}</tr>", False),
        ("<tr><td>Part {n}</td><td>{n} kHz</td><td><input type=text name=a{n}></td></tr>", False),
    ],
)
def test_what_a_part_is_made_of_may_stand_in_a_form_that_finds_others_like_it(row, is_kept):
    rows = "".join(row.format(n=n) for n in range(6))
    form = f"<form action=/similar><table><tr><th>What<th>Value<th>Find</tr>{rows}</table></form>"
    found = texts(extract(f"<main><h1>Controller</h1>{paragraphs(3)}{form}{paragraphs(1, 5)}</main>"))
    assert any(text.startswith("Part 3") for text in found) == is_kept
