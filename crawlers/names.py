"""Host names looked up without threads: hundreds at a time, each once, and remembered for a while. Those that nobody
answers for do not hold up the others."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import aiodns
import msgspec

from crawlers.clock import now

_AT_A_TIME, _PATIENCE_S = 256, 1.0  # names that are answered at once, or nearly
_MOST_AT_A_TIME = 4096  # those included that nobody answers for
_QUERY_S, _QUERIES = 3.0, 3  # a query without an answer is sent again; the next waits longer
_KEPT_S, _LEAST_KEPT_S, _MOST_KEPT_S = 300.0, 60.0, 3600.0
_UNKNOWN_KEPT_S, _FAILURE_KEPT_S = 600.0, 10.0
_MOST_NAMES = 100_000
#: That a name does not exist, or has no address; all other errors may pass.
_UNKNOWN = (aiodns.error.ARES_ENOTFOUND, aiodns.error.ARES_ENODATA, aiodns.error.ARES_EBADNAME)


class Found(msgspec.Struct, frozen=True):
    """The addresses of a name, or the error that says why there are none, and until when that holds."""

    addresses: tuple[str, ...] = ()
    error: int = 0  # of `socket.EAI_...`
    message: str = ""
    until: float = 0.0


#: Looks up a name: its addresses, and for how many seconds they hold (0: not said). Raises `aiodns.error.DNSError`.
LookUp = Callable[[str], Awaitable[tuple[list[str], float]]]


class Names:
    """The names that one event loop asks for. `look_up` asks the servers of the system."""

    def __init__(self, look_up: LookUp | None = None) -> None:
        self._own: aiodns.DNSResolver | None = None
        self._look_up = look_up or self._ask_system
        self._known: dict[str, Found] = {}
        self._asking: dict[str, asyncio.Task[Found]] = {}
        self._slots, self._all = asyncio.Semaphore(_AT_A_TIME), asyncio.Semaphore(_MOST_AT_A_TIME)

    async def addresses(self, host: str) -> tuple[str, ...]:
        """IP addresses of a name. Raises `socket.gaierror`: `EAI_NONAME` where it does not exist."""
        found = self._known.get(host)
        if found is None or found.until < now():
            task = self._asking.get(host)
            if task is None:
                task = self._asking[host] = asyncio.create_task(self._find(host))
                task.add_done_callback(lambda _: self._asking.pop(host, None))
            found = await asyncio.shield(task)  # one who gives up takes nothing from the others
        if found.error:
            raise socket.gaierror(found.error, found.message)
        return found.addresses

    async def _find(self, host: str) -> Found:
        async with self._all:
            try:
                addresses, kept_s = await self._look_up_in_turn(host)
            except aiodns.error.DNSError as error:
                code, message = (*error.args, "")[:2]
                if code in _UNKNOWN:
                    found = Found((), socket.EAI_NONAME, str(message), now() + _UNKNOWN_KEPT_S)
                else:
                    found = Found((), socket.EAI_AGAIN, str(message), now() + _FAILURE_KEPT_S)
            else:
                kept_s = min(max(kept_s or _KEPT_S, _LEAST_KEPT_S), _MOST_KEPT_S)
                until = now() + kept_s
                nothing = Found((), socket.EAI_NONAME, "no address", until)
                found = Found(tuple(addresses), until=until) if addresses else nothing
        if len(self._known) >= _MOST_NAMES:
            del self._known[next(iter(self._known))]
        self._known[host] = found
        return found

    async def _look_up_in_turn(self, host: str) -> tuple[list[str], float]:
        """A name that is long in coming gives its turn to another: some servers never answer."""
        await self._slots.acquire()
        asking = asyncio.ensure_future(self._look_up(host))
        try:
            try:
                await asyncio.wait([asking], timeout=_PATIENCE_S)
            finally:
                self._slots.release()
            return await asking
        finally:
            asking.cancel()

    async def _ask_system(self, host: str) -> tuple[list[str], float]:
        if self._own is None:
            self._own = aiodns.DNSResolver(timeout=_QUERY_S, tries=_QUERIES)
        answer = await self._own.getaddrinfo(host, type=socket.SOCK_STREAM, family=socket.AF_UNSPEC)
        nodes = [node for node in answer.nodes if node.family in (socket.AF_INET, socket.AF_INET6)]
        nodes.sort(key=lambda node: node.family == socket.AF_INET6)
        addresses = [address.decode() if isinstance(address := node.addr[0], bytes) else address for node in nodes]
        return list(dict.fromkeys(addresses)), min((node.ttl for node in nodes), default=0)

    async def close(self) -> None:
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._own is not None:
            await self._own.close()
