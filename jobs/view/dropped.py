"""What was dropped, to look at: a random draw for each reason, with pictures and texts out of archives."""

import asyncio
from typing import Any
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from crawlers.archive_index import NotAtHand
from crawlers.captured import Media
from jobs.view.context import CONTEXT, Context
from jobs.view.filters import whole
from jobs.view.security import DATA_POLICY
from schemas.drops import Drop, meaning_of

#: Drawn of each reason where all are shown, and where one is chosen.
_OF_EACH, _OF_ONE = 6, 48
_GROUPS = 60
_SEARCH_S = 20.0
#: How each kind of item is shown.
_FORMS = {"image": "picture", "pair": "picture", "video": "sheet", "clip": "sheet", "page": "text"}
_UNSEEN = ("hash_listed", "not_captured", "no_address", "presigned")


class Group(msgspec.Struct, frozen=True):
    """Items of one kind that were dropped for one reason, and some of them drawn at random."""

    kind: str
    reason: str
    count: int
    some: list[dict[str, str]]  # url, detail, page

    @property
    def form(self) -> str:
        """How they are shown: `picture`, `sheet`, `text`, or "" where nothing can be."""
        return "" if self.reason in _UNSEEN else _FORMS.get(self.kind, "")


async def look(request: web.Request) -> web.Response:
    """A draw of each reason, or a larger one of those that are chosen; another number is another draw."""
    context, query = request.app[CONTEXT], request.query
    chosen = {name: query.get(name, "").strip() for name in ("kind", "reason")}
    number = whole(query.get("draw", ""), 0)
    groups = await asyncio.to_thread(draw, context, chosen["kind"], chosen["reason"], number)
    archives = await asyncio.to_thread(lambda: context.archives.urls)

    def link(**changed: Any) -> str:
        values = {**chosen, **changed}
        asked = urlencode({name: value for name, value in values.items() if value not in ("", 0)})
        return f"/drops/look?{asked}" if asked else "/drops/look"

    return context.render(
        request,
        "dropped.html",
        groups=groups,
        chosen=chosen,
        number=number,
        link=link,
        rows_link=f"/drops?{urlencode({name: value for name, value in chosen.items() if value})}",
        has_archives=bool(archives),
        meaning_of=meaning_of,
    )


def draw(context: Context, kind: str, reason: str, number: int) -> list[Group]:
    """By kind and frequency. The same number gives the same draw. Raises `QueryError`."""
    asked = [(name, value) for name, value in (("kind", kind), ("reason", reason)) if value]
    where = f"WHERE {' AND '.join(f'{name} = ?' for name, _ in asked)}" if asked else ""
    size = _OF_ONE if reason else _OF_EACH
    item, order = "{'url': url, 'detail': detail, 'page': page_url}", "hash(url, detail, page_url, CAST(? AS BIGINT))"
    sql = (
        f"SELECT kind, reason, count(*) AS count, min_by({item}, {order}, {size}) AS some FROM drops {where} "
        "GROUP BY ALL ORDER BY kind, count DESC, reason"
    )
    rows = context.library.index.ask(sql, [number, *(value for _, value in asked)], limit=_GROUPS).dicts()
    return [Group(**{**row, "some": [_shortened(one) for one in row["some"]]}) for row in rows]


def _shortened(one: dict[str, str]) -> dict[str, str]:
    """A detail need not name the page, to which a link leads."""
    detail = one["detail"] or ""
    return {**one, "detail": detail.replace(f"on {one['page']}", "").rstrip(", ") if one["page"] else detail}


async def picture(request: web.Request) -> web.Response:
    """A small picture of an image out of the archives, or of the frames of a video, drawn in a process of its own."""
    context, url = request.app[CONTEXT], request.query.get("url", "")
    return _answer(await asyncio.to_thread(_picture, context, url))


def _picture(context: Context, url: str) -> bytes:
    """Raises `NotAtHand` and `Drop`."""
    media = shown_media(context, url)
    try:
        return context.thumbnail(media.body)
    except (RuntimeError, OSError, ValueError) as error:
        raise NotAtHand(f"it cannot be drawn: {error}") from None


def shown_media(context: Context, url: str) -> Media:
    """What lies at an address in the archives, if it may be shown. Raises `NotAtHand` and `Drop`."""
    media = context.archives.media(url)
    context.listed.refuse(url, media)
    return media


def _answer(data: bytes) -> web.Response:
    headers = {"Content-Security-Policy": DATA_POLICY, "Cache-Control": "no-cache"}
    return web.Response(body=data, content_type="image/jpeg", headers=headers)


async def text(request: web.Request) -> web.Response:
    """The title and the beginning of a page, as a piece of the page that asks."""
    context, url = request.app[CONTEXT], request.query.get("url", "")
    title, words, missing = await asyncio.to_thread(_text, context, url)
    return context.render(request, "dropped_text.html", title=title, text=words, missing=missing)


def _text(context: Context, url: str) -> tuple[str, str, str]:
    try:
        title, words = context.main_text(context.archives.page(url, max_search_s=_SEARCH_S))
    except (NotAtHand, OSError, RuntimeError) as error:
        return "", "", str(error)
    except Drop as drop:
        return "", "", f"{drop.reason}: {drop.detail}"
    return title, words, ""
