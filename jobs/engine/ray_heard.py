"""What tasks on Ray tell of how far they are reaches the driver through an actor, started where a job lasts."""

import secrets
import time
from typing import Any

import ray as typed_ray

from jobs.engine.within import Watch

ray: Any = typed_ray

#: A job that is over before needs no actor.
_LASTS_S = 3.0
_ASK_EVERY_S = 1.0


class Ear:
    """The actor."""

    def __init__(self) -> None:
        self._told: dict[int, float] = {}

    def tell(self, partition: int, share: float) -> None:
        self._told[partition] = share

    def hear(self) -> dict[int, float]:
        """What was told since it was last asked for."""
        told, self._told = self._told, {}
        return told


def tell_by_name(name: str, partition: int, share: float) -> None:
    """In a task: tell the actor of that name, if there is one yet. It is not waited for."""
    try:
        ray.get_actor(name).tell.remote(partition, share)
    except (ValueError, ray.exceptions.RayError):  # there is none yet, or no more
        pass


class Heard:
    """The driver's end. What goes wrong with it costs the sight of the progress, and nothing else."""

    def __init__(self) -> None:
        self.name = f"weft-progress-{secrets.token_hex(8)}"
        self._actor: Any = None
        self._answer: Any = None
        self._opened, self._next = time.monotonic(), 0.0

    def hand_on(self, watch: Watch) -> None:
        """Hand what was heard to `watch`; waits for nothing."""
        now = time.monotonic()
        if now - self._opened < _LASTS_S:
            return
        try:
            if self._actor is None:
                self._actor = ray.remote(num_cpus=0)(Ear).options(name=self.name).remote()
            if self._answer is not None:
                done, _ = ray.wait([self._answer], timeout=0)
                if not done:
                    return
                answer, self._answer = self._answer, None
                for partition, share in ray.get(answer).items():
                    watch(partition, share)
            elif now >= self._next:
                self._answer, self._next = self._actor.hear.remote(), now + _ASK_EVERY_S
        except (ValueError, ray.exceptions.RayError):
            self._actor, self._answer, self._opened = None, None, now

    def close(self) -> None:
        """End the actor."""
        if self._actor is not None:
            try:
                ray.kill(self._actor)
            except (ValueError, ray.exceptions.RayError):
                pass
            self._actor = self._answer = None
