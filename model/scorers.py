"""Models that score images and texts, from local files: ONNX, transformers or open_clip. Nothing is ever downloaded.

Each is a plain object with one method on a batch, and knows neither shards nor Ray. The libraries are imported when a
model is loaded; the extras `onnx` and `torch` bring them.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from schemas.images import STORED_FORMATS, on_white, open_image
from schemas.settings import Settings

Floats = NDArray[np.float32]
_MAX_TOKENS = 77


class ModelSettings(Settings, frozen=True):
    """Where a model lies. An empty path: there is none."""

    path: str = ""
    """A folder (`onnx`, `transformers`) or a checkpoint file (`open_clip`), on every node."""
    library: Literal["onnx", "transformers", "open_clip"] = "onnx"
    architecture: str = ""
    """Of `open_clip`, such as ViT-B-32."""


class ScorerSettings(Settings, frozen=True):
    """Which models look at what, and what they drop. Scores are kept whether or not anything is dropped."""

    clip: ModelSettings = ModelSettings()
    """Image-text similarity. ONNX: vision_model.onnx, text_model.onnx, tokenizer.json, preprocessor_config.json."""
    nsfw: ModelSettings = ModelSettings()
    """An image classifier. ONNX: model.onnx, config.json with `id2label`, preprocessor_config.json."""
    nsfw_label: str = "nsfw"
    """The label whose probability is the score."""
    aesthetic: str = ""
    """A head.onnx that takes CLIP embeddings of images, such as LAION's aesthetic predictor; needs `clip`."""
    max_nsfw: float | None = 0.5
    """An image with a higher probability goes."""
    min_similarity: float | None = None
    """An image that is less similar to every paragraph of its page goes. mmc4: 0.15 with CLIP ViT-L/14."""
    min_aesthetic: float | None = None
    """An image with a lower score goes."""
    max_evaluation_similarity: float | None = 0.95
    """An image whose embedding has a higher cosine with that of an evaluation image goes; needs `clip`."""
    batch_size: int = 64
    """Images that a model sees at a time."""
    device: str = "cpu"
    """Such as `cuda`."""
    actors: int = 1
    """Processes on Ray that hold the models; the tasks share them."""
    gpus_per_actor: float = 0.0

    @property
    def is_on(self) -> bool:
        return bool(self.clip.path or self.nsfw.path)


class Scored(msgspec.Struct, frozen=True):
    """What the models say of a batch. Arrays have one row an image or text; shape (n, 0) or (0,) without the model."""

    image_embeddings: Floats  # of unit length
    text_embeddings: Floats
    nsfw: Floats
    aesthetic: Floats


class BadModel(Exception):
    """A model cannot be loaded."""


class Clip(Protocol):
    """Embeddings of images and texts in one space, not yet of unit length."""

    def images(self, batch: Sequence[Image.Image]) -> Floats: ...
    def texts(self, batch: Sequence[str]) -> Floats: ...


class Classifier(Protocol):
    """The probability of one label."""

    def __call__(self, batch: Sequence[Image.Image]) -> Floats: ...


class Models:
    """All configured models, loaded. Raises `BadModel` naming what is missing."""

    def __init__(self, settings: ScorerSettings) -> None:
        self._batch_size = settings.batch_size
        self._clip: Clip | None = _load("clip", _CLIPS, settings.clip, settings.device)
        self._nsfw: Classifier | None = None
        if settings.nsfw.path:
            label = settings.nsfw_label
            self._nsfw = _load("nsfw", _CLASSIFIERS, settings.nsfw, settings.device, label)
        head = ModelSettings(settings.aesthetic)
        self._aesthetic = _load("aesthetic", {"onnx": _load_head}, head, settings.device)

    def score(self, images: Sequence[bytes], texts: Sequence[str]) -> Scored:
        """Images as stored in shards; those of one call may come from many pages."""
        return Scored(
            image_embeddings := self._by_image(images, self._clip.images if self._clip else None, (0,)),
            self._by_text(texts),
            self._by_image(images, self._nsfw, ()),
            self._aesthetic_of(image_embeddings),
        )

    def _by_image(self, images: Sequence[bytes], model: Any, row: tuple[int, ...]) -> Floats:
        if model is None or not images:
            return np.zeros((len(images) if row else 0, *row), np.float32)
        parts = []
        for start in range(0, len(images), self._batch_size):
            batch = [on_white(open_image(data, STORED_FORMATS)) for data in images[start : start + self._batch_size]]
            parts.append(model(batch))
        scores: Floats = np.concatenate(parts)
        return _unit(scores) if row else scores

    def _by_text(self, texts: Sequence[str]) -> Floats:
        if self._clip is None or not texts:
            return np.zeros((len(texts), 0), np.float32)
        steps = range(0, len(texts), self._batch_size)
        return _unit(np.concatenate([self._clip.texts(texts[start : start + self._batch_size]) for start in steps]))

    def _aesthetic_of(self, embeddings: Floats) -> Floats:
        if self._aesthetic is None or not embeddings.size:
            return np.zeros(0, np.float32)
        name = self._aesthetic.get_inputs()[0].name
        return np.asarray(self._aesthetic.run(None, {name: embeddings})[0], np.float32).reshape(len(embeddings))


