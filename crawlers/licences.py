"""RSL documents that sites name: each is fetched once by a worker, in its host's turn, and bounded.

They are read as policy files are: robots.txt has no say over what it names itself.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable

from crawlers.site_policy import Licence, licence_signal
from schemas.drops import Drop
from schemas.rsl import MAX_RSL_BYTES
from schemas.signals import Signal

_HELD_BYTES = 32 << 20
#: Gives the body of an address; None where the server says that there is none. Raises `Drop`.
Fetch = Callable[[str], Awaitable[bytes | None]]


async def fetch_licence(fetch: Fetch, url: str) -> Licence:
    """The document at an address; an empty one where it cannot be had, is no text, or is too long."""
    try:
        body = await fetch(url) or b""
    except Drop:
        body = b""
    text = body.decode("utf-8", "replace") if len(body) <= MAX_RSL_BYTES else ""
    return Licence(url, text)


class Licences:
    """The documents that a worker has met, the last of them held."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Licence] = OrderedDict()
        self._asked: dict[str, asyncio.Lock] = {}
        self._held = 0

    async def signals(self, addresses: Iterable[str], url: str, fetch: Fetch) -> tuple[Signal, ...]:
        """What the documents at some addresses say of `url`."""
        return tuple([licence_signal(await self._get(address, fetch), url) for address in addresses])

    async def _get(self, address: str, fetch: Fetch) -> Licence:
        lock = self._asked.setdefault(address, asyncio.Lock())
        async with lock:
            if address not in self._known:
                self._keep(await fetch_licence(fetch, address))
            licence = self._known[address]
        if not lock.locked():
            self._asked.pop(address, None)
        return licence

    def _keep(self, licence: Licence) -> None:
        self._known[licence.url] = licence
        self._held += len(licence.document) + 200
        while self._held > _HELD_BYTES and len(self._known) > 1:
            _, old = self._known.popitem(last=False)
            self._held -= len(old.document) + 200
