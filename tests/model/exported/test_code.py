"""The modules that lie beside an exported model."""

import sys
from pathlib import Path

from transformers.dynamic_module_utils import get_imports, get_relative_imports

from model.exported.code import AUTO_MAP, needed, write_code

#: torch, transformers, pillow and msgspec, and what transformers brings along: the card promises no more.
PROMISED = {"torch", "transformers", "PIL", "msgspec", "numpy", "safetensors", "tokenizers", "yaml"}


def test_they_import_one_another_and_what_is_promised(tmp_path: Path) -> None:
    """As transformers looks for imports: it refuses a folder where one is missing."""
    names = {name.removesuffix(".py") for name in write_code(tmp_path)}
    assert len(names) == len(needed({place.rpartition(".")[0] for place in AUTO_MAP.values()}))
    for name in names:
        path = tmp_path / f"{name}.py"
        assert set(get_relative_imports(path)) <= names
        assert set(get_imports(path)) <= PROMISED | set(sys.stdlib_module_names), name


def test_what_transformers_looks_for_is_there(tmp_path: Path) -> None:
    written = write_code(tmp_path)
    for place in AUTO_MAP.values():
        module, _, name = place.rpartition(".")
        assert f"class {name}(" in (tmp_path / f"{module.replace('.', '_')}.py").read_text()
        assert f"{module.replace('.', '_')}.py" in written
