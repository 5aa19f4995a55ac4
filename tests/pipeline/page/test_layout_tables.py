"""Tables that lay out a page are blocks to a reader; those of data stay tables."""

import pytest

from pipeline.page.markup import Markup
from schemas.documents import ImageRef
from tests.linear import grows_faster
from tests.pipeline.makers import extract, paragraphs, prose, texts, walk, walked_texts

LINKS = "".join(f"<a href=/{name}>{name}</a><br>" for name in ("Home", "Receivers", "Transmitters", "Guestbook"))
RECORDS = "<tr><td>Alba<td>1931<td>Leith</tr><tr><td>Bree<td>1936<td>Hull</tr><tr><td>Cora<td>1940<td>Hull</tr>"
ROWS = ["Alba | 1931 | Leith", "Bree | 1936 | Hull", "Cora | 1940 | Hull"]
STORY = [prose(0), prose(1), prose(2)]


def columns(*cells):
    """A page as the web was laid out until 2010: each cell by its attributes and what stands in it."""
    return f"<table><tr>{''.join(f'<td valign=top {written}>{inner}</td>' for written, inner in cells)}</tr></table>"


def test_columns_beside_the_text_are_left_out():
    online = "<b>Who is online</b><br>There are 14 guests and 2 members online.<br>" + LINKS
    page = columns(("width=130", LINKS), ("width=480", paragraphs(3)), ("width='15%'", online))
    assert texts(extract(f"<table><tr><td><img src=banner.gif></table>{page}")) == STORY


@pytest.mark.parametrize("table", ["<table border=1>", '<table class="list">'])
def test_data_in_a_column_stay_rows(table):
    page = columns(("width=130", LINKS), ("", f"{paragraphs(3)}{table}{RECORDS}</table>"))
    assert texts(extract(page)) == [*STORY, *ROWS]


@pytest.mark.parametrize(
    "table",
    [
        f"<table>{RECORDS}</table>",
        f"<table><tr><td>{'<td>'.join(['Alba', prose(0)])}<tr><td>Bree<td>{prose(1)}<tr><td>Cora<td>{prose(2)}</table>",
        f"<table><tr><th>Boat<th>Story<tr><td>Alba<td>{prose(0, 12)}<br><br>{prose(1)}</table>",
        f"<table><tr><td>Alba<td><img src=no.png width=16>{prose(0, 1)}<tr><td>Bree<td>Hull</table>",
        "<table><tr><td>Alba<td>1931<td><img src=alba.jpg><tr><td>Bree<td>Hull</table>",
        f"<table role=presentation><caption>Boats</caption>{RECORDS}</table>",
    ],
)
def test_records_are_no_layout(table):
    assert any(text.startswith("Alba | ") or "\nAlba | " in text for text in walked_texts(table))


LONG = prose(0, 12)


def tags_of(body):
    return {container.tag for container in walk(body).containers}


@pytest.mark.parametrize(
    ("table", "is_layout"),
    [
        ("<table><tr><td>Alba<tr><td>Bree</table>", True),
        ("<table><tr><td>Alba<td><h2>Bree</h2></table>", True),
        ("<table><tr><td>Alba<td>Bree</table>", False),
        (f"<table><tr><td>Alba<td>{LONG}<tr><td>Bree<td>{LONG}<tr><td>Cora<td>Hull</table>", False),
        (f"<table><tr><td>Alba<td>{LONG}<tr><td>Bree<td>Leith<tr><td>Cora<td>Hull</table>", True),
        (f"<table><tr><td>Alba<td>{LONG}<tr><td>Bree<td>{LONG}<td>Leith<tr><td>Cora<td>Hull</table>", True),
        (f"<table><tr><td>(1)<td>{LONG}</table>", False),
        (f"<table><tr><td>(1)<td>{LONG}<td>Hull</table>", True),
        (f"<table><tr><td>Leith <b>1</b><td>{LONG}</table>", True),
        (f"<table><tr><td><img src=a.jpg><td>{prose(0, 1)}<tr><td>Bree<td>Hull</table>", False),
        (f"<table><tr><td><img src=a.jpg><td>{prose(0, 1)}<tr><td><img src=b.jpg><td>{prose(1, 1)}</table>", True),
        (f"<table><tr><td>Alba<td><img src=a.png width=16>{prose(0, 1)}</table>", False),
        ("<table><tr><td><img src=a.jpg> Alba<td>1931</table>", False),
    ],
)
def test_what_tells_a_layout(table, is_layout):
    assert ("layout-row" in tags_of(table)) == is_layout


def test_what_has_heads_is_data_whatever_it_is_named():
    posts = f"<table class=post><tr><td>Ann<td>{LONG}</table><table class=post><tr><th>Boat<td>Alba</table>"
    assert {"layout-row", "th"} <= tags_of(posts)


def test_a_page_in_a_single_cell_is_looked_into():
    page = f"<table><tr><td>{columns(('width=130', LINKS), ('', paragraphs(3)))}</table>"
    assert {"td", "aside", "layout-cell"} <= tags_of(page)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("<table><tr><td>Alba<tr><td>Bree</table>", ["Alba", "Bree"]),  # one column
        ("<table><tr><td>Alba<td><h2>Bree</h2></table>", ["Alba", "Bree"]),
        ("<table role=presentation><tr><td>Alba<td>Bree</table>", ["Alba", "Bree"]),
        ("<table><tr><td>Alba<td><table><tr><td>Bree<td>1936</table></table>", ["Alba", "Bree | 1936"]),
        (f"<table><tr><td>Alba<td>{prose(0, 12)}</table>", ["Alba", prose(0, 12)]),
        (
            f"<table><tr><td><img src=a.jpg><td>{prose(0, 1)}<tr><td>{prose(1, 1)}<td><img src=b.jpg></table>",
            [prose(0, 1), prose(1, 1)],
        ),
        ("<table><tr><td>Alba<td>a<br>b<br>c<br>d<br>e<br>f</table>", ["Alba", "a\nb\nc\nd\ne\nf"]),
    ],
)
def test_what_is_no_data_is_blocks(table, expected):
    assert walked_texts(table) == expected


