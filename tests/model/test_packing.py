import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.data.packing import Packer, PackingSettings


def pack(lengths: list[int], settings: PackingSettings) -> list[list[int]]:
    """Rows as lists of item numbers."""
    packer: Packer[int] = Packer(settings)
    rows = [row for item, length in enumerate(lengths) if (row := packer.add(item, length)) is not None]
    while row := packer.flush():
        rows.append(row)
    return rows


@given(st.lists(st.integers(1, 64), max_size=80), st.integers(1, 9))
def test_every_item_is_in_one_row_and_no_row_overflows(lengths: list[int], open_rows: int) -> None:
    rows = pack(lengths, PackingSettings(row_tokens=64, open_rows=open_rows))
    assert sorted(item for row in rows for item in row) == list(range(len(lengths)))
    assert all(sum(lengths[item] for item in row) <= 64 and row == sorted(row) for row in rows)


@given(st.lists(st.integers(1, 64), max_size=60), st.integers(0, 60))
def test_a_reopened_packer_goes_on_as_if_nothing_had_happened(lengths: list[int], cut: int) -> None:
    settings = PackingSettings(row_tokens=64, open_rows=4)
    packer: Packer[int] = Packer(settings)
    rows = [row for item, length in enumerate(lengths[:cut]) if (row := packer.add(item, length)) is not None]
    again: Packer[int] = Packer(settings)
    again.reopen([[(item, lengths[item]) for item in row] for row in packer.open_items()])
    rest = range(cut, len(lengths))
    rows += [row for item in rest if (row := again.add(item, lengths[item])) is not None]
    while row := again.flush():
        rows.append(row)
    assert rows == pack(lengths, settings)


def test_a_bounded_number_of_rows_is_open() -> None:
    packer: Packer[int] = Packer(PackingSettings(row_tokens=64, open_rows=5))
    for item in range(500):
        packer.add(item, 33 + item % 20)
        assert len(packer.open_items()) <= 5


def test_rows_of_captions_and_of_windows_are_filled() -> None:
    rng = random.Random(0)
    captions = [min(256, max(5, round(rng.lognormvariate(2.6, 0.6)) + 4)) for _ in range(20_000)]
    windows = [256 if rng.random() < 0.8 else rng.randint(30, 256) for _ in range(5_000)]
    for lengths, least in ((captions, 0.98), (windows, 0.95)):
        rows = pack(lengths, PackingSettings())
        assert sum(lengths) / (256 * len(rows)) > least


@pytest.mark.parametrize(
    ("lengths", "row_tokens", "most", "least"),
    [((10, 60), 256, 65, 0.985), ((10, 60), 2048, 96, 0.99), ((4, 20), 2048, 256, 0.98), ((256, 1500), 2048, 65, 0.94)],
)
def test_rows_leave_when_nearly_full_so_that_few_items_wait(
    lengths: tuple[int, int], row_tokens: int, most: int, least: float
) -> None:
    """What waits is in the state of a loader, and is read again when a run goes on."""
    rng = random.Random(0)
    packer: Packer[int] = Packer(PackingSettings(row_tokens=row_tokens))
    filled, most_waiting, rows = 0, 0, 0
    for _ in range(8_000):
        length = rng.randint(*lengths)
        if row := packer.add(length, length):
            filled, rows = filled + sum(row), rows + 1
        most_waiting = max(most_waiting, sum(map(len, packer.open_items())))
    assert most_waiting <= most
    assert filled / rows / row_tokens > least


def test_a_packer_with_more_than_may_wait_goes_on_as_if_nothing_had_happened() -> None:
    rng = random.Random(1)
    lengths = [rng.randint(4, 40) for _ in range(600)]
    settings = PackingSettings(row_tokens=1024)
    packer: Packer[int] = Packer(settings)
    rows = []
    for item, length in enumerate(lengths):
        rows.append(packer.add(item, length))
        other: Packer[int] = Packer(settings)
        other.reopen([[(n, lengths[n]) for n in row] for row in packer.open_items()])
        packer = other
    again: Packer[int] = Packer(settings)
    assert rows == [again.add(item, length) for item, length in enumerate(lengths)]


def test_without_packing_each_item_has_its_row() -> None:
    assert pack([3, 4, 5], PackingSettings(enabled=False)) == [[0], [1], [2]]
