"""The ledger of one sample: what was said of its page and of each of its images or videos, and what followed."""

import itertools
from collections.abc import Iterator
from typing import Any

import msgspec

from jobs.dataset.index import Index
from jobs.dataset.ledger import DROPS, REFUSALS
from schemas.consent import ConsentSettings
from schemas.dataset import read_dataset
from schemas.kinds import KINDS
from schemas.signals import Signal, decide

_UNRECORDED = "it was written before signals were recorded: what was said of it is not known"
#: Of the sample's JSON, by its kind: the addresses of what its subjects with numbers are, and their rights.
_MEDIA = {"interleaved": ("image_urls", "image_rights"), "pairs": ("url", "rights"), "clips": ("url", "")}


class SubjectLedger(msgspec.Struct, frozen=True):
    """A page, image or video. `decision` says in words what was done, and by what."""

    subject: str  # page, or image 0, image 1, ..., video 0
    url: str
    verdict: str
    decision: str
    signals: list[Signal]
    rights: dict[str, str]  # as the metadata of an image states them


class SampleLedger(msgspec.Struct, frozen=True):
    """One sample; of an address that gave none, `kind` and `key` are "" and `refused` says why."""

    kind: str
    key: str
    url: str
    fetch_time: str
    licence: str
    subjects: list[SubjectLedger]
    refused: list[dict[str, str]]  # what was refused of its page: rows of drops
    notes: list[str]


def sample_ledgers(index: Index, wanted: str) -> list[SampleLedger]:
    """Of each sample that has this key, or is of this page or file; else of what was refused at the address."""
    settings = _settings(index)
    found = [one for kind in index.kinds for one in _of_kind(index, kind, wanted, settings)]
    if found or not (refused := _refused(index, wanted)):
        return found
    return [SampleLedger("", "", wanted, "", "", [], refused, [])]


def _settings(index: Index) -> ConsentSettings | None:
    """Of the build; None where it is not finished, or of a version with other settings."""
    try:
        return msgspec.convert(read_dataset(index.store).config["consent"], ConsentSettings, str_keys=True)
    except (FileNotFoundError, KeyError, msgspec.ValidationError):
        return None


def _of_kind(index: Index, kind: str, wanted: str, settings: ConsentSettings | None) -> Iterator[SampleLedger]:
    page, columns = KINDS[kind].page_column, index.columns(kind)
    asked = dict.fromkeys(("key", "url", page, "shard", "members", "fetch_time", "licence", "signals"))
    chosen = ", ".join(name for name in asked if name in columns)
    where = f"WHERE key = ? OR url = ? OR {page} = ?"
    found = index.ask(f"SELECT DISTINCT shard FROM {kind} {where} ORDER BY 1", [wanted] * 3, timeout_s=None)
    if not found.rows:
        return
    of_shards = index.of_shards(kind, [shard for (shard,) in found.rows])  # signals are read of these alone
    for row in index.ask(
        f"SELECT {chosen} FROM {of_shards} {where} ORDER BY key", [wanted] * 3, timeout_s=None
    ).dicts():
        signals = row.get("signals")
        things = {"page": ("page", row[page], {}), **_media(kind, _document(index, kind, row))}
        said: dict[str, list[Signal]] = {name: [] for name in things}
        for one in signals or []:
            signal = Signal(one["signal"], one["origin"], one["value"], one["verdict"], one["time"])
            said.setdefault(one["subject"], []).append(signal)
        yield SampleLedger(
            kind=kind,
            key=row["key"],
            url=row[page] or row["url"],
            fetch_time=row.get("fetch_time") or "",
            licence=row.get("licence") or "",
            subjects=[
                _subject(things.get(name, (name, "", {})), of, _decision(of, settings) if signals is not None else "")
                for name, of in said.items()
            ],
            refused=_refused(index, row[page]) if row[page] else [],
            notes=[] if signals is not None else [_UNRECORDED],
        )


def _subject(thing: tuple[str, str, dict[str, str]], said: list[Signal], decision: str) -> SubjectLedger:
    name, url, rights = thing
    return SubjectLedger(name, url, decide(said).verdict, decision or "kept; what was said is not known", said, rights)


def _decision(said: list[Signal], settings: ConsentSettings | None) -> str:
    """Why it is here: what the settings of its build refuse would not be."""
    decision = decide(said)
    if decision.by is None:
        return "kept: nothing was said about its use"
    reasons = {
        "no": "kept although refused: the settings of the build do not honour it",
        "conditional": "kept under conditions: the settings of the build "
        + ("let these pass" if settings is None or settings.conditional == "pass" else "do not honour the signal"),
        "yes": "kept: training is allowed",
        "unknown": "kept: nothing that was said is a yes or a no",
    }
    return f"{reasons[decision.verdict]}. {decision.by.words}"


def _document(index: Index, kind: str, row: dict[str, Any]) -> dict[str, Any]:
    """The sample's JSON; nothing where it cannot be read."""
    member = next((one for one in row["members"] if one["name"].endswith(".json")), None)
    if member is None:
        return {}
    data = index.store.read_range(f"{kind}/shards/{row['shard']}.tar", member["offset"], member["size"])
    try:
        found = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _media(kind: str, document: dict[str, Any]) -> dict[str, tuple[str, str, dict[str, str]]]:
    """By their numbers the images or the video of a sample: what each is called, its address and its rights."""
    urls, rights = (document.get(field) if field else None for field in _MEDIA[kind])
    if kind != "interleaved":
        urls, rights = [urls], [rights]
    what = "video" if kind == "clips" else "image"
    stated = itertools.chain(rights or [], itertools.repeat(None))
    both = enumerate(zip(urls or [], stated, strict=False))
    return {str(number): (f"{what} {number}", str(url or ""), of or {}) for number, (url, of) in both}


def _refused(index: Index, url: str) -> list[dict[str, str]]:
    reasons = ", ".join(f"'{reason}'" for reason in REFUSALS)
    sql = f"SELECT url, kind, reason, detail FROM {DROPS} WHERE (page_url = ? OR url = ?) AND reason IN ({reasons})"
    return index.ask(sql, [url, url], timeout_s=None).dicts()
