"""What was dropped, queries, and the report."""

import asyncio
from functools import partial
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from jobs.dataset.index import QueryError
from jobs.view.browse import counted_page
from jobs.view.context import CONTEXT, Context
from jobs.view.filters import page_number
from jobs.view.flags import DROPPED
from jobs.view.security import FRAME_POLICY
from schemas.drops import meaning_of

_PAGE = 100
_QUERY_ROWS = 500
_OF_SAMPLES = "SELECT domain, count(*) AS samples, avg(num_words) AS words FROM samples GROUP BY 1 ORDER BY 2 DESC"
_OF_MONTHS = "SELECT substr(fetch_time, 1, 7) AS month, count(*) FROM {} GROUP BY 1 ORDER BY 1"
_OF_DROPS = "SELECT kind, reason, count(*) AS n FROM drops GROUP BY ALL ORDER BY n DESC"


async def drops(request: web.Request) -> web.Response:
    """A page of the rows of drops/*.parquet, with the page that each belongs to."""
    context, query = request.app[CONTEXT], request.query
    chosen = {name: query.get(name, "").strip() for name in ("kind", "reason", "q")}
    number = page_number(query)
    found, counts = await asyncio.gather(
        asyncio.to_thread(_page_of, context, chosen, number), asyncio.to_thread(_counts, context)
    )
    rows, count = found
    asked = {name: value for name, value in chosen.items() if value}

    def link(**changed: Any) -> str:
        values = {**asked, **changed}
        return "/drops?" + urlencode({name: value for name, value in values.items() if value not in ("", 1)})

    return context.render(
        request,
        "drops.html",
        rows=rows,
        flag_of=partial(context.flags.of, DROPPED),
        back=str(request.rel_url),
        chosen=chosen,
        look_link="/drops/look?" + urlencode({name: chosen[name] for name in ("kind", "reason") if chosen[name]}),
        counts=counts,
        count=count,
        number=number,
        pages=max(1, -(-count // _PAGE)),
        link=link,
        meaning_of=meaning_of,
    )


def _page_of(context: Context, chosen: dict[str, str], number: int) -> tuple[list[dict[str, Any]], int]:
    parts, values = [], []
    for name in ("kind", "reason"):
        if chosen[name]:
            parts.append(f"{name} = ?")
            values.append(chosen[name])
    if chosen["q"]:
        parts.append("(contains(lower(url), ?) OR contains(lower(detail), ?))")
        values += [chosen["q"].lower()] * 2
    where = f"WHERE {' AND '.join(parts)}" if parts else ""
    rows, count = counted_page(
        context, f"SELECT url, kind, reason, detail, page_url AS page FROM drops {where}", values, number, _PAGE
    )
    return rows.dicts(), count


def _counts(context: Context) -> dict[str, list[tuple[str, int]]]:
    counts: dict[str, list[tuple[str, int]]] = {}
    sql = "SELECT kind, reason, count(*) n FROM drops GROUP BY ALL ORDER BY kind, n DESC, reason"
    for kind, reason, count in context.library.index.ask(sql).rows:
        counts.setdefault(str(kind), []).append((str(reason), int(count)))
    return counts


async def query(request: web.Request) -> web.Response:
    """A SELECT over the index, and its answer as a table."""
    context = request.app[CONTEXT]
    sql = request.query.get("sql", "").strip()
    answer, wrong = None, ""
    if sql:
        try:
            answer = await asyncio.to_thread(context.library.index.ask, sql, (), _QUERY_ROWS)
        except QueryError as error:
            wrong = str(error)
    index = context.library.index
    tables = {name: await asyncio.to_thread(index.columns, name) for name in index.tables}
    return context.render(
        request, "query.html", sql=sql, answer=answer, wrong=wrong, tables=tables, examples=_examples(context)
    )


def _examples(context: Context) -> list[str]:
    """Of tables that this dataset has."""
    library = context.library
    found = [_OF_SAMPLES, _OF_DROPS] if library.kinds else [_OF_DROPS]
    dated = [kind for kind in library.kinds if "fetch_time" in library.columns[kind]]
    return found + [_OF_MONTHS.format(kind) for kind in dated[:1]]


async def report(request: web.Request) -> web.Response:
    """The report that `weft report` left in the dataset."""
    store = request.app[CONTEXT].store
    if not await asyncio.to_thread(store.exists, "report.html"):
        raise web.HTTPNotFound(reason=f"weft report {store.url} writes the report")
    policy = FRAME_POLICY.replace("img-src 'self' data:", "img-src data:")
    body = await asyncio.to_thread(store.read, "report.html")
    return web.Response(
        body=body, content_type="text/html", charset="utf-8", headers={"Content-Security-Policy": policy}
    )
