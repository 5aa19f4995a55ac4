"""A trained model from the output of a run, or from one of its checkpoints."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch

from model.data.config import LoaderConfig
from model.data.tokens import Tokens, load_tokens
from model.network.flamingo import Flamingo
from model.network.late import Late
from model.training.assembly import build_model, tokenizer_of
from model.training.checkpoint_files import folder_store
from model.training.checkpoints import SETTINGS, CheckpointError, find_checkpoint, read_weights
from model.training.config import TrainConfig, held_out_loader
from model.training.placing import make_weights, weights_by_name
from schemas.settings import SettingsError, load_settings


@dataclass(frozen=True)
class LoadedModel:
    """A model in evaluation mode, with what reads its data as in training, but for the augmentation."""

    model: Flamingo
    tokens: Tokens
    data: LoaderConfig
    checkpoint: str

    @property
    def stop_ids(self) -> list[int]:
        """What ends an answer: the end of a chunk, and EOS where the tokenizer has it."""
        return [self.tokens.end_of_chunk_id, *([] if self.tokens.eos_id is None else [self.tokens.eos_id])]


def load_model(folder: str, device: str = "auto") -> LoadedModel:
    """Raises `SettingsError` where nothing lies there, `CheckpointError` where what lies there does not load."""
    place = find_checkpoint(folder)
    try:
        settings = load_settings(TrainConfig, folder_store(place).read(SETTINGS).decode())
    except OSError as error:
        raise CheckpointError(f"{place}: {error}") from None
    config = _moved(settings, Path(place).parents[1])
    tokens = load_tokens(tokenizer_of(config))
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    model = _placed(config, tokens, device)
    try:
        model.load_trainable_state_dict(read_weights(place))
    except ValueError as error:
        raise CheckpointError(f"{place}: {error}") from None
    return LoadedModel(model.eval(), tokens, held_out_loader(config), place)


def _placed(config: TrainConfig, tokens: Tokens, device: str) -> Flamingo:
    """The model on its device, where its weights are made one by one. Raises `SettingsError`."""
    late = None if device == "cpu" else Late()
    model = build_model(config, tokens, late)
    if late is not None:
        try:
            make_weights(model, late, weights_by_name(model), torch.device(device))
        except (RuntimeError, AssertionError) as error:
            raise SettingsError(f"device {device}: {str(error).splitlines()[0]}") from None
    return model


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
