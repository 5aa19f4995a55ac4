"""Parquet as Hugging Face datasets, its viewer and OBELICS have it: pictures inside, a row a sample.

Interleaved samples have the columns of OBELICS (Laurençon et al. 2023): `texts` and `images`, parallel lists of which
one is null at each position; `metadata`, a JSON list of the same length; `general_metadata`, a JSON object. There a
picture is an address; here it is a struct of bytes and path, which `datasets` decodes to an image.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.dataset.exports.run import Exported
from schemas.kinds import CLIPS, INTERLEAVED, PAIRS, Kind
from schemas.shards import ShardMark
from schemas.storage import Store

FILE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
SCHEMAS: dict[str, dict[str, pa.DataType]] = {
    INTERLEAVED.name: {
        "key": pa.string(),
        "url": pa.string(),
        "texts": pa.list_(pa.string()),
        "images": pa.list_(FILE),
        "metadata": pa.string(),
        "general_metadata": pa.string(),
    },
    PAIRS.name: {"key": pa.string(), "url": pa.string(), "image": FILE, "text": pa.string(), "metadata": pa.string()},
    CLIPS.name: {"key": pa.string(), "url": pa.string(), "video": FILE, "text": pa.string(), "metadata": pa.string()},
}
#: How `datasets` names what decodes a column.
_DECODED = {"images": "Image", "image": "Image", "video": "Video"}
#: Fields of a sample with one entry an image, as their entries are called in `metadata`.
_OF_IMAGES = {
    "image_urls": "src", "image_alts": "alt_text", "image_titles": "title", "image_captions": "caption",
    "image_sizes": "size", "image_formats": "format", "image_sha256": "sha256",
    "image_original_sizes": "original_size", "image_original_formats": "original_format",
    "image_original_sha256": "original_sha256", "image_phashes": "phash", "image_scores": "scores",
    "image_consent": "consent", "image_rights": "rights", "clip_similarity": "clip_similarity",
    "clip_assignment": "clip_assignment",
}  # fmt: skip
#: A row group is what a reader holds at a time; the viewer of Hugging Face asks for less than 300 MB.
_GROUP_BYTES, _GROUP_ROWS = 64 << 20, 1000


class Parquet:
    """`OUT/{kind}/{shard}.parquet`, and a README.md by which `load_dataset` and the viewer know the kinds."""

    kinds = tuple(SCHEMAS)

    def file(self, kind: Kind, shard: str) -> str:
        return f"{kind.name}/{shard}.parquet"

    def write(self, kind: Kind, samples: Iterator[Exported], file: Any, output: Store) -> Mapping[str, bytes]:
        schema = _schema(kind)
        rows, size = [], 0
        with pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=False, write_page_index=True) as writer:
            for sample, members in samples:
                rows.append(_ROWS[kind.name](sample, members))
                size += sum(map(len, members.values()))
                if size >= _GROUP_BYTES or len(rows) == _GROUP_ROWS:
                    writer.write_table(pa.Table.from_pylist(rows, schema))
                    rows, size = [], 0
            if rows:
                writer.write_table(pa.Table.from_pylist(rows, schema))
        return {}

    def finish(self, store: Store, files: Mapping[str, Sequence[tuple[str, ShardMark]]]) -> None:
        lines = ["---", "configs:"]
        for kind, of_kind in files.items():
            if of_kind:
                lines += [f"- config_name: {kind}", "  data_files:", "  - split: train", f"    path: {kind}/*.parquet"]
        store.put("README.md", "\n".join([*lines, "---", "", *_SAID, ""]).encode())


_SAID = [
    "Exported by weft. `metadata` and `general_metadata` are JSON: docs/format.md of weft says what their fields mean.",
]


def _schema(kind: Kind) -> pa.Schema:
    columns = SCHEMAS[kind.name]
    features = {name: _feature(name, of) for name, of in columns.items()}
    return pa.schema(columns.items(), {"huggingface": msgspec.json.encode({"info": {"features": features}})})


def _feature(name: str, of: pa.DataType) -> dict[str, Any]:
    if pa.types.is_list(of):
        return {"feature": _feature(name, of.value_type), "_type": "List"}
    return {"_type": _DECODED[name]} if pa.types.is_struct(of) else {"dtype": "string", "_type": "Value"}


def _interleaved(sample: Any, members: Mapping[str, bytes]) -> dict[str, Any]:
    record = msgspec.to_builtins(sample)
    by_image = [
        {"document_url": sample.url, **{called: record[name][n] for name, called in _OF_IMAGES.items() if record[name]}}
        for n in range(len(sample.image_urls))
    ]
    entries = iter(by_image)
    general = {name: value for name, value in record.items() if name not in ("texts", "images", *_OF_IMAGES)}
    return {
        "key": sample.key,
        "url": sample.url,
        "texts": sample.texts,
        "images": [None if name is None else {"bytes": members[name], "path": name} for name in sample.images],
        "metadata": _json([None if name is None else next(entries) for name in sample.images]),
        "general_metadata": _json(general),
    }


def _captioned(column: str) -> Any:
    def row(sample: Any, members: Mapping[str, bytes]) -> dict[str, Any]:
        name = next(name for name in members if not name.endswith((".json", ".txt")))
        return {
            "key": sample.key,
            "url": sample.url,
            column: {"bytes": members[name], "path": name},
            "text": sample.caption,
            "metadata": _json(msgspec.to_builtins(sample)),
        }

    return row


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


_ROWS = {INTERLEAVED.name: _interleaved, PAIRS.name: _captioned("image"), CLIPS.name: _captioned("video")}
