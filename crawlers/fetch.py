"""The one way in which weft reaches the network: single HTTP exchanges that are safe to make with anybody.

A `Fetcher` makes one exchange and follows no redirect: whoever asks decides about the next address, its consent and its
pace. What it promises is in docs/crawling.md: http and https only, public addresses only, a cap on the bytes of the
wire, a deadline over the whole exchange, no cookies.
"""

import asyncio
import errno
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from types import MappingProxyType, TracebackType
from typing import Any

import aiohttp
from yarl import URL

from crawlers.addresses import BlockedAddress, GuardedResolver
from crawlers.budget import ByteBudget
from crawlers.clock import now
from crawlers.connections import Connector
from crawlers.exchange import Exchange
from crawlers.fetch_settings import FetchSettings
from crawlers.http import PASSING_STATUSES, join_headers
from crawlers.proxies import Proxies, ProxyFailed, Way, without_credentials
from crawlers.web_bot_auth import BotAuth
from schemas import __version__
from schemas.consent import AGENT
from schemas.drops import Drop
from schemas.presigned import is_presigned
from schemas.urls import host_named, host_of

_RATE_JUDGED_AFTER_S = 10.0
_ERROR_BYTES = 64 << 10
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_MAX_HEADER, _MAX_HEADERS = 64 << 10, 1000  # bytes of a line; cookies and policies of real sites come to 20 KB
_LONGEST_WAIT_S = 30 * 86400.0
_SECONDS = re.compile(r"[0-9]++(?:\.[0-9]*+)?(?:\s*,\s*[0-9]++(?:\.[0-9]*+)?)*")
_DATES = ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y")


class Unfetched(Drop):
    """An exchange that gave nothing. `passing`: the same request may succeed later, not before `after_s` seconds."""

    def __init__(self, reason: str, detail: str = "", passing: bool = False, after_s: float = 0.0) -> None:
        super().__init__(reason, detail)
        self.passing, self.after_s = passing, after_s

    def __reduce__(self) -> tuple[Any, ...]:
        return Unfetched, (self.reason, self.detail, self.passing, self.after_s)


class _Response(aiohttp.ClientResponse):
    """Remembers its server's address: a short response has given its connection back before it can be asked."""

    peer = ""
    sent_at = 0.0

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        self.sent_at = now()
        if connection.transport is not None:
            self.peer = str(connection.transport.get_extra_info("peername", ("",))[0])
        return await super().start(connection)


#: Told of each request that was answered, once that is over, however it ends: its address, and when it was sent.
Ended = Callable[[str, float], None]
#: Judges status and headers before the body is read: returns the cap of the body in bytes, or raises `Drop`.
Judge = Callable[[int, dict[str, str]], int]


