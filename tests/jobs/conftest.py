import sys
from pathlib import Path

import pytest

from tests.jobs.site import photo, write_archive, write_site

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_site(tmp_path_factory.mktemp("site"))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file that readers open, by its name: what must not depend on engine, retries or kills.

    What was fetched is no such thing: it has the time of each response.
    """
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in ("work", "media")
    }


@pytest.fixture(scope="session")
def example_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of the example site; in place of its photographs, which other packages carry, made ones."""
    sys.path.append(str(EXAMPLES))
    try:
        from make_archive import PAGES
        from photos import ASSETS, SITE
    finally:
        sys.path.remove(str(EXAMPLES))
    html = "text/html; charset=utf-8"
    records = [(f"{SITE}{page.path}", (EXAMPLES / "site" / page.file).read_bytes(), html) for page in PAGES]
    records += [(asset.url, photo(number), "image/jpeg") for number, asset in enumerate(ASSETS)]
    return write_archive(tmp_path_factory.mktemp("example") / "example.warc.gz", records)
