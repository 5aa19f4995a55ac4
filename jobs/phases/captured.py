"""Where images and videos lie in the inputs of a dataset: each build leaves it in `captured/`, by address, and what is
added later finds them there as long as those inputs are at hand."""

import posixpath
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.phases.task import Memory, Task
from schemas.builds import CAPTURED, build_of
from schemas.presigned import is_presigned

#: `captured/{bucket}.parquet`; a row an address, in the order of the keys.
_COLUMNS = {
    "key": pa.binary(),  # `media_key`
    "archive": pa.string(),  # of the inputs of this build, or of one before it
    "offset": pa.int64(),
    "length": pa.int64(),
    "record_url": pa.string(),  # "" if it is the address itself
    "time": pa.string(),
}
_REPEATED = ["archive", "record_url", "time"]
_ROWS_AT_A_TIME = 100_000


def keep_captured(task: Task, captures: pa.Table) -> None:
    """Leave what one bucket has of the own inputs; a build that tries again has none but those of builds before it."""
    rows = captures.filter(pc.field("length") > 0)  # others cannot be read by their place
    keyed = [url for url in rows.column("record_url").unique().to_pylist() if is_presigned(url)]
    rows = rows.filter(pc.invert(pc.is_in(rows.column("record_url"), pa.array(keyed, pa.string()))))
    if not len(rows) or task.config.without_keys or task.plan.retries:
        return
    archives = task.memory.once(_addresses).take(rows.column("archive"))
    rows = rows.set_column(rows.column_names.index("archive"), "archive", archives).select(list(_COLUMNS))
    file = task.attempt.create(f"{CAPTURED}/{task.index:06d}.parquet")
    pq.write_table(rows, file, _ROWS_AT_A_TIME, compression="zstd", use_dictionary=_REPEATED)
    file.close()


def read_captured(task: Task, name: str) -> Iterator[pa.Table]:
    """What a build before has left in a file, with numbers of archives and a column `build`; without what lies in
    archives that this build does not know."""
    addresses = task.memory.once(_addresses)
    with task.memory.onto.open(name) as file:
        for batch in pq.ParquetFile(file).iter_batches(_ROWS_AT_A_TIME):
            rows = pa.Table.from_batches([batch])
            numbers = pc.index_in(rows.column("archive"), addresses).cast(pa.int32())
            rows = rows.set_column(rows.column_names.index("archive"), "archive", numbers)
            by = pa.repeat(pa.scalar(build_of(posixpath.basename(name)), pa.int32()), len(rows))
            yield rows.append_column("build", by).filter(pc.is_valid(rows.column("archive")))


def _addresses(memory: Memory) -> pa.Array:
    """Those of archives, by their numbers."""
    return pa.array(memory.plan.media_archives, pa.string())
