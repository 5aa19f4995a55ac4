"""Pages as they were captured: what was kept of them, what was not, and why."""

import asyncio
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from crawlers.archive_index import NotAtHand
from jobs.dataset.page_lookup import drops_on, find_page
from jobs.view.context import CONTEXT, Context
from jobs.view.dropped import shown_media
from jobs.view.security import DATA_POLICY, DRAWING_POLICY, FRAME_POLICY
from jobs.view.work import Explained
from schemas.drops import meaning_of

_SEARCH_S = 20.0
_SVG = "image/svg+xml"
_IMAGES = ("image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", "image/avif", _SVG)


async def source(request: web.Request) -> web.Response:
    """A page, its blocks coloured, beside the list of them and of all that a build dropped of it."""
    context, url = request.app[CONTEXT], request.query.get("url", "")
    if not url:
        raise web.HTTPBadRequest(reason="name a page: /source?url=...")
    mode = "plain" if request.query.get("as") == "captured" else "marked"
    sample = await asyncio.to_thread(_sample_of, context, url)
    drops = await asyncio.to_thread(drops_on, context.library.index, url)
    explained, missing = None, ""
    try:
        explained = await asyncio.to_thread(_explained, context, url)
    except NotAtHand as error:
        missing = str(error)
    return context.render(
        request,
        "source.html",
        url=url,
        mode=mode,
        sample=sample,
        kind="interleaved",
        key=sample["key"] if sample else "",
        drops=drops,
        missing=missing,
        report=explained.report if explained else None,
        frame="/captured/page?" + urlencode({"url": url, "as": mode}),
        other="/source?" + urlencode({"url": url, **({"as": "captured"} if mode == "marked" else {})}),
        meaning_of=meaning_of,
    )


async def page(request: web.Request) -> web.Response:
    """The document in the frame."""
    context, url = request.app[CONTEXT], request.query.get("url", "")
    explained = await asyncio.to_thread(_explained, context, url)
    if request.query.get("as") == "plain":
        html = explained.plain
    else:
        html = (
            '<!doctype html><html><head><meta charset="utf-8"><link rel="stylesheet" href="/static/page.css"></head>'
            f"<body>{explained.marked}</body></html>"
        )
    return web.Response(
        text=html, content_type="text/html", charset="utf-8", headers={"Content-Security-Policy": FRAME_POLICY}
    )


async def media(request: web.Request) -> web.Response:
    """An image of a captured page, out of the archive."""
    context, url = request.app[CONTEXT], request.query.get("url", "")
    found = await asyncio.to_thread(shown_media, context, url)
    stated = found.headers.get("content-type", "").partition(";")[0].strip().lower()
    if stated not in _IMAGES:
        raise web.HTTPNotFound(reason=f"{stated or 'no type'} is not shown")
    headers = {"Content-Security-Policy": DRAWING_POLICY if stated == _SVG else DATA_POLICY}
    return web.Response(body=found.body, content_type=stated, headers=headers)


def _sample_of(context: Context, url: str) -> dict[str, Any] | None:
    """The index row of the page's sample, if it was kept."""
    if "interleaved" not in context.library.kinds:
        return None
    rows = context.library.index.ask("SELECT * FROM interleaved WHERE url = ? LIMIT 1", [url]).dicts()
    return rows[0] if rows else None


def _explained(context: Context, url: str) -> Explained:
    captured, _ = find_page(context.library.index, context.archives, url, _SEARCH_S)
    return context.explain(captured)
