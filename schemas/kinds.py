"""The kinds of sample: how each is called, what its records are, how its index is written. Here and nowhere else."""

from collections.abc import Callable
from typing import Any

import msgspec
import pyarrow as pa

from schemas import documents, energon, kind_names, pairs, videos
from schemas.energon import Energon


class Kind(msgspec.Struct, frozen=True):
    """A kind of sample. Its shards lie in the folder `name` of a dataset."""

    name: str
    item: str  # what one is called in counts and drops
    sample: type[msgspec.Struct]  # the JSON member
    columns: dict[str, pa.DataType]  # of the parquet index, beyond key, offset, size and members
    row: Callable[[Any], dict[str, Any]]  # the index row of a sample
    page_column: str  # the column with the address of the page that it comes from
    energon: Energon | None = None  # None: Energon has no type for it, its task encoder gets the members


INTERLEAVED = Kind(
    kind_names.INTERLEAVED, "page", documents.Sample, documents.COLUMNS, documents.index_row, "url", energon.INTERLEAVED
)
PAIRS = Kind(kind_names.PAIRS, "pair", pairs.Pair, pairs.COLUMNS, pairs.index_row, "page_url", energon.CAPTIONING)
CLIPS = Kind(kind_names.CLIPS, "clip", videos.ClipSample, videos.COLUMNS, videos.index_row, "page_url")

#: By name, in the order in which they are shown.
KINDS: dict[str, Kind] = {kind.name: kind for kind in (INTERLEAVED, PAIRS, CLIPS)}
