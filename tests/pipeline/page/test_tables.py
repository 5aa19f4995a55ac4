"""Tables of data keep their rows, their heads and their columns; tables that lay out a page are no tables."""

import pytest

from tests.pipeline.makers import extract, outline, paragraphs, walked_texts


def between(body):
    found = outline(extract(f"<article>{paragraphs(2)}{body}{paragraphs(2, 2)}</article>"))
    return [text for text in found if "the end of day" not in text]


HEAD = "<tr><th>Tense<th>Example</tr>"


@pytest.mark.parametrize(
    "cell",
    [
        "I fed <b>it</b>",
        "<p>I fed it</p>",
        "<div><div>I</div><div>fed it</div></div>",
        "<p>I fed</p><p>it</p>",
        "<ul><li>I fed<li>it</ul>",
        "<pre>I fed it</pre>",
        "<pre>I fed\n   it</pre>",
        "I fed<br>it",
        "I fed it<span style='display:none'>0003</span>",
        "I fed it<div hidden>0003</div>",
    ],
)
def test_whatever_stands_in_a_cell_a_row_of_data_is_one_text(cell):
    body = f"<table>{HEAD}<tr><td><div>Past</div><td>{cell}</tr><tr><td>Present<td>I feed it</tr></table>"
    assert between(body) == ["Tense | Example", "Past | I fed it", "Present | I feed it"]


def test_empty_cells_keep_the_columns_of_others():
    body = "<table><tr><td><th>2020<th>2021</tr><tr><th>Wood<td><td>5</tr><tr><th>Coal<td>7<td></tr></table>"
    assert between(body) == ["| 2020 | 2021", "Wood | | 5", "Coal | 7"]


def test_a_picture_in_a_row_cuts_no_row():
    picture = "<img src=/map.png width=200 height=100>"
    body = f"<table>{HEAD}<tr><td>Past<td>I fed {picture} it</tr></table>"
    assert between(body) == ["Tense | Example", "map.png", "Past | I fed it"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("<tr><td rowspan=2>Oslo<td>2020<td>5\n</tr>\n<tr><td>2021<td>6</tr>", ["Oslo | 2020 | 5", "Oslo | 2021 | 6"]),
        (
            "<tr><td>1<td rowspan=3>x<td>3</tr><tr><td>4<td>6</tr><tr><td>7<td>9</tr>",
            ["1 | x | 3", "4 | x | 6", "7 | x | 9"],
        ),
        ("<tr><td>1<td>2<td rowspan=2>x</tr><tr><td>4<td>5</tr><tr><td>7</tr>", ["1 | 2 | x", "4 | 5 | x", "7"]),
        ("<tr><td colspan=2>Both<td>3</tr><tr><td>4<td>5<td>6</tr>", ["Both | | 3", "4 | 5 | 6"]),
        ("<tr><td rowspan=2 colspan=2>x<td>3</tr><tr><td>4</tr>", ["x | | 3", "x | | 4"]),
        ("<tr><td rowspan=0>Oslo<td>5</tr><tr><td>6</tr><tr><td>7</tr>", ["Oslo | 5", "Oslo | 6", "Oslo | 7"]),
        (
            "<tbody><tr><td rowspan=9>Oslo<td>5</tr></tbody><tbody><tr><td>Bergen<td>6</tr></tbody>",
            ["Oslo | 5", "Bergen | 6"],
        ),
        ("<tr><td rowspan=3>Oslo<td>5</tr><tr></tr><tr><td></td></tr>", ["Oslo | 5"]),
        (f"<tr><td rowspan=2>{'so long ' * 9}<td>5</tr><tr><td>6<td>7</tr>", [f"{'so long ' * 9}| 5", "| 6 | 7"]),
    ],
)
def test_a_cell_that_reaches_over_columns_and_rows_keeps_those_of_others(rows, expected):
    assert between(f"<table><tr><th>City<th>Year<th>Count</tr>{rows}</table>")[1:] == expected


def test_spans_cannot_fill_memory():
    wide = "".join(f"<td rowspan=65534>{'label ' * 9}" for _ in range(90))
    body = f"<table><tr><th>Head</tr><tr>{wide}</tr>{'<tr><td colspan=1000>x</tr>' * 900}</table>"
    assert sum(len(text) for text in between(body)) < 300_000


@pytest.mark.parametrize(
    "layout",
    [
        "<table><tr><td>{0}<td>{1}</tr></table>",
        "<table><tr><td></td><td>{0}{1}</td></tr></table>",
        "<table><tr><th>Menu</th></tr><tr><td><h3>News</h3>{0}</td><td>{1}</td></tr></table>",
    ],
)
def test_tables_that_lay_out_a_page_hold_texts_of_their_own(layout):
    text = paragraphs(3, 4)
    found = extract(layout.format(text, paragraphs(3, 8))).texts
    assert sum("the end of day" in block.text for block in found) == 6
    assert not any(block.text.startswith("|") for block in found)


