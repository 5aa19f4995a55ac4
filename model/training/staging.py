"""A copy of what is trained, in the CPU's memory: training goes on while it is written."""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import torch
from torch.utils._pytree import tree_map

_Kind = tuple[torch.Size, torch.dtype]


class Staging:
    """Memory for one copy, used again for the next; pinned where tensors lie on a GPU, for fast copies."""

    def __init__(self, device: torch.device | None = None) -> None:
        """`device`: where the tensors lie; None: this machine's memory."""
        self._stream = torch.cuda.Stream(device) if device is not None and device.type == "cuda" else None
        self._free: dict[_Kind, list[torch.Tensor]] = {}
        self._used: list[torch.Tensor] = []
        self._preparing: threading.Thread | None = None
        self._closed = False

    def prepare(self, tensors: Iterable[torch.Tensor], copies: int) -> None:
        """Take memory for tensors like these, in a thread: the first copy is as fast as the others then. What is not to
        be had now is asked for again by the copy, which tells."""
        wanted = [(local(tensor).shape, tensor.dtype, tensor.device.type) for tensor in tensors] * copies

        def take() -> None:
            with suppress(RuntimeError):
                for shape, dtype, device in wanted:
                    if self._closed:
                        return
                    self._free.setdefault((shape, dtype), []).append(_memory(shape, dtype, device).zero_())

        self._preparing = threading.Thread(target=take, daemon=True)
        self._preparing.start()

    def close(self) -> None:
        """End the thread: one that is within torch when the interpreter ends takes the process with it, by SIGABRT."""
        self._closed = True
        self._prepared()

    def _prepared(self) -> None:
        preparing, self._preparing = self._preparing, None
        if preparing is not None:
            preparing.join()

    def copying(self, state: Any) -> Callable[[], Any]:
        """What makes the copy, in a thread of its own: of tensors as they are once all that the device was asked for by
        now is done, beside what it is asked for later. They must not change until the copy is made."""
        stream = self._stream
        if stream is None:
            return lambda: self.copy(state)
        now = torch.cuda.current_stream(stream.device).record_event()

        def copy() -> Any:
            with torch.cuda.stream(stream):  # a thread begins with the first GPU
                stream.wait_event(now)
                return self.copy(state)

        return copy

    @torch.no_grad()
    def copy(self, state: Any) -> Any:
        """The same tree with tensors of its own; sharded ones keep their layout. The copy before is overwritten."""
        self._prepared()
        for piece in self._used:
            self._free.setdefault((piece.shape, piece.dtype), []).append(piece)
        self._used = []
        found = tree_map(lambda value: self._copied(value) if isinstance(value, torch.Tensor) else value, state)
        if any(piece.is_pinned() for piece in self._used):
            torch.cuda.current_stream().synchronize()
        return found

    def _copied(self, tensor: torch.Tensor) -> torch.Tensor:
        here = local(tensor)
        free = self._free.get((here.shape, here.dtype))
        self._used.append(free.pop() if free else _memory(here.shape, here.dtype, here.device.type))
        self._used[-1].copy_(here, non_blocking=True)
        return self._used[-1] if here is tensor else sharded_like(tensor, self._used[-1])


def local(tensor: Any) -> torch.Tensor:
    """What this process holds of a tensor."""
    found: torch.Tensor = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    return found


def sharded_like(tensor: Any, mine: torch.Tensor) -> torch.Tensor:
    """A tensor that is sharded like another, of which this process holds `mine`, wherever that lies."""
    from torch.distributed.tensor import DTensor

    # `DTensor.from_local` would move it to the devices of the mesh: a copy in the CPU's memory back to the GPU.
    whole: torch.Tensor = DTensor(mine, tensor._spec, requires_grad=False)
    return whole


def _memory(shape: torch.Size, dtype: torch.dtype, device: str) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, pin_memory=device == "cuda")
