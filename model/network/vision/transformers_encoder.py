"""Vision encoders of transformers: CLIP, SigLIP, ViT, DINOv2 and others whose output is a row of features."""

import inspect
import json
from pathlib import Path
from typing import Any

import torch

from model.network.config import Three, VisionSettings
from model.network.folders import load_folder
from model.network.language import auto_config, import_transformers
from model.network.late import Late, making
from model.network.vision.encoder import CLIP_MEAN, CLIP_STD, Encoder
from schemas.settings import SettingsError

_HALF: tuple[Three, Three] = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
_IMAGENET: tuple[Three, Three] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
#: What the image processors of transformers take where nothing is said, by the type of a model.
_FAMILIES: dict[str, tuple[Three, Three]] = {
    **dict.fromkeys(("clip", "clip_vision_model"), (CLIP_MEAN, CLIP_STD)),
    **dict.fromkeys(("siglip", "siglip_vision_model", "siglip2", "siglip2_vision_model", "vit"), _HALF),
    **dict.fromkeys(("dinov2", "dinov2_with_registers", "dinov3_vit", "dinov3_convnext"), _IMAGENET),
}


_NAFLEX = (
    "vision: a SigLIP 2 of the NaFlex kind takes patches of any aspect, and weft gives squares of one size: "
    "take one of a fixed size, such as siglip2-so400m-patch14-384"
)


class TransformersEncoder(Encoder):
    """The hidden states of a layer, the class token too if there is one and it is asked for, registers left out, which
    hold nothing of a place. Of a model of images and texts, the image side."""

    def __init__(
        self,
        model: Any,
        mean: Three,
        std: Three,
        layer: int | None = None,
        class_token: bool = True,
        size_px: int | None = None,
    ) -> None:
        model = getattr(model, "vision_model", model)
        if model.config.model_type.startswith("siglip2"):
            raise SettingsError(_NAFLEX)
        super().__init__(model.config.hidden_size, _size(model.config, size_px), mean, std)
        self.model = model
        self._layer = layer
        embeddings = getattr(model, "embeddings", None)
        # Class token, registers, patches: the order of all families that have them.
        self._class = int(any(hasattr(embeddings, name) for name in ("cls_token", "class_embedding")))
        self._registers: int = getattr(model.config, "num_register_tokens", 0)
        self._class_token = class_token
        asked = size_px is not None and "interpolate_pos_encoding" in inspect.signature(model.forward).parameters
        self._options = {"interpolate_pos_encoding": True} if asked else {}
        if layer is not None and not -(layers := model.config.num_hidden_layers) <= layer <= layers:
            raise SettingsError(f"vision.layer is {layer}, but the encoder has {layers} layers")

    def features(self, pixels_FCHW: torch.Tensor) -> torch.Tensor:
        out = self.model(pixel_values=pixels_FCHW, output_hidden_states=self._layer is not None, **self._options)
        features_FVI: torch.Tensor = out.last_hidden_state if self._layer is None else out.hidden_states[self._layer]
        kept, first = (self._class if self._class_token else 0), self._class + self._registers
        if kept == first:
            return features_FVI
        return torch.cat([features_FVI[:, :kept], features_FVI[:, first:]], dim=1)


def load(settings: VisionSettings, late: Late | None = None) -> TransformersEncoder:
    """From a local folder, or with random weights from a config. Raises `SettingsError`."""
    transformers = import_transformers()
    mean_and_std: tuple[Three, Three] = (CLIP_MEAN, CLIP_STD)
    if settings.path is None:
        with making(late):
            model = transformers.AutoModel.from_config(auto_config(settings.config or {}, "vision.config"))
        mean_and_std = _FAMILIES.get(_type_of(model), mean_and_std)
    else:
        folder = Path(settings.path)
        if not (folder / "config.json").is_file():
            raise SettingsError(f"vision.path: no model folder at {folder}: it must hold a config.json")
        try:
            model = load_folder(transformers.AutoModel, str(folder), late)
        except (ValueError, OSError) as error:
            raise SettingsError(f"vision.path: {folder} does not load: {error}") from None
        mean_and_std = _mean_and_std(folder, _type_of(model))
    try:
        return TransformersEncoder(model, *mean_and_std, settings.layer, settings.class_token, settings.size_px)
    except AttributeError as error:
        raise SettingsError(f"vision: a {type(model).__name__} is no vision encoder that weft knows: {error}") from None


def _size(config: Any, size_px: int | None) -> int:
    """Raises `SettingsError` where patches do not fill the size that is asked for."""
    known, patch = config.image_size, getattr(config, "patch_size", 1)
    if size_px is not None and size_px % (patch if isinstance(patch, int) else patch[0]):
        raise SettingsError(f"vision.size_px is {size_px}, no multiple of the encoder's patches of {patch} pixels")
    found: int = size_px or (known if isinstance(known, int) else known[0])
    return found


def _type_of(model: Any) -> str:
    found: str = getattr(model, "vision_model", model).config.model_type
    return found


def _mean_and_std(folder: Path, model_type: str) -> tuple[Three, Three]:
    """As the folder says; transformers 5 writes `processor_config.json`. Raises `SettingsError` where nobody knows."""
    for name in ("preprocessor_config.json", "processor_config.json"):
        if (folder / name).is_file():
            said = json.loads((folder / name).read_text("utf-8"))
            said = said.get("image_processor", said)
            if "image_mean" in said and "image_std" in said:
                return tuple(said["image_mean"]), tuple(said["image_std"])
    if model_type in _FAMILIES:
        return _FAMILIES[model_type]
    raise SettingsError(
        f"vision.path: nothing in {folder} says with which mean and deviation of pixels it was trained: "
        "put its preprocessor_config.json there"
    )
