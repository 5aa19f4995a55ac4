"""The settings of a training run."""

import math
from typing import Literal

import msgspec

from model.data.config import DatasetSettings, LoaderConfig, check_config
from model.network.config import FlamingoConfig
from schemas.settings import Settings, SettingsError, check_local


class OptimiserSettings(Settings, frozen=True):
    """AdamW; the defaults are the paper's (B.1.2), which does not name betas and eps."""

    learning_rate: float = 1e-4
    """Reached after the warm-up, then constant."""
    warmup_steps: int = 5000
    """From 0, in a straight line."""
    final_steps: int = 0
    """Over so many steps at the end of the run the rate falls to 0 in a straight line. The paper has no such end."""
    weight_decay: float = 0.1
    """Of the matrices of cross-attention and feed-forward; the resampler, norms, biases, gates and new tokens have
    none."""
    betas: tuple[float, float] = (0.9, 0.95)
    """How slowly the means of the gradient and of its square follow."""
    eps: float = 1e-8
    """Added to the root of the latter."""
    clip_norm: float = 1.0
    """The global norm of the gradient is brought down to this, once a step. 0 leaves it."""
    vision_rate: float | None = None
    """Of the vision encoder, where `model.train_vision` unfreezes it; null is that of all. The paper: 3e-8 to 1e-5."""
    lm_rate: float | None = None
    """Of the language model, where `model.train_lm` unfreezes it, or of its adapters (`model.lora`); null is that of
    all."""
    decay_at: tuple[int, ...] = ()
    """Steps from which on all rates are divided by `decay_by`, each time anew. The paper does so in fine-tuning."""
    decay_by: float = 10.0
    """1 or more."""

    def __post_init__(self) -> None:
        if min(self.learning_rate, self.warmup_steps, self.final_steps, self.clip_norm, self.weight_decay) < 0:
            raise ValueError("learning_rate, warmup_steps, final_steps, clip_norm and weight_decay are 0 or more")
        if not self.learning_rate < math.inf or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError("learning_rate is finite, and betas are 0 or more and below 1")
        if min(self.vision_rate or 0, self.lm_rate or 0) < 0:
            raise ValueError("vision_rate and lm_rate are 0 or more")
        if self.decay_by < 1 or min(self.decay_at, default=0) < 0:
            raise ValueError("decay_by is 1 or more, and steps of decay_at are 0 or more")


class ParallelSettings(Settings, frozen=True):
    """How the work is laid out. Nothing here changes the losses beyond rounding."""

    strategy: Literal["ddp", "fsdp"] = "ddp"
    """With several processes: `ddp` has the whole model in each, `fsdp` shards parameters, gradients and optimiser
    state (FSDP2)."""
    tensor: int = 1
    """With `fsdp`: so many processes that follow one another, best on one machine, cut the layers of the frozen
    language model among them, as its plan in transformers says, and work on the same rows."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """`bfloat16`: frozen weights are stored, and activations computed, in it; what is trained stays float32."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes the GPU of this process if there is one."""
    micro_rows: int = 0
    """Rows that go through the model at a time; a batch with more is cut, its gradients added up. 0: all of it."""
    activation_checkpointing: bool = False
    """Keep only what enters each layer of the language model, and compute the rest anew in the backward pass."""
    compile: bool = False
    """Compile each layer and the loss with `torch.compile`; on a CPU it needs a C++ compiler."""
    reduce: Literal["float32", "bfloat16"] = "float32"
    """In which gradients are summed over processes; `bfloat16` sends half as much."""
    timeout_s: float = 1800.0
    """A process that waits longer than this for the others ends the run."""
    threads: int = 0
    """CPU threads of each process; 0 leaves it to torch."""

    def __post_init__(self) -> None:
        if self.tensor < 1:
            raise ValueError("tensor is 1 or more")
        if self.tensor > 1 and self.strategy != "fsdp":
            raise ValueError("tensor above 1 needs strategy: fsdp")


