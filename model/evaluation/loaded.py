"""A trained model from the output of a run, or from one of its checkpoints."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch

from model.data.config import LoaderConfig
from model.data.tokens import Tokens, load_tokens
from model.network.flamingo import Flamingo
from model.training.assembly import build_model, tokenizer_of
from model.training.checkpoints import SETTINGS, CheckpointError, find_checkpoint, read_weights
from model.training.config import TrainConfig, held_out_loader
from model.training.features import stand_in
from schemas.settings import SettingsError, load_settings


@dataclass(frozen=True)
class LoadedModel:
    """A model in evaluation mode, with what reads its data as in training, but for the augmentation."""

    model: Flamingo
    tokens: Tokens
    data: LoaderConfig
    checkpoint: Path

    @property
    def stop_ids(self) -> list[int]:
        """What ends an answer: the end of a chunk, and EOS where the tokenizer has it."""
        return [self.tokens.end_of_chunk_id, *([] if self.tokens.eos_id is None else [self.tokens.eos_id])]


def load_model(folder: str, device: str = "auto", features: Sequence[str] = ()) -> LoadedModel:
    """Raises `SettingsError` where nothing lies there, `CheckpointError` where what lies there does not load.

    Folders of `features` stand in for the vision encoder, which is not loaded then.
    """
    place = find_checkpoint(folder)
    config = _moved(load_settings(TrainConfig, (place / SETTINGS).read_text("utf-8")), place.parents[1])
    tokens = load_tokens(tokenizer_of(config))
    model = build_model(config, tokens, stand_in(config.model.vision, features) if features else None)
    try:
        model.load_trainable_state_dict(read_weights(place))
    except ValueError as error:
        raise CheckpointError(f"{place}: {error}") from None
    model.merge_adapters()
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        model = model.to(device).eval()
    except (RuntimeError, AssertionError) as error:
        raise SettingsError(f"device {device}: {str(error).splitlines()[0]}") from None
    return LoadedModel(model, tokens, held_out_loader(config), place)


def _moved(config: TrainConfig, run: Path) -> TrainConfig:
    """The settings of a run that lies in the folder `run` now: what lay in its output is looked for there."""

    def here(path: str | None) -> str | None:
        if path is None or Path(path).exists() or not Path(path).is_relative_to(config.output):
            return path
        return str(run / Path(path).relative_to(config.output))

    replace, network = msgspec.structs.replace, config.model
    language, vision = (replace(part, path=here(part.path)) for part in (network.lm, network.vision))
    data = replace(config.data, tokenizer=here(config.data.tokenizer or None) or "")
    return replace(config, model=replace(network, lm=language, vision=vision), data=data)
