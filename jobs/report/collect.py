"""What a report says of one dataset: from manifest, index and drops, and from a few samples."""

import base64
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import msgspec

from crawlers.archive_index import Archives, NotAtHand
from jobs.config import warc_settings
from jobs.dataset.html import parts_of
from jobs.dataset.index import Index, QueryError
from jobs.dataset.page_lookup import build_config
from jobs.dataset.summary import funnel, summary
from jobs.engine.isolation import Isolated, IsolationSettings
from jobs.report.hostile import main_text, thumbnail
from schemas.dataset import DATASET, read_dataset
from schemas.drops import KINDS, Drop, meaning_of
from schemas.shards import DamagedShard, MissingShard
from schemas.storage import Store

#: Reasons that mean a duplicate.
DUPLICATES = (
    "duplicate_url", "duplicate_text", "near_duplicate", "same_images", "boilerplate", "frequent_image",
    "frequent_content", "repeated_image", "duplicate_pair", "many_texts", "frequent_text", "duplicate_video",
)  # fmt: skip
#: Reasons that mean a refusal.
REFUSALS = ("opt_out", "robots", "denied", "robots_unavailable", "site_not_allowed")
_LOOK = 300  # samples whose JSON is read for what the index does not say
_SHOWN = {"interleaved": 3, "pairs": 18, "clips": 6}
_PARTS = 7
_OF_REASON = 3
_PICTURES_S = 30.0  # what is spent on finding pictures of what was dropped


class Collector(AbstractContextManager["Collector"]):
    """One dataset, opened for a report. Memory and time do not grow with it but for reading its index once."""

    def __init__(self, store: Store, archives: Sequence[str] = ()) -> None:
        """`archives`: where what was dropped can be looked up. Raises `NotADataset`, and `OSError`."""
        self._store, self._index = store, Index(store)
        self._archives = Archives(archives, warc_settings(build_config(store)))
        self._thumbnail = Isolated(thumbnail, IsolationSettings(timeout_s=20.0))
        self._main_text = Isolated(partial(main_text, build_config(store)), IsolationSettings(timeout_s=20.0))
        self._dataset = read_dataset(store) if store.exists(DATASET) else None

    def __exit__(self, *_: object) -> None:
        self._thumbnail.close()
        self._main_text.close()
        self._index.close()

    def collect(self) -> dict[str, Any]:
        """Everything that the template shows."""
        found = summary(self._store)
        looked_at = {kind: self._documents(kind, _LOOK) for kind in self._index.kinds}
        return {
            "path": self._store.url,
            "name": self._store.url.rstrip("/").rpartition("/")[2] or self._store.url,
            "summary": found,
            "dataset": self._dataset,
            "funnel": self._funnel(),
            "drops": {kind: dict(sorted(of.items(), key=lambda one: -one[1])) for kind, of in found["drops"].items()},
            "duplicates": _chosen(found["drops"], DUPLICATES),
            "refusals": _chosen(found["drops"], REFUSALS),
            "refused_by": self._refused_by(),
            "formats": {kind: self._formats(kind) for kind in self._index.kinds},
            "looked_at": {kind: _look(documents) for kind, documents in looked_at.items()},
            "samples": {kind: self._samples(kind, looked_at[kind]) for kind in self._index.kinds},
            "dropped": self._dropped(),
            "config": flat(self._dataset.config if self._dataset else {}),
        }

    def _funnel(self) -> list[tuple[str, list[dict[str, Any]]]]:
        """For each kind of item the phases that saw some, in order."""
        rows = funnel(self._dataset) if self._dataset else []
        grouped = [(kind, [row for row in rows if row["kind"] == kind]) for kind in KINDS]
        return [(kind, of_kind) for kind, of_kind in grouped if of_kind]

    def _refused_by(self) -> list[tuple[str, str, int]]:
        """Which signals refused: the detail without the page it was on."""
        sql = (
            "SELECT kind, rtrim(replace(detail, 'on ' || page_url, ''), ', ') AS signal, count(*) AS n FROM drops "
            f"WHERE reason IN ({', '.join('?' * 2)}) GROUP BY ALL ORDER BY n DESC"
        )
        rows = self._index.ask(sql, ["opt_out", "robots"], limit=20).rows
        return [(str(kind), str(signal), int(count)) for kind, signal, count in rows]

    def _formats(self, kind: str) -> dict[str, int]:
        sql = (
            "SELECT regexp_extract(member.name, '[.]([a-z0-9]+)$', 1) AS form, count(*) n "
            f"FROM (SELECT unnest(members) AS member FROM {kind}) GROUP BY 1 ORDER BY n DESC"
        )
        return {str(form): int(count) for form, count in self._index.ask(sql).rows if form not in ("json", "txt")}

    def _documents(self, kind: str, count: int) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Index row and JSON of some samples, chosen by the hash of their keys: the same ones in every report."""
        sql = f"SELECT key, shard, members FROM {kind} ORDER BY hash(key), key LIMIT {count}"
        found = []
        for row in self._index.ask(sql, limit=count, timeout_s=None).dicts():
            member = next((one for one in row["members"] if one["name"].endswith(".json")), None)
            if member is None:
                continue
            shard = self._index.shard(kind, row["shard"])
            try:
                document = msgspec.json.decode(shard.member(member))
            except MissingShard:
                raise
            except (DamagedShard, msgspec.DecodeError, UnicodeDecodeError):
                continue  # one sample, which `weft inspect --check` names
            found.append((row, document))
        return found

    def _samples(self, kind: str, documents: list[tuple[dict[str, Any], dict[str, Any]]]) -> list[dict[str, Any]]:
        step = max(1, len(documents) // _SHOWN[kind])
        return [self._sample(kind, row, document) for row, document in documents[::step][: _SHOWN[kind]]]

    def _sample(self, kind: str, row: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
        tar = f"{kind}/shards/{row['shard']}.tar"
        places = {member["name"]: (member["offset"], member["size"]) for member in row["members"]}

        def picture(name: str) -> str:
            return self._data_uri(self._store.read_range(tar, *places[name])) if name in places else ""

        if kind == "interleaved":
            parts = parts_of(document, {name: name for name in places})
            shown = [{**part, "image": picture(part["image"])} if "image" in part else part for part in parts[:_PARTS]]
            return {"document": document, "parts": shown, "more": max(0, len(parts) - _PARTS)}
        media = next((name for name in places if not name.endswith((".json", ".txt"))), "")
        return {"document": document, "picture": picture(media)}

    def _data_uri(self, data: bytes) -> str:
        """A small JPEG of an image, or of a clip's frames; "" where it cannot be drawn."""
        try:
            small = self._thumbnail(data)
        except (Drop, RuntimeError, OSError, ValueError, ImportError):
            return ""
        return f"data:image/jpeg;base64,{base64.b64encode(small).decode()}"

    def _dropped(self) -> list[dict[str, Any]]:
        """For each kind and reason some that were dropped, and where the archive is at hand what they were."""
        sql = (
            "SELECT kind, reason, count(*) AS n, "
            f"min_by({{'url': url, 'detail': detail}}, hash(url, detail), {_OF_REASON}) AS some FROM drops GROUP BY ALL"
        )
        try:
            rows = self._index.ask(f"{sql} ORDER BY kind, n DESC", limit=500, timeout_s=None).dicts()
        except QueryError:
            return []
        deadline = time.monotonic() + _PICTURES_S
        for row in rows:
            row["meaning"] = meaning_of(row["reason"])
            row["some"] = [self._with_content(row["kind"], one, deadline) for one in row["some"]]
        return rows

    def _with_content(self, kind: str, one: dict[str, str], deadline: float) -> dict[str, str]:
        left = deadline - time.monotonic()
        if left <= 0:
            return one
        try:
            if kind in ("image", "pair", "video", "clip"):
                return {**one, "picture": self._data_uri(self._archives.media(one["url"], left).body)}
            if kind == "page":
                title, text = self._main_text(self._archives.page(one["url"], max_search_s=left))
                return {**one, "title": title, "text": text}
        except (NotAtHand, Drop, OSError, RuntimeError):
            pass
        return one


