"""What the workers of a run's loader are."""

from model.data.config import LoaderConfig
from model.data.processes import Processes
from model.data.workers import MakeWorkers


def workers_of(config: LoaderConfig, device_type: str = "cpu") -> MakeWorkers | None:
    """What makes the workers; None where the loader knows. Raises `SettingsError`.

    Threads that decode hold the interpreter while the loop wants to start kernels; a CPU that trains gains nothing from
    processes.
    """
    if config.read.workers_are == "auto" and device_type == "cuda":
        return Processes
    if config.read.workers_are != "ray":
        return None
    from jobs.engine.ray_rows import RayWorkers, join_cluster

    join_cluster()
    return RayWorkers
