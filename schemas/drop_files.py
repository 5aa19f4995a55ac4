"""`drops/*.parquet`: url, kind, reason, detail and page of everything that was dropped."""

from typing import Any, Protocol

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.drops import DropRow
from schemas.presigned import is_presigned, without_key

SCHEMA = pa.schema([(name, pa.string()) for name in DropRow.__struct_fields__])
_BATCH = 10_000


class Files(Protocol):
    """Where the file goes: `schemas.commits.Attempt`."""

    def create(self, name: str) -> Any: ...


class DropFile:
    """Writes rows as they come; a partition that drops nothing leaves no file."""

    def __init__(self, files: Files, name: str) -> None:
        self._files, self._name = files, name
        self._rows: list[DropRow] = []
        self._writer: pq.ParquetWriter | None = None

    def add(self, row: DropRow) -> None:
        """The key of an address that holds one is left out."""
        if is_presigned(row.url) or is_presigned(row.page_url):
            detail = " ".join(without_key(word) for word in row.detail.partition("?")[0].split(" "))
            row = msgspec.structs.replace(
                row, url=without_key(row.url), page_url=without_key(row.page_url), detail=detail
            )
        self._rows.append(row)
        if len(self._rows) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._files.create(self._name), SCHEMA, compression="zstd")
        columns = {name: [_storable(getattr(row, name)) for row in self._rows] for name in SCHEMA.names[:-1]}
        columns["page_url"] = [_storable(_page_of(row)) for row in self._rows]
        self._writer.write_table(pa.table(columns, schema=SCHEMA))
        self._rows = []

    def __enter__(self) -> "DropFile":
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure is None and self._rows:
            self._flush()
        if self._writer is not None:
            self._writer.close()


def _page_of(row: DropRow) -> str:
    return row.page_url or (row.url if row.kind in ("page", "paragraph") else "")


def _storable(text: str) -> str:
    """Addresses and messages of hostile pages may hold lone surrogates, which parquet refuses."""
    return text.encode("utf-8", "replace").decode()
