"""What all tests share: how they are spread over processes, and what property tests are told."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Right or wrong, never slow: a busy machine must not fail a property.
settings.register_profile("weft", deadline=None)
settings.load_profile("weft")

_STARTS_RAY = re.compile(r"(?<![a-z])(ray|cluster)(?![a-z])")


def lane(nodeid: str) -> str:
    """Tests of one lane run one after the other in one process: those of a file, and all that start a Ray.

    Two Rays at a time would take the CPUs from one another until their deadlines pass. A test that starts one has `ray`
    or `cluster` in its name, or in that of its file.
    """
    return "ray" if _STARTS_RAY.search(nodeid) else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class Lanes(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return lane(nodeid)

    config.option.loadscopereorder = False  # the order of `pytest_collection_modifyitems` is meant
    return Lanes(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where processes share the work: the longest lanes first, so that none is left alone with one at the end."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: (lane(item.nodeid) != "ray", not item.nodeid.startswith("tests/jobs/")))


@pytest.fixture(scope="session")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished dataset of three kinds; not to be written to."""
    from tests.jobs.looked_at import build_looked_at  # here: most tests need no build

    return build_looked_at(tmp_path_factory.mktemp("looked"))
