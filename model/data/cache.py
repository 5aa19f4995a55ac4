"""Shards of other machines on the local disk, under a limit of bytes; shared by all processes of a machine."""

import hashlib
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from schemas.storage import Store, new_attempt


class Cache:
    """A folder of fetched shards. The least recently opened go first; whoever still reads one keeps its open file."""

    def __init__(self, folder: str, max_bytes: int) -> None:
        self.folder, self.max_bytes = Path(folder), max_bytes
        self.folder.mkdir(parents=True, exist_ok=True)

    def open(self, store: Store, name: str) -> int:
        """A file descriptor of the shard, fetched if it is not here. Two who fetch at once both succeed."""
        place = self._place(store, name, ".tar")
        for _ in range(3):
            try:
                descriptor = os.open(place, os.O_RDONLY)
                os.utime(place)
                return descriptor
            except FileNotFoundError:
                self._fetch(store, name, place)
        raise OSError(f"{self.folder} loses shards while they are opened: its limit is too low for {name}")

    def has(self, store: Store, name: str) -> bool:
        return self._place(store, name, ".tar").exists()

    def fetch(self, store: Store, name: str) -> int:
        """Bring a shard here that is not; its bytes. Raises `OSError`."""
        place = self._place(store, name, ".tar")
        if not place.exists():
            self._fetch(store, name, place)
        return place.stat().st_size

    def index(self, store: Store, name: str) -> npt.NDArray[np.uint64] | None:
        """The offsets kept for a tar that has no index of its own."""
        place = self._place(store, name, ".idx")
        return np.frombuffer(place.read_bytes(), "<u8") if place.exists() else None

    def keep_index(self, store: Store, name: str, offsets: npt.NDArray[np.uint64]) -> None:
        self._put(self._place(store, name, ".idx"), offsets.astype("<u8").tobytes())

    def _fetch(self, store: Store, name: str, place: Path) -> None:
        self._make_room(store.size(name) or 0)
        staged = place.with_name(f"{place.name}.{new_attempt()}.tmp")
        try:
            store.fs.get_file(store.path(name), str(staged))
            os.replace(staged, place)
        finally:
            staged.unlink(missing_ok=True)

    def _make_room(self, wanted: int) -> None:
        shards = []
        for path in self.folder.glob("*.tar"):
            try:
                shards.append((path.stat().st_mtime_ns, path.stat().st_size, path))
            except FileNotFoundError:  # another process made room too
                continue
        used = sum(size for _, size, _ in shards)
        for _, size, path in sorted(shards):
            if used + wanted <= self.max_bytes:
                return
            path.unlink(missing_ok=True)
            used -= size

    def _put(self, place: Path, data: bytes) -> None:
        staged = place.with_name(f"{place.name}.{new_attempt()}.tmp")
        staged.write_bytes(data)
        os.replace(staged, place)

    def _place(self, store: Store, name: str, suffix: str) -> Path:
        """Named by address and, locally, by size and time: a tar that was written anew has another index."""
        identity = f"{store.url}\n{name}"
        if store.is_local:
            stat = os.stat(store.path(name))
            identity += f"\n{stat.st_size}\n{stat.st_mtime_ns}"
        return self.folder / (hashlib.sha256(identity.encode()).hexdigest()[:32] + suffix)
