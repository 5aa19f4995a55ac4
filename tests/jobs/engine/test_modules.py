"""Files of the user's in every process that works, though no path of these processes leads to them."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobs.engine.engine import EngineSettings, Failure, open_engine
from jobs.engine.isolation import Isolated, IsolationSettings
from jobs.engine.modules import importable
from schemas.settings import SettingsError

INLINE = EngineSettings(engine="inline")
RAY = EngineSettings(workers=2, object_store_bytes=80 << 20)
FILE = """
def stir(partition):
    return f"{partition} stirred VERSION"

class Oven:
    def __init__(self, heat):
        self.heat = heat
    def __call__(self, batch):
        return [f"{dish} at {self.heat}" for dish in batch]
"""
PACKAGE = """
from pathlib import Path
from .salt import grains

def season(partition):
    return f"{partition} with {grains} grains of {Path(__file__).with_name('kind.txt').read_text()}"
"""


@pytest.fixture
def kitchen(tmp_path: Path) -> Iterator[list[str]]:
    """A file and a package with data in it."""
    (tmp_path / "cooking.py").write_text(FILE)
    spices = tmp_path / "spices"
    spices.mkdir()
    (spices / "__init__.py").write_text(PACKAGE)
    (spices / "salt.py").write_text("grains = 7")
    (spices / "kind.txt").write_text("sea salt")
    yield [str(tmp_path / "cooking.py"), str(spices)]
    for name in ("cooking", "spices", "spices.salt"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module", params=["inline", "a Ray started for it", "a Ray that is there already"])
def settings(request: pytest.FixtureRequest) -> Iterator[EngineSettings]:
    if request.param.endswith("already"):
        with open_engine(RAY):
            yield RAY
    else:
        yield INLINE if request.param == "inline" else RAY


def child(step: Callable[[int], str], partition: int) -> str:
    with Isolated(step, IsolationSettings()) as isolated:
        return isolated(partition)


def test_tasks_actors_and_guarded_children_import_them(settings: EngineSettings, kitchen: list[str]) -> None:
    with open_engine(settings, modules=kitchen) as engine:
        cooking, spices = importlib.import_module("cooking"), importlib.import_module("spices")
        assert sorted(map(str, engine.run("stir", cooking.stir, range(2)))) == [
            "0 stirred VERSION",
            "1 stirred VERSION",
        ]
        in_child = list(engine.run("season", lambda partition: child(spices.season, partition), [3]))
        assert in_child == ["3 with 7 grains of sea salt"]
        with engine.pool(cooking.Oven, (200,), size=2) as ovens:
            baked = list(engine.run("bake", lambda partition: ovens[partition % len(ovens)](["bread"]), [0]))
        assert baked == [["bread at 200"]]


@pytest.mark.shares_ray
def test_without_being_named_ray_does_not_find_them(kitchen: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the test above would prove nothing."""
    monkeypatch.syspath_prepend(str(Path(kitchen[0]).parent))
    cooking = importlib.import_module("cooking")
    with open_engine(RAY) as engine:
        (outcome,) = engine.run("stir", cooking.stir, [0])
    assert isinstance(outcome, Failure)
    assert "No module named 'cooking'" in outcome.error


def test_what_a_node_of_ray_cannot_import_is_said_before_any_work(tmp_path: Path) -> None:
    """It lies beside the file, and so this process has it."""
    (tmp_path / "roasting.py").write_text("import tongs")
    (tmp_path / "tongs.py").touch()
    message = "roasting on Ray: ModuleNotFoundError: No module named 'tongs'"
    with pytest.raises(SettingsError, match=message), open_engine(RAY, modules=[str(tmp_path / "roasting.py")]):
        raise AssertionError("opened")


@pytest.mark.shares_ray
def test_a_changed_file_is_sent_to_ray_anew(kitchen: list[str]) -> None:
    file = Path(kitchen[0])
    with open_engine(RAY):
        for version in ("once", "twice"):
            file.write_text(FILE.replace("VERSION", version))
            with open_engine(RAY, modules=[str(file)]) as engine:
                cooking = importlib.import_module("cooking")
                assert list(engine.run("stir", cooking.stir, [0])) == [f"0 stirred {version}"]


def test_paths_are_left_as_they_were(kitchen: list[str]) -> None:
    before = list(sys.path)
    with importable(kitchen):
        assert sys.path == [*before, str(Path(kitchen[0]).parent)]
    assert sys.path == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.py", "neither a Python file nor a package"),
        ("folder", "neither a Python file nor a package"),
        ("my-steps.py", "Python cannot import a module of this name"),
        ("schemas.py", "there is another module called schemas"),
        ("json.py", "there is another module called json"),
    ],
)
def test_what_cannot_be_imported_by_its_name_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder").mkdir()
    if name != "nowhere.py" and name != "folder":
        (tmp_path / name).touch()
    with pytest.raises(SettingsError, match=message), open_engine(INLINE, modules=[str(tmp_path / name)]):
        raise AssertionError("opened")
