"""`README.md`: a card as the Hugging Face hub shows it, with the head that it searches by."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from jobs.dataset.cards.facts import CardFacts, counted, printable

_TASKS = {
    "interleaved": ["image-text-to-text", "text-generation"],
    "pairs": ["image-to-text", "text-to-image"],
    "clips": ["video-text-to-text", "text-to-video"],
}
_SIZES = (
    "n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B", "1B<n<10B", "10B<n<100B",
    "100B<n<1T", "n>1T",
)  # fmt: skip
_CC = re.compile(r"https?://creativecommons\.org/(?:licenses/([a-z-]+)/(\d\.\d)|publicdomain/(zero)/1\.0)(?:/.*)?")
#: What the hub knows of Creative Commons.
_KNOWN = {
    "cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0",
    "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0",
    "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0",
}  # fmt: skip
_IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9.+-]*")
_LANGUAGE = re.compile(r"[a-z]{2,3}")


def readme(facts: CardFacts) -> str:
    head = yaml.safe_dump(_head(facts), sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{head}---\n\n" + "\n".join(_lines(facts)) + "\n"


def _head(facts: CardFacts) -> dict[str, Any]:
    languages = [language for language in facts.languages if _LANGUAGE.fullmatch(language)]
    tasks = [task for kind in facts.kinds for task in _TASKS[kind]]
    configs = [
        {"config_name": kind, "data_files": [{"split": "train", "path": f"{kind}/shards/*.tar"}]}
        for kind in facts.kinds
    ]
    return {
        "pretty_name": facts.name,
        **_licence(facts.publisher.licence),
        **({"language": languages} if languages else {}),
        "task_categories": list(dict.fromkeys(tasks)),
        "size_categories": [size_category(facts.samples)],
        "tags": ["webdataset", "croissant", "weft", *facts.kinds],
        **({"configs": configs} if configs else {}),
    }


def size_category(samples: int) -> str:
    """As the hub names sizes."""
    return _SIZES[min(len(_SIZES) - 1, max(0, len(str(samples)) - 3))]


def _licence(licence: str) -> dict[str, str]:
    """An identifier of the hub; any other licence by its name and its address."""
    if not licence:
        return {"license": "other", "license_name": "as-the-pages-state-it"}
    if found := _CC.fullmatch(licence):
        name = "cc0-1.0" if found[3] else f"cc-{found[1]}-{found[2]}"
        if name in _KNOWN:
            return {"license": name}
    if _IDENTIFIER.fullmatch(licence):
        return {"license": licence}
    link = {"license_link": licence} if licence.startswith(("http://", "https://")) else {}
    return {"license": "other", "license_name": re.sub(r"[^a-z0-9.]+", "-", licence.lower()).strip("-")[:80], **link}


def _lines(facts: CardFacts) -> Iterator[str]:
    yield from (f"# {printable(facts.name)}", "", facts.description, "", *_contents(facts), "", *_origin(facts), "")
    refused = ", ".join(counted(count, kind) for kind, count in facts.refused.items())
    yield "## Consent\n\nWhat sites, headers, markup and files say about use in training was read. Refused for it:"
    yield f"{refused or 'nothing'}. What was said stands in each sample; `weft audit` shows it of one, and counts it.\n"
    yield from _table("what was said of a sample", facts.verdicts)
    yield "\n## Licences\n\nAs pages state them, not verified; the most frequent:\n"
    yield from _table("licence", facts.licences)
    placeholders = ", ".join(f"{kind} {count:,}" for kind, count in facts.redacted.items())
    yield "\n## Personal data\n\nPlaceholders stand for what was found in texts:"
    yield f"{placeholders or 'nothing'}. Names, and people in images, stay.\n"
    yield "## What was dropped\n"
    for kind, reasons in facts.dataset.drops.items():
        yield f"* {kind}s: " + ", ".join(f"{reason} {count:,}" for reason, count in reasons.items())
    if facts.publisher.citation:
        yield f"\n## Citation\n\n```bibtex\n{facts.publisher.citation}\n```"


def _contents(facts: CardFacts) -> Iterator[str]:
    yield from ("| kind | samples | images | shards | bytes |", "| --- | --- | --- | --- | --- |")
    for kind, of in facts.kinds.items():
        totals = of.totals
        yield f"| {kind} | {totals.samples:,} | {totals.images:,} | {totals.shards:,} | {totals.bytes:,} |"
    for kind, of in list(facts.kinds.items())[:1]:
        yield "\n```python\nimport webdataset\n"
        yield f'for sample in webdataset.WebDataset("{kind}/shards/{of.shards[0].name}.tar"):'
        yield '    print(sample["__key__"], sample["json"])\n```\n'
        yield "Each tar has an index beside it, `.parquet`, one row a sample; `croissant.json` describes it. What every"
        yield "file and field means is in weft's docs/format.md."


def _origin(facts: CardFacts) -> Iterator[str]:
    dataset = facts.dataset
    when = f", captured from {facts.first} to {facts.last}" if facts.first else ""
    yield f"## Where it comes from\n\n{counted(dataset.inputs, 'input')}, {dataset.input_bytes:,} bytes{when};"
    yield f"{counted(facts.domains, 'domain')}. Made by weft {dataset.weft_version} with the settings"
    yield f"`{dataset.config_hash}`, which `dataset.json` has in full.\n"
    yield from _table("language", facts.languages)


def _table(name: str, counts: dict[str, int]) -> Iterator[str]:
    """What pages state is shown as code, whatever it holds."""
    yield from (f"| {name} | samples |", "| --- | --- |")
    for value, count in counts.items():
        shown = f"`{printable(value).replace('`', chr(39)).replace('|', '/')}`" if value else "(none)"
        yield f"| {shown} | {count:,} |"
