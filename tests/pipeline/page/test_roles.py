"""Tables that are built of other elements and named by roles are tables."""

import pytest

from tests.pipeline.makers import walked_texts

HEADS = "".join(f"<span role=columnheader>{name}</span>" for name in ("Boat", "Built", "Yard"))
ROWS = "".join(
    f"<div role=row><div role=cell><a href=/b>{boat}</a></div><div role=cell><p>{year}</p></div>"
    f"<span role=cell>{yard}</span></div>"
    for boat, year, yard in (("Alba", 1931, "Leith"), ("Bree", 1936, "Hull"))
)
TEXTS = ["Boat | Built | Yard", "Alba | 1931 | Leith", "Bree | 1936 | Hull"]


@pytest.mark.parametrize("role", ["table", "grid", "treegrid"])
def test_rows_by_their_roles_are_rows(role):
    head = f"<div role=rowgroup><div role=row>{HEADS}</div></div>"
    assert walked_texts(f"<div role={role}>{head}<div role=rowgroup>{ROWS}</div></div><p>After</p>") == [
        *TEXTS,
        "After",
    ]


def test_elements_of_a_framework_are_rows():
    cells = "".join(f"<x-cell role=gridcell>{text}</x-cell>" for text in ("1931", "Leith"))
    row = f"<x-row role=row><x-cell role=rowheader>Alba</x-cell>{cells}</x-row>"
    assert walked_texts(f"<x-table role=grid>{row}{row}</x-table>") == ["Alba | 1931 | Leith"] * 2


@pytest.mark.parametrize(
    "body",
    [
        ROWS,  # in no table
        f"<div role=grid>{ROWS}</div>",  # of cards: no column has a name
        f"<div role=grid><div role=row>{HEADS}</div>{ROWS}<h3>More</h3></div>",
        f"<div role=table><div role=row>{HEADS}</div><table>{ROWS}</table></div>",
    ],
)
def test_what_holds_no_data_is_no_table(body):
    assert {"Alba", "1931", "Leith"} <= set(walked_texts(body))


def test_a_row_that_is_a_link_is_a_link():
    row = "<a role=row href=/b><span role=cell>Alba</span> <span role=cell>1931</span></a>"
    assert walked_texts(f"<div role=table><div role=row>{HEADS}</div>{row}</div>")[-1] == "Alba 1931"


def test_a_table_in_a_table_is_one_by_itself():
    inner = f"<div role=table><div role=row>{HEADS}</div>{ROWS}</div>"
    outer = f"<div role=table><div role=row><b role=columnheader>Fleet</b></div><div role=row><div role=cell>{inner}"
    assert TEXTS[1] in walked_texts(f"{outer}</div></div></div>")
