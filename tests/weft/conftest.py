from pathlib import Path

import pytest

from tests.weft.makers import make_dataset


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """13 pages in four shards and 20 pairs in two; not to be written to."""
    return make_dataset(tmp_path_factory.mktemp("made"))