def test_definitions_and_steps_stay_in_order():
    body = """<dl><dt>Term<dd>Meaning<dd>Another<dt>Next<dd>Last</dl>
        <ol><li>One<ol><li>a<li>b</ol><li><p>Two</p><pre>code</pre><p>then</p><li>Three</ol>"""
    found = extract(f"<article>{paragraphs(2)}{body}{paragraphs(2, 2)}</article>").texts
    said = [block.mark + block.text for block in found if "the end of day" not in block.text]
    steps = ["1. One", "  1. a", "  2. b", "2. Two", "code", "then", "3. Three"]
    assert said == ["Term", "Meaning", "Another", "Next", "Last", *steps]


def test_code_beside_the_numbers_of_its_lines_keeps_them_under_a_head():
    code = "<td class=n><pre>1\n2</pre><td><div><pre><i>a x</i>\n  b\n</pre></div>"
    assert between(f"<table><tr><th colspan=2>b.sh<tr>{code}</table>") == ["b.sh", "a x\n  b"]


def test_the_words_of_an_icon_that_is_all_of_a_cell_are_its_value():
    rows = (
        "<tr><th>Plan<th>Chat<th>Fax"
        "<tr><td>Free<td><span><img src=/yes.svg alt=Yes width=16></span><td><img src=/no.svg alt=No width=16>"
        "<tr><td><img src=/en.png alt=England width=16> England<td>9<td><img src=/x.png alt=Norway width=600>"
    )
    assert walked_texts(f"<table>{rows}</table>") == ["Plan | Chat | Fax", "Free | Yes | No", "England | 9"]


def test_lines_in_the_cells_of_a_short_row_are_one():
    rows = "<tr><td>Length<br>(metres)<td>84<tr><td>Arches<td>5<br>of stone"
    assert walked_texts(f"<table>{rows}</table>") == ["Length (metres) | 84", "Arches | 5 of stone"]
    column = "<br>".join(f"Station {number} of the line" for number in range(9))
    assert walked_texts(f"<table><tr><td>{column}<td>84</table>") == [column.replace("<br>", "\n"), "84"]


def test_the_head_of_a_table_may_be_links_that_sort_it():
    heads = "".join(f"<th><a href='?sort={name}'>{name}</a>" for name in ("Boat", "Built", "Yard"))
    rows = "<tr><td>Alba<td>1931<td>Leith<tr><td>Bree<td>1936<td>Hull"
    found = between(f"<table><thead><tr>{heads}<tbody>{rows}</table>")
    assert found == ["Boat | Built | Yard", "Alba | 1931 | Leith", "Bree | 1936 | Hull"]


def test_who_wrote_beside_what_is_said_keeps_its_lines():
    row = "<tr><td>Ann<br>Member<br>Posts: 12<td>The pier is open on Sundays"
    assert walked_texts(f"<table>{row}</table>") == ["Ann\nMember\nPosts: 12 | The pier is open on Sundays"]


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("<svg aria-label=Yes role=img><path d=''/></svg>", "Yes"),
        ("<div><svg><title>Yes</title><path d=''/></svg></div>", "Yes"),
        ("<i class='fa fa-check' aria-hidden=true title=Yes></i>", "Yes"),
        ("<i class='fa fa-check' aria-hidden=true title=Yes></i><span class=sr-only>Yes, it is</span>", "Yes"),
        ("<i class='fa fa-check'></i><span class=sr-only>Yes</span>", "Yes"),
        ("<span class=tick aria-label='Cats &amp; dogs'></span>", "Cats & dogs"),
        ("<i class=tick title=Yes></i> 5 GB", "5 GB"),
        ("<span role=img aria-label=Yes>✓</span>", "✓"),
        ("<button aria-label='More about it'><svg></svg></button>", ""),
        ("<a href=/chat title='More about it'><i></i></a>", ""),
        ("<span style='display:none' title=Yes></span>", ""),
        ("<span class=sr-only>No value</span>", ""),
        ("<i></i><span aria-hidden=true>£25</span><span class=sr-only>Price £25</span>", "£25"),
    ],
)
def test_an_icon_that_is_all_of_a_cell_says_what_it_is_called(cell, said):
    body = f"<table><tr><th>Plan<th>Chat<th>Fax<tr><td>Free<td>{cell}<td>x</table>"
    assert walked_texts(body)[1].split("|")[1].strip() == said


def test_icons_elsewhere_say_nothing():
    icon = "<i title=Yes></i>"
    assert walked_texts(f"<p>{icon}</p><table><tr><td>Free<td>{icon}</table>") == ["Free"]
