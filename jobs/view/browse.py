"""The overview, and pages of samples."""

import asyncio
import time
from functools import partial
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from jobs.dataset.index import QueryError, StorageError
from jobs.dataset.summary import funnel
from jobs.view.context import CONTEXT, Context
from jobs.view.filters import ORDERS, Filter, page_number, read_filter
from jobs.view.library import Library
from schemas.drops import meaning_of

_PAGE = {"interleaved": 24, "pairs": 60, "clips": 24}
#: Items of which a sample is made; the others are counted in the report.
_OF_SAMPLES = ("page", "pair", "video", "clip")
IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".gif")


async def overview(request: web.Request) -> web.Response:
    """Totals, the funnel and the reasons: from the manifest alone, so that it is there at once."""
    context = request.app[CONTEXT]
    library = context.library
    totals = {
        kind: {
            "samples": library.total(kind),
            "images": sum(shard.images for shard in library.shards(kind)),
            "bytes": sum(shard.tar_bytes for shard in library.shards(kind)),
            "shards": len(library.shards(kind)),
        }
        for kind in library.kinds
    }
    drops = library.dataset.drops if library.dataset else await asyncio.to_thread(_counted_drops, library)
    return context.render(
        request,
        "overview.html",
        totals=totals,
        phases=[row for row in funnel(library.dataset) if row["kind"] in _OF_SAMPLES] if library.dataset else [],
        drops={kind: sorted(of_kind.items(), key=lambda item: -item[1]) for kind, of_kind in drops.items()},
        meaning_of=meaning_of,
        dataset=library.dataset,
        has_report=context.store.exists("report.html"),
    )


def _counted_drops(library: Library) -> dict[str, dict[str, int]]:
    drops: dict[str, dict[str, int]] = {}
    for kind, reason, count in library.index.ask("SELECT kind, reason, count(*) FROM drops GROUP BY ALL").rows:
        drops.setdefault(str(kind), {})[str(reason)] = int(count)
    return drops


async def browse(request: web.Request) -> web.Response:
    """A page of a kind's samples, narrowed by what the address asks for."""
    context = request.app[CONTEXT]
    library, kind = context.library, request.match_info["kind"]
    if kind not in library.kinds:
        raise web.HTTPNotFound(reason=f"this dataset has no {kind}")
    chosen = read_filter(request.query)
    number = page_number(request.query)
    started = time.monotonic()
    # The rows are what the reader waits for; how many there are in all is counted in the background.
    try:
        rows, count = await asyncio.gather(
            asyncio.to_thread(library.page, kind, chosen, number - 1, _PAGE[kind]),
            asyncio.to_thread(library.count, kind, chosen),
        )
        wrong = ""
    except StorageError:
        raise
    except QueryError as error:
        rows, count, wrong = [], 0, str(error)
    seconds = time.monotonic() - started
    excerpts = await asyncio.to_thread(library.excerpts, kind, rows, chosen.text)
    pages = max(1, -(-count // _PAGE[kind]))
    response = context.render(
        request,
        f"browse_{kind}.html",
        wrong=wrong,
        kind=kind,
        samples=[{**shown(kind, row), "excerpt": excerpt} for row, excerpt in zip(rows, excerpts, strict=True)],
        asked=asked(chosen),
        flag_of=partial(context.flags.of, kind),
        chosen=chosen,
        count=count,
        total=library.total(kind),
        number=number,
        pages=pages,
        first=(number - 1) * _PAGE[kind] + 1,
        seconds=seconds,
        link=partial(_link, kind, chosen),
        orders=_orders(library, kind),
        facets=library.facets(kind),
        columns=library.columns[kind],
        has_texts=library.texts is not None,
    )
    response.set_status(400 if wrong else 200)
    return response


def asked(chosen: Filter) -> str:
    """`?...` of links to samples, so that they are walked as the list is; "" where nothing is asked."""
    query = chosen.query()
    return f"?{query}" if query else ""


def list_link(kind: str, chosen: Filter, number: int) -> str:
    """The page of the list on which the sample of that number stands."""
    return _link(kind, chosen, max(1, -(-number // _PAGE[kind])))


def shown(kind: str, row: dict[str, Any]) -> dict[str, Any]:
    """A row with the addresses of its first image or its clip."""
    wanted = (".mp4", ".webm") if kind == "clips" else IMAGES
    media = [number for number, member in enumerate(row["members"]) if member["name"].lower().endswith(wanted)]
    return {**row, "media": [f"/member/{kind}/{row['key']}/{number}" for number in media[:4]]}


def _link(kind: str, chosen: Filter, page: int) -> str:
    query = "&".join(filter(None, (chosen.query(), urlencode({"page": page}) if page > 1 else "")))
    return f"/browse/{kind}{'?' if query else ''}{query}"


def _orders(library: Library, kind: str) -> dict[str, str]:
    return {name: label for name, (label, sql) in ORDERS.items() if sql.split(" ")[0] in library.columns[kind]}


def counted_page(context: Context, sql: str, parameters: list[Any], number: int, size: int) -> tuple[Any, int]:
    """A page of any query's rows, and how many rows it has."""
    rows = context.library.index.ask(f"{sql} LIMIT {size} OFFSET {(number - 1) * size}", parameters, limit=size)
    return rows, context.library.counted(f"SELECT count(*) FROM ({sql})", parameters)
