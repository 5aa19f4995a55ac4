import pyarrow.parquet as pq
import pytest

from schemas.commits import Attempt
from schemas.drop_files import DropFile
from schemas.drops import Counts, DropRow
from schemas.storage import Store


def write(store: Store, rows: list[DropRow]) -> None:
    with Attempt(store, "extract", 0) as attempt:
        with DropFile(attempt, "drops/a.parquet") as drops:
            for row in rows:
                drops.add(row)
        attempt.commit(Counts())


def read(store: Store) -> list[DropRow]:
    with store.open("drops/a.parquet") as file:
        return [DropRow(**row) for row in pq.read_table(file).to_pylist()]


def test_rows_are_read_back_in_order(store: Store) -> None:
    rows = [DropRow("u", "image", "icon", page_url="https://a.org/é"), DropRow("a.warc", "record", "not_warc")]
    write(store, rows)
    assert read(store) == rows


def test_a_page_and_its_paragraphs_are_on_the_page_itself(store: Store) -> None:
    rows = [DropRow("https://a.org/é", kind, "few_words", "3 words") for kind in ("page", "paragraph")]
    write(store, rows)
    assert [row.page_url for row in read(store)] == ["https://a.org/é"] * 2


def test_nothing_let_go_leaves_no_file(store: Store) -> None:
    write(store, [])
    assert store.list("drops") == []


def test_many_rows_are_written_as_they_come(store: Store) -> None:
    rows = [DropRow(f"u{i}", "image", "icon") for i in range(20_001)]
    write(store, rows)
    assert read(store) == rows
    with store.open("drops/a.parquet") as file:
        assert pq.ParquetFile(file).num_row_groups == 3


def test_a_full_batch_at_the_end_is_not_followed_by_an_empty_one(store: Store) -> None:
    write(store, [DropRow(f"u{i}", "page", "no_text") for i in range(10_000)])
    with store.open("drops/a.parquet") as file:
        assert pq.ParquetFile(file).num_row_groups == 1


def test_text_that_is_no_unicode_is_stored_with_question_marks(store: Store) -> None:
    write(store, [DropRow("https://a.org/\ud800", "page", "internal_error", "\udcff!")])
    assert read(store) == [DropRow("https://a.org/?", "page", "internal_error", "?!", "https://a.org/?")]


def test_a_failing_partition_leaves_no_file(store: Store) -> None:
    def work() -> None:
        with Attempt(store, "extract", 0) as attempt, DropFile(attempt, "drops/a.parquet") as drops:
            for i in range(10_000):
                drops.add(DropRow(f"u{i}", "page", "no_text"))
            raise ValueError("bad data")

    with pytest.raises(ValueError, match="bad data"):
        work()
    assert store.list("drops") == []
