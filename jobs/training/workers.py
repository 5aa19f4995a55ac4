"""Workers of a loader that are not of its machine."""

from model.data.config import LoaderConfig
from model.data.workers import MakeWorkers


def workers_of(config: LoaderConfig) -> MakeWorkers | None:
    """What makes the workers; None where the loader does, threads and processes. Raises `SettingsError`."""
    if config.read.workers_are != "ray":
        return None
    from jobs.engine.ray_rows import RayWorkers, join_cluster

    join_cluster()
    return RayWorkers
