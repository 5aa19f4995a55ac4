"""`weft.Loader` and `weft.load_model`: what needs the extra `train`."""

import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from jobs.training.workers import workers_of
from model.data import loader
from model.data.batch import require_gpu
from model.data.config import LoaderConfig
from model.data.documents import CLIP_EXTENSIONS, Medium
from model.data.images import Pixels, pixels_of
from model.data.sequences import rng_of
from model.data.tokens import Tokens
from model.evaluation import loaded as loading
from model.network.generate import GenerateSettings, generate, make_prompt
from schemas.drops import DropRow
from schemas.images import on_white
from schemas.settings import SettingsError
from weft.samples import Clip, PairSample, Picture
from weft.settings import settings_of

Shown = Image.Image | Picture | PairSample | Clip | bytes | os.PathLike[str]


class Loader(loader.Loader):
    """Shards of one or several datasets as packed batches for training, with a state that goes on bit for bit.

    config    a `LoaderConfig`, a mapping or a path to YAML; settings as in docs/settings.md
    tokens    the tokenizer, if not the one that the config names
    rank, world  the part of the samples that this process gets
    drops     called with a `DropRow` for each sample that is dropped
    settings  what to change: `{"order.seed": 1}`
    pin       batches lie in memory that a GPU copies from by itself

    Iterating gives steps: a dict of `Batch` by dataset, rows x tokens; fields and shapes in docs/training-data.md.
    `state_dict()` and `load_state_dict()` go on anywhere. Raises `SettingsError`; while iterating, `LoaderError`.
    """

    def __init__(
        self,
        config: LoaderConfig | Mapping[str, Any] | str | os.PathLike[str],
        tokens: Tokens | None = None,
        rank: int = 0,
        world: int = 1,
        drops: Callable[[DropRow], None] | None = None,
        settings: Mapping[str, Any] | None = None,
        pin: bool = False,
    ) -> None:
        if pin:
            require_gpu()
        read = settings_of(LoaderConfig, config, settings or {})
        super().__init__(read, tokens, rank, world, drops, pin, make_workers=workers_of(read))


def load_model(checkpoint: str | os.PathLike[str], device: str = "auto") -> "Model":
    """A trained model, from the output of `weft train` or one of its checkpoints, ready to describe pictures.

    `device` is one of torch; `auto` takes CUDA where it is. Raises `SettingsError` where nothing lies there or the
    device is none, `CheckpointError` where what lies there does not load.
    """
    return Model(loading.load_model(os.fspath(checkpoint), device))


class Model:
    """A Flamingo model in evaluation mode. `loaded` has its parts: the network, the tokenizer, the data settings."""

    def __init__(self, loaded: loading.LoadedModel) -> None:
        self.loaded = loaded

    def caption(self, shown: Shown, **settings: Any) -> str:
        """What the model says to one picture or clip; as `generate`."""
        return self.generate(shown, **settings)

    def generate(self, *parts: str | Shown, **settings: Any) -> str:
        """The text that follows texts and pictures in reading order, as a page has them.

        A text is a `str`; a picture is a PIL image of any size, a picture, pair or clip of a dataset, encoded bytes, or
        a `pathlib.Path`. `settings` are those of docs/settings.md under generation: `max_new_tokens=64`, `beams=1`,
        `temperature=0.0`, `top_p=1.0`, `seed=0`. Raises `Drop` for what does not decode, `SettingsError`, `OSError`.
        """
        wanted = settings_of(GenerateSettings, settings, {})
        prompt = make_prompt(
            [part if isinstance(part, str) else self._frames(part) for part in parts], self.loaded.tokens
        )
        if not prompt.tokens:
            raise SettingsError("there is nothing to go on from: give a picture or a text")
        (ids,) = generate(self.loaded.model, [prompt], self.loaded.stop_ids, wanted)
        return self.loaded.tokens.decode(ids).strip()

    def _frames(self, shown: Shown) -> Pixels:
        """Frames [F, H, W, C], uint8, as the model was trained on them, without augmentation."""
        return pixels_of(_medium(shown), rng_of("generate", ""), self.loaded.data.images)

    def __repr__(self) -> str:
        return f"<weft.Model {self.loaded.checkpoint}>"


def _medium(shown: Shown) -> Medium:
    match shown:
        case Image.Image():
            return Medium(_png(shown))
        case Picture() | PairSample():
            return Medium(shown.data)
        case Clip():
            return Medium(shown.video, "clip")
        case bytes():
            return Medium(shown)
        case os.PathLike():
            is_clip = Path(shown).suffix.lower().lstrip(".") in CLIP_EXTENSIONS
            return Medium(Path(shown).read_bytes(), "clip" if is_clip else "image")
    raise SettingsError(f"a picture is a PIL image, a sample, bytes or a path, not {type(shown).__name__}")


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    on_white(image).save(out, "PNG", compress_level=1)
    return out.getvalue()
