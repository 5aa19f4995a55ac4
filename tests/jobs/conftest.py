from pathlib import Path

import pytest

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
