"""Samples that look like one another: by the perceptual hashes of the index, or by embeddings of the user's."""

import asyncio
import math
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from jobs.dataset.index import EMBEDDINGS, QueryError
from jobs.view.browse import IMAGES
from jobs.view.context import CONTEXT
from jobs.view.filters import whole
from jobs.view.library import Library, NoSample

#: Columns with hashes by kind, one for each image or sampled frame.
_HASHES = {"interleaved": "image_phashes", "pairs": "[phash]", "clips": "frame_hashes"}
_SHOWN = 48
#: Bits of 64 that may differ: the same picture, one that was cropped or drawn over a little, one with the same shapes.
WITHIN = (4, 10, 16)
_DEFAULT, _FARTHEST = 10, 24


class Found(msgspec.Struct, frozen=True):
    """An image of a sample that is like another."""

    kind: str
    key: str
    image: int  # counted from 1; of clips the sampled frame
    near: str  # how near it is, in words
    words: str = ""
    picture: str = ""  # the address of the image or clip


async def alike(request: web.Request) -> web.Response:
    """What is like an image of a sample, of all kinds, the nearest first."""
    context, query = request.app[CONTEXT], request.query
    kind, key = request.match_info["kind"], request.match_info["key"]
    image, within = whole(query.get("image", ""), 1), whole(query.get("within", ""), _DEFAULT, _FARTHEST)
    by_embedding = query.get("by") == "embedding"
    values = await asyncio.to_thread(_values, context.library, kind, key, image, within, by_embedding)

    def link(**changed: Any) -> str:
        asked = {"image": image, "within": within, "by": "embedding" if by_embedding else "", **changed}
        plain = {"image": 1, "within": _DEFAULT, "by": ""}
        shown = {name: value for name, value in asked.items() if value != plain[name]}
        return f"/alike/{kind}/{key}{'?' if shown else ''}{urlencode(shown)}"

    return context.render(
        request,
        "alike.html",
        kind=kind,
        key=key,
        image=image,
        within=within,
        widths=WITHIN,
        by_embedding=by_embedding,
        has_embeddings=context.library.has_embeddings,
        link=link,
        **values,
    )


def _values(library: Library, kind: str, key: str, image: int, within: int, by_embedding: bool) -> dict[str, Any]:
    row = library.row(kind, key)
    if "members" not in row or _HASHES[kind].strip("[]") not in row:
        row = library.whole_row(kind, key)
    if not 1 <= image <= max(1, len(_hashes(kind, row))):
        raise NoSample(f"{key} has {len(_hashes(kind, row))} images")
    own = [_picture(kind, row, number) for number in range(1, len(_hashes(kind, row)) + 1)]
    values: dict[str, Any] = {"own": own, "title": _words(row), "found": [], "wrong": ""}
    try:
        near = by_embeddings(library, kind, key, image) if by_embedding else by_hash(library, kind, row, image, within)
        values["found"] = shown_of(
            library, [one for one in near if (one.kind, one.key, one.image) != (kind, key, image)]
        )
    except QueryError as error:
        values["wrong"] = str(error)
    return values


def _hashes(kind: str, row: dict[str, Any]) -> list[str]:
    found = row.get(_HASHES[kind].strip("[]")) or []
    return [found] if isinstance(found, str) else list(found)


def by_hash(library: Library, kind: str, row: dict[str, Any], image: int, within: int) -> list[Found]:
    """Images whose hashes differ from that of an image in so many bits at most. Raises `QueryError`."""
    hashes = _hashes(kind, row)
    if image > len(hashes) or not hashes[image - 1]:
        raise QueryError("no perceptual hash of it is known")
    kinds = [one for one in library.kinds if _HASHES[one].strip("[]") in library.columns[one]]
    parts = [
        f"SELECT '{one}' AS kind, key, unnest(range(1, len(hashes) + 1)) AS image, unnest(hashes) AS look "
        f"FROM (SELECT key, {_HASHES[one]} AS hashes FROM {one})"
        for one in kinds
    ]
    sql = (
        "SELECT kind, key, image, bit_count(xor(TRY_CAST('0x' || look AS UBIGINT), CAST(? AS UBIGINT))) AS far "
        f"FROM ({' UNION ALL '.join(parts)}) WHERE far <= ? ORDER BY far, kind, key, image LIMIT {_SHOWN + 1}"
    )
    rows = library.index.ask(sql, [int(hashes[image - 1], 16), within], limit=_SHOWN + 1).rows
    return [Found(str(one), str(key), int(number), _bits(far)) for one, key, number, far in rows]


