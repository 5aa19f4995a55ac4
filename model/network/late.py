"""Weights that are made late: a model is built without memory, and each of its tensors is made when its place is known.

    late = Late()
    with late.making():
        model = ...                  # tensors on the meta device: shapes, and how their values come about
    weight = late.value(parameter)   # one tensor, in the CPU's memory, as it would have been made at once

What is done to tensors on the meta device is written down and done anew, for one tensor, when its value is asked for.
Random numbers are those that would have been drawn: the generator's state before each draw is kept, and is moved on.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map

_META = torch.device("meta")
_ATEN = torch.ops.aten
#: They put something in every place of a tensor, whatever was there.
_FILLING = {_ATEN.normal_.default, _ATEN.uniform_.default, _ATEN.zero_.default, _ATEN.fill_.Scalar}
#: What makes tensors from nothing, and can be told where. Not `torch.tensor`: its values are there already.
_MAKING = {
    torch.empty, torch.empty_strided, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.randint,
    torch.randperm, torch.arange, torch.linspace, torch.logspace, torch.eye,
}  # fmt: skip

_UNDRAWN = torch.empty(0)  # in place of a generator's state
_ASKED = torch.Tensor.is_meta

Key = int  # of a storage, which tensors that are views of one another share


@dataclass(frozen=True)
class _Call:
    """Something that was done to tensors, at `generator` of the CPU if it draws."""

    function: Any
    args: Any
    kwargs: Any
    made: Any  # what it gave, on the meta device
    generator: torch.Tensor | None
    fills: bool  # all of the one storage that it writes to, whatever was there


class Late(TorchDispatchMode):
    """Writes down, while it is entered, how tensors on the meta device come about."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._calls: list[_Call] = []
        self._writes: dict[Key, list[int]] = {}  # of each storage, the calls that write to it
        self._read: dict[Key, tuple[torch.Tensor, Callable[[], torch.Tensor]]] = {}
        self._draws = True

    @contextmanager
    def making(self) -> Iterator[None]:
        """Within it tensors are made on the meta device where no other is named."""
        with self, _Elsewhere():
            yield

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Within it nothing is drawn on the meta device: other values take the place of what would be."""
        before, self._draws = self._draws, False
        try:
            with self:
                yield
        finally:
            self._draws = before

    def source(self, shape: list[int], dtype: torch.dtype, read: Callable[[], torch.Tensor]) -> torch.Tensor:
        """A tensor whose value is read when it is asked for."""
        tensor = torch.empty(shape, dtype=dtype, device=_META)
        self._read[_key(tensor)] = tensor, read
        return tensor

    @torch.no_grad()
    def value(self, tensor: torch.Tensor) -> torch.Tensor:
        """What stands in a tensor, in the CPU's memory; one that is not on the meta device is given back as it is.

        Raises `KeyError` for a tensor that was not made here, and what a reader raises.
        """
        tensor = tensor.detach()
        if not _yet(tensor):
            return tensor
        with torch.random.fork_rng(devices=[]):
            return _Made(self._calls, self._writes, self._read).tensor(tensor, len(self._calls))

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if not _is_late((args, kwargs)):
            return function(*args, **kwargs)
        if function is _ATEN._to_copy.default:
            kwargs["device"] = _META  # to the CPU: that is where it will be made
        written = _written(function, args, kwargs)
        if any(not _yet(tensor) for tensor in written) or not _gives_tensors(function):
            return function(*tree_map(self._now, args), **tree_map(self._now, kwargs))
        made = function(*tree_map(_shape, args), **tree_map(_shape, kwargs))
        known = {_key(tensor) for tensor in _tensors((args, kwargs))}
        touched = {_key(tensor) for tensor in written}
        touched |= {key for tensor in _tensors(made) if (key := _key(tensor)) not in known}
        if touched:
            self._note(function, args, kwargs, made, written, touched)
        return made

    def _note(
        self, function: Any, args: Any, kwargs: Any, made: Any, written: list[torch.Tensor], touched: set[Key]
    ) -> None:
        draws = torch.Tag.nondeterministic_seeded in function.tags
        state = (torch.get_rng_state() if self._draws else _UNDRAWN) if draws else None
        fills = function in _FILLING and args[0].numel() * args[0].element_size() == args[0].untyped_storage().nbytes()
        for key in touched:
            self._writes.setdefault(key, []).append(len(self._calls))
        kept_args, kept_kwargs, kept_made = tree_map(_kept, (args, kwargs, made))
        self._calls.append(_Call(function, kept_args, kept_kwargs, kept_made, state, fills))
        if draws and self._draws:
            # The same draw, thrown away, moves the generator on.
            targets = {id(tensor): torch.empty_like(tensor, device="cpu") for tensor in written}
            real = tree_map(lambda x: targets[id(x)] if id(x) in targets else self._now(x), (args, kwargs))
            function(*real[0], **_on_cpu(real[1]))

    def _now(self, value: Any) -> Any:
        return self.value(value) if isinstance(value, torch.Tensor) else value


def making(late: Late | None) -> AbstractContextManager[None]:
    """`late.making()`; without it tensors are made at once."""
    return nullcontext() if late is None else late.making()


class _Made:
    """What was made for one value: storages, each as it was before some call."""

    def __init__(
        self, calls: list[_Call], writes: dict[Key, list[int]], read: dict[Key, tuple[torch.Tensor, Callable[[], Any]]]
    ) -> None:
        self._calls, self._writes, self._read = calls, writes, read
        self._storages: dict[tuple[Key, int], torch.UntypedStorage] = {}

    def tensor(self, tensor: torch.Tensor, until: int) -> torch.Tensor:
        return _view(tensor, self._storage(tensor, until))

    def _storage(self, tensor: torch.Tensor, until: int) -> torch.UntypedStorage:
        """That of a tensor, as it was before call `until`."""
        key = _key(tensor)
        writes = [number for number in self._writes.get(key, []) if number < until]
        if (key, len(writes)) not in self._storages:
            self._storages[key, len(writes)] = self._made(tensor, key, writes)
        return self._storages[key, len(writes)]

    def _made(self, tensor: torch.Tensor, key: Key, writes: list[int]) -> torch.UntypedStorage:
        storage: torch.UntypedStorage | None = None
        if key in self._read:
            like, read = self._read[key]
            storage = _laid(read().to(like.dtype), like).untyped_storage()
            if writes:
                storage = storage.clone()
        elif not writes:
            raise KeyError(f"a tensor of shape {tuple(tensor.shape)} was made elsewhere")
        filled = max((place for place, number in enumerate(writes) if self._calls[number].fills), default=0)
        if self._calls[writes[filled]].fills if writes else False:
            storage = torch.UntypedStorage(tensor.untyped_storage().nbytes(), device="cpu")
        for number in writes[filled:]:
            storage = self._again(number, key, storage)
        assert storage is not None
        return storage

    def _again(self, number: int, key: Key, storage: torch.UntypedStorage | None) -> torch.UntypedStorage:
        """A call, done with real tensors; `storage` is that of `key` so far, None if the call makes it."""
        call = self._calls[number]

        def real(value: Any) -> Any:
            if not isinstance(value, torch.Tensor) or not _yet(value):
                return value
            if storage is not None and _key(value) == key:
                return _view(value, storage)
            return self.tensor(value, number)

        args, kwargs = tree_map(real, call.args), _on_cpu(tree_map(real, call.kwargs))
        if call.generator is _UNDRAWN:
            raise KeyError("a tensor was never drawn")
        if call.generator is not None:
            torch.set_rng_state(call.generator)
        made = call.function(*args, **kwargs)
        if storage is not None:
            return storage
        both = zip(_tensors(call.made), _tensors(made), strict=True)
        return next(_laid(found, like).untyped_storage() for like, found in both if _key(like) == key)


class _Elsewhere(TorchFunctionMode):
    """Makes tensors on the meta device where none is named.

    `torch.device("meta")` does so too, but transformers and torch see it, and then draw no weights: none is to.
    """

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if getattr(function, "__self__", None) is _ASKED:
            return False
        if function in _MAKING and kwargs.get("device") is None and kwargs.get("out") is None:
            kwargs["device"] = _META
        return function(*args, **kwargs)


def _key(tensor: torch.Tensor) -> Key:
    return int(tensor.untyped_storage()._cdata)


def _yet(tensor: torch.Tensor) -> bool:
    return tensor.device.type == "meta"


def _tensors(tree: Any) -> Iterator[torch.Tensor]:
    return (leaf for leaf in tree_iter(tree) if isinstance(leaf, torch.Tensor))


def _is_late(tree: tuple[Any, dict[str, Any]]) -> bool:
    wanted = tree[1].get("device")
    return (wanted is not None and torch.device(wanted) == _META) or any(_yet(tensor) for tensor in _tensors(tree))


def _written(function: Any, args: Any, kwargs: dict[str, Any]) -> list[torch.Tensor]:
    found = []
    for number, argument in enumerate(function._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            found.append(args[number] if number < len(args) else kwargs.get(argument.name))
    return list(_tensors(found))


def _gives_tensors(function: Any) -> bool:
    """Not so `item`, or a comparison: somebody wants to know now."""
    return any("Tensor" in str(returned.type) for returned in function._schema.returns)


def _kept(value: Any) -> Any:
    """As it is now: `parameter.data = ...` gives a tensor another storage."""
    return value.detach() if isinstance(value, torch.Tensor) and _yet(value) else value


def _shape(value: Any) -> Any:
    """Real tensors have no place in a call on the meta device."""
    if isinstance(value, torch.Tensor) and not _yet(value) and value.ndim:
        return torch.empty_like(value, device=_META)
    return value


def _on_cpu(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {**kwargs, "device": torch.device("cpu")} if kwargs.get("device") is not None else kwargs


def _view(like: torch.Tensor, storage: torch.UntypedStorage) -> torch.Tensor:
    """The tensor that looks into a storage as `like` does into its own."""
    empty = torch.empty(0, dtype=like.dtype)
    return empty.set_(storage, like.storage_offset(), like.shape, like.stride())


def _laid(found: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """With its numbers in memory where `like` has them."""
    same = found.stride() == like.stride() and found.storage_offset() == like.storage_offset() == 0
    if same and found.untyped_storage().nbytes() == like.untyped_storage().nbytes():
        return found
    return torch.empty_strided(like.shape, like.stride(), dtype=found.dtype).copy_(found)
