"""A result set is walked as one: the next sample is the next of those asked for."""

import re
from pathlib import Path
from urllib.parse import urlencode

import pytest

from jobs.view.filters import ORDERS, read_filter
from jobs.view.library import Library, NoSample
from jobs.view.walk import Walk
from schemas.storage import Store
from tests.jobs.looked_at import viewer
from tests.jobs.view.test_view import ask

ASKED = [
    {},
    {"q": "example"},
    {"images_min": "2"},
    {"where": "row % 2 = 0"},
    {"where": "row % 3 > 0", "q": "e"},
]


@pytest.mark.parametrize("kind", ["interleaved", "pairs", "clips"])
@pytest.mark.parametrize("order", ["", *ORDERS])
@pytest.mark.parametrize("query", ASKED)
def test_walking_visits_what_the_list_shows_in_its_order(
    looked_at: Path, kind: str, order: str, query: dict[str, str]
) -> None:
    library = Library(Store(str(looked_at)))
    chosen = read_filter({**query, "order": order})
    shown = [str(row["key"]) for row in library.page(kind, chosen, 0, 10_000)]
    walk = Walk(library, kind, chosen)
    places = [walk.place(library.row(kind, key)) for key in shown]
    assert shown or query
    assert [place.next for place in places] == [*shown[1:], ""][: len(shown)]
    assert [place.previous for place in places] == ["", *shown[:-1]][: len(shown)]
    assert [place.number for place in places] == list(range(1, len(shown) + 1))
    assert {place.count for place in places} <= {len(shown)}
    library.index.close()


def test_a_sample_that_was_not_asked_for_says_so_and_leads_on(looked_at: Path) -> None:
    library = Library(Store(str(looked_at)))
    keys = [str(row["key"]) for row in library.page("interleaved", read_filter({}), 0, 10)]
    walk = Walk(library, "interleaved", read_filter({"where": f"key <> '{keys[1]}'"}))
    place = walk.place(library.row("interleaved", keys[1]))
    assert (place.number, place.previous, place.next) == (0, keys[0], keys[2])
    library.index.close()


def test_a_random_sample_is_one_of_those_asked_for(looked_at: Path) -> None:
    library = Library(Store(str(looked_at)))
    wanted = {str(row["key"]) for row in library.page("pairs", read_filter({}), 0, 100)[::2]}
    named = ", ".join(f"'{key}'" for key in wanted)
    walk = Walk(library, "pairs", read_filter({"where": f"key IN ({named})"}))
    assert {walk.random_key() for _ in range(60)} <= wanted
    with pytest.raises(NoSample, match="no sample has all that is asked for"):
        Walk(library, "pairs", read_filter({"where": "false"})).random_key()
    library.index.close()


def test_links_carry_what_was_asked_for(looked_at: Path) -> None:
    query = urlencode({"q": "example", "where": "row >= 0", "order": "words"})
    with viewer(str(looked_at)) as address:
        listed = ask(f"{address}/browse/interleaved?{query}")[2].decode()
        first, second = re.findall(r'href="(/sample/interleaved/[^"]+)"', listed)[:2]
        assert first.endswith(f"?{query}".replace("&", "&amp;"))
        shown = ask(address + first.replace("&amp;", "&"))[2].decode()
        assert f'<a rel="next" href="{second}">' in shown
        assert "1 of " in shown
        assert f'href="/browse/interleaved?{query}"'.replace("&", "&amp;") in shown
        attention = re.search(r'href="([^"]+/attention[^"]*)"', shown)
        assert attention
        attended = ask(address + attention[1].replace("&amp;", "&") + "&tokens=64")[2].decode()
        assert second.replace("?", "/attention?") + "&amp;tokens=64" in attended
        assert '<input type="hidden" name="order" value="words">' in attended
        status, _, _ = ask(f"{address}/random/interleaved?{query}")
        assert status == 200
        assert ask(f"{address}/random/nothing")[0] == 404
        assert ask(f"{address}{first.partition('?')[0]}?where=nonsense")[0] == 400