class CheckpointSettings(Settings, frozen=True):
    """When the state is saved, and what is kept."""

    every_steps: int = 1000
    """0: not by steps."""
    every_minutes: float = 30.0
    """0: not by time."""
    keep_latest: int = 3
    """Older ones are removed."""
    asynchronous: bool = True
    """A step waits only while its state is copied, into as much of the CPU's memory; a thread writes it while training
    goes on. The last checkpoint, and that of a signal, are waited for."""
    keep_every_steps: int = 0
    """Those at multiples of this stay for ever. 0: none does."""

    def __post_init__(self) -> None:
        if self.keep_latest < 1 or min(self.every_steps, self.every_minutes, self.keep_every_steps) < 0:
            raise ValueError("keep_latest is 1 or more, the others 0 or more")


class LogSettings(Settings, frozen=True):
    """What the run tells of itself. `metrics.jsonl` is always written."""

    every_steps: int = 10
    """A line of metrics, each the mean since the last."""
    tensorboard: bool = True
    """Into `tensorboard/` of the output, if the package is installed."""
    wandb_project: str = ""
    """The project of Weights & Biases to log to, if the package is installed; empty: none."""
    peak_tflops: float | None = None
    """Of one device at the precision in use, for the model FLOPs utilisation (MFU); null takes the published figure of
    known GPUs, and gives no MFU elsewhere."""
    folder: str = ""
    """Where all that is logged is written if `output` is a URL, on the first process's machine; empty: a folder beside
    other temporary files. `metrics.jsonl` and `guard.jsonl` are copied to the output with each checkpoint and at the
    end."""
    profile_steps: int = 0
    """A torch profile of so many steps, after ten, for `chrome://tracing`, into `profile/`. 0: none."""

    def __post_init__(self) -> None:
        check_local("folder", self.folder)
        if self.every_steps < 1 or self.profile_steps < 0:
            raise ValueError("every_steps is 1 or more, profile_steps 0 or more")


class GuardSettings(Settings, frozen=True):
    """What is done about steps that go wrong. The keys of their samples go to `guard.jsonl`."""

    max_skipped_in_a_row: int = 10
    """A step with a loss or gradient that is not finite changes nothing; so many in a row stop the run."""
    spike_factor: float = 10.0
    """A gradient norm over so many times the median of the last `spike_window` steps is reported. 0 turns it off."""
    spike_window: int = 100
    """Steps that the median is taken over; before there are so many nothing is a spike."""
    skip_spikes: bool = False
    """Leave out the steps that are reported, as those that are not finite."""

    def __post_init__(self) -> None:
        if self.max_skipped_in_a_row < 1 or self.spike_window < 2 or self.spike_factor < 0:
            raise ValueError("max_skipped_in_a_row is 1 or more, spike_window 2 or more, spike_factor 0 or more")


class HeldOutSettings(Settings, frozen=True):
    """What is measured on data that is not trained on. Without datasets the training sets, read without augmentation,
    are measured, and called so (`trained_on`): the gap between right and shuffled images means something there too."""

    datasets: tuple[DatasetSettings, ...] = ()
    every_steps: int = 1000
    """0: only at the end."""
    batches: int = 4
    """Steps of the loader; losses are means over their tokens."""
    captions: int = 0
    """Pairs and clips of each set that are captioned greedily; the part that equals its text is the accuracy."""

    def __post_init__(self) -> None:
        if self.batches < 1 or min(self.every_steps, self.captions) < 0:
            raise ValueError("batches is 1 or more, every_steps and captions 0 or more")


class ShapeSettings(Settings, frozen=True):
    """Generated data: pictures of shapes (`jobs/training/shapes.py`)."""

    folder: str
    """Where it lies; made where it is absent."""
    seed: int = 0
    """Of what is drawn."""
    size_px: int = 64
    """Width and height; 64 or more, as for any image."""
    train_pages: int = 3000
    """Pages of two to six pictures to train on."""
    train_pairs: int = 4000
    """Pictures with their caption."""
    train_clips: int = 1000
    """Clips of a moving shape."""
    train_clip_pages: int = 600
    """Pages of several of these clips, in the folder `clip_pages`."""
    held_out_pages: int = 200
    """The same, drawn apart, to measure on."""
    held_out_pairs: int = 400
    """The same."""
    held_out_clips: int = 200
    """The same."""
    naming_share: float = 0.4
    """The part of the pages on which colours have made-up names."""
    naming_pictures: int = 6
    """Pictures of such a page."""
    clip_seconds: int = 4
    """Frames of a clip: one a second."""
    clip_page_clips: int = 9
    """Clips of a page of clips at most: eight examples and what is asked."""

    def __post_init__(self) -> None:
        if self.size_px < 64 or not 0 <= self.naming_share <= 1:
            raise ValueError("size_px is 64 or more, naming_share 0 to 1")
        if min(self.naming_pictures, self.clip_seconds, self.clip_page_clips) < 2:
            raise ValueError("naming_pictures, clip_seconds and clip_page_clips are 2 or more")


