from pathlib import Path

import pytest

from tests.jobs.looked_at import build_looked_at
from tests.jobs.site import write_site


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_site(tmp_path_factory.mktemp("site"))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file that readers open, by its name: what must not depend on engine, retries or kills."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] != "work"
    }


@pytest.fixture(scope="session")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished dataset of three kinds; not to be written to."""
    return build_looked_at(tmp_path_factory.mktemp("looked"))
