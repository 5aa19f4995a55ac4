"""The processes of a run: who they are, what they agree on, and how the model is laid out over them."""

import datetime
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

from model.network.flamingo import Flamingo
from model.network.late import Late
from model.training.config import ParallelSettings
from model.training.placing import make_weights, weights_by_name
from model.training.tensor_parallel import Cut, cut_layers
from schemas.settings import SettingsError


class Processes:
    """This process among those of the run. With one process every agreement is what that one says.

    `tensor` processes that follow one another share the layers of the language model, and read the same rows.
    """

    def __init__(
        self,
        rank: int,
        world: int,
        device: torch.device,
        group: dist.ProcessGroup | None = None,
        tensor: int = 1,
        timeout: datetime.timedelta | None = None,
    ) -> None:
        """`timeout`: how long they wait for one another."""
        self.rank, self.world, self.device, self.group, self.tensor = rank, world, device, group, tensor
        self._timeout = timeout

    def apart(self) -> "Processes":
        """The same processes with agreements of their own, by way of the CPU, for another thread. All call it."""
        if self.world == 1:
            return self
        # Without a time of its own a group has half an hour, whatever the others have.
        group = dist.new_group(backend="gloo", timeout=self._timeout)
        return Processes(self.rank, self.world, torch.device("cpu"), group, self.tensor, self._timeout)

    @property
    def reader(self) -> int:
        """Which of `readers` this process is: those of one number read the same rows."""
        return self.rank // self.tensor

    @property
    def readers(self) -> int:
        return self.world // self.tensor

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Of a small tensor, over all processes; the same on each."""
        if self.world > 1:
            values = values.to(self.device)
            dist.all_reduce(values, group=self.group)
        return values

    def gather(self, value: Any) -> list[Any]:
        """What each process gave, in order; on every process. Values are pickled: for what is small and rare."""
        if self.world == 1:
            return [value]
        gathered: list[Any] = [None] * self.world
        dist.all_gather_object(gathered, value, group=self.group)
        return gathered

    def wait(self) -> None:
        if self.world > 1:
            dist.barrier(self.group)


@contextmanager
def join(settings: ParallelSettings) -> Iterator[Processes]:
    """This process as `torchrun` (or Ray Train) started it: RANK, WORLD_SIZE, LOCAL_RANK; alone without them.

    A process group that exists already is used and left. Processes may join again, each as often as the others.
    Raises `SettingsError` for a device that is not there, and where processes do not find one another.
    """
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    if world % settings.tensor:
        raise SettingsError(f"parallel.tensor is {settings.tensor}, of which {world} process(es) are no multiple")
    device = _device(settings, int(os.environ.get("LOCAL_RANK", "0")))
    if settings.threads:
        torch.set_num_threads(settings.threads)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    ours = world > 1 and not dist.is_initialized()
    timeout = datetime.timedelta(seconds=settings.timeout_s)
    if ours:
        backend = "nccl" if device.type == "cuda" else "gloo"
        store = _meeting_place(timeout).next()
        dist.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=timeout)
    processes = Processes(rank, world, device, tensor=settings.tensor, timeout=timeout)
    try:
        yield processes
        if ours:
            # What is still on its way, as layers gathered ahead, must not arrive when this process is at its end.
            with suppress(RuntimeError):  # another may have failed, and is gone
                processes.wait()
    finally:
        if ours:
            dist.destroy_process_group()


class _MeetingPlace:
    """Where the processes find one another, for as long as this one lives.

    A store of each group's own would be gone, or hold addresses of the group before, for a process that is early.
    """

    def __init__(self, timeout: datetime.timedelta) -> None:
        try:
            self._store, _, _ = next(rendezvous("env://", timeout=timeout))
        except (ValueError, dist.DistError) as error:
            raise SettingsError(f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, but {str(error).splitlines()[0]}") from None
        self._joined = 0

    def next(self) -> Store:
        """For the next group: it reads nothing that those before have written."""
        self._joined += 1
        return PrefixStore(f"weft-{self._joined}", self._store)


_meeting_places: dict[tuple[str | None, ...], _MeetingPlace] = {}


def _meeting_place(timeout: datetime.timedelta) -> _MeetingPlace:
    named = tuple(os.environ.get(name) for name in ("MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE"))
    if named not in _meeting_places:
        _meeting_places[named] = _MeetingPlace(timeout)
    return _meeting_places[named]


def _device(settings: ParallelSettings, local_rank: int) -> torch.device:
    has_gpu = torch.cuda.is_available()
    if settings.device == "cuda" and not has_gpu:
        raise SettingsError("parallel.device is cuda, but torch sees no GPU here")
    if settings.device == "cpu" or not has_gpu:
        return torch.device("cpu")
    if local_rank >= torch.cuda.device_count():
        raise SettingsError(f"{local_rank + 1} processes on this machine, but only {torch.cuda.device_count()} GPUs")
    return torch.device("cuda", local_rank)


class ParallelModel:
    """A model laid out over the processes: `module` is what is called, `model` holds the names.

    Gradients are summed over processes only where they are asked for, at the last of the backward passes of a step.
    """

    def __init__(
        self,
        model: Flamingo,
        settings: ParallelSettings,
        processes: Processes,
        packed: bool = True,
        late: Late | None = None,
    ) -> None:
        """`packed`: whether rows hold several documents. Raises `SettingsError` where the language model mixes them.

        `late`: what the weights are made of, if the model has none yet.
        """
        self.model = model
        self._settings, self._processes = settings, processes
        lowered = torch.bfloat16 if settings.precision == "bfloat16" else None
        known = weights_by_name(model)
        if lowered is not None:
            _store_frozen(model, lowered)
        if late is None:
            model.to(processes.device)
        cuts: dict[str, Cut] = {}
        if self.is_sharded:
            meshes = _Meshes.of(processes)
            if meshes.tensor is not None:
                cuts = cut_layers(model, meshes.tensor)
            _shard(model, lowered, getattr(torch, settings.reduce), meshes)
        if late is not None:
            make_weights(model, late, known, processes.device, cuts)
        with self.autocast():
            model.settle_packing(packed)
        if settings.activation_checkpointing:
            model.wrap_layers(lambda forward: partial(checkpoint, forward, use_reentrant=False))
        if settings.compile:
            model.compile_layers()
        self.module: nn.Module = model
        if self.is_sharded:
            sharded: Any = model
            sharded.reshard()  # settling has gathered what lies with the root
        elif processes.world > 1:
            devices = [processes.device] if processes.device.type == "cuda" else None
            self.module = DistributedDataParallel(model, device_ids=devices)
            if settings.reduce == "bfloat16":
                self.module.register_comm_hook(None, _mean_in_half)

    @property
    def is_sharded(self) -> bool:
        """Whether this process holds a share of the model, not all of it."""
        return self._processes.world > 1 and self._settings.strategy == "fsdp"

    def summing(self, wanted: bool) -> None:
        """Whether the next backward pass sums gradients over processes."""
        if isinstance(self.module, DistributedDataParallel):
            self.module.require_backward_grad_sync = wanted
        elif self._processes.world > 1:
            sharded: Any = self.module
            sharded.set_requires_gradient_sync(wanted)

    def autocast(self) -> AbstractContextManager[object]:
        if self._settings.precision == "float32":
            return nullcontext()
        return torch.autocast(self._processes.device.type, torch.bfloat16)


def makes_late(settings: ParallelSettings, processes: Processes) -> bool:
    """Whether weights are made one by one where they will lie. A CPU that holds them all makes them at once."""
    return processes.device.type != "cpu" or (processes.world > 1 and settings.strategy == "fsdp")


def _store_frozen(model: Flamingo, dtype: torch.dtype) -> None:
    for parameter in model.parameters():
        if not parameter.requires_grad:
            parameter.data = parameter.data.to(dtype)


def _mean_in_half(
    state: object,
    bucket: dist.GradBucket,  # type: ignore[name-defined]
) -> torch.futures.Future[torch.Tensor]:
    """PyTorch's own hook for it wants NCCL; this one is the same over gloo."""
    half = bucket.buffer().to(torch.bfloat16) / dist.get_world_size()
    whole: Any = dist.all_reduce(half, async_op=True)
    future: torch.futures.Future[torch.Tensor] = whole.get_future().then(lambda done: done.value()[0].float())
    return future


