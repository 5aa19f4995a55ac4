"""Which encoder settings name, told without loading it: by its kind and the bytes of its files."""

import hashlib
from pathlib import Path

import msgspec

from model.data.feature_files import EncoderIdentity, FeaturesInfo
from model.data.features import differences
from model.network.config import VisionSettings
from schemas.settings import SettingsError

_DIGITS = 16
#: What of a model folder decides its features; weights come last, and of several forms of them the first.
_DESCRIBING = ("config.json", "preprocessor_config.json", "processor_config.json")
_WEIGHTS = ("*.safetensors", "*.bin")


def identity_of(settings: VisionSettings) -> EncoderIdentity:
    """The same for the same files in another folder. Raises `SettingsError` for random weights, and where none lie."""
    if settings.kind == "patch":
        return EncoderIdentity("patch", image_px=settings.image_px, patch_px=settings.patch_px, dim=settings.dim)
    if settings.path is None:
        raise SettingsError(
            f"vision.path names no weights of {settings.name or settings.kind}: features of random ones are of no use"
        )
    weights = _weights_of(Path(settings.path))
    if settings.kind == "transformers":
        return EncoderIdentity("transformers", layer=settings.layer, weights=weights)
    image_px = settings.image_px if settings.kind == "timm" else None
    return EncoderIdentity(settings.kind, settings.name, image_px=image_px, weights=weights)


def check_identity(info: FeaturesInfo, folder: str, ours: EncoderIdentity) -> None:
    """Raises `SettingsError` where the features in a folder are of another encoder, or of another of its layers."""
    if said := differences(msgspec.to_builtins(info.encoder), msgspec.to_builtins(ours)):
        raise SettingsError(f"the features in {folder} are of another encoder: {said}")


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
