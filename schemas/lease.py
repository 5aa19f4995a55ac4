"""Who works on something that one may work on at a time, over machines that share only a store."""

import time

from schemas.storage import Store, new_attempt


class Lease:
    """Files below `name`: a number for each owner there was, made exclusively, and how often it has said it lives.

    No clocks are compared: an owner is taken for dead when it has not been heard for `patience_s` of who waits.
    """

    def __init__(self, store: Store, name: str, patience_s: float = 60.0) -> None:
        self._store, self._name, self._patience_s = store, name, patience_s
        self._number, self._beats, self._heard_at = 0, 0, 0.0

    def take(self, wait_s: float = 0.05) -> None:
        """Wait until whoever has it gives it back or is dead, and take it."""
        seen, since = (0, b""), time.monotonic()
        while True:
            last = self._last()
            state = self._state(last)
            if (last, state) != seen:
                seen, since = (last, state), time.monotonic()
            is_free = not last or state == b"end" or time.monotonic() - since >= self._patience_s
            if is_free and self._store.put_if_absent(self._of(last + 1), new_attempt().encode()):
                self._number, self._heard_at = last + 1, time.monotonic()
                return
            time.sleep(min(wait_s, self._patience_s))
            wait_s = min(2 * wait_s, 2.0)

    def beat(self) -> bool:
        """Say that the owner lives; returns whether it still is the owner. It is to stop where it is not, and where it
        could not say so for half the patience of others."""
        try:
            if self._last() == self._number:
                self._beats += 1
                self._store.put(f"{self._of(self._number)}.state", b"%d" % self._beats)
                self._heard_at = time.monotonic()
                return True
            return False
        except OSError:
            return time.monotonic() - self._heard_at < self._patience_s / 2

    def give_back(self) -> None:
        if self._number and self._last() == self._number:
            self._store.put(f"{self._of(self._number)}.state", b"end")
        self._number = 0

    def _last(self) -> int:
        return max((int(name) for name in self._store.list(self._name) if name.isdigit()), default=0)

    def _state(self, number: int) -> bytes:
        name = f"{self._of(number)}.state"
        return self._store.read(name) if number and self._store.exists(name) else b""

    def _of(self, number: int) -> str:
        return f"{self._name}/{number:06d}"
