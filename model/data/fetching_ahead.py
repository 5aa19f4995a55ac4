"""Shards of other machines that are fetched into the cache before their turn, a few at a time."""

from concurrent.futures import Future, ThreadPoolExecutor

from model.data.cache import Cache
from schemas.storage import Store

_IN_FLIGHT = 2


class FetchingAhead:
    """For use by one thread. `max_bytes` bounds what was fetched and is not opened yet; what is on its way comes on
    top, and one shard may always be ahead, however large."""

    def __init__(self, cache: Cache, max_bytes: int) -> None:
        self._cache, self._max_bytes = cache, max_bytes
        self._asked: dict[tuple[str, str], Future[int]] = {}
        self._pool = ThreadPoolExecutor(_IN_FLIGHT, "weft-fetch")

    def ask(self, store: Store, name: str) -> bool:
        """Whether it is here or on its way: not where too much is."""
        asked = store.url, name
        if asked in self._asked or self._cache.has(store, name):
            return True
        done = [fetch for fetch in self._asked.values() if fetch.done()]
        waiting = sum(fetch.result() for fetch in done if fetch.exception() is None)
        if len(self._asked) - len(done) >= _IN_FLIGHT or waiting >= self._max_bytes:
            return False
        self._asked[asked] = self._pool.submit(self._cache.fetch, store, name)
        return True

    def open(self, store: Store, name: str) -> int:
        """As `Cache.open`, which fetches what is not on its way."""
        if (fetch := self._asked.pop((store.url, name), None)) is not None and not fetch.cancel():
            fetch.exception()  # waits; what has failed is tried again, and told then
        return self._cache.open(store, name)

    def close(self) -> None:
        """What is on its way is waited for: it is another's to use."""
        self._pool.shutdown(cancel_futures=True)
