import pickle

import pytest

from schemas.deny import DENY_LIST, DenyList, add_to_deny_list, read_deny_list
from schemas.storage import Store

LIST = DenyList(
    ["# who asked us", "", "https://a.example/private/page", "b.example", "http://c.example/photos/*", "  D.Example  "]
)


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/private/page",
        "http://www.a.example/private/page/?utm_source=x#y",
        "https://b.example/",
        "http://img.b.example:8080/x.png",
        "https://c.example/photos/2024/x.jpg",
        "https://www.c.example/photos/",
        "https://d.example/x",
    ],
)
def test_what_is_denied(url: str) -> None:
    assert LIST.denies(url)


@pytest.mark.parametrize(
    "url",
    ["https://a.example/private/page2", "https://a.example/", "https://notb.example/", "https://c.example/photo", ""],
)
def test_what_is_not(url: str) -> None:
    assert not LIST.denies(url)


def test_an_empty_list_denies_nothing() -> None:
    assert not DenyList(["# nothing"])
    assert not DenyList().denies("https://a.example/")


def test_a_list_travels_to_other_processes() -> None:
    assert pickle.loads(pickle.dumps(LIST)).lines == LIST.lines


def test_an_output_keeps_what_was_denied_before(store: Store) -> None:
    add_to_deny_list(store, ["b.example"])
    add_to_deny_list(store, ["a.example", "b.example"])
    assert store.read(DENY_LIST) == b"a.example\nb.example\n"
    assert read_deny_list(store).lines == ["a.example", "b.example"]
