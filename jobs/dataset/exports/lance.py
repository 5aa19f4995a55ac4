"""Tables of Lance: pictures and videos as blobs, which are read one by one; samples are found by their key.

A task writes the fragments of its shard's tables, and their description is its file. Once all are there, one commit
makes them a table, so that nobody sees half of it; then keys are indexed.
"""

import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa

os.environ.setdefault("LANCE_LOG", "error")  # before it is imported; it says that tables are not there yet
import lance
from lance.fragment import FragmentMetadata, write_fragments

from jobs.dataset.exports.run import Exported
from schemas.kinds import CLIPS, INTERLEAVED, PAIRS, Kind
from schemas.shards import ShardMark
from schemas.storage import Store

#: How Lance is told that a column is read by itself.
BLOB = {b"lance-encoding:blob": b"true"}
SAMPLES = pa.schema([("key", pa.string()), ("url", pa.string()), ("document", pa.string())])
MEDIA = pa.schema(
    [
        pa.field("key", pa.string()),
        pa.field("place", pa.int32()),
        pa.field("name", pa.string()),
        pa.field("data", pa.large_binary(), metadata=BLOB),
    ]
)
_BATCH_BYTES, _BATCH_ROWS = 64 << 20, 1000


class Lance:
    """`OUT/{kind}/samples.lance`, a row a sample, its JSON as `document`; `OUT/{kind}/media.lance`, a row a picture or
    video: `key`, `place` among those of the sample, `name`, and `data`, a blob."""

    kinds = (INTERLEAVED.name, PAIRS.name, CLIPS.name)

    def file(self, kind: Kind, shard: str) -> str:
        return f"{kind.name}/fragments/{shard}.json"

    def write(self, kind: Kind, samples: Iterator[Exported], file: Any, output: Store) -> Mapping[str, bytes]:
        described: dict[str, list[Any]] = {"samples": [], "media": []}
        rows: list[dict[str, Any]] = []
        media: list[dict[str, Any]] = []
        size = 0

        def write() -> None:
            for name, schema, of in (("samples", SAMPLES, rows), ("media", MEDIA, media)):
                if of:
                    made = write_fragments(pa.Table.from_pylist(of, schema), _table(output, kind.name, name), schema)
                    described[name] += [fragment.to_json() for fragment in made]
                    of.clear()

        for sample, members in samples:
            document = members[f"{sample.key}.json"].decode()
            rows.append({"key": sample.key, "url": sample.url, "document": document})
            named = [(name, data) for name, data in members.items() if not name.endswith((".json", ".txt"))]
            media += [
                {"key": sample.key, "place": place, "name": name, "data": data}
                for place, (name, data) in enumerate(named)
            ]
            size += sum(len(data) for _, data in named)
            if size >= _BATCH_BYTES or len(rows) == _BATCH_ROWS:
                write()
                size = 0
        write()
        file.write(msgspec.json.encode(described))
        return {}

    def finish(self, store: Store, files: Mapping[str, Sequence[tuple[str, ShardMark]]]) -> None:
        for kind, of_kind in files.items():
            described = [msgspec.json.decode(data) for data in store.read_all([name for name, _ in of_kind])]
            for name, schema in (("samples", SAMPLES), ("media", MEDIA)):
                fragments = [
                    FragmentMetadata.from_json(msgspec.json.encode(one).decode())
                    for of_shard in described
                    for one in of_shard[name]
                ]
                at = _table(store, kind, name)
                made = lance.LanceDataset.commit(at, lance.LanceOperation.Overwrite(schema, fragments))
                made.create_scalar_index("key", "BTREE", replace=True)


def _table(store: Store, kind: str, name: str) -> str:
    return posixpath.join(store.url, kind, f"{name}.lance")
