"""The routes of the viewer, and how it is served."""

import asyncio
import logging
import posixpath
import time
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from crawlers.archive_index import NotAtHand
from crawlers.inputs import named_archives
from jobs.dataset.html import templates
from jobs.dataset.index import QueryError
from jobs.dataset.summary import NotADataset
from jobs.view import (
    alike,
    browse,
    captured,
    compared,
    distributions,
    dropped,
    drops,
    duplicates,
    flagging,
    media,
    samples,
)
from jobs.view.context import CONTEXT, Context
from jobs.view.flags import FlagsError
from jobs.view.library import NoSample
from jobs.view.security import guard
from schemas.drops import Drop
from schemas.shards import DamagedShard
from schemas.storage import Store

logger = logging.getLogger(__name__)
_LOOK_EVERY_S = 10.0
_MAX_ADDRESS = 4 << 20  # bytes, more than browsers send: a query in SQL stands in one
_MAX_LINE = 64 << 20  # beyond, the server itself hangs up with a traceback
_STATIC = {"weft.css": "text/css", "page.css": "text/css", "weft.js": "text/javascript", "icon.svg": "image/svg+xml"}


def make_app(context: Context, host: str = "127.0.0.1") -> web.Application:
    """The viewer of one dataset. `host` is the name that it may be asked for beside localhost and addresses."""
    app = web.Application(middlewares=[guard(host), _looking_again(), _error_pages])
    app[CONTEXT] = context
    get = app.router.add_get
    get("/", browse.overview)
    get("/find", samples.find)
    get("/random/{kind}", samples.random)
    get("/browse/{kind}", browse.browse)
    get("/distributions/{kind}", distributions.distributions)
    get("/sample/{kind}/{key}", samples.sample)
    get("/sample/{kind}/{key}/attention", samples.attention)
    get("/member/{kind}/{key}/{number:[0-9]+}", media.member)
    get("/sheet/{key}", media.sheet)
    get("/compare", compared.first)
    get("/compare/{kind}", compared.compared)
    get("/alike/{kind}/{key}", alike.alike)
    get("/duplicates", duplicates.duplicates)
    get("/duplicates/of", duplicates.group)
    get("/duplicates/difference", duplicates.difference)
    get("/source", captured.source)
    get("/captured/page", captured.page)
    get("/captured/media", captured.media)
    get("/drops", drops.drops)
    get("/drops/look", dropped.look)
    get("/dropped/picture", dropped.picture)
    get("/dropped/text", dropped.text)
    get("/query", drops.query)
    get("/report", drops.report)
    get("/flags", flagging.flags)
    get("/flags/{form:keys.txt|deny.txt|flags.csv}", flagging.export)
    get("/review", flagging.review)
    app.router.add_post("/flag", flagging.flag)
    get("/static/{name}", _static)
    app.on_cleanup.append(_close)
    return app


async def serve(context: Context, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until cancelled; `ready` gets the address. Raises `OSError` where the port is taken."""
    runner = web.AppRunner(make_app(context, host), access_log=None, max_line_size=_MAX_LINE)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        address = runner.addresses[0]
        name = f"[{address[0]}]" if ":" in str(address[0]) else address[0]
        ready(f"http://{name}:{address[1]}/")
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def open_context(
    url: str,
    tokenizers: list[str],
    inputs: Sequence[str] = (),
    own_steps: bool = False,
    flags: str = "",
    embeddings: str = "",
    compared_with: str = "",
) -> Context:
    """`inputs` name the archives to look captured pages up in; the rest is as `Context` takes it.

    Raises `NotADataset`, `InputError`, `FlagsError`, and `OSError`.
    """
    return Context(
        Store(url),
        templates("jobs.view"),
        tokenizers,
        named_archives(inputs),
        own_steps,
        flags,
        embeddings,
        compared_with,
    )


async def _close(app: web.Application) -> None:
    app[CONTEXT].close()


def _looking_again() -> Middleware:
    """A change of the dataset is told by the page after the one that was asked for meanwhile: none waits for it."""
    looked_at, looking = time.monotonic(), set[asyncio.Task[None]]()

    @web.middleware
    async def look_again(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal looked_at
        if not looking and time.monotonic() - looked_at >= _LOOK_EVERY_S:
            looked_at = time.monotonic()
            task = asyncio.create_task(asyncio.to_thread(request.app[CONTEXT].look_again))
            looking.add(task)
            task.add_done_callback(looking.discard)
        return await handler(request)

    return look_again


@web.middleware
async def _error_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What goes wrong becomes a page that says so."""
    if len(request.raw_path) > _MAX_ADDRESS:
        return _error(
            request, 414, f"the address has {len(request.raw_path):,} bytes, and {_MAX_ADDRESS:,} are the most"
        )
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _error(request, error.status, error.reason)
    except NoSample as error:
        return _error(request, 404, str(error))
    except (NotAtHand, Drop) as error:
        return _error(request, 404, f"{error.reason}: {error.detail}" if isinstance(error, Drop) else str(error))
    except (FlagsError, DamagedShard) as error:
        return _error(request, 500, str(error))
    except (OSError, NotADataset) as error:  # among them the `QueryError` of a storage
        return _error(request, 502, f"the storage failed: {error}")
    except QueryError as error:
        return _error(request, 400, str(error))
    except asyncio.CancelledError:
        raise
    except Exception as error:  # one page that fails must not end the server
        logger.exception("%s", request.path)
        return _error(request, 500, f"{type(error).__name__}: {error}")


def _error(request: web.Request, status: int, message: str) -> web.Response:
    titles = {400: "That question has no answer", 404: "Nothing is there", 502: "The storage does not answer"}
    title = titles.get(status, "That went wrong")
    response = request.app[CONTEXT].render(request, "error.html", title=title, message=message)
    response.set_status(status)
    return response


async def _static(request: web.Request) -> web.Response:
    name = posixpath.basename(request.match_info["name"])
    if name not in _STATIC:
        raise web.HTTPNotFound
    body: Any = files("jobs.view").joinpath("static", name).read_bytes()
    return web.Response(body=body, content_type=_STATIC[name], charset="utf-8", headers={"Cache-Control": "no-cache"})
