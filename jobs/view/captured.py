"""Pages as they were captured: what was kept of them, what was not, and why."""

import asyncio
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from jobs.archives import NotAtHand
from jobs.view.context import CONTEXT, Context
from jobs.view.library import NoSample
from jobs.view.security import DATA_POLICY, FRAME_POLICY
from jobs.view.work import Explained
from schemas.documents import Page
from schemas.drops import REASONS

_IMAGES = ("image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", "image/avif")


async def source(request: web.Request) -> web.Response:
    """A page, its blocks coloured, beside the list of them and of all that a build let go of it."""
    context, url = request.app[CONTEXT], request.query.get("url", "")
    if not url:
        raise web.HTTPBadRequest(reason="name a page: /source?url=...")
    mode = "plain" if request.query.get("as") == "captured" else "marked"
    sample = await asyncio.to_thread(_sample_of, context, url)
    drops = await asyncio.to_thread(drops_on, context, url)
    explained, missing = None, ""
    try:
        explained = await asyncio.to_thread(_explained, context, url, sample)
    except NotAtHand as error:
        missing = str(error)
    return context.render(
        request,
        "source.html",
        url=url,
        mode=mode,
        sample=sample,
        drops=drops,
        missing=missing,
        report=explained.report if explained else None,
        frame="/captured/page?" + urlencode({"url": url, "as": mode}),
        other="/source?" + urlencode({"url": url, **({"as": "captured"} if mode == "marked" else {})}),
        meanings=REASONS,
    )


async def page(request: web.Request) -> web.Response:
    """The document in the frame."""
    context, url = request.app[CONTEXT], request.query.get("url", "")
    sample = await asyncio.to_thread(_sample_of, context, url)
    explained = await asyncio.to_thread(_explained, context, url, sample)
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
    found = await asyncio.to_thread(context.archives.media, url)
    stated = found.headers.get("content-type", "").partition(";")[0].strip().lower()
    if stated not in _IMAGES:
        raise web.HTTPNotFound(reason=f"{stated or 'no type'} is not shown")
    headers = {"Content-Security-Policy": DATA_POLICY}
    return web.Response(body=found.body, content_type=stated, headers=headers)


def drops_on(context: Context, url: str) -> list[dict[str, Any]]:
    """What the build let go of a page: the page itself, its images and paragraphs."""
    sql = (
        "SELECT url, kind, reason, detail FROM drops WHERE (url = ? AND kind IN ('page', 'paragraph', 'record')) "
        "OR detail = ? OR suffix(detail, ?)"
    )
    return context.library.index.ask(sql, [url, f"on {url}", f", on {url}"], limit=500).dicts()


def _sample_of(context: Context, url: str) -> dict[str, Any] | None:
    """The index row of the page's sample, if it was kept."""
    if "interleaved" not in context.library.kinds:
        return None
    rows = context.library.index.ask("SELECT * FROM interleaved WHERE url = ? LIMIT 1", [url]).dicts()
    return rows[0] if rows else None


def _explained(context: Context, url: str, sample: dict[str, Any] | None) -> Explained:
    found: Page
    if sample is None:
        found = context.archives.page(url)
    else:
        try:
            document = context.library.document("interleaved", sample)
        except NoSample:
            document = {}
        place = (sample["warc_file"], sample["warc_offset"], int(document.get("warc_length", -1)))
        found = context.archives.page(url, *place)
    return context.explain(found)
