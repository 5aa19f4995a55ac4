"""What all tests share: property tests are told right or wrong, never slow (a busy machine must not fail them)."""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("weft", deadline=None)
settings.load_profile("weft")


@pytest.fixture(scope="session")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished dataset of three kinds; not to be written to."""
    from tests.jobs.looked_at import build_looked_at  # here: most tests need no build

    return build_looked_at(tmp_path_factory.mktemp("looked"))
