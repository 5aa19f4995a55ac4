"""Several processes, as `torchrun` starts them on one machine."""

from collections.abc import Callable
from multiprocessing import forkserver
from typing import Any

import torch
import torch.multiprocessing as mp

from tests.ports import free_port

_IMPORTED = ("model.training.loop", "tests.model.training.makers", "transformers.models.llama.modeling_llama")


def in_processes(function: Callable[..., None], arguments: tuple[Any, ...], count: int) -> None:
    """Call a function of a module with rank, a free port and the arguments, in each of `count` processes.

    They are forks of one that has imported what they need, which takes some seconds, and has done nothing else.
    """
    forkserver.set_forkserver_preload(list(_IMPORTED))
    mp.start_processes(  # type: ignore[no-untyped-call]
        _with_a_thread, (function, free_port(), *arguments), nprocs=count, start_method="forkserver"
    )


def _with_a_thread(rank: int, function: Callable[..., None], *arguments: Any) -> None:
    torch.set_num_threads(1)  # as torchrun has it: more of them would wait for CPUs, and busily
    function(rank, *arguments)
