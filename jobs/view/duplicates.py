"""Pages that were dropped for another that stayed, side by side with it and with what differs in their texts."""

import asyncio
import difflib
from typing import Any
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from crawlers.archive_index import NotAtHand
from jobs.view.browse import counted_page
from jobs.view.context import CONTEXT, Context
from jobs.view.filters import page_number
from jobs.view.library import NoSample
from schemas.drops import Drop, meaning_of

_PAGE = 50
_OF_ONE = 60  # pages of a group that are shown
_DEEPEST = 6
_SEARCH_S = 20.0
_MAX_WORDS = 4000  # of a text that is compared
_AROUND = 12  # words that are shown beside a difference
#: How the phases that compare pages tell in a drop which page stayed.
_STAYED = r"^same as (.*) of ([^ ]*)$"
_LOST = (
    f"SELECT url, reason, regexp_extract(detail, '{_STAYED}', 1) AS stayed, "
    f"regexp_extract(detail, '{_STAYED}', 2) AS time FROM drops WHERE kind = 'page' AND starts_with(detail, 'same as ')"
)
#: A piece of a text: its words, and "same", "gone" (of the page that stayed alone), "new", or "cut".
Piece = tuple[str, str]


class Lost(msgspec.Struct, frozen=True):
    """A page that was dropped for another."""

    url: str
    reason: str
    stayed: str
    time: str  # when that was captured