class _Meshes(NamedTuple):
    """How the processes stand: in a row, and where they share layers those that hold the same parts in rows too."""

    all: Any  # a DeviceMesh
    alike: Any
    tensor: dist.ProcessGroup | None  # those that share this one's layers

    @classmethod
    def of(cls, processes: Processes) -> "_Meshes":
        from torch.distributed.device_mesh import init_device_mesh

        # Without a mesh FSDP takes the GPU of a machine that has one, though the model lies on the CPU.
        device = processes.device.type
        whole = init_device_mesh(device, (processes.world,))
        if processes.tensor == 1:
            return cls(whole, whole, None)
        grid = init_device_mesh(device, (processes.readers, processes.tensor), mesh_dim_names=("alike", "tensor"))
        return cls(whole, grid["alike"], grid["tensor"].get_group())


def _shard(model: Flamingo, lowered: torch.dtype | None, summed: torch.dtype, meshes: _Meshes) -> None:
    """FSDP2: each layer, each block and the connector by itself, and what is left with the root.

    What is trained is kept in float32 and gathered in the lower precision; gradients are summed in `summed`, over all
    processes: those that read the same rows have the same, up to rounding, and go on with the mean of theirs.
    """
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method

    # Autocast sees to what the modules are given; FSDP would cast the numbers in spans, too.
    policy = MixedPrecisionPolicy(param_dtype=lowered, reduce_dtype=summed, cast_forward_inputs=False)
    for layer in model.layers:
        fully_shard(layer, mesh=meshes.alike, mp_policy=policy)
    for part in (*model.blocks, model.connector, model):
        fully_shard(part, mesh=meshes.all, mp_policy=policy)
    # They run the language model, whose layers must be gathered as in `forward`.
    register_fsdp_forward_method(model, "settle_packing")
    for block in model.blocks:
        register_fsdp_forward_method(block, "see")
