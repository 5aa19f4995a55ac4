"""Which encoder settings name, told without loading it: by what they say of it, and the bytes of its files."""

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from model.data.feature_files import FeaturesInfo
from model.data.features import differences
from model.network.config import VisionSettings
from schemas.settings import SettingsError

_DIGITS = 16
#: Settings that say where an encoder lies, or how it runs; then, by its kind, those that mean nothing to it.
_NOT_OF_IT = {"path", "config", "dtype", "batch_frames"}
_MEANINGLESS = {
    "transformers": {"image_px", "patch_px", "dim", "name"},
    "open_clip": {"image_px", "patch_px", "dim"},
    "timm": {"patch_px", "dim"},
    "patch": {"name"},
}
#: What of a model folder decides its features; weights come last, and of several forms of them the first.
_DESCRIBING = ("config.json", "preprocessor_config.json", "processor_config.json")
_WEIGHTS = ("*.safetensors", "*.bin")


def identity_of(settings: VisionSettings) -> dict[str, Any]:
    """The same for the same files in another folder. Raises `SettingsError` for random weights, and where none lie."""
    said = _said(settings)
    if settings.kind == "patch":
        return said
    if settings.path is None:
        raise SettingsError(
            f"vision.path names no weights of {settings.name or settings.kind}: features of random ones are of no use"
        )
    return said | {"weights": _weights_of(Path(settings.path))}


def check_identity(info: FeaturesInfo, folder: str, ours: dict[str, Any]) -> None:
    """Raises `SettingsError` where the features in a folder are of another encoder, or of another of its layers."""
    if said := differences(known(info.encoder), ours):
        raise SettingsError(f"the features in {folder} are of another encoder: {said}")


def known(identity: dict[str, Any]) -> dict[str, Any]:
    """One that was written down: settings that there were not at the time had their defaults."""
    defaults = _said(VisionSettings())
    absent = _MEANINGLESS.get(identity.get("kind", ""), set())
    return {name: value for name, value in defaults.items() if name not in absent} | identity


def _said(settings: VisionSettings) -> dict[str, Any]:
    tree: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(settings))
    left_out = _NOT_OF_IT | _MEANINGLESS[settings.kind]
    return {name: value for name, value in tree.items() if name not in left_out}


def _weights_of(path: Path) -> str:
    files = [path] if path.is_file() else _of_folder(path)
    if not files:
        raise SettingsError(f"vision.path: no weights at {path}, by which features are known to be of this encoder")
    whole = hashlib.sha256()
    for file in files:
        # Only a folder's names say what a file is.
        whole.update(b"" if file == path else file.name.encode())
        with file.open("rb") as opened:
            whole.update(hashlib.file_digest(opened, "sha256").digest())
    return whole.hexdigest()[:_DIGITS]


def _of_folder(folder: Path) -> list[Path]:
    weights = next((found for pattern in _WEIGHTS if (found := sorted(folder.glob(pattern)))), [])
    return [folder / name for name in _DESCRIBING if (folder / name).is_file()] + weights if weights else []
