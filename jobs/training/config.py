"""Where the settings of a training run come from."""

from typing import Any

import msgspec

from jobs.settings_files import load_file, training_presets
from model.training.config import TrainConfig
from schemas.settings import SettingsError, settings_of


def load_train_config(name: str, overrides: list[str], output: str = "") -> TrainConfig:
    """From a YAML file, or from a preset by its name, with `a.b=value` overrides. Raises `SettingsError`.

    Another `output` takes what the file puts into its own with it: data and models that the run makes.
    """
    presets = training_presets()
    if not output:
        return load_file(TrainConfig, name, overrides, presets)
    try:
        written = load_file(TrainConfig, name, [], presets)
    except SettingsError:  # of a file that the overrides complete
        return load_file(TrainConfig, name, [*overrides, f"output={output!r}"], presets)
    tree = msgspec.to_builtins(written)
    if before := written.output.rstrip("/"):
        tree = _moved(tree, before, output)
    return settings_of(TrainConfig, {**tree, "output": output}, overrides)


def _moved(tree: Any, before: str, after: str) -> Any:
    """Settings with all that lies in the folder `before` in the folder `after`."""
    if isinstance(tree, dict):
        return {name: _moved(value, before, after) for name, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_moved(value, before, after) for value in tree]
    if isinstance(tree, str) and (tree.rstrip("/") == before or tree.startswith(f"{before}/")):
        return after.rstrip("/") + tree[len(before) :]
    return tree
