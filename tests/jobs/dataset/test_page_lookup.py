"""A page as a build saw it; what a dataset of others may not do where it is looked at."""

from pathlib import Path

import msgspec
import pytest

from jobs.build import build
from jobs.cli import main
from jobs.dataset.page_lookup import build_recipe
from jobs.phases.recipe import Recipe
from schemas.storage import Store
from tests.jobs.looked_at import viewer
from tests.jobs.test_build import INLINE, SMALL
from tests.jobs.view.test_view import ask

EVIL = """
from pathlib import Path

Path("ran").write_text("code of the dataset's builder")


def keep(draft):
    return draft
"""


@pytest.fixture
def foreign(tmp_path: Path, site: list[Path], monkeypatch: pytest.MonkeyPatch) -> str:
    """A dataset whose settings name a step in a file beside it, and whoever looks at it stands there."""
    out = tmp_path / "out"
    build(str(out), [str(path) for path in site], SMALL, INLINE)
    dataset = msgspec.json.decode((out / "dataset.json").read_bytes())
    dataset["config"]["steps"] = [{"use": f"{tmp_path.name}:keep", "after": "text_rules"}]
    (out / "dataset.json").write_bytes(msgspec.json.encode(dataset))
    (tmp_path / f"{tmp_path.name}.py").write_text(EVIL)
    monkeypatch.chdir(tmp_path)
    return str(out)


PAGE = "https://site1.example/page1.html"


def test_explaining_a_page_of_a_dataset_runs_no_code_that_it_names(
    foreign: str, site: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["explain", PAGE, "--dataset", foreign, "--input", *map(str, site)]
    assert main(call) == 0
    assert not Path("ran").exists()
    assert "steps of its builder are left out: they are code; --own-steps imports them" in capsys.readouterr().out
    assert main([*call, "--own-steps"]) == 0
    assert Path("ran").exists()
    assert "are left out" not in capsys.readouterr().out


def test_viewing_a_dataset_runs_no_code_that_it_names(foreign: str, site: list[Path]) -> None:
    with viewer(foreign, inputs=[str(path) for path in site]) as address:
        status, _, page = ask(f"{address}/source?url={PAGE}")
    assert status == 200
    assert b"steps of its builder are left out" in page
    assert not Path("ran").exists()


def test_steps_named_on_the_command_line_are_the_callers_own(foreign: str, tmp_path: Path) -> None:
    steps = f'steps=[{{"use": "{tmp_path.name}:keep", "after": "text_rules"}}]'
    recipe, notes = build_recipe(Store(foreign), [steps])
    assert isinstance(recipe, Recipe)
    assert recipe.own
    assert Path("ran").exists()
    assert len(notes) == 1
