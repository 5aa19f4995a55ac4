"""Writes what a frozen encoder makes of a dataset's media: a task a shard, whose features count whole or not at all."""

import os
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from jobs.dataset.file_tasks import carry_out_on, show_done
from jobs.engine.engine import EngineSettings, open_engine
from model.data.documents import Kind
from model.data.feature_files import COMMITS, INFO, SHARDS, FeaturesInfo, ShardFeatures, StoredAs
from model.data.features import differences, name_of, read_info, written_in
from model.data.images import ImageSettings
from model.data.listing import list_shards
from model.data.reading import TarFile
from model.features.encoding import EncoderHost, Precision
from model.features.shard import write_shard
from model.network.config import VisionSettings
from model.network.vision.identity import identity_of, known
from schemas import __version__
from schemas.settings import Settings
from schemas.storage import Store, new_attempt

#: Threads that decode in a task of Ray, which has one CPU.
_THREADS_OF_A_TASK = 2


class FeaturesError(Exception):
    """They cannot be written so, the output holds others, or those of some shards failed."""


class FeaturesConfig(Settings, frozen=True):
    """What sees, what it sees, and how that is stored."""

    vision: VisionSettings = VisionSettings()
    images: ImageSettings = ImageSettings(p_flip=0.0, colour=0.0)
    stored_as: StoredAs = "float16"
    precision: Precision = "auto"


class Encoders(msgspec.Struct, frozen=True):
    """On Ray: how many processes hold the encoder, and the GPUs of each."""

    count: int = 1
    gpus: float = 0.0


class Written(msgspec.Struct, frozen=True):
    """What lies in a folder of features."""

    samples: int
    media: int
    frames: int
    bytes: int
    drops: dict[str, int]
    removed: int  # shards that are gone, whose features went after them


def write_features(
    shards: str, kind: Kind, output: Store, config: FeaturesConfig, engine: EngineSettings, encoders: Encoders
) -> Written:
    """Write the features of every shard that has none yet, or none any more, and remove those of shards that are not
    there any more.

    Raises `FeaturesError`, `SettingsError`, `StepError` and `OSError`.
    """
    files = list_shards(shards)
    names = [name_of(file) for file in files]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise FeaturesError(f"{shards}: two shards are called {twice[0]}: write the features of each folder apart")
    wanted = _Wanted(shards, kind, config)
    wanted.check(output)
    marked, done = _marked(output), written_in(output)
    output.remove_all([f"{COMMITS}/{name}.json" for name in sorted(marked - done)])
    todo = [number for number, name in enumerate(names) if name not in done]
    if todo:
        with open_engine(engine) as running:
            arguments = (config.vision, config.stored_as, config.precision)
            with running.pool(EncoderHost, arguments, encoders.count, encoders.gpus) as hosts:
                wanted.begin(output, hosts[0])
                threads = _THREADS_OF_A_TASK if engine.engine == "ray" else os.cpu_count() or 1
                work = partial(_write, files, kind, output.url, config, hosts, threads)
                if failed := carry_out_on(running, "features", names, todo, work):
                    raise FeaturesError(failed)
    else:
        show_done("features", names)
    output.remove_all([f"{SHARDS}/{name}" for name in output.list(SHARDS) if name.startswith(".")])
    return _sum(output, names, _without_shards(output, marked - set(names)))