def _bits(far: int) -> str:
    return "the same look" if far == 0 else f"{far} bit{'s' if far > 1 else ''} apart"


def by_embeddings(library: Library, kind: str, key: str, image: int) -> list[Found]:
    """Images by the cosine of their embeddings, the nearest first. Raises `QueryError`."""
    if not library.has_embeddings:
        raise QueryError("no embeddings are at hand: weft view --embeddings FILE names them")
    columns = library.index.columns(EMBEDDINGS)
    of_kind = "kind" if "kind" in columns else f"'{library.kinds[0]}'"
    number = "image + 1" if "image" in columns else "1"
    rows = f"(SELECT {of_kind} AS kind, key, {number} AS image, CAST(embedding AS DOUBLE[]) AS place FROM {EMBEDDINGS})"
    own = library.index.ask(
        f"SELECT place FROM {rows} WHERE kind = ? AND key = ? AND image = ?", [kind, key, image]
    ).rows
    if not own or own[0][0] is None:
        raise QueryError("the embedding of it is not in the file")
    if not any(own[0][0]) or not all(value is not None and math.isfinite(value) for value in own[0][0]):
        raise QueryError("its embedding points nowhere: all of it is 0, or it is no numbers")
    # Without nulls where there are none by then: DuckDB looks at what stands in rows that were ruled out, too.
    place = "list_filter(place, lambda one: one IS NOT NULL)"
    sound = (
        "len(place) = ? AND len(list_filter(place, lambda one: one IS NULL OR NOT isfinite(one))) = 0 "
        "AND len(list_filter(place, lambda one: one <> 0)) > 0"
    )
    near = f"CASE WHEN {sound} THEN list_cosine_similarity({place}, CAST(? AS DOUBLE[])) END"
    sql = (
        f"SELECT * FROM (SELECT kind, key, image, {near} AS near FROM {rows} SEMI JOIN samples USING (kind, key)) "
        f"WHERE isfinite(near) ORDER BY near DESC, kind, key, image LIMIT {_SHOWN + 1}"
    )
    found = library.index.ask(sql, [len(own[0][0]), own[0][0]], limit=_SHOWN + 1).rows
    return [Found(str(one), str(name), int(place), f"cosine {near:.3f}") for one, name, place, near in found]


def shown_of(library: Library, found: Sequence[Found]) -> list[Found]:
    """The same with their pictures and words; what is not in the dataset any more is left out."""
    shown = []
    for one in found[:_SHOWN]:
        try:
            row = library.row(one.kind, one.key)
        except NoSample:
            continue
        picture = _picture(one.kind, row, one.image)
        shown.append(msgspec.structs.replace(one, picture=picture, words=_words(row)))
    return shown


def _words(row: dict[str, Any]) -> str:
    return str(row.get("caption") or row.get("title") or row.get("url") or row["key"])


def _picture(kind: str, row: dict[str, Any], image: int) -> str:
    """The address of the image of this number, or of the clip; "" where it is not in the shard."""
    wanted = (".mp4", ".webm") if kind == "clips" else IMAGES
    media = [number for number, member in enumerate(row["members"]) if member["name"].lower().endswith(wanted)]
    place = 0 if kind == "clips" else image - 1
    return f"/member/{kind}/{row['key']}/{media[place]}" if 0 <= place < len(media) else ""
