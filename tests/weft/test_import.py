"""`import weft` is light, and brings what it says."""

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest

import weft

OURS = ("weft", "schemas", "crawlers", "pipeline", "model", "jobs")


def loaded_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after some code, beyond those it starts with."""
    told = "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    script = f"import sys; before = set(sys.modules)\n{code}\n{told}"
    environment = {**os.environ, "PYTHONPATH": str(Path(weft.__file__).parents[1])}
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    return set(run.stdout.splitlines()[-1].split())


def test_importing_weft_imports_nothing_but_the_standard_library() -> None:
    assert loaded_after("import weft") - set(sys.stdlib_module_names) == {"weft"}


def test_opening_and_looking_imports_neither_torch_nor_ray(made: Path) -> None:
    code = (
        f"import weft; ds = weft.open({str(made)!r}); ds[0].images; ds.where('num_images > 1').random(2); "
        "ds._repr_html_(); ds[0]._repr_html_(); weft.explain('<p>A page.</p>')._repr_html_()"
    )
    loaded = loaded_after(code)
    assert loaded.isdisjoint({"torch", "ray", "pandas", "transformers"})
    assert "duckdb" in loaded


@pytest.mark.parametrize("name", weft.__all__)
def test_every_name_is_there_and_says_what_it_is(name: str) -> None:
    assert getattr(weft, name).__doc__
    assert name in dir(weft)


def test_the_table_of_names_is_the_list_of_names() -> None:
    assert sorted(weft._PLACES) == sorted(weft.__all__)


def test_an_unknown_name_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(AttributeError, match=r"weft has no 'load'; it has .*load_model"):
        weft.load  # noqa: B018


@pytest.mark.parametrize("name", ["Loader", "load_model"])
def test_without_the_extra_one_line_says_what_to_install(name: str) -> None:
    code = (
        "import sys; sys.modules['torch'] = sys.modules['tokenizers'] = None; import weft\n"
        f"try: weft.{name}\nexcept ModuleNotFoundError as error: print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(weft.__file__).parents[1])}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    said = run.stdout.strip()
    assert said.startswith(f"weft.{name} needs to")
    assert said.endswith("pip install -c constraints.txt -e '.[train]'")


@pytest.mark.parametrize("name", OURS)
def test_nobody_else_has_a_package_of_that_name(name: str) -> None:
    assert set(importlib.metadata.packages_distributions().get(name, ["weft"])) == {"weft"}
