"""Which bucket a key belongs to: rows with equal keys meet in the task of one."""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def bucket_of(key: bytes, num_buckets: int) -> int:
    """The bucket of a key: uniform, and the same on every machine."""
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") % num_buckets


def buckets_of_digests(keys: pa.ChunkedArray, num_buckets: int) -> NDArray[np.int32]:
    """Buckets of keys of 16 bytes that are uniform already, such as digests; not the buckets of `bucket_of`."""
    data = keys.cast(pa.binary(16)).combine_chunks()
    words = np.frombuffer(data.buffers()[1], dtype=">u8")[2 * data.offset :][: 2 * len(data)]
    return (words[::2] % np.uint64(num_buckets)).astype(np.int32)


def buckets_of_ints(keys: NDArray[np.int64], num_buckets: int) -> NDArray[np.int32]:
    """Buckets of integers: uniform also where those are not (the finaliser of splitmix64)."""
    return (mixed(keys.view(np.uint64)) % np.uint64(num_buckets)).astype(np.int32)


def mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele et al. 2014): a bijection that makes all bits depend on all."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def first_of_each(table: pa.Table, key: str, order: list[tuple[str, str]]) -> pa.Table:
    """`table` sorted by key and then `order`, with a column `first`: true at the first row of each key."""
    table = table.sort_by([(key, "ascending"), *order])
    keys = table.column(key).combine_chunks()
    changes = pc.not_equal(keys[1:], keys[:-1]) if len(keys) > 1 else pa.array([], pa.bool_())
    return table.append_column("first", pa.concat_arrays([pa.array([True] * min(1, len(keys)), pa.bool_()), changes]))
