"""Where the files of a checkpoint lie: a store, as `torch.distributed.checkpoint` and others write to it and read."""

import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint.filesystem import FileSystemBase, FileSystemWriter

from schemas.storage import Store

_NAMES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64", torch.int32: "I32", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip
_ALIGNED = 8


class Files(FileSystemBase):
    """A store; paths are names in it. Folders are made as they are needed."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @contextmanager
    def create_stream(self, path: Any, mode: str) -> Iterator[Any]:
        with self.store.create(str(path)) if "w" in mode else self.store.open(str(path)) as stream:
            yield stream

    def concat_path(self, path: Any, suffix: str) -> str:
        return posixpath.join(str(path), suffix)

    def init_path(self, path: Any) -> str:
        return str(path)

    def rename(self, path: Any, new_path: Any) -> None:
        self.store.move(str(path), str(new_path))

    def mkdir(self, path: Any) -> None:
        """Nothing: see above."""

    def exists(self, path: Any) -> bool:
        return self.store.exists(str(path))

    def rm_file(self, path: Any) -> None:
        self.store.remove(str(path))

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: Any) -> bool:
        return True


class Writer(FileSystemWriter):
    """Writes into a store. Nothing is synced: whoever commits does that."""

    def __init__(self, store: Store) -> None:
        super().__init__("", sync_files=False)
        self.fs: Any = Files(store)
        self.path: Any = ""


def write_tensors(store: Store, name: str, tensors: Iterable[torch.Tensor], like: Mapping[str, torch.Tensor]) -> None:
    """A safetensors file of tensors that come one by one. `like` has names, dtypes and shapes, in the same order."""
    header: dict[str, Any] = {}
    end = 0
    for key, tensor in like.items():
        start, end = end, end + tensor.numel() * tensor.element_size()
        header[key] = {"dtype": _NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % _ALIGNED)
    with store.create(name) as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for tensor in tensors:
            file.write(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)


def folder_store(folder: str | Path) -> Store:
    """Raises `OSError` where the URL names a kind of storage that is not known or not installed."""
    try:
        return Store(str(folder))
    except (ValueError, ImportError) as error:
        raise OSError(f"{folder}: {error}") from None
