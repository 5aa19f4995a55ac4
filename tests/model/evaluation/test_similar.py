import numpy as np
import pytest

from model.evaluation import similar
from model.evaluation.items import Item
from model.evaluation.similar import most_alike, ranked


def test_the_search_finds_what_a_full_sort_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over blocks of features and of queries, also where less is there than is asked for."""
    monkeypatch.setattr(similar, "_BLOCK", 7)
    monkeypatch.setattr(similar, "_QUERIES", 3)
    rng = np.random.default_rng(0)
    features, queries = (rng.normal(size=(count, 8)).astype(np.float16) for count in (40, 8))
    chosen = rng.permutation(40)[:30]
    products = features[chosen].astype(np.float32) @ queries.astype(np.float32).T
    for count in (1, 5, 30, 99):
        found = most_alike(features, chosen, queries, count)
        assert found.tolist() == np.argsort(-products, axis=0, kind="stable").T[:, :count].tolist()


def test_what_is_no_number_is_nearest_to_nothing() -> None:
    features = np.array([[np.nan, 1], [0, 1], [1, 0]], np.float16)
    assert most_alike(features, np.arange(3), np.array([[1, 0.1]], np.float16), 3).tolist() == [[2, 1, 0]]


def test_the_query_itself_is_left_out_however_often_it_stands_there() -> None:
    support = [Item(key, (), ("x",)) for key in "aabcd"]
    features = np.eye(5, dtype=np.float16)
    query = np.array([[1, 1, 0.5, 0.4, 0.3]], np.float16)
    assert ranked(support, features, np.arange(5), [Item("a", (), ())], query, 2) == [[2, 3]]
    assert ranked(support, features, np.arange(5), [Item("z", (), (), group="other")], query, 2) == [[]]