def _unit(rows: Floats) -> Floats:
    lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return np.asarray(rows / lengths, np.float32)


def _load(name: str, loaders: dict[str, Any], settings: ModelSettings, device: str, *arguments: str) -> Any:
    if not settings.path:
        return None
    if settings.library not in loaders:
        raise BadModel(f"{name}: {settings.library} holds no such model; it takes {', '.join(loaders)}")
    try:
        return loaders[settings.library](settings, device, *arguments)
    except ImportError as error:
        extra = "onnx" if settings.library == "onnx" else "torch"
        raise BadModel(f"{name}: {error}; pip install -c constraints.txt -e '.[{extra}]'") from None
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise BadModel(f"{name}: {settings.path}: {error}") from None


class Preprocessor:
    """Images to a batch as CLIP and its kin take them: shortest side resized, centre cropped, normalised."""

    def __init__(self, config: dict[str, Any]) -> None:
        crop, size = config.get("crop_size", config["size"]), config["size"]
        self._crop = (crop["height"], crop["width"]) if isinstance(crop, dict) and "height" in crop else None
        self._shortest = size.get("shortest_edge") if isinstance(size, dict) else size
        self._exact = (size["width"], size["height"]) if isinstance(size, dict) and "height" in size else None
        self._mean = np.array(config.get("image_mean", [0.5] * 3), np.float32)
        self._std = np.array(config.get("image_std", [0.5] * 3), np.float32)

    def __call__(self, batch: Sequence[Image.Image]) -> Floats:
        """Shape (batch, 3, height, width)."""
        return np.stack([self._one(image) for image in batch])

    def _one(self, image: Image.Image) -> Floats:
        if self._exact is not None:
            image = image.resize(self._exact, Image.Resampling.BICUBIC)
        elif self._shortest:
            scale = self._shortest / min(image.size)
            size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
            image = image.resize(size, Image.Resampling.BICUBIC)
        height, width = self._crop or (image.height, image.width)
        left, top = (image.width - width) // 2, (image.height - height) // 2
        image = image.crop((left, top, left + width, top + height))
        pixels = (np.asarray(image, np.float32) / 255 - self._mean) / self._std
        return pixels.transpose(2, 0, 1).astype(np.float32)


def _session(path: Path, device: str) -> Any:
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    providers = ["CUDAExecutionProvider"] if device.startswith("cuda") else []
    options = onnxruntime.SessionOptions()
    options.use_deterministic_compute = True
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=[*providers, "CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an error tree of its own
        raise OSError(str(error)) from None


def _load_head(settings: ModelSettings, device: str) -> Any:
    return _session(Path(settings.path), device)


def _read_json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text("utf-8")))


class OnnxClip:
    """The layout in which optimum exports CLIP: two models with outputs `image_embeds` and `text_embeds`."""

    def __init__(self, settings: ModelSettings, device: str) -> None:
        import tokenizers

        folder = Path(settings.path)
        self._vision = _session(folder / "vision_model.onnx", device)
        self._text = _session(folder / "text_model.onnx", device)
        self._preprocess = Preprocessor(_read_json(folder / "preprocessor_config.json"))
        self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(_MAX_TOKENS)
        self._tokenizer.enable_padding()

    def images(self, batch: Sequence[Image.Image]) -> Floats:
        output = self._vision.run(["image_embeds"], {"pixel_values": self._preprocess(batch)})[0]
        return np.asarray(output, np.float32)

    def texts(self, batch: Sequence[str]) -> Floats:
        encoded = self._tokenizer.encode_batch(list(batch))
        known = {
            "input_ids": np.array([one.ids for one in encoded], np.int64),
            "attention_mask": np.array([one.attention_mask for one in encoded], np.int64),
        }
        wanted = {node.name: known[node.name] for node in self._text.get_inputs()}
        return np.asarray(self._text.run(["text_embeds"], wanted)[0], np.float32)