async def duplicates(request: web.Request) -> web.Response:
    """The groups, the largest first."""
    context, query = request.app[CONTEXT], request.query
    reason = query.get("reason", "").strip()
    number = page_number(query)
    where, values = ("WHERE reason = ?", [reason]) if reason else ("", [])
    sql = (
        f"SELECT stayed, count(*) AS count, list_sort(list(DISTINCT reason)) AS reasons FROM ({_LOST}) {where} "
        "GROUP BY stayed ORDER BY count DESC, stayed"
    )
    (rows, count), reasons = await asyncio.gather(
        asyncio.to_thread(counted_page, context, sql, values, number, _PAGE),
        asyncio.to_thread(
            context.library.index.ask, f"SELECT reason, count(*) n FROM ({_LOST}) GROUP BY 1 ORDER BY n DESC"
        ),
    )

    def link(**changed: Any) -> str:
        asked = {"reason": reason, **changed}
        shown = urlencode({name: value for name, value in asked.items() if value not in ("", 1)})
        return f"/duplicates?{shown}" if shown else "/duplicates"

    return context.render(
        request,
        "duplicates.html",
        rows=rows.dicts(),
        count=count,
        reason=reason,
        reasons=reasons.rows,
        number=number,
        pages=max(1, -(-count // _PAGE)),
        link=link,
        meaning_of=meaning_of,
    )


async def group(request: web.Request) -> web.Response:
    """A page that stayed, and those that were dropped for it or for one of these. Raises `NoSample` for an address that
    nothing in the dataset names."""
    context, url = request.app[CONTEXT], request.query.get("url", "")
    lost = await asyncio.to_thread(lost_to, context, url)
    archives = await asyncio.to_thread(lambda: context.archives.urls)
    onward = await asyncio.to_thread(_onward, context, url)
    try:
        kind, key = await asyncio.to_thread(context.library.find, url)
    except NoSample:
        kind = key = ""
    reasons = await asyncio.to_thread(_reasons, context, url)
    if not (lost or key or reasons):
        raise NoSample(f"no page of this dataset, kept or dropped, has the address {url[:200]!r}")
    return context.render(
        request,
        "duplicate.html",
        url=url,
        lost=lost,
        reasons=reasons,
        onward=onward,
        kind=kind,
        key=key,
        has_archives=bool(archives),
        meaning_of=meaning_of,
    )


def lost_to(context: Context, url: str) -> list[Lost]:
    """Those that were dropped for a page, those that were dropped for these, and so on; some tens at most."""
    found: list[Lost] = []
    seen, waiting = {url}, [url]
    for _ in range(_DEEPEST):
        if not waiting or len(found) >= _OF_ONE:
            break
        sql = f"SELECT * FROM ({_LOST}) WHERE stayed IN ({', '.join('?' * len(waiting))}) ORDER BY url, time"
        rows = context.library.index.ask(sql, waiting, limit=_OF_ONE - len(found)).dicts()
        found += [Lost(**row) for row in rows]
        waiting = [one for one in dict.fromkeys(row["url"] for row in rows) if one not in seen]
        seen.update(waiting)
    return found


def _onward(context: Context, url: str) -> str:
    """The page for which this one was dropped itself; "" where it was not."""
    rows = context.library.index.ask(
        f"SELECT stayed FROM ({_LOST}) WHERE url = ? AND stayed <> url", [url], limit=1
    ).rows
    return str(rows[0][0]) if rows else ""


def _reasons(context: Context, url: str) -> list[str]:
    """Why pages of an address were dropped."""
    sql = "SELECT DISTINCT reason FROM drops WHERE kind = 'page' AND url = ? ORDER BY reason"
    return [str(reason) for (reason,) in context.library.index.ask(sql, [url]).rows]


async def difference(request: web.Request) -> web.Response:
    """How the text of a page differs from that of the one that stayed, as a piece of the page that asks."""
    context, query = request.app[CONTEXT], request.query
    url, stayed = query.get("url", ""), query.get("of", "")
    pieces, shared, missing = await asyncio.to_thread(_difference, context, url, stayed)
    return context.render(request, "difference.html", pieces=pieces, shared=shared, missing=missing)


def _difference(context: Context, url: str, stayed: str) -> tuple[list[Piece], float, str]:
    try:
        return *compare_texts(_text(context, stayed), _text(context, url)), ""
    except (NotAtHand, OSError, RuntimeError) as error:
        return [], 0.0, str(error)
    except Drop as drop:
        return [], 0.0, f"{drop.reason}: {drop.detail}"


def _text(context: Context, url: str) -> str:
    """Of a page as it was captured, or else of its sample. Raises `NotAtHand` and `Drop`."""
    try:
        return context.whole_text(context.archives.page(url, max_search_s=_SEARCH_S))
    except NotAtHand:
        try:
            kind, key = context.library.find(url)
            document = context.library.document(kind, context.library.whole_row(kind, key))
        except NoSample:
            pass
        else:
            return "\n".join(str(text) for text in document.get("texts") or [] if text)
        raise


def compare_texts(stayed: str, lost: str) -> tuple[list[Piece], float]:
    """The words of both in pieces, long ones that are the same cut; and the share of words that they have in common."""
    one, other = stayed.split()[:_MAX_WORDS], lost.split()[:_MAX_WORDS]
    first = _shared(one, other)
    last = _shared(one[first:][::-1], other[first:][::-1])
    # What both begin and end with is no matter for the matcher: words that are frequent are none to it.
    matcher = difflib.SequenceMatcher(None, one[first : len(one) - last], other[first : len(other) - last])
    runs: list[tuple[str, int, int, int, int]] = [("equal", 0, first, 0, first)] if first else []
    runs += [(tag, a + first, b + first, c + first, d + first) for tag, a, b, c, d in matcher.get_opcodes()]
    runs += [("equal", len(one) - last, len(one), len(other) - last, len(other))] if last else []
    pieces: list[Piece] = []
    common = 0
    for tag, start, end, other_start, other_end in runs:
        if tag == "equal":
            common += end - start
            pieces += _same(one[start:end], is_first=start == 0, is_last=end == len(one))
            continue
        pieces += [(" ".join(one[start:end]), "gone")] if end > start else []
        pieces += [(" ".join(other[other_start:other_end]), "new")] if other_end > other_start else []
    return pieces, 2 * common / (len(one) + len(other)) if one or other else 1.0


def _shared(one: list[str], other: list[str]) -> int:
    """How many words both begin with."""
    places = (place for place, (word, same) in enumerate(zip(one, other, strict=False)) if word != same)
    return next(places, min(len(one), len(other)))


def _same(words: list[str], is_first: bool, is_last: bool) -> list[Piece]:
    if len(words) <= 3 * _AROUND:
        return [(" ".join(words), "same")]
    before = [] if is_first else words[:_AROUND]
    after = [] if is_last else words[-_AROUND:]
    cut = len(words) - len(before) - len(after)
    parts = [(" ".join(before), "same"), (f"{cut:,} words are the same", "cut"), (" ".join(after), "same")]
    return [(text, how) for text, how in parts if text]
