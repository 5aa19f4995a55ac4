"""What a job has done so far, counted for whoever watches it: on Ray for Prometheus, on each node's metrics port."""

from typing import Any

from schemas.drops import Counts


class Metrics:
    """Partitions and items by phase. This one counts nothing: in one process the progress says it."""

    def failed(self, phase: str) -> None:
        """A partition failed in every attempt."""

    def done(self, phase: str, counts: Counts) -> None:
        """A partition is committed."""


class RayMetrics(Metrics):
    """Exported by Ray as `ray_weft_*`. Only for a process that is connected to Ray."""

    def __init__(self) -> None:
        from ray.util.metrics import Counter

        self._partitions: Any = Counter("weft_partitions", "Partitions by phase and outcome.", ("phase", "outcome"))
        self._items: Any = Counter(
            "weft_items", "Pages, images, ... by phase and outcome: kept, or why not.", ("phase", "kind", "outcome")
        )

    def failed(self, phase: str) -> None:
        self._partitions.inc(1, {"phase": phase, "outcome": "failed"})

    def done(self, phase: str, counts: Counts) -> None:
        self._partitions.inc(1, {"phase": phase, "outcome": "done"})
        for kind, kept in counts.kept.items():
            self._add(phase, kind, "kept", kept)
        for kind, reasons in counts.drops.items():
            for reason, count in reasons.items():
                self._add(phase, kind, reason, count)

    def _add(self, phase: str, kind: str, outcome: str, count: int) -> None:
        if count:
            self._items.inc(count, {"phase": phase, "kind": kind, "outcome": outcome})
