"""Addresses spelt otherwise, and servers that misbehave."""

import asyncio
import functools
import gzip
import ipaddress
import random
import zlib

import msgspec

from benchmarks.zoo.canary import canary_port
from benchmarks.zoo.species import require
from crawlers.exchange import Exchange
from crawlers.fetch import Fetcher, check_status
from crawlers.fetch_settings import FetchSettings
from crawlers.responses import markup_of
from crawlers.scope import crawl_url
from crawlers.special_addresses import is_public, literal_address
from pipeline.page.links import find_links
from schemas.deny import DenyList
from schemas.urls import canonical_url, resolve
from tests.crawlers.servers import Reply, WebServer, drip, endless, page

_DENIED = (
    "http://bad.example/secret/page",
    "http://bücher.example/a",
    "https://d.example/ä/b?x=1",
    "http://e.example/~u",
)
_DENY = DenyList((*_DENIED, "blocked.example", "ünder.example"))
_HOSTS = ("blocked.example", "ünder.example")


def _respelt(rng: random.Random, url: str) -> str:
    """The same address as browsers read it."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    path, question, query = path.partition("?")
    steps = rng.sample(range(9), rng.randrange(1, 4))
    if 0 in steps:
        host = "".join(rng.choice((letter.upper(), letter)) for letter in host)
    if 1 in steps and not host.isascii():
        host = host.lower().encode("idna").decode()
    if 2 in steps:
        path = "".join(f"%{ord(c):02x}" if c.isascii() and c.isalnum() and rng.random() < 0.4 else c for c in path)
    if 3 in steps:
        path = rng.choice(("./", "x/../", "%2e/", "y/%2E%2e/")) + path
    if 4 in steps:
        host = rng.choice(("user@", "a:b@", "@")) + host
    if 5 in steps:
        host += {"http": ":80", "https": ":443"}[scheme]
    if 6 in steps:
        path = path.replace("ä", "%C3%A4")
    if 7 in steps:
        scheme = rng.choice((scheme.upper(), scheme))
    between = rng.choice(("://", ":\\\\", ":///")) if 8 in steps else "://"
    return f"{scheme}{between}{host}/{path}{question}{query}" + rng.choice(("", "", "#x"))


_PRIVATE: tuple[str, ...] = (
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.9",
    "192.168.7.7",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "192.0.0.192",
)
_PRIVATE += ("168.63.129.16", "198.18.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "fe80::1", "fc00::1")
_PRIVATE += ("fec0::1", "64:ff9b:1::1", "3fff::1", "::", "ff02::1", "2001:db8::1", "100::1", "5f00::1")


def _notation(rng: random.Random, address: str) -> str:
    """The same IP address in another notation."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        return rng.choice((ip.exploded, ip.compressed, ip.exploded.upper()))
    number, parts = int(ip), address.split(".")
    mapped = [
        str(ipaddress.IPv6Address((0xFFFF << 32) | number)),
        str(ipaddress.IPv6Address((0x64FF9B << 96) | number)),
    ]
    six = str(ipaddress.IPv6Address((0x2002 << 112) | (number << 80)))
    quads = [".".join(f"0x{int(part):x}" for part in parts), ".".join(f"0{int(part):o}" for part in parts)]
    return rng.choice((str(number), hex(number), address, *mapped, six, *quads, f"{parts[0]}.{number & 0xFFFFFF}"))


def make_address(rng: random.Random) -> bytes:
    if rng.random() < 0.5:
        url = rng.choice((*_DENIED, *(f"http://{rng.choice(('', 'www.', 'a.b.'))}{host}/x" for host in _HOSTS)))
        return f"deny {_respelt(rng, url)}".encode()
    return f"private {_notation(rng, rng.choice(_PRIVATE))}".encode()


def judge_address(data: bytes) -> str:
    what, _, spelt = data.decode("utf-8", "replace").partition(" ")
    if what == "private":
        address = literal_address(spelt)
        require(not address or not is_public(address), "a private address counts as public")
        return "private"
    url = resolve("http://other.example/", spelt)
    if not url:
        return "no address"
    require(resolve(url, url) == url, "an address is resolved twice")
    require(crawl_url(crawl_url(url)) == crawl_url(url), "an address is rewritten twice")
    require(canonical_url(canonical_url(url)) == canonical_url(url), "a canonical address has another one")
    if what == "deny":
        require(_DENY.denies(url), "a denied address is allowed")
    return "denied"


class Manners(msgspec.Struct, frozen=True):
    """How a server answers."""

    status: int = 200
    headers: list[tuple[str, str]] = []
    body: str = "page"
    length: int | str | None = "own"
    raw: str = ""


