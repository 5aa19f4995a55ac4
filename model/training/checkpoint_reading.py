"""Reading a checkpoint without running what stands in it.

`torch.distributed.checkpoint` keeps its table of contents and all that is no tensor as pickles, which can name any
function. Here only what describes tensors may be named in them.
"""

import io
import pickle
from pathlib import Path, PosixPath
from typing import Any

import torch
from torch.distributed.checkpoint import metadata as descriptions
from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner
from torch.distributed.checkpoint.filesystem import FileSystemReader, _StorageInfo
from torch.distributed.checkpoint.metadata import Metadata, StorageMeta
from torch.distributed.checkpoint.planner import ReadItem
from torch.serialization import _get_layout

from model.training.checkpoint_files import Files, folder_store

METADATA = ".metadata"
_NAMED: dict[tuple[str, str], Any] = {
    (_StorageInfo.__module__, "_StorageInfo"): _StorageInfo,
    ("torch", "Size"): torch.Size,
    ("torch.serialization", "_get_layout"): _get_layout,
    ("pathlib", "PosixPath"): PosixPath,
    ("pathlib._local", "PosixPath"): PosixPath,  # as Python 3.13 names it
}


class Reader(FileSystemReader):
    """Reads the files of a folder, which may be a URL."""

    def __init__(self, folder: str | Path) -> None:
        super().__init__("")
        self.fs: Any = Files(folder_store(folder))
        self.path: Any = ""

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        """Raises `pickle.UnpicklingError` where it names what describes no tensor, and `OSError`."""
        with self.fs.create_stream(METADATA, "rb") as file:
            metadata = _Unpickler(file).load()
        if not isinstance(metadata, Metadata):
            raise pickle.UnpicklingError(f"{METADATA} holds a {type(metadata).__name__}")
        metadata.storage_meta = getattr(metadata, "storage_meta", None) or StorageMeta()
        metadata.storage_meta.load_id = self.load_id
        return metadata


class Planner(DefaultLoadPlanner):
    """Puts what is no tensor, such as rates of the optimiser, where it belongs."""

    def load_bytes(self, read_item: ReadItem, value: io.BytesIO) -> None:
        """Raises `pickle.UnpicklingError` for what torch does not take for plain data."""
        plain = io.BytesIO()
        torch.save(torch.load(value, weights_only=True), plain)
        plain.seek(0)
        super().load_bytes(read_item, plain)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _NAMED:
            return _NAMED[module, name]
        if module == descriptions.__name__:
            found: Any = descriptions
            for part in name.split("."):  # some are classes in classes
                found = getattr(found, part, None)
            if isinstance(found, type) and found.__module__ == module:
                return found
        if module == "torch" and isinstance(found := getattr(torch, name, None), torch.dtype):
            return found
        raise pickle.UnpicklingError(f"{METADATA} names {module}.{name}, which describes no tensor")
