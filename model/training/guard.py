"""Steps that go wrong: whether their gradient is applied, and which samples they held."""

import math
import statistics
from collections import deque
from collections.abc import Iterable

from model.training.config import GuardSettings


class TrainingError(Exception):
    """The run cannot go on; the message says why, and names samples."""


class Guard:
    """Judges each step by the global norm of its gradient, which is the same on every process."""

    def __init__(self, settings: GuardSettings, norms: Iterable[float] = ()) -> None:
        """`norms`: of the steps before these, as `norms` of their guard has them."""
        self._settings = settings
        self._norms: deque[float] = deque(norms, maxlen=settings.spike_window)
        self._in_a_row = 0
        self.reason = ""  # of the last step, if something was wrong with it

    def judge(self, norm: float) -> bool:
        """Whether the gradient is applied; `reason` then says what was found."""
        self.reason = ""
        if not math.isfinite(norm):
            self.reason = f"the gradient's norm is {norm}"
            self._in_a_row += 1
            return False
        # Of gradients that were 0, as those of data without weight, nothing is a multiple.
        usual = statistics.median(self._norms) if len(self._norms) == self._norms.maxlen else math.inf
        if usual and self._settings.spike_factor and norm > self._settings.spike_factor * usual:
            self.reason = f"the gradient's norm is {norm:.3g}, {norm / usual:.0f} times the usual"
        self._norms.append(norm)
        if self.reason and self._settings.skip_spikes:
            self._in_a_row += 1
            return False
        self._in_a_row = 0
        return True

    @property
    def norms(self) -> tuple[float, ...]:
        """What the next step is compared with."""
        return tuple(self._norms)

    @property
    def is_lost(self) -> bool:
        """So many steps in a row were left out that going on makes no sense."""
        return self._in_a_row >= self._settings.max_skipped_in_a_row