@pytest.mark.parametrize("mark", ["(1)", "12.", "a)", "iv.", "—"])
def test_a_paragraph_behind_its_number_is_one_text(mark):
    law = f"<table><tr><td><p>{mark}</p><td><p>{prose(0, 12)}</p></table>"
    assert walked_texts(law) == [f"{mark} | {prose(0, 12)}"]
    assert walked_texts(law.replace(mark, "Ann")) == ["Ann", prose(0, 12)]


def test_a_box_in_a_page_that_tables_lay_out_is_a_block_and_by_itself_a_table():
    box = "<table><tr><td>Who is online</table>"
    tags = {container.tag for container in walk(columns(("", box), ("", "<h2>More</h2>"))).containers}
    assert "td" not in tags
    assert "td" in {container.tag for container in walk(box).containers}


def test_a_narrow_column_that_says_little_beside_the_text_is_none_of_it():
    words = f"{prose(7, 1)} {LINKS}"
    assert texts(extract(columns(("width=150", words), ("", paragraphs(3, sentences=12)))))[0] == prose(0, 12)


def test_what_is_named_as_a_layout_is_one():
    post = "<table class=post><tr><td>#{0}<td>May {0}<tr><td>Ann<td>{1}</table>"
    posts = post.format(1, prose(0, 12)) + post.format(2, "Yes.")
    assert walked_texts(posts)[-4:] == ["#2", "May 2", "Ann", "Yes."]
    assert walked_texts(posts.replace(" class=post", ""))[-2:] == ["#2 | May 2", "Ann | Yes."]


def test_a_table_within_one_of_data_is_a_part_of_it():
    inner = f"<table><tr><td>{prose(0, 12)}<td>b</table>"
    assert " |" in walked_texts(f"<table><tr><th>Boat<th>Story<tr><td>Alba<td>{inner}</table>")[-1]


def test_two_line_ends_are_the_end_of_a_paragraph():
    lines = "Ferry workers vote to strike<br>By M. Dolan<br> <br>{}<br><br>{}".format(*STORY[:2])
    assert walked_texts(columns(("", lines), ("", "<h2>More</h2>")))[:3] == [
        "Ferry workers vote to strike\nBy M. Dolan",
        *STORY[:2],
    ]
    link = f"<a href=/a>{STORY[0]}<br><br>{STORY[1]}</a>"
    assert walked_texts(columns(("", link), ("", "<h2>More</h2>")))[0] == "\n".join(STORY[:2])
    assert walked_texts(f"<div>{STORY[0]}<br><br>{STORY[1]}</div>") == ["\n".join(STORY[:2])]


@pytest.mark.parametrize(
    ("cell", "is_menu"),
    [
        (("width=150", LINKS), True),
        (("width=25%", LINKS), True),
        (("width=260", LINKS), False),
        (("width=40%", LINKS), False),
        (("", LINKS), False),
        (("width=150", "<a href=/a>Home</a><br><a href=/b>Receivers</a>"), False),
        (("width=150", "".join(f"<a href=big{at}.jpg><img src=small{at}.jpg></a>" for at in range(4))), False),
        (("width=150", f"{prose(3)} {LINKS}"), False),
        (("width=150", f"{prose(3, 1)}{LINKS}"), True),
        (("width=150", f"{prose(3, 1)}<a href=/a>A</a> <a href=/b>B</a> <a href=/c>C</a>"), True),
    ],
)
def test_a_narrow_column_of_links_stands_beside_the_text(cell, is_menu):
    walked = walk(columns(cell, ("width=500", paragraphs(3))))
    assert ("aside" in {container.tag for container in walked.containers}) == is_menu


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(lambda n: f"<table>{f'<tr><td width=120>{LINKS}<td>Boat<h3>Alba</h3>' * n}</table>", id="rows"),
        pytest.param(lambda n: f"<table><tr>{f'<td width=120>{LINKS}' * n}<td><h3>Alba</h3></table>", id="cells"),
        pytest.param(lambda n: f"<table class=a><tr><td>{LINKS}<td><h3>Alba</h3></table>" * n, id="tables"),
    ],
)
def test_the_work_is_in_proportion(shape):
    assert not grows_faster(lambda body: Markup(body.encode()), shape, 2_000)


def test_pictures_of_a_grid_of_goods_stay_with_what_is_said_of_them():
    goods = [
        f"<td><a href=/{at}><img src=/{at}.jpg></a><br><a href=/{at}>Boat {at}</a><br>{prose(at, 1)}" for at in range(4)
    ]
    grid = f"<table><tr>{''.join(goods[:2])}<tr>{''.join(goods[2:])}</table>"
    page = f"<h1>Boats</h1>{columns(('width=140', LINKS), ('', f'<p>{prose(9)}</p>{grid}'))}"
    assert sum(isinstance(block, ImageRef) for block in extract(page).blocks) == 4


def test_a_column_is_compared_with_the_cells_of_its_row():
    links = "<a href=/a>A</a> and <a href=/b>B</a> and <a href=/c>C</a> of Leith"
    row = f"<tr><td width=100>{links}<td><h2>Boats</h2></tr>"
    assert "aside" not in tags_of(f"<table>{row}<tr><td>{LONG}<td>1931</table>")
    assert "aside" in tags_of(f"<table>{row.replace(links, LINKS)}</table>")  # of links alone, whatever stands beside
