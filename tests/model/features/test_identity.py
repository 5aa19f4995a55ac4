"""An encoder is known by its files and by the settings that decide what it gives, by nothing else."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from model.network.config import VisionSettings
from model.network.vision.identity import identity_of, known
from schemas.settings import SettingsError


def timm(path: Path, **changes: Any) -> dict[str, Any]:
    settings = VisionSettings(kind="timm", name="vit", image_px=224, path=str(path))
    return identity_of(msgspec.structs.replace(settings, **changes))


def test_a_checkpoint_is_the_same_wherever_it_lies_and_another_once_a_byte_is(tmp_path: Path) -> None:
    first, second = tmp_path / "a.pth", tmp_path / "b.pth"
    first.write_bytes(b"weights" * 1000)
    second.write_bytes(first.read_bytes())
    assert timm(first) == timm(second) == timm(first, dtype="bfloat16", batch_frames=3, dim=7)
    second.write_bytes(b"weights" * 999 + b"weightz")
    assert timm(first) != timm(second)
    for changes in ({"image_px": 336}, {"name": "other"}, {"mean": (0.5,) * 3, "std": (0.5,) * 3}):
        assert timm(first) != timm(first, **changes)


def test_of_a_folder_the_names_count_and_what_says_how_pixels_are_prepared(tmp_path: Path) -> None:
    def of(**files: str) -> dict[str, Any]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        for name, text in files.items():
            (folder / name.replace("_DOT_", ".")).write_text(text)
        return identity_of(VisionSettings(kind="transformers", path=str(folder), image_px=99))

    whole = {"config_DOT_json": "{}", "model_DOT_safetensors": "w"}
    assert of(**whole) == of(**whole, README_DOT_md="other", pytorch_model_DOT_bin="older")
    assert of(**whole) != of(**whole, preprocessor_config_DOT_json="{}")
    assert of(**whole) != of(config_DOT_json="{}", a_DOT_safetensors="w")
    with pytest.raises(SettingsError, match="no weights at"):
        of(config_DOT_json="{}")


def test_what_was_written_before_a_setting_was_there_had_its_default(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(b"w")
    written = timm(path)
    del written["class_token"]
    assert known(written) == timm(path)
    patch = identity_of(VisionSettings())
    assert known({"kind": "patch"}) == patch
