"""The whole of IANA's special-purpose registries, from the first to the last address of each block, and beside it."""

import ipaddress

import pytest

from crawlers.special_addresses import is_public

#: Not globally reachable, or not for one machine; then what clouds keep their metadata under.
BLOCKS = """
0.0.0.0/8 0.0.0.0/32 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.0.0/29
192.0.0.8/32 192.0.0.170/32 192.0.0.171/32 192.0.2.0/24 192.88.99.0/24 192.88.99.2/32 192.168.0.0/16 198.18.0.0/15
198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 255.255.255.255/32
::/128 ::1/128 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32 2001:2::/48 2001:db8::/32 2001:10::/28
3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8 4000::/3 6000::/3 8000::/3 a000::/3 c000::/3 e000::/4
::ffff:0:0:0/96 200::/7 400::/6 800::/5 1000::/4
168.63.129.16/32 169.254.169.254/32 192.0.0.192/32 100.100.100.200/32 fd00:ec2::254/128 fd20:ce::254/128
""".split()
#: Blocks that have public addresses on both sides.
EDGES = """
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24
192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 168.63.129.16/32 2001:db8::/32 2001::/23 3fff::/20
""".split()


@pytest.mark.parametrize("block", BLOCKS)
def test_no_address_of_a_special_block_is_public(block: str) -> None:
    network = ipaddress.ip_network(block)
    size = network.num_addresses
    for number in {0, 1 % size, size // 3, size // 2, size - 1}:
        address = network[number]
        assert not is_public(str(address)), address
        if address.version == 4:
            carried = int(address)
            assert not is_public(f"::ffff:{address}")
            assert not is_public(f"::{address}")
            assert not is_public(f"64:ff9b::{address}")
            assert not is_public(str(ipaddress.IPv6Address(0x2002 << 112 | carried << 80 | 1)))
            teredo = 0x20010000 << 96 | 0x08080808 << 64 | carried ^ 0xFFFFFFFF
            assert not is_public(str(ipaddress.IPv6Address(teredo)))


@pytest.mark.parametrize("block", EDGES)
def test_its_neighbours_are(block: str) -> None:
    network = ipaddress.ip_network(block)
    for number in (int(network[0]) - 1, int(network[-1]) + 1):
        if number >= 0:
            assert is_public(str(type(network[0])(number)))


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "192.31.196.1",
     "223.255.255.255", "2000::1", "2001:200::1", "2400::1", "2606:4700::1111", "2620:4f:8000::1", "2a00:1450::1",
     "3fff:1000::", "3ffe::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"],
)  # fmt: skip
def test_public_addresses(address: str) -> None:
    assert is_public(address)


def test_a_scope_does_not_hide_an_address() -> None:
    assert not is_public("fe80::1%eth0")
    assert is_public("2606:4700::1111%1")
