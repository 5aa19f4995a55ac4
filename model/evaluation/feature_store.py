"""Features of items by the frozen vision encoder, kept on disk between runs.

A folder for each encoder and way of preparing images: `rows.f16`, features [N, D] one after another, and `names.bin`,
16 bytes for each that say of what it is. Names are written after their rows, so a run that was ended anywhere goes on
from there; rows without a name are cut off.
"""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from model.data.documents import Medium
from model.data.row import seen_frames
from model.evaluation.items import Item, MediaFile
from model.evaluation.loaded import LoadedModel
from model.evaluation.prompts import Showing, Shown
from model.evaluation.similar import Features
from schemas.drops import Drop, DropRow, Tally
from schemas.settings import SettingsError

_NAME = 16  # bytes
_FRAMES_AT_A_TIME = 64


class FeatureStore:
    """Features by name. Without a folder they last as long as the store does."""

    def __init__(self, folder: str | None, fingerprint: str, width: int) -> None:
        """Raises `SettingsError` where the folder is no local one or cannot be written, or another run writes there."""
        if folder and "://" in folder:
            raise SettingsError(f"keep_features: a folder of this machine is wanted, not {folder}")
        self._lent = None if folder else tempfile.TemporaryDirectory(prefix="weft-features-")
        place = Path(self._lent.name if self._lent else folder or "") / fingerprint
        self._width = width
        try:
            place.mkdir(parents=True, exist_ok=True)
            self._rows: IO[bytes] = (place / "rows.f16").open("a+b")
            self._names: IO[bytes] = (place / "names.bin").open("a+b")
            fcntl.flock(self._names, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(f"keep_features: another run writes to {place}") from None
        except OSError as error:
            raise SettingsError(f"keep_features: {error}") from None
        self._number_of = self._mended()

    def _mended(self) -> dict[bytes, int]:
        """What both files hold; what a kill left behind is cut off."""
        size = os.fstat(self._names.fileno()).st_size // _NAME
        whole = min(size, os.fstat(self._rows.fileno()).st_size // (2 * self._width))
        self._names.truncate(whole * _NAME)
        self._rows.truncate(whole * 2 * self._width)
        self._names.seek(0)
        names = self._names.read()
        return {names[start : start + _NAME]: number for number, start in enumerate(range(0, len(names), _NAME))}

    def __len__(self) -> int:
        return len(self._number_of)

    def __contains__(self, name: bytes) -> bool:
        return name in self._number_of

    def __getitem__(self, numbers: npt.NDArray[np.int64]) -> Features:
        if not len(self):
            return np.empty((0, self._width), np.float16)
        table = np.memmap(self._rows.name, np.float16, "r", shape=(len(self), self._width))
        return np.asarray(table[numbers])

    def numbers(self, names: Sequence[bytes]) -> npt.NDArray[np.int64]:
        return np.array([self._number_of[name] for name in names], np.int64)

    def add(self, names: Sequence[bytes], features: Features) -> None:
        place_of: dict[bytes, int] = {}
        for place, name in enumerate(names):
            if name not in self._number_of:
                place_of.setdefault(name, place)
        self._rows.write(np.ascontiguousarray(features[list(place_of.values())]).tobytes())
        self._rows.flush()
        self._names.write(b"".join(place_of))
        self._names.flush()
        for name in place_of:
            self._number_of[name] = len(self._number_of)

    def close(self) -> None:
        self._rows.close()
        self._names.close()
        if self._lent:
            self._lent.cleanup()


def encoder_fingerprint(loaded: LoadedModel) -> str:
    """16 hex digits that change with the encoder's weights and with how images are prepared for it."""
    vision = loaded.model.vision
    digest = hashlib.blake2b(digest_size=8)
    digest.update(msgspec.json.encode(loaded.data.images, order="sorted"))
    settings = loaded.model.config.vision
    digest.update(f"{type(vision).__name__} {settings.layer} {settings.patch_px} {vision.dim} {vision.mean}".encode())
    for name, weight in sorted(vision.state_dict().items()):
        digest.update(name.encode())
        digest.update(weight.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def name_of(item: Item) -> bytes:
    """Of its media as they lie there now: a file by its path, size and time of change. Raises `OSError`."""
    digest = hashlib.blake2b(digest_size=_NAME)
    for medium in item.media:
        if isinstance(medium, MediaFile):
            file = os.stat(medium.path)
            said = f"{os.path.realpath(medium.path)} {file.st_size} {file.st_mtime_ns} {medium.span_s}"
            digest.update(said.encode("utf-8", "surrogateescape"))
        else:
            assert isinstance(medium, Medium)
            digest.update(hashlib.blake2b(medium.data).digest())
            if medium.beside is not None and medium.beside.features is not None:
                digest.update(np.ascontiguousarray(medium.beside.features.values_FVI).tobytes())
    return digest.digest()


def encode(
    loaded: LoadedModel,
    store: FeatureStore,
    items: Sequence[Item],
    showing: Showing,
    tally: Tally,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[list[Item], npt.NDArray[np.int64]]:
    """The items that can be seen, and their numbers in the store; the others are told to `tally`.

    Of unit length: the mean over the features of all frames. `on_progress` gets items done and in all.
    """
    kept: list[Item] = []
    names: list[bytes] = []
    waiting: dict[bytes, Shown] = {}
    for number, item in enumerate(items, 1):
        try:
            name = name_of(item)
            if name not in store and name not in waiting:
                waiting[name] = showing(item)
        except (Drop, OSError) as error:
            tally.drop(_row(item, error))
            continue
        kept.append(item)
        names.append(name)
        if sum(len(frames) for shown in waiting.values() for frames in shown.media) >= _FRAMES_AT_A_TIME:
            _flush(loaded, store, waiting)
            on_progress(number, len(items))
    _flush(loaded, store, waiting)
    return kept, store.numbers(names)


def _row(item: Item, error: Drop | OSError) -> DropRow:
    reason, detail = (error.reason, error.detail) if isinstance(error, Drop) else ("missing_file", str(error))
    return DropRow(item.key, "sample", reason, detail)


def _flush(loaded: LoadedModel, store: FeatureStore, waiting: dict[bytes, Shown]) -> None:
    if waiting:
        store.add(list(waiting), features_of(loaded, list(waiting.values())))
        waiting.clear()


@torch.no_grad()
def features_of(loaded: LoadedModel, shown: Sequence[Shown]) -> Features:
    """[items, width], of unit length."""
    media = [one for item in shown for one in item.media]
    frames, _, features = seen_frames(media, loaded.data.images.size_px)
    if features is not None:
        parts = [torch.from_numpy(features.floats()).mean(1)]
    else:
        parts = []
        for start in range(0, len(frames), _FRAMES_AT_A_TIME):
            part = torch.from_numpy(frames[start : start + _FRAMES_AT_A_TIME]).permute(0, 3, 1, 2)
            parts.append(loaded.model.vision(part.to(loaded.model.device)).float().mean(1))
    means = torch.cat(parts).split([sum(map(len, item.media)) for item in shown])
    found: Any = torch.nn.functional.normalize(torch.stack([mean.mean(0) for mean in means]), dim=1)
    return np.asarray(found.cpu().numpy().astype(np.float16))