class Fetcher:
    """Makes exchanges over connections that it keeps. An async context manager, of one event loop."""

    def __init__(self, settings: FetchSettings) -> None:
        self._settings = settings
        self.ended: Ended = lambda url, sent_at: None
        self.resolver = GuardedResolver(settings.allow_private, settings.connect_to)
        self._proxies = Proxies(settings.proxies, self.resolver) if settings.proxies else None
        self._budget = ByteBudget(settings.max_bytes_in_flight)
        self._session: aiohttp.ClientSession | None = None
        self._bot_auth = BotAuth(settings.bot_auth_key, settings.bot_auth_agent) if settings.bot_auth_key else None

    async def get(
        self,
        url: str,
        judge: Judge,
        accept: str = "*/*",
        encodings: str = "gzip, br, zstd",
        more: Mapping[str, str] = NO_HEADERS,
        cut: bool = False,
    ) -> Exchange:
        """One exchange, whatever its status; of another than 200 and 206 the first 64 KiB of the body. `more` are
        further headers of the request. `cut`: of a body over its cap, that of any success, what lies within is wanted.

        Raises `Unfetched`, and what `judge` raises.
        """
        if not url.startswith(("http://", "https://")):
            raise Unfetched("bad_address", url[:200])
        if is_presigned(url):
            raise Unfetched("presigned")
        started = datetime.now(UTC)
        try:
            target = URL(url, encoded=True)
            host = target.raw_host or ""  # `host` decodes each name by IDNA
            if host_named(host) != host_of(url):  # two readings of one address: it is judged by the other
                raise Unfetched("bad_address", url[:200])
            self.resolver.check_literal(host)
            async with asyncio.timeout(self._settings.deadline_s):
                headers = {"Accept": accept, "Accept-Encoding": encodings, **more}
                return await self._exchange(target, url, judge, headers, started, cut)
        except (Drop, ProxyFailed):
            raise
        except aiohttp.ClientProxyConnectionError as error:
            assert self._proxies is not None
            self._proxies.failed(error)
            raise Unfetched("proxy", f"{type(error).__name__}: {error}"[:300], passing=True) from error
        except Exception as error:
            raise _unfetched(error, self._settings) from error

    async def _exchange(
        self, target: URL, url: str, judge: Judge, headers: Mapping[str, str], started: datetime, cut: bool
    ) -> Exchange:
        assert self._session is not None, "a Fetcher is used inside its `async with`"
        if self._bot_auth is not None:
            headers = {**headers, **self._bot_auth.headers("GET", str(target))}
        way = await self._proxies.way(target) if self._proxies is not None else Way(target)
        async with self._session.get(
            way.target,
            headers={**headers, **way.headers},
            allow_redirects=False,
            proxy=way.proxy,
            proxy_headers=way.proxy_headers,
            server_hostname=way.server_hostname,
        ) as response:
            if self._proxies is not None:
                self._proxies.answered(way, response.status)
            try:
                pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers]
                joined = join_headers(pairs)
                max_bytes = judge(response.status, joined)
                if response.status in (200, 206) or (cut and 200 <= response.status < 300):
                    body, truncated = await self._body(response, max_bytes, cut)
                else:
                    body, truncated = await _beginning(response)
            except Drop:
                response.close()  # whatever is left of the body is not wanted, and neither is the connection
                raise
            finally:
                self.ended(url, _sent_at(response))
            version = f"HTTP/{response.version.major}.{response.version.minor}" if response.version else "HTTP/1.1"
            status_line = f"{version} {response.status} {response.reason or ''}".rstrip()
            return Exchange(
                url=url,
                status=response.status,
                request_head=_head(
                    f"GET {target.raw_path_qs or '/'} HTTP/1.1", without_credentials(response.request_info.headers)
                ),
                response_head=_head(status_line, pairs),
                headers=joined,
                body=body,
                address=response.peer if way.proxy is None and isinstance(response, _Response) else way.address,
                sent_at=_sent_at(response),
                started=started,
                truncated=truncated,
            )

    async def _body(self, response: aiohttp.ClientResponse, max_bytes: int, cut: bool) -> tuple[bytes, str]:
        """The body, at most `max_bytes` of it, and why there is no more of it. Raises `Unfetched`: too_large, slow."""
        stated = response.content_length
        if stated is not None and stated > max_bytes and not cut:
            raise Unfetched("too_large", f"{stated} bytes, cap {max_bytes}")
        began, body = time.monotonic(), bytearray()
        with self._budget.share() as share:
            async for block in response.content.iter_any():
                body += block
                if len(body) > max_bytes and cut:
                    response.close()
                    return bytes(body[:max_bytes]), "length"
                if len(body) > max_bytes:
                    raise Unfetched("too_large", f"over {max_bytes} bytes")
                taken = time.monotonic() - began
                if taken > _RATE_JUDGED_AFTER_S and len(body) < taken * self._settings.min_bytes_per_s:
                    raise Unfetched("slow", f"{len(body)} bytes in {taken:.0f} s", passing=True)
                await share.grow(len(block))
                began = time.monotonic() - taken  # waiting for room is not the server's doing
            return bytes(body), ""

    async def __aenter__(self) -> "Fetcher":
        settings = self._settings
        context = ssl.create_default_context()  # made once: it costs more than a hundred small requests
        if settings.certificates:
            context.load_verify_locations(settings.certificates)
        self._session = aiohttp.ClientSession(
            connector=Connector(self.resolver, self.resolver.make_socket, context, settings.max_connections),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            response_class=_Response,
            headers={"User-Agent": user_agent(settings.contact)},
            timeout=aiohttp.ClientTimeout(
                total=None, connect=settings.connect_timeout_s, sock_read=settings.answer_timeout_s
            ),
            trust_env=False,
            max_line_size=_MAX_HEADER,
            max_field_size=_MAX_HEADER,
            max_headers=_MAX_HEADERS,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()


def user_agent(contact: str) -> str:
    """`weft/0.1.0 (+https://example.org/about-our-crawler)`."""
    return f"{AGENT}/{__version__}" + (f" (+{contact})" if contact else "")


def check_status(exchange: Exchange) -> None:
    """Raises `Unfetched` unless the status is 200."""
    if exchange.status != 200:
        passing = exchange.status in PASSING_STATUSES
        raise Unfetched("http_status", str(exchange.status), passing, retry_after(exchange))


def retry_after(exchange: Exchange) -> float:
    """Seconds that a response asks us to wait, by its `Retry-After`: a number of seconds, the most of several, or a
    date."""
    value = exchange.headers.get("retry-after", "").strip()
    if numbers := _SECONDS.fullmatch(value):
        return min(max(float(number.strip()[:9]) for number in numbers[0].split(",")), _LONGEST_WAIT_S)
    date = http_date(value)
    if date is None:
        return 0.0
    sent = http_date(exchange.headers.get("date", "")) or exchange.started  # by the server's clock, if it says it
    return min(max(0.0, (date - sent).total_seconds()), _LONGEST_WAIT_S)


def http_date(value: str) -> datetime | None:
    """A date in one of the three forms of HTTP (RFC 9110, section 5.6.7); None for what is none."""
    for form in _DATES:
        with suppress(ValueError):
            return datetime.strptime(value.strip(), form).replace(tzinfo=UTC)
    return None


async def _beginning(response: aiohttp.ClientResponse) -> tuple[bytes, str]:
    """What came of the body of an error or redirect, up to a cap, and why there is no more of it: what the server had
    to say is its status."""
    body = bytearray()
    try:
        async with asyncio.timeout(_RATE_JUDGED_AFTER_S):
            async for block in response.content.iter_any():
                body += block
                if len(body) > _ERROR_BYTES:
                    response.close()
                    return bytes(body[:_ERROR_BYTES]), "length"
    except TimeoutError:
        response.close()
        return bytes(body), "time"
    except (aiohttp.ClientError, OSError):
        response.close()
        return bytes(body), "disconnect"
    return bytes(body), ""


def _sent_at(response: aiohttp.ClientResponse) -> float:
    return response.sent_at if isinstance(response, _Response) else now()


def _head(line: str, pairs: list[tuple[str, str]]) -> bytes:
    return "".join([line + "\r\n", *(f"{name}: {value}\r\n" for name, value in pairs)]).encode("latin-1", "replace")


def _unfetched(error: Exception, settings: FetchSettings) -> Unfetched:
    """The reason code of what the client raised."""
    cause = getattr(error, "os_error", error)
    detail = f"{type(error).__name__}: {error}"[:300]
    if isinstance(cause, OSError) and cause.errno in (errno.EMFILE, errno.ENFILE):
        raise cause  # no fault of a host
    if isinstance(cause, BlockedAddress):
        return Unfetched("blocked_address", str(cause))
    match error:
        case aiohttp.ClientConnectorDNSError():
            unknown = isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME
            return Unfetched("dns", detail, passing=not unknown)
        case aiohttp.ClientHttpProxyError(status=407):
            raise ProxyFailed(f"a proxy asks for other credentials: {error.status} {error.message}")
        case aiohttp.ClientHttpProxyError(status=502 | 503 | 504):  # it has no connection to the server
            return Unfetched("connect", f"by a proxy: {error.status} {error.message}"[:300], passing=True)
        case aiohttp.ClientHttpProxyError():
            return Unfetched("proxy", f"{error.status} {error.message}"[:300])
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return Unfetched("tls", detail)
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return Unfetched("connect", detail, passing=True)
        case aiohttp.SocketTimeoutError():
            return Unfetched("slow", f"nothing came for {settings.answer_timeout_s:g} s", passing=True)
        case TimeoutError():
            return Unfetched("slow", f"not finished after {settings.deadline_s:g} s", passing=True)
        case aiohttp.InvalidURL() | ValueError():
            return Unfetched("bad_address", detail)
        case aiohttp.ClientError() | OSError():
            return Unfetched("bad_response", detail, passing=True)
    raise error