_BODIES = (
    "page",
    "page",
    "image",
    "gzip bomb",
    "cut gzip",
    "drip",
    "endless",
    "chunked lie",
    "empty",
    "playlist",
    "nothing",
)


def make_manners(rng: random.Random) -> bytes:
    port = canary_port()
    headers = [
        (
            "Location",
            rng.choice((f"http://127.0.0.1:{port}/", f"//[::ffff:7f00:1]:{port}/", "file:///etc/passwd", "\x80")),
        ),
        ("Content-Encoding", rng.choice(("gzip", "br", "zstd", "deflate", "gzip, gzip", "rot13", "identity", ","))),
        ("X-Robots-Tag", rng.choice(("noindex", "weft: none", "a" * 5000, "unavailable_after: x"))),
        ("Retry-After", rng.choice(("-1", "1e99", "Fri, 99 Nov", "0"))),
        ("Content-Type", rng.choice(("text/html; charset=\x80", "image/jpeg", "text/vtt", "x" * 3000, ""))),
        ("Transfer-Encoding", rng.choice(("chunked", "gzip", "chunked, chunked"))),
        ("Link", f'<http://127.0.0.1:{port}/>; rel="license"'),
        ("Set-Cookie", "a=" + "b" * 9000),
        ("X" * 20_000, "y"),
    ]
    manners = Manners(
        rng.choice((200, 200, 200, 200, 206, 204, 301, 302, 307, 404, 429, 500, 503, 999, 100)),
        rng.sample(headers, rng.choice((0, 0, 1, 2))),
        rng.choice(_BODIES),
        rng.choice(("own", "own", None, 0, 1, 10**9, -1)),
    )
    if rng.random() < 0.15:
        raws = (
            "HTTP/1.1 200 OK\r\n",
            "HTTP/9.9 abc\r\n\r\n",
            "\x00" * 100,
            "",
            "HTTP/1.1 200 OK\r\nA: b\r\n" + "C: d\r\n" * 9999,
        )
        manners = Manners(raw=rng.choice(raws))
    return msgspec.json.encode(manners)


@functools.cache
def _body(name: str) -> bytes:
    match name:
        case "page":
            return page("/a", f"http://127.0.0.1:{canary_port()}/", images=("/i.jpg",))
        case "gzip bomb":
            return gzip.compress(gzip.compress(bytes(50 << 20), 9), 9)
        case "cut gzip":
            return gzip.compress(page("/a") * 50)[:-20]
        case "chunked lie":
            return b"ffffffffff\r\n" + page("/a") + zlib.compress(b"x")
        case "playlist":
            return b"ffconcat version 1.0\nfile private.mp4\n"
    return b""


_CAP = 1 << 20
_SETTINGS = FetchSettings(connect_to={}, deadline_s=2.0, connect_timeout_s=1.0, min_bytes_per_s=1000)


def judge_manners(data: bytes) -> str:
    """An exchange ends in time and within its cap, or has a reason; redirects are not followed to private servers."""
    manners = msgspec.json.decode(data, type=Manners)
    pieces = {"drip": drip, "endless": endless}.get(manners.body)
    kind = next((value for name, value in manners.headers if name == "Content-Type"), "text/html")
    others = tuple((name, value) for name, value in manners.headers if name != "Content-Type")
    length = None if pieces and manners.length == "own" else manners.length
    raw = manners.raw.encode("latin-1") if manners.raw else None
    reply = Reply(_body(manners.body), kind, manners.status, others, pieces, length, raw=raw)
    with WebServer({"/": reply}) as server:
        settings = msgspec.structs.replace(_SETTINGS, connect_to={"site.example": server.address})
        exchange = asyncio.run(_fetch("http://site.example/", settings))
        check_status(exchange)
        require(len(exchange.body) <= _CAP, "a body is longer than its cap")
        markup = markup_of(exchange, _CAP)
        require(len(markup.html) <= _CAP, "a decoded body is longer than its cap")
        find_links(markup)
        location = exchange.headers.get("location", "")
        if location and (target := resolve("http://site.example/", location)):
            asyncio.run(_fetch(target, settings))
    return "answered"


async def _fetch(url: str, settings: FetchSettings) -> Exchange:
    async with Fetcher(settings) as fetcher:
        try:
            async with asyncio.timeout(settings.deadline_s + 3):
                return await fetcher.get(url, lambda _status, _headers: _CAP)
        except TimeoutError:
            require(False, "an exchange outlasts its deadline")
            raise