def _chosen(drops: dict[str, dict[str, int]], reasons: tuple[str, ...]) -> list[tuple[str, str, int]]:
    return [(kind, name, of[name]) for kind, of in drops.items() for name in reasons if of.get(name)]


def _look(documents: list[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, Any]:
    """What only the JSON of samples says: sizes and formats of originals, signals about use."""
    heights: list[int] = []
    formats: Counter[str] = Counter()
    consent: Counter[str] = Counter()
    screened: Counter[str] = Counter()
    for _, document in documents:
        heights.extend(int(size[1]) for size in document.get("image_sizes", []))
        formats.update(document.get("image_original_formats") or [document.get("original_format", "")])
        said = document.get("consent") or {}
        consent.update(
            [*said.get("robots", []), *(["tdm-reservation"] if "tdm_reservation" in said else [])] or ["none"]
        )
        screened.update(document.get("screened") or ["nobody"])
    formats.pop("", None)
    return {
        "count": len(documents),
        "heights": heights,
        "formats": dict(formats.most_common()),
        "consent": dict(consent.most_common()),
        "screened": dict(screened.most_common()),
    }


def flat(tree: Any, path: str = "") -> dict[str, str]:
    """Settings by their path, values as JSON."""
    if isinstance(tree, dict) and tree:
        return {
            name: value for key, one in tree.items() for name, value in flat(one, f"{path}.{key}".lstrip(".")).items()
        }
    return {path: msgspec.json.encode(tree).decode()} if path else {}
