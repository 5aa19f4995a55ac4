"""The modules that lie beside an exported model."""

import ast
import sys
from pathlib import Path

from model.exported.code import AUTO_MAP, needed, write_code

#: torch, transformers, pillow and msgspec, and what transformers brings along: the card promises no more.
PROMISED = {"torch", "transformers", "PIL", "msgspec", "numpy", "safetensors", "tokenizers", "yaml"}


def test_they_import_one_another_and_what_is_promised(tmp_path: Path) -> None:
    names = {name.removesuffix(".py") for name in write_code(tmp_path)}
    assert len(names) == len(needed({place.rpartition(".")[0] for place in AUTO_MAP.values()}))
    for name in names:
        for node in ast.walk(ast.parse((tmp_path / f"{name}.py").read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level:
                assert node.module in names
            elif isinstance(node, ast.ImportFrom):
                modules = [str(node.module)]
            for module in modules:
                assert module.partition(".")[0] in PROMISED | set(sys.stdlib_module_names), f"{name} imports {module}"


def test_what_transformers_looks_for_is_there(tmp_path: Path) -> None:
    written = write_code(tmp_path)
    for place in AUTO_MAP.values():
        module, _, name = place.rpartition(".")
        assert f"class {name}(" in (tmp_path / f"{module.replace('.', '_')}.py").read_text()
        assert f"{module.replace('.', '_')}.py" in written
