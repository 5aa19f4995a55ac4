"""Where the media of inputs lie, as a build keeps it and a later one reads it."""

from io import BytesIO
from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa

from jobs.phases.captured import keep_captured, read_captured
from jobs.phases.extract import CAPTURES
from jobs.phases.task import Task

KEY = "https://bucket.example/a.jpg?X-Amz-Signature=abc&X-Amz-Credential=me"


class Kept(BytesIO):
    """A file whose bytes outlive it."""

    def close(self) -> None:
        self.seek(0)


def task_of(archives: list[str], file: Kept, **plan: Any) -> Task:
    of_plan = SimpleNamespace(media_archives=archives, retries=False, **plan)
    memory = SimpleNamespace(plan=of_plan, onto=SimpleNamespace(open=lambda name: file))
    memory.once = lambda load: load(memory)
    attempt = SimpleNamespace(create=lambda name: file)
    config = SimpleNamespace(without_keys=False)
    return cast(Task, SimpleNamespace(index=3, plan=of_plan, memory=memory, attempt=attempt, config=config))


def rows(*captures: tuple[Any, ...]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(CAPTURES, one, strict=True)) for one in captures], pa.schema(CAPTURES))


def test_archives_are_named_for_builds_that_number_them_otherwise() -> None:
    file = Kept()
    captures = rows((b"a", 1, 5, 10, "", "t"), (b"b", 0, 6, 11, "http://c.example/", "u"), (b"c", 2, 7, 12, "", "u"))
    keep_captured(task_of(["x.warc", "y.warc", "z.warc"], file), captures)
    (found,) = read_captured(task_of(["new.warc", "y.warc", "x.warc"], file), "captured/append-002-000003.parquet")
    assert found.to_pylist() == [
        {"key": b"a", "archive": 1, "offset": 5, "length": 10, "record_url": "", "time": "t", "build": 2},
        {
            "key": b"b",
            "archive": 2,
            "offset": 6,
            "length": 11,
            "record_url": "http://c.example/",
            "time": "u",
            "build": 2,
        },
    ]


def test_neither_what_has_no_place_nor_an_address_with_a_key_is_kept() -> None:
    file = Kept()
    keep_captured(task_of(["x.warc"], file), rows((b"a", 0, 5, 0, "", "t"), (b"b", 0, 6, 11, KEY, "t")))
    assert file.getvalue() == b""
    keep_captured(task_of(["x.warc"], file), rows((b"a", 0, 5, 0, "", "t"), (b"c", 0, 6, 11, "", "t")))
    (found,) = read_captured(task_of(["x.warc"], file), "captured/000003.parquet")
    assert [(row["key"], row["build"]) for row in found.to_pylist()] == [(b"c", 0)]
