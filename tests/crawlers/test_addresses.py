import asyncio
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawlers.addresses import BlockedAddress, GuardedResolver
from crawlers.crawl_config import CrawlConfig
from crawlers.special_addresses import is_public, literal_address
from schemas.settings import SettingsError, load_settings


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_as_public_inside_ipv6_as_outside(address: object) -> None:
    assert is_public(f"::ffff:{address}") == is_public(str(address)) == is_public(f"64:ff9b::{address}")


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.1", "127.0.0.1"), ("127.1", "127.0.0.1"), ("0x7f000001", "127.0.0.1"), ("2130706433", "127.0.0.1"),
     ("[::1]", "::1"), ("0177.0.0.1", "127.0.0.1"), ("a.example", ""), ("face", ""), ("", "")],
)  # fmt: skip
def test_hosts_that_are_addresses_in_any_notation(host: str, address: str) -> None:
    assert literal_address(host) == address


def test_a_name_that_resolves_to_this_machine_is_refused() -> None:
    async def resolve() -> None:
        with pytest.raises(BlockedAddress):
            await GuardedResolver().resolve("localhost", 80)

    asyncio.run(resolve())


def test_an_allowed_name_may_lie_anywhere_and_another_may_not_ride_on_it() -> None:
    async def resolve() -> None:
        resolver = GuardedResolver(allowed=["localhost"])
        found = await resolver.resolve("localhost", 80, socket.AF_INET)
        assert found[0]["host"] == "127.0.0.1"
        with pytest.raises(BlockedAddress):
            resolver.check_literal("127.0.0.2")

    asyncio.run(resolve())


def test_the_socket_itself_is_refused_where_an_address_was_never_judged() -> None:
    """Whatever name it came by: this is the last look before the connection."""
    info = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.1.2.3", 80))
    with pytest.raises(BlockedAddress):
        GuardedResolver().make_socket(info)


@pytest.mark.parametrize(
    "server",
    ["", "nonsense", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:99999", "localhost:80", "127.1:80", "::1"],
)
def test_where_a_name_leads_is_an_address_with_a_port(server: str) -> None:
    with pytest.raises(SettingsError, match=r"connect_to of a\.example: an IP address and a port are wanted") as caught:
        load_settings(CrawlConfig, f'fetch: {{connect_to: {{a.example: "{server}"}}}}')
    assert f"no `{server}`" in str(caught.value)


@pytest.mark.parametrize(("server", "address"), [("127.0.0.1:8080", "127.0.0.1"), ("[::1]:8080", "::1")])
def test_a_name_leads_where_it_is_told(server: str, address: str) -> None:
    (found,) = asyncio.run(GuardedResolver(connect_to={"a.example": server}).resolve("a.example", 80))
    assert (found["host"], found["port"]) == (address, 8080)
