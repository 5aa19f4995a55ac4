"""A trained model from the output of a run, or from one of its checkpoints."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch
from torch.distributed.fsdp import FSDPModule

from model.data.config import LoaderConfig
from model.data.tokens import Tokens, load_tokens
from model.network.flamingo import Flamingo
from model.network.late import Late
from model.network.vision.encoder import Encoder
from model.training.assembly import build_model, tokenizer_of
from model.training.checkpoints import CheckpointError, find_checkpoint, read_settings, read_weights
from model.training.config import ParallelSettings, TrainConfig, held_out_loader
from model.training.features import stand_in
from model.training.parallel import ParallelModel, Processes
from model.training.placing import make_weights, shares_of, weights_by_name
from schemas.settings import SettingsError


@dataclass(frozen=True)
class LoadedModel:
    """A model in evaluation mode, with what reads its data as in training, but for the augmentation."""

    model: Flamingo
    tokens: Tokens
    data: LoaderConfig
    checkpoint: str

    @property
    def is_shared_out(self) -> bool:
        """Whether this process holds a share of its layers."""
        return isinstance(self.model, FSDPModule)

    @property
    def stop_ids(self) -> list[int]:
        """What ends an answer: the end of a chunk, and EOS where the tokenizer has it."""
        return [self.tokens.end_of_chunk_id, *([] if self.tokens.eos_id is None else [self.tokens.eos_id])]


def load_model(
    folder: str, device: str = "auto", features: Sequence[str] = (), processes: Processes | None = None
) -> LoadedModel:
    """Over several `processes` the layers are shared out (FSDP2), for what does not fit one device: all of them must
    then generate together. Without them `device` takes all of it. Folders of `features` stand in for the vision
    encoder, which is not loaded then.

    Raises `SettingsError` where nothing lies there, `CheckpointError` where what lies there does not load.
    """
    place = find_checkpoint(folder)
    try:
        settings = read_settings(place)
    except OSError as error:
        raise CheckpointError(f"{place}: {error}") from None
    config = _moved(settings, Path(place).parents[1])
    tokens = load_tokens(tokenizer_of(config))
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    vision = stand_in(config.model.vision, features) if features else None
    if processes is not None and processes.world > 1:
        model = _shared_out(config, tokens, vision, processes)
    else:
        model = _placed(config, tokens, vision, device)
    try:
        model.load_trainable_state_dict(shares_of(read_weights(place), model))
    except ValueError as error:
        raise CheckpointError(f"{place}: {error}") from None
    if isinstance(model, FSDPModule):
        model.unshard()  # what lies with the root, outside of layers, blocks and connector, stays gathered
    else:
        model.merge_adapters()
    return LoadedModel(model.eval(), tokens, held_out_loader(config), place)


def _shared_out(config: TrainConfig, tokens: Tokens, vision: Encoder | None, processes: Processes) -> Flamingo:
    late = Late()
    model = build_model(config, tokens, vision, late)
    return ParallelModel(model, ParallelSettings(strategy="fsdp"), processes, packed=False, late=late).model


def _placed(config: TrainConfig, tokens: Tokens, vision: Encoder | None, device: str) -> Flamingo:
    """The model on its device, where its weights are made one by one. Raises `SettingsError`."""
    late = None if device == "cpu" else Late()
    model = build_model(config, tokens, vision, late)
    if late is not None:
        try:
            place = torch.device(device)
            if place.type == "meta":
                raise RuntimeError("it has no values to compute with")
            make_weights(model, late, weights_by_name(model), place)
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
