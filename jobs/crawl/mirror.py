"""A crawl whose output is a store of objects: it works in a folder of its node, and what is whole goes to the store.

Archives are sent once they are whole, then the frontier as it was before: it names none that is not there but the one
in hand. Who goes on elsewhere, after the node is lost, has the last frontier that was sent, and visits again what that
one had in hand and what it does not know.
"""

import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from crawlers.outcomes import archive_in_hand
from schemas.storage import Store

_FRONTIER, _WARCS = "work/frontier", "warc"


class Mirror:
    """Of one partition: the folder `scratch` of this node, and the folder `name` of the store."""

    def __init__(self, store: Store, name: str, scratch: Path, partition: int) -> None:
        self._store, self._name, self._scratch, self._partition = store, name, scratch, partition
        self._frontier = f"{_FRONTIER}/{partition:03d}.sqlite"
        self._sent: set[str] = set()
        self._publishing = threading.Lock()  # who stops waiting for it does not end it

    def restore(self) -> None:
        """What the store holds; of archives only that they are there. Those that its frontier does not know of, because
        their sender was lost before it could send that, are removed: their names are given again."""
        prefix, last = f"weft-{self._partition:03d}-", ""
        (self._scratch / _WARCS).mkdir(parents=True, exist_ok=True)
        if self._store.exists(f"{self._name}/{self._frontier}"):
            (self._scratch / _FRONTIER).mkdir(parents=True, exist_ok=True)
            fetch_file(self._store, f"{self._name}/{self._frontier}", self._scratch / self._frontier)
            last = archive_in_hand(self._scratch / self._frontier)
        there = [name for name in self._store.list(f"{self._name}/{_WARCS}") if name.startswith(prefix)]
        self._sent = {name for name in there if name <= last}
        self._store.remove_all([f"{self._name}/{_WARCS}/{name}" for name in there if name > last])
        for name in self._sent:
            (self._scratch / _WARCS / name).touch()

    @property
    def has_news(self) -> bool:
        return bool(self._whole())

    def publish(self) -> None:
        """Send archives that are whole, then the frontier as it was before: what is finished meanwhile is for the next
        time."""
        with self._publishing:
            snapshot = self._scratch / "frontier.sqlite"
            with (
                closing(sqlite3.connect(self._scratch / self._frontier)) as live,
                closing(sqlite3.connect(snapshot)) as copy,
            ):
                live.backup(copy)
            for path in self._whole():
                send_file(self._store, path, f"{self._name}/{_WARCS}/{path.name}")
                self._sent.add(path.name)
                path.write_bytes(b"")  # the node has no more use for it
            send_file(self._store, snapshot, f"{self._name}/{self._frontier}")
            snapshot.unlink()

    def _whole(self) -> list[Path]:
        found = sorted((self._scratch / _WARCS).glob("weft-*.warc.gz"))
        return [path for path in found if path.name not in self._sent]


def send_file(store: Store, path: Path, name: str) -> None:
    """Write a file of this machine to a store of objects, where it appears whole."""
    with path.open("rb") as source, store.create(name) as target:
        shutil.copyfileobj(source, target, 8 << 20)


def fetch_file(store: Store, name: str, path: Path) -> None:
    with store.open(name) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target, 8 << 20)


@contextmanager
def at_hand(store: Store, name: str, changed: bool = False) -> Iterator[Path]:
    """A file of a store on this machine: the file itself, or a copy that is sent back where it is `changed`."""
    if store.is_local:
        yield Path(store.path(name))
        return
    with tempfile.TemporaryDirectory(prefix="weft-") as scratch:
        path = Path(scratch) / "file"
        fetch_file(store, name, path)
        yield path
        if changed:
            send_file(store, path, name)
