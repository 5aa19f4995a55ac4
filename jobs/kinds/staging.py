"""Samples between the phase that opens their images and the phase that writes them: images are decoded once."""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.phases.task import Phase, Task, file_of
from schemas.storage import Store

_SCHEMA = pa.schema([("record", pa.binary()), ("images", pa.list_(pa.binary()))])
_FLUSH_BYTES = 32 << 20
_ROWS_AT_A_TIME = 64


class Staging:
    """Writes what a task hands on: records without the bytes of their images, and these."""

    def __init__(self, task: Task, compression: str = "none") -> None:
        """Images do not get smaller, and texts beside them are a small part."""
        self._writer = pq.ParquetWriter(task.create("staged.parquet"), _SCHEMA, compression=compression)
        self._rows: list[dict[str, Any]] = []
        self._held = 0
        task.enter(self)

    def add(self, record: bytes, images: Sequence[bytes]) -> None:
        self._rows.append({"record": record, "images": images})
        self._held += sum(map(len, images)) + len(record)
        if self._held >= _FLUSH_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, _SCHEMA))
        self._rows, self._held = [], 0

    def __enter__(self) -> "Staging":
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure is None:
            self._flush()
        self._writer.close()


def read_staged(task: Task, phase: Phase) -> Iterator[tuple[bytes, list[bytes]]]:
    """What the task of this number in an earlier phase handed on, in order."""
    with task.store.open(staged_name(phase, task.index)) as file, pq.ParquetFile(file) as parquet:
        done, total = 0, parquet.metadata.num_rows
        for batch in parquet.iter_batches(batch_size=_ROWS_AT_A_TIME):
            for row in batch.to_pylist():
                task.at(done, total)
                yield row["record"], row["images"]
                done += 1


def remove_staged(store: Store, phase: Phase, tasks: int) -> None:
    """When the dataset is complete: what is staged is as large as the dataset itself."""
    store.remove_all([staged_name(phase, index) for index in range(tasks)])


def staged_name(phase: Phase, index: int) -> str:
    """The file of one task."""
    return file_of(phase.name, index, "staged.parquet")
