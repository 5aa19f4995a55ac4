import threading
import weakref
from collections.abc import Iterator

import pytest

from model.data.ahead import Ahead


def test_items_come_in_order_and_the_next_is_made_while_one_is_held() -> None:
    made: list[int] = []
    second = threading.Event()

    def source() -> Iterator[int]:
        for number in range(5):
            made.append(number)
            if number == 1:
                second.set()
            yield number

    ahead = Ahead(source(), release=lambda: None)
    items = iter(ahead)
    assert next(items) == 0
    assert second.wait(5)  # nobody has asked for it
    assert list(items) == [1, 2, 3, 4] == made[1:]
    ahead.close()


def test_what_was_taken_is_held_by_whoever_took_it_alone() -> None:
    class Item:
        pass

    ahead = Ahead((Item() for _ in range(3)), release=lambda: None)
    taken = next(iter(ahead))
    held = weakref.ref(taken)
    del taken
    assert held() is None
    ahead.close()


def test_an_error_comes_where_the_item_would_have_come() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise ValueError("the second is bad")

    items = iter(Ahead(source(), release=lambda: None))
    assert next(items) == 1
    with pytest.raises(ValueError, match="the second is bad"):
        next(items)


def test_closing_ends_a_source_that_waits() -> None:
    let_go = threading.Event()

    def source() -> Iterator[int]:
        yield 1
        let_go.wait()
        raise RuntimeError("closed")

    ahead = Ahead(source(), release=let_go.set)
    assert next(iter(ahead)) == 1
    ahead.close()
    assert "weft-ahead" not in {thread.name for thread in threading.enumerate()}
