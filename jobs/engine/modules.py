"""Files of the user's that work needs: `import` finds them in this process, and in its children."""

import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from schemas.settings import SettingsError


@contextmanager
def importable(modules: Sequence[str]) -> Iterator[list[Path]]:
    """Put the folders of these Python files and packages at the end of `sys.path`; yields where the modules lie.

    Children of `jobs.engine.isolation` that start within the block find them too. Raises `SettingsError` for what is
    neither file nor package, and for a name by which Python finds another module: on other nodes one would hide the
    other.
    """
    paths = [Path(os.path.abspath(module)) for module in modules]
    for path in paths:
        if not (path.suffix == ".py" and path.is_file()) and not (path / "__init__.py").is_file():
            raise SettingsError(f"{path}: neither a Python file nor a package (a folder with __init__.py)")
    folders = [folder for folder in dict.fromkeys(str(path.parent) for path in paths) if folder not in sys.path]
    sys.path.extend(folders)
    try:
        importlib.invalidate_caches()
        for path in paths:
            _check_name(path)
        yield paths
    finally:
        sys.path[:] = [folder for folder in sys.path if folder not in folders]


def _check_name(path: Path) -> None:
    name = path.name.removesuffix(".py")
    if not name.isidentifier():
        raise SettingsError(f"{path}: Python cannot import a module of this name")
    loaded = sys.modules.get(name)
    spec = importlib.util.find_spec(name) if loaded is None else loaded.__spec__
    places = [*(spec.submodule_search_locations or ()), spec.origin or ""] if spec else []
    if path.resolve() not in (Path(place).resolve() for place in places):
        raise SettingsError(f"{path}: there is another module called {name}{f', in {places[0]}' if places else ''}")
