"""What keeps hostile content harmless in the viewer, and other web sites out of it."""

import ipaddress

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

#: Nothing is loaded but what the viewer serves itself, and no script or style stands in a page.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: For pages of others, shown in a frame: no scripts, no forms, nothing from elsewhere. Its images are the viewer's own,
#: which is all that the origin serves for where no script runs.
FRAME_POLICY = (
    "sandbox allow-same-origin; default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
#: For bytes of samples.
DATA_POLICY = "sandbox; default-src 'none'; frame-ancestors 'none'"
#: For SVG: its own styles colour it, but no script of it runs, in an `<img>` or opened by itself, and it loads nothing.
DRAWING_POLICY = f"{DATA_POLICY}; style-src 'unsafe-inline'"
#: The one request that writes: a flag, into the reader's own file.
WRITING = ("POST", "/flag")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-DNS-Prefetch-Control": "off",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def guard(host: str) -> Middleware:
    """A middleware that serves only who asks for this machine by address or as localhost, or as the `host` given.

    A name of a foreign site that resolves to 127.0.0.1 is refused (DNS rebinding), as are requests that another site's
    page makes.
    """

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not _is_own(request.host, host):
            return web.Response(status=403, text="weft view answers to localhost and addresses only\n")
        if request.method not in ("GET", "HEAD") and (request.method, request.path) != WRITING:
            return web.Response(status=405, text="weft view only reads\n")
        if not (_is_own_form(request) if request.method == "POST" else _is_same_site(request)):
            return web.Response(status=403, text="asked by another site's page\n")
        response = await handler(request)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return guarded


def _is_own(stated: str, host: str) -> bool:
    name = stated.rpartition(":")[0] if stated.rpartition(":")[2].isdigit() else stated
    name = name.strip("[]").lower()
    if name in ("localhost", host.lower()):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_own_form(request: web.Request) -> bool:
    """Browsers say where a form stood; `Origin` is null where, as here, no page tells its address to the next.

    What says neither is no browser.
    """
    if site := request.headers.get("Sec-Fetch-Site"):
        return site == "same-origin"
    origin = request.headers.get("Origin")
    return origin is None or origin.partition("://")[2] == request.host


def _is_same_site(request: web.Request) -> bool:
    """Browsers say who asks. A link from elsewhere may lead here, but not with a query in SQL; all else is refused."""
    if request.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin"):
        return True
    is_link = (request.headers.get("Sec-Fetch-Mode"), request.headers.get("Sec-Fetch-Dest")) == ("navigate", "document")
    return is_link and not {"sql", "where"} & set(request.query)