class TextModelSettings(Settings, frozen=True):
    """A small language model, trained on the spot on the text of the datasets and then frozen."""

    folder: str
    """Where it lies, as transformers saves models; made where it is absent."""
    vocabulary: int = 400
    """Of its byte-level BPE, the 256 bytes included."""
    width: int = 128
    """Of its hidden states."""
    layers: int = 2
    """Of its decoder."""
    heads: int = 4
    """Of its attention."""
    steps: int = 150
    """It is trained for."""
    rows: int = 16
    """Of a step."""
    row_tokens: int = 128
    """Of a row: texts stand end to end."""
    learning_rate: float = 3e-3
    """At the most; it rises for 50 steps, and falls to 0 in the second half."""
    seed: int = 0
    """Of its weights and of the order of the texts."""

    def __post_init__(self) -> None:
        check_local("folder", self.folder)


class TrainConfig(Settings, frozen=True):
    """Everything that decides a training run."""

    output: str
    """The folder of the run: checkpoints, metrics, the resolved settings. A URL (`s3://bucket/run`) takes checkpoints
    too; see `log.folder`."""
    steps: int = 500_000
    """Updates of the weights."""
    seed: int = 0
    """Of the new weights. The order of data has its own, `data.order.seed`."""
    start_from: str | None = None
    """The output of another run, or one of its checkpoints: this run starts with what was trained there. What only this
    run trains starts as it was."""
    model: FlamingoConfig = FlamingoConfig()
    data: LoaderConfig = LoaderConfig()
    """Without `data.tokenizer`, that of the language model's folder."""
    held_out: HeldOutSettings = HeldOutSettings()
    loss: Literal["token_mean", "sequence_sum"] = "token_mean"
    """Of each dataset, before its lambda: the mean over its predicted tokens, or the sum over a document's tokens,
    averaged over documents, as equation 2 of the paper has it."""
    optimiser: OptimiserSettings = OptimiserSettings()
    parallel: ParallelSettings = ParallelSettings()
    checkpoint: CheckpointSettings = CheckpointSettings()
    log: LogSettings = LogSettings()
    guard: GuardSettings = GuardSettings()
    shapes: ShapeSettings | None = None
    """Makes generated data where it is absent, for a run without any of your own."""
    text_model: TextModelSettings | None = None
    """Trains a small language model where it is absent; name its folder in `model.lm` too."""

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError("steps is 0 or more")
        if not -(2**63) <= self.seed < 2**63:
            raise ValueError("seed is a whole number of 64 bits")


#: How the names of what is measured begin, and how that is called: on other data, or on that which is trained on.
MEASURED = {"held_out/": "held out", "trained_on/": "on training data"}


def prefix_of(config: TrainConfig) -> str:
    """With what of `MEASURED` the names of a run begin."""
    return "held_out/" if config.held_out.datasets else "trained_on/"


def check_train_config(config: TrainConfig) -> None:
    """Raises `SettingsError` for settings that do not go together."""
    check_config(config.data)
    if config.data.order.epochs is not None:
        raise SettingsError("data.order.epochs is for evaluation: a training run counts steps")
    if config.parallel.tensor > 1 and (config.model.train_lm or config.model.lora is not None):
        raise SettingsError("parallel.tensor cuts a language model that stays as it is: no train_lm, no lora")
    if config.held_out.datasets:
        check_config(held_out_loader(config))


def held_out_loader(config: TrainConfig) -> LoaderConfig:
    """The loader of what is measured: the same settings without augmentation, shuffling and looking ahead."""
    data = config.data
    return msgspec.structs.replace(
        data,
        datasets=config.held_out.datasets or data.datasets,
        mix="each",
        order=msgspec.structs.replace(data.order, shuffle=False, lanes=1),
        sequence=msgspec.structs.replace(data.sequence, p_next=0.0, p_space=0.0),
        images=msgspec.structs.replace(data.images, p_flip=0.0, colour=0.0),
        read=msgspec.structs.replace(data.read, workers=1, workers_are="threads"),
    )
