"""Which IP addresses are of the public internet, by the special-purpose registries of IANA.

An own table: what Python's `ipaddress` takes for global differs between its versions, and it knows neither the
addresses under which clouds give credentials away nor those that were local once.
"""

import functools
import ipaddress
import socket
from ipaddress import IPv4Address, IPv6Address

_NOT_PUBLIC_IPV4 = """
0.0.0.0/8           this network
10.0.0.0/8          private
100.64.0.0/10       shared by the customers of a carrier, the metadata of Alibaba's cloud (100.100.100.200) among them
127.0.0.0/8         loopback
168.63.129.16/32    Azure's host of a virtual machine
169.254.0.0/16      link-local, the metadata of most clouds (169.254.169.254) among them
172.16.0.0/12       private
192.0.0.0/24        IETF protocol assignments, the metadata of Oracle's classic cloud (192.0.0.192) among them
192.0.2.0/24        documentation
192.88.99.0/24      relays of 6to4, deprecated
192.168.0.0/16      private
198.18.0.0/15       benchmarks
198.51.100.0/24     documentation
203.0.113.0/24      documentation
224.0.0.0/4         multicast
240.0.0.0/4         reserved, broadcast
"""
# The few addresses inside of 192.0.0.0/24 and 2001::/23 that can be reached serve no pages.
# Only 2000::/3 is global unicast; the rest is special, or reserved, or unassigned, by what it is for now.
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NOT_PUBLIC_IPV6 = """
2001::/23           IETF protocol assignments: Teredo, benchmarks, ORCHID, drones
2001:db8::/32       documentation
3fff::/20           documentation
"""


def _read(table: str) -> list[tuple[int, int]]:
    """First and last address of each line."""
    networks = [ipaddress.ip_network(line.split()[0]) for line in table.strip().splitlines()]
    return [(int(network[0]), int(network[-1])) for network in networks]


_RANGES_IPV4, _RANGES_IPV6 = _read(_NOT_PUBLIC_IPV4), _read(_NOT_PUBLIC_IPV6)
_6TO4 = ipaddress.IPv6Network("2002::/16")
#: `::a.b.c.d`, mapped, and NAT64: the last 32 bits are an IPv4 address.
_CARRYING = tuple(map(ipaddress.IPv6Network, ("::/96", "::ffff:0:0/96", "64:ff9b::/96")))


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet: global unicast, not said to be anything else by a registry.

    IPv6 forms that carry an IPv4 address are as public as that: mapped, 6to4, NAT64, and ::a.b.c.d. Raises
    `ValueError` for what is no IP address.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, IPv4Address):
        return not any(first <= int(ip) <= last for first, last in _RANGES_IPV4)
    inner = _carried(ip)
    if inner is not None:
        return is_public(str(inner))
    return ip in _GLOBAL_UNICAST and not any(first <= int(ip) <= last for first, last in _RANGES_IPV6)


def _carried(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for. Teredo's are refused whole, so that theirs says nothing."""
    if ip in _6TO4:
        return IPv4Address(int(ip) >> 80 & 0xFFFFFFFF)
    if any(ip in network for network in _CARRYING):
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return None


@functools.lru_cache(maxsize=4096)
def literal_address(host: str) -> str:
    """The IP address that a host name is, in whatever notation the system's resolver takes; "" for a real name."""
    try:
        return str(ipaddress.ip_address(host.strip("[]").partition("%")[0]))
    except ValueError:
        pass
    try:  # 127.1, 0x7f000001, 2130706433: URL parsers make them dotted quads, other callers may not
        return socket.inet_ntoa(socket.inet_aton(host)) if host and host[-1] in "0123456789abcdefABCDEFx" else ""
    except (OSError, UnicodeError):
        return ""
