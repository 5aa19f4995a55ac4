"""What `weft features` is called with: which encoder and images by a folder or a run's settings, and which shards."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import msgspec

from jobs.dataset.features import FeaturesConfig
from jobs.training.config import load_train_config
from model.data.documents import Kind
from model.data.feature_files import StoredAs
from model.features.encoding import Precision
from schemas.dataset import DATASET, read_dataset
from schemas.kind_names import NAMES
from schemas.settings import SettingsError, merged, settings_of
from schemas.storage import Store


def features_config(
    encoder: str, overrides: Sequence[str], stored_as: StoredAs, precision: Precision
) -> FeaturesConfig:
    """Of a model folder of transformers, or the settings of a training run. Raises `SettingsError`."""
    of_images = {"p_flip": 0.0, "colour": 0.0}
    vision: dict[str, Any]
    if Path(encoder).is_dir():
        vision = {"kind": "transformers", "path": encoder}
        images = merged(_size_of(Path(encoder), overrides), of_images)
    else:
        run = load_train_config(encoder, [])
        vision = msgspec.to_builtins(run.model.vision)
        images = merged(msgspec.to_builtins(run.data.images), of_images)
    kept = {"stored_as": stored_as, "precision": precision}
    config = settings_of(FeaturesConfig, {"vision": vision, "images": images, **kept}, overrides)
    if config.images.augments:
        raise SettingsError("images.p_flip and images.colour must be 0: features are of images as they are")
    return config


def _size_of(folder: Path, overrides: Sequence[str]) -> dict[str, int]:
    """The size of the images that the model of a folder takes."""
    if any(override.startswith("images.size_px=") for override in overrides):
        return {}
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"--encoder: no model folder at {folder}: {error}") from None
    size = config.get("vision_config", config).get("image_size")
    size = size[0] if isinstance(size, list) and size else size
    if not isinstance(size, int):
        raise SettingsError(f"--encoder: {folder} does not say of which size its images are: --set images.size_px=N")
    return {"size_px": size}


def kinds_of(path: str, wanted: Sequence[str]) -> dict[Kind, str]:
    """By kind the shards of a dataset, or of one kind: that which is asked for, or that the folder is called by.

    Raises `SettingsError`.
    """
    store = Store(path)
    if store.exists(DATASET):
        there = read_dataset(store).kinds
        if missing := [kind for kind in wanted if kind not in there]:
            raise SettingsError(f"{path} has no {missing[0]}: it has {', '.join(there)}")
        return {kind: f"{path.rstrip('/')}/{kind}" for kind in get_args(Kind) if kind in (wanted or there)}
    named = path.rstrip("/").rpartition("/")[2]
    chosen = list(wanted) or [name for name in NAMES if name == named]
    if len(chosen) != 1:
        raise SettingsError(f"of which kind is {path}? Say one: --kind {', '.join(NAMES)}")
    return {kind: path for kind in get_args(Kind) if kind == chosen[0]}
