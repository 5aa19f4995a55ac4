"""Which machines may be connected to: those of the public internet, checked where the connection is made.

A name is resolved once; the addresses that come back are judged, and the connection goes to one of those judged: a name
that resolves to something else a moment later gains nothing. Every redirect is a new request and is judged anew.
"""

import socket
from collections.abc import Collection, Mapping
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from crawlers.fetch_settings import address_and_port
from crawlers.names import Names
from crawlers.special_addresses import is_public, literal_address


class BlockedAddress(OSError):
    """A host whose address is not of the public internet."""


class GuardedResolver(AbstractResolver):
    """Resolves names and raises `BlockedAddress` unless every address of a name is public.

    `allowed` names hosts that may lie anywhere. `connect_to` maps a name to `address:port`, for sites served on a test
    machine; such a name is allowed, too.
    """

    def __init__(
        self, allowed: Collection[str] = (), connect_to: Mapping[str, str] = {}, names: Names | None = None
    ) -> None:
        self._allowed, self._connect_to = frozenset(allowed), dict(connect_to)
        self._names = names or Names()
        self._vouched: set[str] = set()  # addresses of allowed hosts

    def check_literal(self, host: str) -> None:
        """Judge a host that is an address itself: no resolver is asked for it."""
        address = literal_address(host)
        if not address:
            return
        if host.strip("[]") in self._allowed or host in self._allowed:
            self._vouched.add(address)
        elif not is_public(address):
            raise BlockedAddress(f"{host} is not a public address")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if host in self._connect_to:
            address, to_port = address_and_port(self._connect_to[host])
            self._vouched.add(address)
            return [_result(host, address, to_port)]
        addresses = await self._names.addresses(host)
        if host in self._allowed:
            self._vouched.update(addresses)
        elif blocked := next((address for address in addresses if not is_public(address)), ""):
            raise BlockedAddress(f"{host} resolves to {blocked}")
        wanted = [
            address
            for address in addresses
            if family == socket.AF_UNSPEC or (":" in address) == (family == socket.AF_INET6)
        ]
        return [_result(host, address, port) for address in wanted]

    async def paced_address(self, host: str) -> str | None:
        """The address by which the pace of a host is kept beside its own; "" for your own hosts. None where there is
        none: that is found out when the host is asked."""
        if host in self._allowed or host in self._connect_to:
            return ""
        try:
            return literal_address(host) or (await self._names.addresses(host))[0]
        except OSError:
            return None

    async def vouched(self, host: str) -> str:
        """An address of a machine that may lie anywhere, to which connections may be made by address."""
        addresses = [literal] if (literal := literal_address(host)) else await self._names.addresses(host)
        address = min(addresses, key=lambda one: ":" in one)
        self._vouched.add(address)
        return address

    def make_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """Create the socket for a connection, the last moment at which its address can be judged."""
        family, kind, protocol, _, address = info
        if str(address[0]) not in self._vouched and not is_public(str(address[0])):
            raise BlockedAddress(f"{address[0]} is not a public address")
        return socket.socket(family, kind, protocol)

    async def close(self) -> None:
        await self._names.close()


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)
