"""What all tests share: how they are spread over processes, and what property tests are told."""

import gc
import os
import re
import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Right or wrong, never slow: a busy machine must not fail a property.
settings.register_profile("weft", deadline=None)
settings.load_profile("weft")

# Ray's workers give way to all else (nice 15): beside two processes full of tests they had a thirtieth of a CPU.
os.environ.setdefault("RAY_worker_niceness", "0")

_STARTS_RAY = re.compile(r"(?<![a-z])(ray|cluster)(?![a-z])", re.IGNORECASE)
_shared_ray = ExitStack()


def lane(nodeid: str) -> str:
    """Tests of one lane run one after the other in one process: those of a file, and all that start a Ray.

    Two Rays at a time would take the CPUs from one another until their deadlines pass. A test that starts one has `ray`
    or `cluster` in its name, or in that of its file.
    """
    return "ray" if _STARTS_RAY.search(nodeid) else nodeid.partition("::")[0]


def _no_ray_elsewhere(event: str, arguments: tuple[Any, ...]) -> None:
    """What Ray starts first is refused outside of its lane. Of commands that start one nobody watches."""
    if event == "subprocess.Popen" and "gcs_server" in str(arguments[0]):
        running = os.environ.get("PYTEST_CURRENT_TEST", "ray")
        assert lane(running) == "ray", f"{running} starts a Ray: its name must say so, see tests/conftest.py"


sys.addaudithook(_no_ray_elsewhere)


def _left_to_the_system(descriptor: int) -> None:
    """Instead of `os.fsync`: no test cuts the power, and a kill loses nothing that was written."""


# A build of a few pages waits for the disk some 150 times, for a third of its time.
os.fsync = _left_to_the_system


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class Lanes(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return lane(nodeid)

    config.option.loadscopereorder = False  # the order of `pytest_collection_modifyitems` is meant
    return Lanes(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, None, None]:
    """Modules and tests are there to stay: no collection of garbage looks through them, now or while tests run."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where processes share the work: the longest lanes first, so that none is left alone with one at the end."""
    if hasattr(config, "workerinput"):
        items.sort(
            key=lambda item: (
                lane(item.nodeid) != "ray",
                not _shares_ray(item),
                not item.nodeid.startswith("tests/jobs/"),
            )
        )


def _shares_ray(item: pytest.Item | None) -> bool:
    """A Ray takes some seconds to start: tests with this mark that follow one another find one that is there."""
    return item is not None and lane(item.nodeid) == "ray" and item.get_closest_marker("shares_ray") is not None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if _shares_ray(item) and not ("ray" in sys.modules and sys.modules["ray"].is_initialized()):
        from jobs.engine.engine import EngineSettings, open_engine

        _shared_ray.enter_context(open_engine(EngineSettings(workers=2)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    yield
    if _shares_ray(item) and not _shares_ray(nextitem):
        _shared_ray.close()


@pytest.fixture(scope="session")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished dataset of three kinds; not to be written to."""
    from tests.jobs.looked_at import build_looked_at  # here: most tests need no build

    return build_looked_at(tmp_path_factory.mktemp("looked"))


@pytest.fixture(scope="session")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of all three kinds with signals of every verdict, kept and refused."""
    from tests.jobs.audited import build_audited

    return build_audited(tmp_path_factory.mktemp("audited"))
