"""What a trained model says to pictures and text."""

from pathlib import Path

from model.data.documents import CLIP_EXTENSIONS, Medium
from model.data.images import Pixels, pixels_of
from model.data.sequences import rng_of
from model.data.tokens import IMAGE
from model.evaluation.loaded import LoadedModel
from model.network.generate import GenerateSettings, generate, make_prompt
from schemas.drops import Drop
from schemas.settings import SettingsError


class BadMedium(Exception):
    """A picture or clip does not decode; the message names it."""


def split_prompt(prompt: str, paths: list[str]) -> list[str | Path]:
    """Texts and paths of media in reading order: `<image>` in the prompt stands for the paths in turn.

    Without one, all media stand before the text. Raises `SettingsError` where the numbers differ.
    """
    texts = prompt.split(IMAGE)
    if len(texts) == 1:
        return [*map(Path, paths), *([prompt] if prompt else [])]
    if len(texts) - 1 != len(paths):
        raise SettingsError(f"the prompt has {len(texts) - 1} {IMAGE}, but {len(paths)} pictures are given")
    parts: list[str | Path] = []
    for number, text in enumerate(texts):
        parts += [Path(paths[number - 1])] if number else []
        parts += [text] if text else []
    return parts


def generate_text(loaded: LoadedModel, parts: list[str | Path], settings: GenerateSettings = GenerateSettings()) -> str:
    """The text that follows. Raises `BadMedium`, `OSError` for a file that is not there, `SettingsError`."""
    shown: list[str | Pixels] = [part if isinstance(part, str) else read_medium(loaded, part) for part in parts]
    prompt = make_prompt(shown, loaded.tokens)
    if not prompt.tokens:
        raise SettingsError("there is nothing to go on from: give a picture or a prompt")
    (ids,) = generate(loaded.model, [prompt], loaded.stop_ids, settings)
    return loaded.tokens.decode(ids).strip()


def read_medium(loaded: LoadedModel, path: Path) -> Pixels:
    """Frames [F, H, W, C] as the model was trained on them, without augmentation. Raises `BadMedium`, `OSError`."""
    is_clip = path.suffix.lower().lstrip(".") in CLIP_EXTENSIONS
    medium = Medium(path.read_bytes(), "clip" if is_clip else "image")
    try:
        return pixels_of(medium, rng_of("generate", path.name), loaded.data.images)
    except Drop as drop:
        raise BadMedium(f"{path}: {drop.reason}: {drop.detail}") from None
