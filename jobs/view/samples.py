"""One sample: as a reader sees it, and as a model does."""

import asyncio
from collections import Counter
from functools import partial
from typing import Any

from aiohttp import web

from jobs.dataset.html import parts_of
from jobs.dataset.page_lookup import drops_on
from jobs.view.attention import Choices, read_choices, tokenizer_names, window_of
from jobs.view.browse import asked, list_link
from jobs.view.context import CONTEXT, Context
from jobs.view.filters import read_filter
from jobs.view.walk import Walk
from schemas.drops import Drop
from schemas.kinds import KINDS

#: Facts of the JSON that a page shows at places of their own.
_SHOWN_ELSEWHERE = frozenset(
    "key url title texts images image_urls image_alts image_titles image_captions image_sizes image_formats "
    "image_sha256 image_original_sizes image_original_formats image_original_sha256 image_phashes image_scores "
    "clip_similarity clip_assignment caption captions subtitles frame_times_s frame_hashes page_url page_title status "
    "error_message".split()
)


async def find(request: web.Request) -> web.Response:
    """To the sample with a key or address: the link that tools and people can make without knowing the kind."""
    library = request.app[CONTEXT].library
    kind, key = await asyncio.to_thread(library.find, request.query.get("key", "").strip())
    raise web.HTTPFound(f"/sample/{kind}/{key}")


async def random(request: web.Request) -> web.Response:
    """To any of the samples that a filter leaves."""
    library, kind, chosen = request.app[CONTEXT].library, request.match_info["kind"], read_filter(request.query)
    if kind not in library.kinds:
        raise web.HTTPNotFound(reason=f"this dataset has no {kind}")
    key = await asyncio.to_thread(Walk(library, kind, chosen).random_key)
    raise web.HTTPFound(f"/sample/{kind}/{key}{asked(chosen)}")


async def sample(request: web.Request) -> web.Response:
    """The sample with all its facts, and where to go from it."""
    context = request.app[CONTEXT]
    kind, key = request.match_info["kind"], request.match_info["key"]
    values = await asyncio.to_thread(_values, context, kind, key, request)
    return context.render(request, f"sample_{kind}.html", kind=kind, key=key, tab="reader", **values)


def _way(context: Context, kind: str, row: dict[str, Any], request: web.Request) -> dict[str, Any]:
    """Where the sample stands among those asked for or in the review, the ways from it, and what is said of it."""
    said: dict[str, Any] = {
        "flag": context.flags.of(kind, str(row["key"])),
        "known_tags": [tag for tag, _ in context.flags.counts().get(kind, Counter()).most_common(30)],
        "back": str(request.rel_url),
    }
    if request.query.get("review") and context.review and context.review.kind == kind:
        return {**said, "place": context.review.place(str(row["key"])), "asked": "?review=1", "up": "/review"}
    chosen = read_filter(request.query)
    place = Walk(context.library, kind, chosen).place(row)
    return {**said, "place": place, "asked": asked(chosen), "up": list_link(kind, chosen, place.number)}


def _values(context: Context, kind: str, key: str, request: web.Request) -> dict[str, Any]:
    library = context.library
    row = library.row(kind, key)
    if "members" not in row or "row" not in row:
        row = library.row(kind, key)
    document = library.document(kind, row)
    members = library.members(kind, row)
    addresses = {member.name: f"/member/{kind}/{key}/{number}" for number, member in enumerate(members)}
    page = str(document.get(KINDS[kind].page_column, ""))
    return {
        "row": row,
        "document": document,
        "parts": parts_of(document, addresses) if kind == "interleaved" else [],
        "media": [address for name, address in addresses.items() if not name.endswith((".json", ".txt"))],
        "members": [(member, addresses[member.name]) for member in members],
        "facts": [(name, value) for name, value in document.items() if name not in _SHOWN_ELSEWHERE],
        **_way(context, kind, row, request),
        "page": page,
        "drops": drops_on(library.index, page) if page else [],
    }


async def attention(request: web.Request) -> web.Response:
    """The token window as the loader would cut it, and for each token the medium it attends to."""
    context = request.app[CONTEXT]
    kind, key = request.match_info["kind"], request.match_info["key"]
    choices = read_choices(request.query, context.tokenizers)
    values = await asyncio.to_thread(_attention_values, context, kind, key, choices, request)
    return context.render(
        request,
        "attention.html",
        kind=kind,
        key=key,
        tab="attention",
        choices=choices,
        kept=f"?{request.rel_url.raw_query_string}" if request.query_string else "",
        hidden=_asked_pairs(request),
        tokenizers=tokenizer_names(context.tokenizers),
        **values,
    )


def _asked_pairs(request: web.Request) -> list[tuple[str, str]]:
    """What the form hands on."""
    review = [("review", "1")] if request.query.get("review") else []
    return [*read_filter(request.query).pairs, *review]


def _attention_values(context: Context, kind: str, key: str, choices: Choices, request: web.Request) -> dict[str, Any]:
    library = context.library
    row = library.row(kind, key)
    values: dict[str, Any] = {
        "row": row,
        **_way(context, kind, row, request),
        "window": None,
        "wrong": "",
        "page": str(row.get(KINDS[kind].page_column, "")),
    }
    try:
        values["window"] = window_of(kind, key, library.all_members(kind, row), choices)
    except Drop as drop:
        values["wrong"] = f"The loader would drop this sample: {drop.reason}: {drop.detail}"
    except ValueError as error:
        values["wrong"] = str(error)
    values["media_of"] = partial(_address_of, kind, row, library.document(kind, row))
    return values


def _address_of(kind: str, row: dict[str, Any], document: dict[str, Any], place: int) -> str:
    """The address of the sample's medium number `place`."""
    names = [member["name"] for member in row["members"]]
    if kind == "interleaved":
        wanted = [str(name) for name in document.get("images", []) if name is not None]
    else:
        wanted = [name for name in names if not name.endswith((".json", ".txt"))]
    if place >= len(wanted) or wanted[place] not in names:
        return ""
    return f"/member/{kind}/{row['key']}/{names.index(wanted[place])}"