class _Wanted:
    """What the features are to be of; another folder of features is refused in their place."""

    def __init__(self, shards: str, kind: Kind, config: FeaturesConfig) -> None:
        self._shards, self._kind, self._config = shards, kind, config
        self._encoder = identity_of(config.vision)

    def check(self, output: Store) -> None:
        if not output.exists(INFO):
            if output.list(""):
                raise FeaturesError(f"{output.url} is not empty: choose another output")
            return
        there = read_info(output.url)
        ours = msgspec.structs.replace(there, **self._of())
        if said := differences(_told(there), _told(ours)):
            raise FeaturesError(f"{output.url} holds other features: {said}. Choose another output")

    def begin(self, output: Store, host: EncoderHost) -> None:
        """Say what the features will be of, before any is written. Raises `FeaturesError`."""
        found, images = host.describe(), self._config.images
        if found.size_px != images.size_px:
            raise FeaturesError(f"images.size_px is {images.size_px}, but the encoder takes {found.size_px} pixels")
        info = FeaturesInfo(
            **self._of(),
            precision=found.precision,
            size_px=found.size_px,
            features=found.features,
            width=found.width,
            weft_version=__version__,
        )
        if output.put_if_absent(INFO, msgspec.json.format(msgspec.json.encode(info), indent=1)):
            return
        self.check(output)
        there = read_info(output.url)
        if there.precision != info.precision:
            raise FeaturesError(
                f"the features in {output.url} were computed in {there.precision}, here it would be {info.precision}: "
                f"go on with --precision {there.precision}"
            )

    def _of(self) -> dict[str, Any]:
        """What is known of the features before the encoder is loaded."""
        config = self._config
        return {
            "source": self._shards,
            "kind": self._kind,
            "encoder": self._encoder,
            "images": config.images.seen(),
            "stored_as": config.stored_as,
        }


def _told(info: FeaturesInfo) -> dict[str, Any]:
    """In which other features differ, by paths."""
    tree: dict[str, Any] = msgspec.to_builtins(info) | {"encoder": known(info.encoder)}
    inner = {f"{group}.{name}": value for group in ("encoder", "images") for name, value in tree[group].items()}
    return {name: tree[name] for name in ("source", "kind", "stored_as")} | inner


def _write(
    files: Sequence[TarFile],
    kind: Kind,
    output: str,
    config: FeaturesConfig,
    hosts: Sequence[EncoderHost],
    threads: int,
    number: int,
) -> int:
    """A task: the features of one shard."""
    store, name = Store(output), name_of(files[number])
    host, tar, mark = hosts[number % len(hosts)], f"{SHARDS}/{name}.tar", f"{COMMITS}/{name}.json"
    staged = f"{SHARDS}/.{new_attempt()}.{name}.tar.tmp"
    try:
        with store.create(staged) as file:
            found, offsets = write_shard(
                file, files[number], kind, config.images, host.encode, config.vision.batch_frames, threads
            )
        if store.exists(mark):  # another attempt was first
            store.remove(staged)
            return number
        # Whoever comes second puts the same in place, but for rounding: each file is whole, and of one size.
        store.put(f"{tar}.idx", offsets)
        store.move(staged, tar)
    except BaseException:
        store.remove(staged)
        raise
    store.put_if_absent(mark, msgspec.json.encode(found))
    return number


def _marked(output: Store) -> set[str]:
    return {name.removesuffix(".json") for name in output.list(COMMITS)}


def _without_shards(output: Store, names: set[str]) -> int:
    """What is removed from a dataset must not live on in its features. Marks go first: nothing half counts."""
    output.remove_all([f"{COMMITS}/{name}.json" for name in sorted(names)])
    output.remove_all([f"{SHARDS}/{name}.tar{ending}" for name in sorted(names) for ending in ("", ".idx")])
    return len(names)


def _sum(output: Store, names: Sequence[str], removed: int) -> Written:
    """Of the shards that there are now."""
    marks = [
        msgspec.json.decode(data, type=ShardFeatures)
        for data in output.read_all([f"{COMMITS}/{name}.json" for name in names])
    ]
    drops: Counter[str] = Counter()
    for mark in marks:
        drops.update(mark.drops)
    return Written(
        sum(mark.samples for mark in marks),
        sum(mark.media for mark in marks),
        sum(mark.frames for mark in marks),
        sum(mark.bytes for mark in marks),
        dict(sorted(drops.items())),
        removed,
    )
