"""Connections to servers: how many stay open between two requests, and how many files this process may have open."""

import asyncio
import resource
import ssl
from functools import partial
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.client_proto import ResponseHandler

from crawlers.heads import LenientHandler

_KEPT_S = 30
_MOST_KEPT, _MOST_FILES = 8192, 1 << 16
_OTHER_FILES = 256  # archives, databases, pipes of child processes


class Connector(aiohttp.TCPConnector):
    """At most `limit` connections in use; those of hosts whose turn comes again soon are kept, of so many hosts as
    the limits of the system have room for."""

    def __init__(self, resolver: AbstractResolver, make_socket: Any, context: ssl.SSLContext, limit: int) -> None:
        super().__init__(
            resolver=resolver,
            socket_factory=make_socket,
            ssl=context,
            limit=limit,
            use_dns_cache=False,  # the resolver remembers
            keepalive_timeout=_KEPT_S,
        )
        make: Any = partial(LenientHandler, asyncio.get_running_loop())
        self._factory = make  # there is no public way
        self._most_kept = most_kept(limit)

    def _release(self, key: Any, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        super()._release(key, protocol, should_close=should_close or len(self._conns) >= self._most_kept)


def most_kept(limit: int) -> int:
    """Of how many hosts connections may stay open beside `limit` in use, once the process may have as many files open
    as the system lets it: shells begin with 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    free = (_MOST_FILES if soft == resource.RLIM_INFINITY else soft) - limit - _OTHER_FILES
    return max(0, min(_MOST_KEPT, free // 2))
