"""Bars that lead to what they count."""

import re
from html import unescape
from pathlib import Path

import pytest

from jobs.view.distributions import spread
from jobs.view.filters import read_filter
from jobs.view.library import Library
from schemas.storage import Store
from tests.jobs.looked_at import viewer
from tests.jobs.view.test_view import ask


@pytest.mark.parametrize("kind", ["interleaved", "pairs", "clips"])
@pytest.mark.parametrize(
    "query",
    [
        "",
        "q=e",
        "where=row+%25+2+%3D+0",
        "words_min=1&order=words",
        "where=true+--+all",
        "where=row+%3E+0+OR+row+%3D+0",
    ],
)
def test_a_bar_leads_to_as_many_samples_as_it_says(looked_at: Path, kind: str, query: str) -> None:
    with viewer(str(looked_at)) as address:
        _, _, body = ask(f"{address}/distributions/{kind}?{query}")
        found = re.findall(r'<th scope="row"><a href="([^"]+)">.*?<td class="num">([\d,]+)</td>', body.decode())
        assert found or kind == "clips"
        for link, count in found:
            status, _, listed = ask(address + unescape(link))
            assert status == 200
            stated = re.search(r"of <b>([\d,]+)</b>", listed.decode())
            assert stated
            assert stated[1] == count, link


def test_every_sample_is_in_a_bar_or_among_the_others(looked_at: Path) -> None:
    library = Library(Store(str(looked_at)))
    for kind in library.kinds:
        for query in ({}, {"where": "row % 2 = 0"}):
            chosen = read_filter(query)
            for one in spread(library, kind, chosen):
                assert sum(bar.count for bar in one.bars) + one.others == library.count(kind, chosen), one.name
                assert one.others >= 0
    library.index.close()


def test_the_overview_takes_them_in_and_a_wrong_condition_is_told(looked_at: Path) -> None:
    with viewer(str(looked_at)) as address:
        assert b'data-part="/distributions/interleaved?part=1"' in ask(f"{address}/")[2]
        part = ask(f"{address}/distributions/interleaved?part=1")[2].decode()
        assert "<html" not in part
        assert "<h3>Words</h3>" in part
        assert ask(f"{address}/distributions/interleaved?where=nonsense")[0] == 400
        assert ask(f"{address}/distributions/nothing")[0] == 404
