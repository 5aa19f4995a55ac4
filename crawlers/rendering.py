"""Pages rendered in a headless Chromium that has no network of its own.

The markup is what the crawl has fetched already. All else that the page asks for goes through `load`, which is the
crawler's: its addresses, robots.txt, pace and caps. What no request of a page may be (files, other methods than GET,
sockets, downloads, popups, another page in its place) is refused; and what would leave the browser by another way
finds neither names nor a proxy that answers.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import msgspec

from crawlers.exchange import Exchange
from crawlers.http import REDIRECTS
from crawlers.origins import origin
from crawlers.render_config import RenderSettings
from schemas.drops import Drop
from schemas.links import PageSource
from schemas.urls import resolve

_ARGUMENTS = (
    "--disable-gpu",
    "--disable-background-networking",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=http://127.0.0.1:9",  # the port where nothing is heard
    "--proxy-bypass-list=<-loopback>",
    "--js-flags=--max-old-space-size=512",
)
_LOADED = frozenset({"document", "script", "stylesheet", "xhr", "fetch"})
_PIXEL = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\4\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
_KEPT_HEADERS = frozenset({"content-type", "access-control-allow-origin", "access-control-allow-credentials"})
_STARTING_S = 60.0  # of the browser, for which no page is to blame
_CLOSING_S = 5.0
_SCREENS = 30
# In a world of their own, where the page's scripts cannot have changed what these words mean.
_SCROLL = "window.scrollTo(0, innerHeight * %d), innerHeight * %d >= document.documentElement.scrollHeight"
_MARKUP = """(() => {
    const root = document.documentElement, html = root ? root.outerHTML : "";
    return html.length > %d ? null : html;
})()"""

#: Gets what a page asks for, in its turn and if nothing forbids it. Raises `Drop`.
Load = Callable[[str], Awaitable[Exchange]]


class Rendered(msgspec.Struct, frozen=True):
    """What a page came to: its markup, in UTF-8, and what it loaded for that. `problem`: why there is no markup."""

    html: bytes = b""
    loaded: tuple[Exchange, ...] = ()
    problem: str = ""


class Renderer:
    """Renders pages for one event loop, some at a time; its browser is started with the first of them."""

    def __init__(self, settings: RenderSettings, agent: str) -> None:
        self._settings, self._agent = settings, agent
        self._slots = asyncio.Semaphore(settings.pages)
        self._starting = asyncio.Lock()
        self._playwright: Any = None
        self._browser: Any = None

    async def render(self, page: PageSource, load: Load) -> Rendered:
        """What the scripts of a page make of it. Whatever the page does, it costs no more than the settings allow."""
        async with self._slots:
            visit = _Visit(self._settings, page, load)
            context = None
            try:
                async with asyncio.timeout(_STARTING_S):
                    browser = await self._started()
                async with asyncio.timeout(self._settings.timeout_s):
                    context = await browser.new_context(
                        user_agent=self._agent,
                        service_workers="block",
                        accept_downloads=False,
                        viewport={"width": 1280, "height": 1600},
                    )
                    return await visit.run(context)
            except Exception as error:
                problem = "time" if isinstance(error, TimeoutError) else f"{error}".partition("\n")[0][:200]
                return Rendered(loaded=tuple(visit.loaded), problem=visit.problem or problem)
            finally:
                visit.end()
                await self._close(context)

    async def _started(self) -> Any:
        from playwright.async_api import async_playwright

        async with self._starting:
            if self._playwright is None:
                self._playwright = await async_playwright().start()
            if self._browser is None or not self._browser.is_connected():
                self._browser = await self._playwright.chromium.launch(
                    executable_path=self._settings.program,
                    args=list(_ARGUMENTS),
                    chromium_sandbox=os.geteuid() != 0,  # which root cannot have
                    handle_sigint=False,
                )
            return self._browser

    async def _close(self, context: Any) -> None:
        """A context that does not end takes its browser with it; the next page gets another."""
        if context is None:
            return
        try:
            async with asyncio.timeout(_CLOSING_S):
                await context.close()
        except Exception:
            await self._end_browser()

    async def _end_browser(self) -> None:
        browser, self._browser = self._browser, None
        if browser is not None:
            with suppress(Exception):
                async with asyncio.timeout(_CLOSING_S):
                    await browser.close()

    async def close(self) -> None:
        await self._end_browser()
        if self._playwright is not None:
            await self._playwright.stop()


class _Visit:
    """One page in a context of its own."""

    def __init__(self, settings: RenderSettings, page: PageSource, load: Load) -> None:
        self._settings, self._page, self._load = settings, page, load
        self._main: Any = None
        self._is_begun = self._is_over = False
        self._in_flight, self._bytes, self._quiet_since = 0, 0, 0.0
        self._requests = 0
        self.loaded: list[Exchange] = []
        self.problem = ""

    def end(self) -> None:
        """Nothing more is loaded."""
        self._is_over = True

    async def run(self, context: Any) -> Rendered:
        await context.route("**/*", self._answer)
        await context.route_web_socket("**/*", lambda socket: socket.close())
        self._main = await context.new_page()
        context.on("page", lambda page: asyncio.ensure_future(_gone(page)))
        context.on("dialog", lambda dialog: asyncio.ensure_future(_dismissed(dialog)))
        await self._main.goto(self._page.url, wait_until="commit", timeout=0)
        await self._settled()
        session = await context.new_cdp_session(self._main)
        world = await self._world(session)
        for screen in range(1, _SCREENS + 1):  # what loads as it comes into view
            is_last = await _evaluated(session, world, _SCROLL % (screen, screen + 1))
            await asyncio.sleep(0.05)
            if is_last:
                break
        await self._settled()
        markup = await _evaluated(session, world, _MARKUP % self._settings.max_bytes)
        if markup is None:
            return Rendered(loaded=tuple(self.loaded), problem="bytes")
        html = b"<!DOCTYPE html>" + markup.encode("utf-8", "replace")
        return Rendered(html, tuple(self.loaded))

    async def _world(self, session: Any) -> int:
        """A world beside that of the page's scripts: the same document, other globals. Raises where it is another's."""
        frame = (await session.send("Page.getFrameTree"))["frameTree"]["frame"]
        if "unreachableUrl" in frame or not _is_same_site(frame["url"], self._page.url):
            raise RuntimeError("it went to another page")
        made = await session.send("Page.createIsolatedWorld", {"frameId": frame["id"]})
        return int(made["executionContextId"])

    async def _settled(self) -> None:
        self._quiet_since = asyncio.get_running_loop().time()
        while self._in_flight or asyncio.get_running_loop().time() - self._quiet_since < self._settings.settle_s:
            await asyncio.sleep(0.05)

    async def _answer(self, route: Any) -> None:
        """A request of the page: the markup at hand, what `load` gives, or nothing."""
        request = route.request
        self._in_flight += 1
        try:
            is_main = request.is_navigation_request() and request.frame == self._main.main_frame
            if is_main and not self._is_begun:
                self._is_begun = True
                charset = (
                    f"; charset={self._page.charset}" if self._page.charset.isascii() and self._page.charset else ""
                )
                await route.fulfill(status=200, headers={"content-type": f"text/html{charset}"}, body=self._page.html)
            elif is_main:
                await route.fulfill(status=204)  # it stays where it is
            elif request.method != "GET" or not request.url.startswith(("http://", "https://")):
                await route.abort("blockedbyclient")
            elif request.resource_type == "image":  # which the crawl itself asks for, if it wants it
                await route.fulfill(status=200, headers={"content-type": "image/gif"}, body=_PIXEL)
            elif request.resource_type in _LOADED and (exchange := await self._got(request.url)):
                kept = {name: value for name, value in exchange.headers.items() if name in _KEPT_HEADERS}
                body = exchange.decoded(self._settings.max_bytes)
                await route.fulfill(status=exchange.status, headers=kept, body=body)
            else:
                await route.abort("blockedbyclient")
        except Exception:  # the page is gone, or what it asked for cannot be had
            with suppress(Exception):
                await route.abort("failed")
        finally:
            self._in_flight -= 1
            self._quiet_since = asyncio.get_running_loop().time()

    async def _got(self, url: str) -> Exchange | None:
        """What lies at an address, redirects followed; None where it may not be had, or enough was loaded."""
        for _ in range(5):
            if self._is_over or self._requests >= self._settings.max_requests or self._bytes > self._settings.max_bytes:
                return None
            self._requests += 1
            try:
                exchange = await self._load(url)
            except Drop:
                return None
            self._bytes += len(exchange.body)
            self.loaded.append(exchange)
            if exchange.status not in REDIRECTS:
                return exchange
            url = resolve(url, exchange.headers.get("location", ""))
            if not url:
                return None
        return None


def _is_same_site(url: str, other: str) -> bool:
    return url.startswith(("http://", "https://")) and origin(url) == origin(other)


async def _gone(page: Any) -> None:
    with suppress(Exception):
        await page.close()


async def _dismissed(dialog: Any) -> None:
    with suppress(Exception):
        await dialog.dismiss()


async def _evaluated(session: Any, world: int, expression: str) -> Any:
    answer = await session.send(
        "Runtime.evaluate", {"expression": expression, "contextId": world, "returnByValue": True}
    )
    if "exceptionDetails" in answer:
        raise RuntimeError(f"rendering: {answer['exceptionDetails'].get('text', '')}")
    return answer["result"].get("value")
