"""The settings of a loader."""

import math
from typing import Literal

import msgspec

from model.data.documents import Kind
from model.data.images import ImageSettings
from model.data.packing import PackingSettings
from model.data.sequences import SequenceSettings
from schemas.settings import Settings, SettingsError, check_local, settings_hash


class DatasetSettings(Settings, frozen=True):
    """One dataset of the mixture."""

    name: str
    """Names its batches, its losses, its counts."""
    shards: str | tuple[str, ...]
    """The folder of a kind (`out/interleaved`), a folder of tars, a `.tar` with `*` or `{000..099}`, or a list of them;
    local or any fsspec URL."""
    kind: Kind = "interleaved"
    """`interleaved`, `pairs` or `clips`: how a sample becomes a sequence."""
    weight: float = 1.0
    """Lambda of its loss, over 0. The paper: 1.0 for M3W, 0.2 for each set of pairs, 0.03 for clips."""
    batch_rows: int = 8
    """Rows of its batch in a step, with `mix: each`."""
    share: float = 1.0
    """How often a row is drawn from it, relative to the others, with `mix: sampled`."""
    features: str = ""
    """What `weft features` wrote of these shards, the folder of the kind; read in place of pixels. Empty: pixels."""

    def __post_init__(self) -> None:
        if self.batch_rows < 1 or not 0 < self.share < math.inf or not 0 < self.weight < math.inf:
            raise ValueError("batch_rows must be 1 or more, share and weight over 0, and both finite")


class OrderSettings(Settings, frozen=True):
    """In which order samples come."""

    seed: int = 0
    """Decides order, windows and augmentation."""
    shuffle: bool = True
    """False reads every lane from front to back: for evaluation."""
    lanes: int = 16
    """Into how many parts an epoch is cut: a multiple of the ranks and, on each, of the workers. Fixed for a run."""
    shuffle_block: int = 4096
    """Consecutive samples of a lane that are shuffled together; costs 8 bytes each and no reading ahead."""
    epochs: int | None = None
    """null goes on for ever. A number ends after so many, with one dataset only."""

    def __post_init__(self) -> None:
        if self.lanes < 1 or self.shuffle_block < 1 or (self.epochs is not None and self.epochs < 1):
            raise ValueError("lanes, shuffle_block and epochs must be 1 or more")
        if self.seed < 0:
            raise ValueError("seed must not be below 0")


class ReadSettings(Settings, frozen=True):
    """How shards are read. Nothing here changes what a batch holds."""

    workers: int = 2
    """What reads, tokenises and decodes beside the training loop, on each rank."""
    workers_are: Literal["auto", "threads", "processes", "ray"] = "auto"
    """`auto`: processes where `weft train` uses a GPU, threads elsewhere. `processes` leave the interpreter to the
    training loop; they need `if __name__ == "__main__"`. `ray`: actors on CPUs of a Ray cluster that this machine has
    joined; every node must see the shards."""
    prefetch_rows: int = 16
    """Rows that each worker may be ahead."""
    cache: str | None = None
    """A local folder that remote shards are fetched to, whole. null reads each sample by a range request."""
    cache_max_bytes: int = 100_000_000_000
    """Of the cache. It must hold the shards that are read at one time, `lanes` and more. A sixteenth is for those that
    each rank fetches before their turn."""
    ahead_max_bytes: int = 64_000_000
    """Of samples of all datasets that each worker has asked other machines for before their turn, where there is no
    cache; 0: none."""
    tries: int = 5
    """How often a failed read is tried, with doubled waits from half a second on."""
    max_failures_in_a_row: int = 100
    """So many samples dropped one after another in a lane stop the run; a missing tar counts as one."""

    def __post_init__(self) -> None:
        check_local("cache", self.cache)
        if min(self.workers, self.prefetch_rows, self.tries, self.max_failures_in_a_row) < 1:
            raise ValueError("workers, prefetch_rows, tries and max_failures_in_a_row must be 1 or more")
        if self.ahead_max_bytes < 0:
            raise ValueError("ahead_max_bytes must not be below 0")


class LoaderConfig(Settings, frozen=True):
    """Everything that decides what a loader yields, and how it reads."""

    tokenizer: str = ""
    """A local model folder or a `tokenizer.json`. Empty where the caller gives `Tokens`."""
    datasets: tuple[DatasetSettings, ...] = ()
    mix: Literal["each", "sampled"] = "each"
    """`each`: a step has a batch of every dataset, for gradients added up as in the paper. `sampled`: it has one batch,
    its rows drawn from the datasets by their shares."""
    batch_rows: int = 32
    """Rows of a step, with `mix: sampled`."""
    order: OrderSettings = OrderSettings()
    sequence: SequenceSettings = SequenceSettings()
    packing: PackingSettings = PackingSettings()
    images: ImageSettings = ImageSettings()
    read: ReadSettings = ReadSettings()

    def __post_init__(self) -> None:
        if self.batch_rows < 1:
            raise ValueError("batch_rows must be 1 or more")

    @property
    def content_hash(self) -> str:
        """Equal for settings that yield the same batches: how shards are read is left out, and where they lie, and
        whether pixels are read or what an encoder made of them."""
        datasets = tuple(msgspec.structs.replace(dataset, shards="", features="") for dataset in self.datasets)
        order = msgspec.structs.replace(self.order, epochs=None)
        return settings_hash(
            msgspec.structs.replace(self, tokenizer="", datasets=datasets, order=order, read=ReadSettings())
        )


def check_config(config: LoaderConfig) -> None:
    """Raises `SettingsError` for settings that do not go together."""
    names = [dataset.name for dataset in config.datasets]
    if not all(names) or not names or len(set(names)) < len(names):
        raise SettingsError("datasets must be one or more, each with a name of its own")
    if config.sequence.max_tokens > config.packing.row_tokens:
        raise SettingsError(
            f"sequence.max_tokens {config.sequence.max_tokens} is over packing.row_tokens {config.packing.row_tokens}"
        )
    if config.order.epochs is not None and len(names) > 1:
        raise SettingsError("order.epochs needs a single dataset: several would not end together")
    pixels = [dataset.name for dataset in config.datasets if not dataset.features]
    if config.mix == "sampled" and 0 < len(pixels) < len(names):
        raise SettingsError(
            f"with mix: sampled a batch has rows of all datasets: name features for {pixels[0]} too, or for none"
        )
