"""A task that hangs holds up no phase, and what it would have counted is counted once."""

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from jobs.engine import attempts
from jobs.engine.engine import Engine, EngineSettings, open_engine
from jobs.phases.planning import make_plan
from jobs.phases.recipe import Recipe
from jobs.phases.run import Phases
from jobs.phases.task import Phase, Task
from schemas.drops import Counts
from schemas.storage import Store
from tests.jobs.test_build import SMALL

pytestmark = pytest.mark.shares_ray
BUCKETS, HANGING = 5, 2


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with open_engine(EngineSettings(workers=2, object_store_bytes=80 << 20)) as engine:
        yield engine


def hang_at_first(task: Task, marker: str) -> None:
    """Writes a file; the first attempt at one bucket never ends."""
    task.tally.saw("page")
    task.tally.kept("page")
    with task.created("rows") as file:
        file.write(b"%d" % task.index)
        if task.index == HANGING and not Path(marker).exists():
            Path(marker).touch()
            time.sleep(600)


def test_a_task_that_hangs_is_tried_beside_itself_and_counted_once(
    tmp_path: Path, site: list[Path], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "LEAST_S", 1.0)
    store, recipe = Store(str(tmp_path / "out")), Recipe(msgspec.structs.replace(SMALL, buckets=BUCKETS))
    plan = make_plan(store, [str(path) for path in site], recipe)
    started = time.monotonic()
    with Phases(engine, store, plan, recipe) as phases:
        commits = phases.run(Phase("hanging", "buckets", hang_at_first), str(tmp_path / "marker"))
    assert time.monotonic() - started < 120
    assert (tmp_path / "marker").exists()
    assert [commit.partition for commit in commits] == list(range(BUCKETS))
    counts = sum((commit.counts for commit in commits), Counts())
    assert (counts.seen, counts.kept) == ({"page": BUCKETS}, {"page": BUCKETS})
    left = sorted(path.name for path in (tmp_path / "out/work/hanging").iterdir())
    assert left == sorted([*(f"{n:06d}.{end}" for n in range(BUCKETS) for end in ("json", "rows")), "all.json"])
