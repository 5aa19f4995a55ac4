"""Indexes and tars whose ends do not agree."""

import uuid
from pathlib import Path

import fsspec
import numpy as np
import pytest

from model.data.cache import Cache
from model.data.listing import list_shards
from model.data.reading import Reader, TarFile
from schemas.drops import Drop
from schemas.storage import Store
from tests.model.makers import page, write_tar

SAMPLES = [page(n) for n in range(5)]
KEYS = [key for key, _ in SAMPLES]


def read(url: str, cache: Cache | None = None) -> tuple[list[str], list[str]]:
    """Keys of what is whole, and what is said of the rest."""
    files = list_shards(url, cache)
    reader = Reader(files, cache, tries=1)
    keys, said = [], []
    for shard, file in enumerate(files):
        for n in range(file.samples):
            try:
                keys.append(reader.members(shard, n)[0])
            except Drop as drop:
                said.append(str(drop))
    reader.close()
    return keys, said


@pytest.mark.parametrize("end", [10**7, 10**12, 2**63])
@pytest.mark.parametrize("cached", [True, False])
def test_of_an_object_store_an_index_that_ends_beyond_its_tar_is_as_none(
    tmp_path: Path, cached: bool, end: int
) -> None:
    write_tar(tmp_path / "in" / "a.tar", SAMPLES)
    (tmp_path / "in/a.tar.idx").write_bytes(bytes(8) + end.to_bytes(8, "little"))
    memory, root = fsspec.filesystem("memory"), f"/{uuid.uuid4().hex}"
    memory.put(f"{tmp_path / 'in'}/", root, recursive=True)
    cache = Cache(str(tmp_path / "cache"), 10**9) if cached else None
    assert read(f"memory:/{root}", cache) == (KEYS, [])
    memory.rm(root, recursive=True)


def test_a_sample_beyond_the_end_of_its_tar_takes_no_memory(tmp_path: Path) -> None:
    """Where many remote tars were counted by the lengths of their indexes, nobody has looked at the end."""
    tar = write_tar(tmp_path / "a.tar", SAMPLES)
    offsets = np.array([0, 10**12], "<u8").tobytes()
    reader = Reader([TarFile(Store(str(tmp_path)), tar.name, 1, walked=offsets)])
    with pytest.raises(Drop, match="the tar ends within sample 0"):
        reader.members(0, 0)
    reader.close()


def test_a_tar_that_breaks_off_loses_what_its_index_has_behind(tmp_path: Path) -> None:
    """It has no end mark: the index is right, and tells how many samples are lost."""
    tar = write_tar(tmp_path / "a.tar", SAMPLES)
    tar.write_bytes(tar.read_bytes()[: int(np.fromfile(f"{tar}.idx", "<u8")[2]) + 700])
    keys, said = read(str(tmp_path))
    assert keys == KEYS[:2]
    assert len(said) == len(KEYS) - 2


def test_a_tar_of_no_bytes_is_said(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", SAMPLES)
    (tmp_path / "b.tar").touch()
    keys, said = read(str(tmp_path))
    assert keys == KEYS
    assert len(said) == 1
    assert "the tar is empty" in said[0]
