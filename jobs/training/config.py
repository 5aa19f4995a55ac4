"""Where the settings of a training run come from."""

from pathlib import Path

from jobs.config import training_presets
from model.training.config import TrainConfig
from schemas.settings import SettingsError, load_settings


def load_train_config(name: str, overrides: list[str]) -> TrainConfig:
    """From a YAML file, or from a preset by its name, with `a.b=value` overrides. Raises `SettingsError`."""
    path = Path(name)
    if not path.is_file():
        if name not in (known := training_presets()):
            raise SettingsError(f"no such config file or preset: {name} (presets: {', '.join(sorted(known))})")
        path = known[name]
    try:
        return load_settings(TrainConfig, path.read_text("utf-8"), overrides)
    except SettingsError as error:
        raise SettingsError(f"{name}: {error}") from None
