"""From settings to a run that is ready for its first step; everything that does not fit together is refused here."""

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import torch

from model.data.config import DatasetSettings, ReadSettings
from model.data.lanes import open_cache
from model.data.listing import list_shards
from model.data.loader import Loader
from model.data.reading import TarFile
from model.data.tokens import Tokens, load_tokens
from model.data.workers import MakeWorkers
from model.network.flamingo import Flamingo
from model.network.flops import StepFlops, step_flops
from model.network.late import Late
from model.network.vision.encoder import Encoder
from model.training.checkpoint_files import folder_store
from model.training.checkpoints import SETTINGS, find_checkpoint, read_settings, read_weights, steps_saved
from model.training.config import TrainConfig, check_train_config
from model.training.dropped import Dropped
from model.training.features import check_features, encoder_of
from model.training.optimiser import make_optimiser
from model.training.parallel import ParallelModel, Processes, makes_late
from model.training.placing import shares_of
from schemas.settings import SettingsError, differences

#: What may change when a run goes on: nothing that its losses depend on, but where things lie and what is reported.
_MAY_CHANGE = (
    "output", "steps", "checkpoint.", "log.", "guard.", "held_out.", "parallel.", "data.read.", "data.tokenizer",
    "model.lm.path", "model.vision.path", "shapes", "start_from", "text_model",
)  # fmt: skip


@dataclass
class Run:
    """What a run works with, in one process."""

    config: TrainConfig
    processes: Processes
    tokens: Tokens
    model: Flamingo
    parallel: ParallelModel
    optimiser: torch.optim.AdamW
    loader: Loader
    held_out_files: list[list[TarFile]]  # of each dataset that is measured on
    flops: StepFlops
    dropped: Dropped
    counted: dict[str, float] = field(default_factory=dict)  # since the first step: tokens, images, ..., drops

    def had_settings(self) -> bool:
        return folder_store(self.config.output).exists(SETTINGS)

    def write_settings(self, text: str) -> None:
        folder_store(self.config.output).put(SETTINGS, text.encode())


def assemble(
    config: TrainConfig,
    processes: Processes,
    make_workers: MakeWorkers | None = None,
    on_message: Callable[[str], None] = lambda text: None,
) -> Run:
    """`make_workers` as for `Loader`; `on_message` is told the first samples that are dropped.

    Raises `SettingsError` for what does not go together, naming the setting.
    """
    check_train_config(config)
    check_same_run(config)
    tokens = load_tokens(tokenizer_of(config))
    listed = list_datasets(config, processes)
    files = listed[: len(config.data.datasets)]
    held_out_files = listed[len(files) :] or files
    late = Late() if makes_late(config.parallel, processes) else None
    model = build_model(config, tokens, encoder_of(config), late)
    on_gpu = processes.device.type == "cuda"
    dropped, reader, readers = Dropped(on_message), processes.reader, processes.readers
    loader = Loader(config.data, tokens, reader, readers, dropped, on_gpu, files, make_workers)
    flops = step_flops(model)
    parallel = ParallelModel(model, config.parallel, processes, config.data.packing.enabled, late)
    if config.start_from is not None and not steps_saved(config.output):
        start_from(model, config.start_from)
    optimiser = make_optimiser(parallel.model, config.optimiser)
    # From here on each process draws for itself, those that read the same rows alike.
    torch.manual_seed(config.seed + 1 + processes.reader)
    return Run(config, processes, tokens, model, parallel, optimiser, loader, held_out_files, flops, dropped)


def build_model(
    config: TrainConfig, tokens: Tokens, vision: Encoder | None = None, late: Late | None = None
) -> Flamingo:
    """The model with its new weights drawn from `config.seed`: the same in every process, made now or `late`. `vision`
    stands for the encoder where that is not to be loaded."""
    torch.manual_seed(config.seed)
    model = Flamingo.build(config.model, (tokens.image_id, tokens.end_of_chunk_id), vision=vision, late=late)
    known = model.new_logits.vocabulary
    if tokens.base_size > known:
        raise SettingsError(
            f"the tokenizer has {tokens.base_size} tokens, the language model knows {known}: data.tokenizer "
            f"({tokenizer_of(config)}) and model.lm do not belong together"
        )
    if (size := config.data.images.size_px) != model.vision.image_px:
        raise SettingsError(
            f"data.images.size_px is {size}, but the vision encoder takes {model.vision.image_px} pixels: "
            f"set data.images.size_px to {model.vision.image_px}"
        )
    return model


def start_from(model: Flamingo, folder: str) -> None:
    """Weights that another run trained; what it left frozen, of encoder and language model, stays as it is here.

    Raises `SettingsError` where they do not fit, `CheckpointError` where they cannot be read.
    """
    given = shares_of(read_weights(find_checkpoint(folder)), model)
    kept = {
        name: weight.detach()
        for name, weight in model.trainable_parameters().items()
        if name not in given and name.startswith(("lm.", "vision."))
    }
    try:
        model.load_trainable_state_dict(kept | given)
    except ValueError as error:
        raise SettingsError(f"start_from: {folder}: {error}") from None


def tokenizer_of(config: TrainConfig) -> str:
    """The tokenizer's path: the one that is set, else the language model's folder. Raises `SettingsError`."""
    if config.data.tokenizer:
        return config.data.tokenizer
    if config.model.lm.path is None:
        raise SettingsError("data.tokenizer must name a tokenizer where model.lm.path names no model folder")
    return config.model.lm.path


def list_datasets(config: TrainConfig, processes: Processes) -> list[list[TarFile]]:
    """The shards of each dataset of the run, then of each held-out set that is named. The first process lists them for
    all: without indexes it reads much.

    Raises `SettingsError`, in every process, naming a dataset without a sample.
    """
    found: list[list[TarFile]] = []
    refused = ""
    if processes.is_first:
        try:
            read = config.data.read
            found = [_with_samples(dataset, read) for dataset in (*config.data.datasets, *config.held_out.datasets)]
            check_features(config)
        except SettingsError as error:
            refused = str(error)
    found, refused = processes.gather((found, refused))[0]
    if refused:
        raise SettingsError(refused)
    return found


def _with_samples(dataset: DatasetSettings, read: ReadSettings) -> list[TarFile]:
    try:
        files = list_shards(dataset.shards, open_cache(read), read.tries)
    except (SettingsError, OSError) as error:
        raise SettingsError(f"dataset {dataset.name}: {error}") from None
    if not any(file.samples for file in files):
        raise SettingsError(f"dataset {dataset.name}: its shards in {dataset.shards} hold no sample")
    return files


def check_same_run(config: TrainConfig) -> None:
    """Raises `SettingsError` where the run in `output` was started with settings that its losses depend on."""
    try:
        store = folder_store(config.output)
    except OSError as error:
        raise SettingsError(f"output: {error}") from None
    if not store.exists(SETTINGS):
        return
    before = read_settings(config.output)
    compared = differences(_without_places(before), _without_places(config))
    changed = [line for line in compared if not line.startswith(_MAY_CHANGE)]
    if changed:
        more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
        raise SettingsError(
            f"the run in {config.output} has other settings: {'; '.join(changed[:5])}{more}. "
            "Go on with those, or take another output"
        )


def _without_places(config: TrainConfig) -> TrainConfig:
    """Whether shards that lie elsewhere are the same is told by the loader's state; features are of the same pixels."""
    replace = msgspec.structs.replace
    datasets = tuple(replace(dataset, shards="", features="") for dataset in config.data.datasets)
    return replace(config, data=replace(config.data, datasets=datasets))
