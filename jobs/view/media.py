"""Bytes of samples: images, clips with ranges, contact sheets."""

import asyncio
import posixpath
import re

from aiohttp import web

from jobs.view.context import CONTEXT
from jobs.view.security import DATA_POLICY

_TYPES = {
    "jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif",
    "bmp": "image/bmp", "mp4": "video/mp4", "webm": "video/webm",
}  # fmt: skip
#: Of an answer without a range to a player that asks for the whole clip; it asks for the rest.
_CHUNK = 4 << 20
_UNSAFE = re.compile(r"[^\w.-]", re.ASCII)


async def member(request: web.Request) -> web.Response:
    """A member by its number in the sample, whole or by `Range`. What is neither image nor clip is plain text."""
    library = request.app[CONTEXT].library
    kind, key = request.match_info["kind"], request.match_info["key"]
    row = await asyncio.to_thread(library.row, kind, key)
    members, number = library.members(kind, row), int(request.match_info["number"])
    if number >= len(members):
        raise web.HTTPNotFound(reason=f"{key} has {len(members)} members")
    found = members[number]
    extension = found.name.rpartition(".")[2].lower()
    headers = {
        "Content-Type": _TYPES.get(extension, "text/plain; charset=utf-8"),
        "Content-Security-Policy": DATA_POLICY,
        "Cache-Control": "no-cache",
        "ETag": f'"{found.crc32:08x}-{found.size}"',
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'inline; filename="{_UNSAFE.sub("_", posixpath.basename(found.name))}"',
    }
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return web.Response(status=304, headers=headers)
    start, stop, status = 0, found.size, 200
    if "Range" in request.headers:
        try:
            wanted = request.http_range
        except ValueError:
            raise web.HTTPRequestRangeNotSatisfiable(reason="not a range of bytes") from None
        start, stop, _ = slice(wanted.start, wanted.stop).indices(found.size)
        if start >= stop:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{found.size}"})
        stop, status = min(stop, start + _CHUNK), 206
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{found.size}"
    data = await asyncio.to_thread(library.read, found, start, stop - start)
    return web.Response(status=status, body=data, headers=headers)


async def sheet(request: web.Request) -> web.Response:
    """The contact sheet of a clip, drawn in a process of its own."""
    context = request.app[CONTEXT]
    key = request.match_info["key"]
    row = await asyncio.to_thread(context.library.row, "clips", key)
    found = next((one for one in context.library.members("clips", row) if one.name.endswith(".mp4")), None)
    if found is None:
        raise web.HTTPNotFound(reason=f"{key} has no clip")
    data = await asyncio.to_thread(context.library.read, found)
    drawn = await asyncio.to_thread(context.draw_sheet, data)
    headers = {"Content-Security-Policy": DATA_POLICY, "Cache-Control": "no-cache"}
    return web.Response(body=drawn, content_type="image/jpeg", headers=headers)
