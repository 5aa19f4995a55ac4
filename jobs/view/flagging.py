"""The pages on which things are flagged, the flags themselves, and what they are exported as."""

import asyncio
import csv
import io
import re
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from jobs.view.context import CONTEXT, Context
from jobs.view.filters import page_number
from jobs.view.flags import BAD, DROPPED, GOOD, Flag, clean_tags

_PAGE = 200
_REVIEW = "review"
#: Addresses looked up in one query.
_ADDRESSES = 1000
#: An address without a host, as browsers read it: they take \\ for /, and leave out what is no visible character.
_ON_THIS_SITE = re.compile(r"/(?![/\\])[!-~]*\Z")


async def flag(request: web.Request) -> web.Response:
    """Say something of a sample or of what was dropped, then on to the next of a review, or back to where one was."""
    context, posted = request.app[CONTEXT], await request.post()
    form = {name: value for name, value in posted.items() if isinstance(value, str)}
    if len(form) < len(posted):
        raise web.HTTPBadRequest(reason="text is wanted, and no file")
    kind, key = form.get("kind", ""), form.get("key", "")
    if kind == DROPPED:
        if not key:
            raise web.HTTPBadRequest(reason="name what was dropped")
    else:
        await asyncio.to_thread(context.library.row, kind, key)  # no flags for what is not there
    said = context.flags.of(kind, key)
    tags, note = _changed(form, said)
    if verdict := form.get("verdict", ""):
        # Pressed again it is taken back, by what the page showed: another window may have said the same since.
        judged = form.get("judged", verdict if verdict in said.tags else "")
        others = tuple(tag for tag in tags if tag != verdict)
        tags = others if judged == verdict else (*others, verdict)
    now = await asyncio.to_thread(context.flags.say, kind, key, tags, note)
    raise web.HTTPSeeOther(_onward(context, now, form.get("back", ""), bool(verdict)))


def _changed(form: dict[str, str], said: Flag) -> tuple[tuple[str, ...], str]:
    """Tags and note as the form changes those that its page showed: another window may have said more since."""
    tags, note = said.tags, said.note
    if "tags" in form:
        shown = clean_tags(tuple(form.get("tags_shown", ",".join(said.tags)).split(",")))
        wanted = clean_tags(tuple(form["tags"].split(",")))
        gone = set(shown) - set(wanted)
        tags = (*(tag for tag in said.tags if tag not in gone), *(tag for tag in wanted if tag not in shown))
    if "note" in form:
        shown_note, written = form.get("note_shown", said.note).strip(), form["note"].strip()
        if said.note == shown_note:
            note = written
        elif written not in (shown_note, said.note):
            note = " | ".join(filter(None, (said.note, written)))
    return tags, note


def _onward(context: Context, now: Flag, back: str, is_verdict: bool) -> str:
    in_review = f"{_REVIEW}=1" in back.partition("?")[2].split("&")
    if context.review and in_review and is_verdict and {GOOD, BAD} & set(now.tags):
        key = context.review.open_key(context.flags, after=now.key)
        return review_link(context.review.kind, key) if key else "/review"
    return back if _ON_THIS_SITE.match(back) else "/flags"


def review_link(kind: str, key: str) -> str:
    """A sample as one of the review."""
    return f"/sample/{kind}/{key}?{_REVIEW}=1"


async def review(request: web.Request) -> web.Response:
    """How far the review is, and what it says so far."""
    context = request.app[CONTEXT]
    found = context.review
    if found is None:
        raise web.HTTPNotFound(reason="weft view DATASET --review 200 draws samples to judge")
    return context.render(
        request,
        "review.html",
        review=found,
        precision=found.precision(context.flags),
        tags=found.tags(context.flags),
        open_key=found.open_key(context.flags),
        flags={key: context.flags.of(found.kind, key) for key in found.keys},
        review_link=review_link,
    )


async def flags(request: web.Request) -> web.Response:
    """All that is flagged, by kind and tag."""
    context = request.app[CONTEXT]
    kind, tag = request.query.get("kind", ""), request.query.get("tag", "")
    found = context.flags.all(kind, tag)
    number = page_number(request.query)

    def link(path: str = "/flags", **changed: Any) -> str:
        values = {"kind": kind, "tag": tag, **changed}
        query = urlencode({name: value for name, value in values.items() if value not in ("", 1)})
        return f"{path}?{query}" if query else path

    return context.render(
        request,
        "flags.html",
        rows=found[(number - 1) * _PAGE :][:_PAGE],
        count=len(found),
        counts=context.flags.counts(),
        chosen={"kind": kind, "tag": tag},
        number=number,
        pages=max(1, -(-len(found) // _PAGE)),
        link=link,
        file=str(context.flags.path),
    )


async def export(request: web.Request) -> web.Response:
    """`keys.txt` for `weft subset --keys`, `deny.txt` for `--deny`, or `flags.csv`."""
    context, form = request.app[CONTEXT], request.match_info["form"]
    found = context.flags.all(request.query.get("kind", ""), request.query.get("tag", ""))
    if form == "keys.txt":
        lines = [flag.key for flag in found if flag.kind != DROPPED]
    elif form == "deny.txt":
        lines = await asyncio.to_thread(_addresses, context, found)
    else:
        lines = [_csv_line(("kind", "key", "tags", "note", "time"))]
        lines += [_csv_line((flag.kind, flag.key, ",".join(flag.tags), flag.note, flag.time)) for flag in found]
    headers = {"Content-Disposition": f'attachment; filename="{form}"'}
    text = "".join(f"{line}\n" for line in lines)
    kind = "text/csv" if form.endswith(".csv") else "text/plain"
    return web.Response(text=text, content_type=kind, charset="utf-8", headers=headers)


def _addresses(context: Context, found: list[Flag]) -> list[str]:
    """Of samples and of what was dropped, each once; what is gone from the dataset has none."""
    urls: dict[str, None] = {}
    for kind in dict.fromkeys(flag.kind for flag in found):
        keys = [flag.key for flag in found if flag.kind == kind]
        if kind == DROPPED:
            urls |= dict.fromkeys(keys)
            continue
        if kind not in context.library.kinds or "url" not in context.library.columns[kind]:
            continue
        for start in range(0, len(keys), _ADDRESSES):
            some = keys[start : start + _ADDRESSES]
            sql = f"SELECT url FROM {kind} WHERE key IN ({', '.join('?' * len(some))})"
            urls |= dict.fromkeys(str(row[0]) for row in context.library.index.ask(sql, some, limit=len(some)).rows)
    return list(urls)


def _csv_line(values: tuple[str, ...]) -> str:
    """A line that no spreadsheet takes for a formula."""
    text = io.StringIO()
    safe = (f"'{value}" if value[:1] in "=+-@\t\r" and value else value for value in values)
    csv.writer(text, lineterminator="").writerow(safe)
    return text.getvalue()
