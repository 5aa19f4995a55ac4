"""`weft audit`: what was said about the use of a dataset's contents, what was done, and where they come from.

One HTML for people and one JSON, from the same counts. The list of domain names, which alone grows with the dataset, is
written as it is read.
"""

import itertools
from collections.abc import Iterator
from typing import IO, Any

import msgspec

from jobs.dataset.examples import examples
from jobs.dataset.html import templates
from jobs.dataset.index import Index
from jobs.dataset.ledger import ThingCounts, disagreements, ledger
from jobs.dataset.origins import TOP_SHARE, Domain, Origins
from schemas.dataset import DATASET, Dataset, read_dataset
from schemas.signals import SIGNALS

_SHOWN = 200  # domains in the HTML
#: What the HTML says of a sort of thing.
THINGS = {
    "page": "Pages",
    "image": "Images of pages",
    "pair": "Images of pairs",
    "video": "Videos",
    "clip": "Clips",
    "record": "Records of archives",
    "visit": "Visits of the crawler",
}


class Audit:
    """Of one dataset, counted when it is made; `domains` is read from the open index."""

    def __init__(self, index: Index, version: str, made: str, seed: int = 0) -> None:
        """Raises `DamagedShard` and `OSError`."""
        store = index.store
        dataset = read_dataset(store) if store.exists(DATASET) else None
        origins = Origins(index)
        self._domains = origins
        found = ledger(index)
        different, licences = origins.licences()
        unlike = disagreements(index, dataset)
        self.facts: dict[str, Any] = {
            "path": store.url,
            "made": made,
            "weft_version": version,
            "seed": seed,
            "finished": dataset is not None,
            "dataset": _identity(dataset),
            "consent_settings": dataset.config.get("consent", {}) if dataset else {},
            "kinds": _kinds(index),
            "notes": [*_notes(index, dataset), *(f"the drops do not agree: {line}" for line in unlike)],
            "ledger": [_with_seen(one) for one in found],
            "countries": origins.countries(),
            "licences": {"different": different, "samples": licences},
            "captured": origins.captured(),
            "examples": [msgspec.to_builtins(one) for one in examples(index, seed)],
            "domains": {
                "names": origins.named,
                "without_a_name": origins.unnamed,
                "top_share": TOP_SHARE,
                "tenth": origins.tenth,
            },
        }

    def write_json(self, out: IO[bytes]) -> list[Domain]:
        """All of it; returns the first domains, for the HTML."""
        shown: list[Domain] = []
        out.write(msgspec.json.format(msgspec.json.encode(self.facts), indent=1).removesuffix(b"\n}"))
        out.write(b',\n "top_domains": [')
        for number, domain in enumerate(self._domains.domains()):
            out.write((b",\n  " if number else b"\n  ") + msgspec.json.encode(domain))
            if number < _SHOWN:
                shown.append(domain)
        out.write(b"\n ]\n}\n")
        return shown

    def html(self, domains: list[Domain]) -> str:
        """`domains`: those that are shown, as `write_json` returns them."""
        page = templates("jobs.report").get_template("audit.html")
        return page.render(
            audit=self.facts, domains=domains, things=THINGS, meanings=SIGNALS, classes=_classes(self.facts["examples"])
        )


def _identity(dataset: Dataset | None) -> dict[str, Any]:
    if dataset is None:
        return {}
    wanted = ("config_hash", "weft_version", "inputs", "input_bytes")
    return {name: getattr(dataset, name) for name in wanted} | {"builds": max(1, len(dataset.builds))}


def _kinds(index: Index) -> dict[str, dict[str, int]]:
    return {
        kind: {
            "samples": sum(mark.shard.samples for mark in marks),
            "images": sum(mark.shard.images for mark in marks),
            "shards": len(marks),
        }
        for kind, marks in index.marks.items()
        if marks
    }


def _notes(index: Index, dataset: Dataset | None) -> Iterator[str]:
    """What the reader must know of what could not be counted."""
    if dataset is None:
        yield "the dataset is not finished: this is what is committed so far, and more may come"
    for kind, counts in _kinds(index).items():
        columns = index.columns(kind)
        if "signals" not in columns:
            yield f"{kind}: written before signals were recorded; of its {counts['samples']:,} samples nothing is known"
        elif lacking := index.ask(f"SELECT count(*) FROM {kind} WHERE signals IS NULL", timeout_s=None).rows[0][0]:
            yield f"{kind}: {lacking:,} samples were written before signals were recorded; of these nothing is known"


def _with_seen(one: ThingCounts) -> dict[str, Any]:
    """The sums that a reader of the JSON would make himself."""
    signals = [{**msgspec.to_builtins(of), "seen": of.seen} for of in one.signals]
    return {**msgspec.to_builtins(one), "signals": signals}


def _classes(found: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Examples by signal, what was refused first."""
    order = {"refused": 0, "no": 1, "conditional": 2, "yes": 3, "unknown": 4}
    names = [*SIGNALS, *sorted({one["signal"] for one in found} - {*SIGNALS, ""}), ""]
    by_name = sorted(found, key=lambda one: (names.index(one["signal"]), order.get(one["outcome"], 9), one["kind"]))
    return [(name, list(group)) for name, group in itertools.groupby(by_name, key=lambda one: str(one["signal"]))]
