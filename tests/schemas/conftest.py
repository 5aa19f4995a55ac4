import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from schemas.storage import Store


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store: a folder, and the same in memory, which behaves as object stores do."""
    if request.param == "local":
        yield Store(str(tmp_path / "store"))
        return
    root = f"memory://{uuid.uuid4().hex}"
    yield Store(root)
    fs, path = fsspec.core.url_to_fs(root)
    if fs.exists(path):
        fs.rm(path, recursive=True)


@pytest.fixture
def folder(tmp_path: Path) -> Store:
    """A local store."""
    return Store(str(tmp_path / "folder"))