class OnnxClassifier:
    """model.onnx with logits as its first output."""

    def __init__(self, settings: ModelSettings, device: str, label: str) -> None:
        folder = Path(settings.path)
        self._model = _session(folder / "model.onnx", device)
        self._preprocess = Preprocessor(_read_json(folder / "preprocessor_config.json"))
        self._place = _place_of(label, _read_json(folder / "config.json")["id2label"])

    def __call__(self, batch: Sequence[Image.Image]) -> Floats:
        name = self._model.get_inputs()[0].name
        return _probability(self._model.run(None, {name: self._preprocess(batch)})[0], self._place)


class TransformersClip:
    """A folder that `AutoModel` and `AutoProcessor` open: CLIP, SigLIP and their kin."""

    def __init__(self, settings: ModelSettings, device: str) -> None:
        import transformers

        local = {"local_files_only": True}
        self._processor = transformers.AutoProcessor.from_pretrained(settings.path, **local)
        self._model = transformers.AutoModel.from_pretrained(settings.path, **local).to(device).eval()

    def images(self, batch: Sequence[Image.Image]) -> Floats:
        return self._run("get_image_features", images=list(batch))

    def texts(self, batch: Sequence[str]) -> Floats:
        return self._run("get_text_features", text=list(batch), padding=True, truncation=True)

    def _run(self, method: str, **inputs: Any) -> Floats:
        import torch

        with torch.inference_mode():
            prepared = self._processor(**inputs, return_tensors="pt").to(self._model.device)
            output = getattr(self._model, method)(**prepared)
            output = getattr(output, "pooler_output", output)  # newer versions return a record
            return np.asarray(output.float().cpu().numpy(), np.float32)


class TransformersClassifier:
    """A folder that `AutoModelForImageClassification` opens."""

    def __init__(self, settings: ModelSettings, device: str, label: str) -> None:
        import transformers

        local = {"local_files_only": True}
        self._processor = transformers.AutoImageProcessor.from_pretrained(settings.path, **local)
        model = transformers.AutoModelForImageClassification.from_pretrained(settings.path, **local)
        self._model = model.to(device).eval()
        self._place = _place_of(label, self._model.config.id2label)

    def __call__(self, batch: Sequence[Image.Image]) -> Floats:
        import torch

        with torch.inference_mode():
            prepared = self._processor(images=list(batch), return_tensors="pt").to(self._model.device)
            return _probability(self._model(**prepared).logits.float().cpu().numpy(), self._place)


class OpenClip:
    """A checkpoint of open_clip, its architecture by name."""

    def __init__(self, settings: ModelSettings, device: str) -> None:
        import open_clip

        if not Path(settings.path).is_file():
            raise OSError("no such checkpoint")
        model, _, self._preprocess = open_clip.create_model_and_transforms(
            settings.architecture, pretrained=settings.path, device=device
        )
        self._model, self._device = model.eval(), device
        self._tokenize = open_clip.get_tokenizer(settings.architecture)

    def images(self, batch: Sequence[Image.Image]) -> Floats:
        import torch

        with torch.inference_mode():
            pixels = torch.stack([self._preprocess(image) for image in batch]).to(self._device)
            return np.asarray(self._model.encode_image(pixels).float().cpu().numpy(), np.float32)

    def texts(self, batch: Sequence[str]) -> Floats:
        import torch

        with torch.inference_mode():
            tokens = self._tokenize(list(batch)).to(self._device)
            return np.asarray(self._model.encode_text(tokens).float().cpu().numpy(), np.float32)


def _place_of(label: str, labels: dict[Any, str]) -> int:
    for place, name in labels.items():
        if name.lower() == label.lower():
            return int(place)
    raise ValueError(f"no label {label}; there are {', '.join(labels.values())}")


def _probability(logits: Any, place: int) -> Floats:
    """Softmax over labels, of one of them."""
    shifted = np.asarray(logits, np.float64)
    exponents = np.exp(shifted - shifted.max(axis=1, keepdims=True))
    return np.asarray(exponents[:, place] / exponents.sum(axis=1), np.float32)


_CLIPS = {"onnx": OnnxClip, "transformers": TransformersClip, "open_clip": OpenClip}
_CLASSIFIERS = {"onnx": OnnxClassifier, "transformers": TransformersClassifier}
