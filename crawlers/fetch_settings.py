"""What bounds an exchange, and who we say that we are."""

import ipaddress

import msgspec

from crawlers.proxy_settings import ProxySettings
from schemas.settings import Settings


class FetchSettings(Settings, frozen=True):
    """Limits of an exchange, and who we say that we are."""

    contact: str = ""
    """An address or mail address, sent in the user agent, where a webmaster reaches whoever runs this."""
    bot_auth_key: str = ""
    """A PEM file with an Ed25519 key that requests are signed with (Web Bot Auth). Each worker reads it."""
    bot_auth_agent: str = ""
    """The https origin where the directory of that key is served."""
    deadline_s: float = 120.0
    """For one exchange as a whole, from the resolution of the name to the last byte."""
    connect_timeout_s: float = 10.0
    """For name, connection and TLS together."""
    answer_timeout_s: float = 10.0
    """So long may a server be silent: until the first byte of its answer, and again until the next ones."""
    min_bytes_per_s: int = 1000
    """A body that comes slower, on average after ten seconds, is given up. 0: only the deadline counts."""
    max_page_bytes: int = 10 << 20
    """Of a page or sitemap on the wire, and again after decompression."""
    max_image_bytes: int = 32 << 20
    max_video_bytes: int = 128 << 20
    max_bytes_in_flight: int = 512 << 20
    """What has come of all bodies being read at a time; one may go beyond."""
    max_connections: int = 512
    """Of one worker, those to hosts that do not answer included."""
    max_redirects: int = 5
    max_attempts: int = 3
    """For failures that may pass: no connection, broken responses, 429 and 5xx."""
    allow_private: tuple[str, ...] = ()
    """Hosts that may lie on private or loopback addresses: your own, or those of a test."""
    connect_to: dict[str, str] = msgspec.field(default_factory=dict)
    """Host to `address:port`: sites that are served somewhere else than their name says."""
    proxies: dict[str, ProxySettings] = msgspec.field(default_factory=dict)
    """HTTP proxies by host (`a.example`), with all below it (`*.a.example`), or for all (`*`); the longest counts."""
    cookies: bool = False
    """Bring back the cookies of a site that redirects a page to itself until they come; each visit forgets them."""
    certificates: str = ""
    """A PEM file of certificate authorities to trust beside the system's."""

    def __post_init__(self) -> None:
        for host, server in self.connect_to.items():
            try:
                address_and_port(server)
            except ValueError:
                problem = f"an IP address and a port are wanted, such as 127.0.0.1:8080, and no `{server}`"
                raise ValueError(f"connect_to of {host}: {problem}") from None


def address_and_port(server: str) -> tuple[str, int]:
    """Those of `address:port` or `[address]:port`. Raises `ValueError`."""
    address, _, port = server.rpartition(":")
    if not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 1 << 16):
        raise ValueError(port)
    return str(ipaddress.ip_address(address.removeprefix("[").removesuffix("]"))), int(port)
