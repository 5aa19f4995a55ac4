"""Models of transformers from local folders, as `save_pretrained` writes them."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from model.network.late import Late

_ONE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_UNTHREADED = "HF_DEACTIVATE_ASYNC_LOAD"  # of transformers


def load_folder(auto: Any, folder: str, late: Late | None = None, **options: Any) -> Any:
    """A model by one of transformers' classes for loading; nothing is downloaded.

    With `late`, its weights are read when they are asked for, each by itself, from safetensors files. What lies in
    another form, or is quantised, is read at once. Raises `ValueError` and `OSError`.
    """
    try:
        files = _files(Path(folder)) if late is not None else []
        if late is None or not files:
            return auto.from_pretrained(folder, local_files_only=True, trust_remote_code=False, **options)
        return _load_late(auto, folder, files, late, options)
    except SafetensorError as error:
        raise OSError(f"its safetensors are damaged: {error}") from None


def _files(folder: Path) -> list[Path]:
    """The safetensors files of a model, as transformers looks for them; none where it takes something else."""
    if "quantization_config" in json.loads((folder / "config.json").read_text("utf-8")):
        return []
    if (folder / "adapter_config.json").exists():
        return []
    if (folder / _ONE).is_file():
        return [folder / _ONE]
    if (folder / _INDEX).is_file():
        names = json.loads((folder / _INDEX).read_text("utf-8"))["weight_map"].values()
        return [folder / name for name in sorted(set(names))]
    return []


def _load_late(auto: Any, folder: str, files: list[Path], late: Late, options: dict[str, Any]) -> Any:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    state = {}
    for file in files:
        opened: Any = safe_open(file, framework="pt")
        for name in opened.keys():  # noqa: SIM118
            part = opened.get_slice(name)
            state[name] = late.source(part.get_shape(), _dtype(part.get_dtype()), partial(opened.get_tensor, name))
    with torch.device("meta"):
        kind = type(auto.from_config(config))
    # transformers renames, splits, joins and casts: of all this, too, there are only notes.
    with late.loading(), _in_this_thread():
        model = kind.from_pretrained(None, config=config, state_dict=state, **options)
    model.config.name_or_path = folder
    return model


@contextmanager
def _in_this_thread() -> Iterator[None]:
    """Notes are taken in the thread that asks for them."""
    before = os.environ.get(_UNTHREADED)
    os.environ[_UNTHREADED] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_UNTHREADED]
        else:
            os.environ[_UNTHREADED] = before


def _dtype(name: str) -> torch.dtype:
    from safetensors.torch import _getdtype

    dtype: torch.dtype = _getdtype(name)
    return dtype
