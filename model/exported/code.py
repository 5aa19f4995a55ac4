"""The code of an exported model, beside it: for those who load it with `trust_remote_code` and have no weft.

transformers takes the modules of a folder one by one, all in one place. So each of ours that is needed becomes a file
of its own there, `model.network.block` as `model_network_block.py`, and their imports of one another relative ones.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_OURS = ("model", "schemas")
_IMPORT = re.compile(rf"^([ \t]*)from ({'|'.join(_OURS)})((?:\.\w+)*) import ", re.MULTILINE)
#: What transformers imports by name, and from which module of ours.
AUTO_MAP = {
    "AutoConfig": "model.exported.config.WeftConfig",
    "AutoModel": "model.exported.network.WeftForConditionalGeneration",
    "AutoModelForImageTextToText": "model.exported.network.WeftForConditionalGeneration",
    "AutoProcessor": "model.exported.processor.WeftProcessor",
}


def auto_map(*names: str) -> dict[str, str]:
    """For `config.json` or `processor_config.json`."""
    places = {name: AUTO_MAP[name].rpartition(".") for name in names}
    return {name: f"{flat(module)}.{kind}" for name, (module, _, kind) in places.items()}


def write_code(folder: Path) -> list[str]:
    """Write the modules; returns the names of the files."""
    written = []
    for module in sorted(needed({place.rpartition(".")[0] for place in AUTO_MAP.values()})):
        name = f"{flat(module)}.py"
        text = _path(module).read_text("utf-8")
        (folder / name).write_text(
            _IMPORT.sub(lambda found: f"{found[1]}from .{flat(found[2] + found[3])} import ", text)
        )
        written.append(name)
    return written


def needed(modules: set[str]) -> set[str]:
    """These modules of ours and all that they import, directly or not."""
    found: set[str] = set()
    while modules:
        module = modules.pop()
        found.add(module)
        modules |= set(_imported(module)) - found
    return found


def flat(module: str) -> str:
    return module.replace(".", "_")


def _imported(module: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(_path(module).read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in _OURS:
            yield node.module


def _path(module: str) -> Path:
    place = ROOT / module.replace(".", "/")
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
