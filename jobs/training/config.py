"""Where the settings of a training run come from."""

from jobs.settings_files import load_file, training_presets
from model.training.config import TrainConfig


def load_train_config(name: str, overrides: list[str]) -> TrainConfig:
    """From a YAML file, or from a preset by its name, with `a.b=value` overrides. Raises `SettingsError`."""
    return load_file(TrainConfig, name, overrides, training_presets())
