"""What datasets of other tools hold, as far as their layout tells: img2dataset, OBELICS, MINT-1T, mmc4, any webdataset.

Numbers of samples come from the small files that lie beside the shards; where there are none, headers of local tars are
walked. All else is estimated from the first samples of a few shards.
"""

import itertools
import json
import posixpath
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import braceexpand
import fsspec
import msgspec
import numpy as np
import pyarrow.parquet as pq
from fsspec.core import url_to_fs

from jobs.dataset.summary import histogram, quantiles
from model.data.documents import CLIP_EXTENSIONS, IMAGE_EXTENSIONS, Kind, Medium, to_document
from model.data.offsets import split_field, walk
from schemas.drops import Drop
from schemas.images import open_image
from schemas.storage import Store
from schemas.urls import host_of, registered_domain

_SAMPLES, _SHARDS = 1000, 10  # read at most, so many samples from so many shards
_WALKED_BYTES = 20 << 30
_TABLES = (".parquet", ".jsonl", ".jsonl.gz", ".jsonl.zip", ".json.gz")
_TOP = 10


class NothingKnown(Exception):
    """No tar, parquet or JSON lines of samples lie there."""


def foreign_summary(path: str) -> dict[str, Any]:
    """What `weft inspect --json` prints of a dataset that weft did not write. Raises `NothingKnown`.

    `path` is a folder, a tar, or a pattern with `*` or `{000..099}`; local or any fsspec URL.
    """
    store, names, beside = files_of(path)
    tars = [name for name in names if name.endswith(".tar")]
    if tars:
        found = _of_tars(store, tars, beside)
    elif tables := [name for name in names if name.endswith(_TABLES)]:
        found = _of_tables(store, tables)
    else:
        raise NothingKnown(f"{path}: no dataset of weft, and no .tar, .parquet or .jsonl of another tool")
    return {"path": path, "foreign": True, **found}


def files_of(path: str) -> tuple[Store, list[str], set[str]]:
    """The folder, the files that are meant, and the names of all that lie beside them."""
    if not path.endswith((".tar", *_TABLES)):
        store = Store(path)
        for folder in ("", "shards"):
            names = [posixpath.join(folder, name) for name in store.list(folder) if not name.startswith(".")]
            if any(name.endswith((".tar", *_TABLES)) for name in names):
                return store, names, set(names)
        return store, [], set()
    store = Store(posixpath.dirname(path) or ".")
    meant: list[str] = []
    for pattern in braceexpand.braceexpand(path):
        fs, place = url_to_fs(pattern)
        meant += (
            [posixpath.basename(str(found)) for found in fs.glob(place)]
            if "*" in pattern
            else [posixpath.basename(pattern)]
        )
    beside = set(store.list(""))
    return store, [name for name in meant if name in beside], beside


class SampleStats:
    """Counts of what samples hold, added up one by one."""

    def __init__(self) -> None:
        self.samples = 0
        self.readable: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.members: Counter[str] = Counter()
        self.languages: Counter[str] = Counter()
        self.domains: Counter[str] = Counter()
        self.images: Counter[int] = Counter()
        self.words: list[int] = []
        self.heights: list[int] = []

    def add_members(self, key: str, members: Mapping[str, bytes]) -> None:
        """A sample of a tar, its members by field."""
        self.samples += 1
        self.members.update(field.rpartition(".")[2] for field in members)
        meta = _decoded(members.get("json", b""))
        kind = _kind_of(members, meta)
        self.kinds[kind or "unknown"] += 1
        self._facts(meta)
        if kind is None:
            return
        try:
            parts = to_document(kind, key, members).parts
        except Drop as drop:
            self.readable[drop.reason] += 1
            return
        self.readable["readable"] += 1
        self.words.append(sum(len(part.split()) for part in parts if isinstance(part, str)))
        media = [part for part in parts if isinstance(part, Medium)]
        self.images[len(media)] += 1
        for medium in media:
            if medium.kind == "image" and (height := _height(medium.data)):
                self.heights.append(height)

    def add_row(self, row: Mapping[str, Any]) -> None:
        """A row of a table, which holds texts and addresses but no bytes of images."""
        self.samples += 1
        self._facts(row)
        texts, images = row.get("texts"), row.get("images")
        if isinstance(texts, list) and isinstance(images, list):
            self.kinds["interleaved"] += 1
        elif isinstance(row.get("text_list"), list):
            texts, images = row["text_list"], row.get("image_info") or []
            self.kinds["interleaved"] += 1
        else:
            caption = next((row[name] for name in _CAPTIONS if isinstance(row.get(name), str)), None)
            texts, images = ([caption] if caption else []), [1]
            self.kinds["pairs" if caption is not None else "unknown"] += 1
        self.words.append(sum(len(text.split()) for text in texts if isinstance(text, str)))
        self.images[sum(image is not None for image in images)] += 1

    def _facts(self, meta: Mapping[str, Any]) -> None:
        if isinstance(language := meta.get("language"), str):
            self.languages[language] += 1
        address = next((meta[name] for name in _ADDRESSES if isinstance(meta.get(name), str)), "")
        if address and (host := host_of(address)):
            self.domains[registered_domain(host)] += 1

    def report(self) -> dict[str, Any]:
        words = np.array(self.words)
        return {
            "looked_at": self.samples,
            "kinds_seen": dict(self.kinds.most_common()),
            "loader": dict(self.readable.most_common()),
            "members": dict(self.members.most_common()),
            "images_per_document": dict(sorted(self.images.items())),
            "words_per_document": quantiles(words),
            "words_histogram": histogram(words),
            "height": quantiles(np.array(self.heights)),
            "languages": dict(self.languages.most_common(_TOP)),
            "domains": len(self.domains),
            "top_domains": dict(self.domains.most_common(_TOP)),
        }


_CAPTIONS = ("caption", "text", "TEXT", "alt", "alt_text")
_ADDRESSES = ("url", "page_url", "URL", "source_url")


def _kind_of(members: Mapping[str, bytes], meta: Mapping[str, Any]) -> Kind | None:
    if "text_list" in meta or (isinstance(meta.get("texts"), list) and isinstance(meta.get("images"), list)):
        return "interleaved"
    if any(name in members for name in CLIP_EXTENSIONS):
        return "clips"
    return "pairs" if any(name in members for name in IMAGE_EXTENSIONS) else None


def _of_tars(store: Store, tars: list[str], beside: set[str]) -> dict[str, Any]:
    counts, statuses = _counts(store, tars, beside)
    stats = SampleStats()
    step = max(1, len(tars) // _SHARDS)
    chosen = tars[::step][:_SHARDS]
    for name in chosen:
        for key, members in itertools.islice(_first_samples(store, name), _SAMPLES // len(chosen)):
            stats.add_members(key, members)
    known = [count for count in counts if count is not None]
    layout = "img2dataset" if statuses else "webdataset"
    return {
        "layout": layout,
        "shards": len(tars),
        "bytes": sum(store.size(name) for name in tars),
        "samples": sum(known) if len(known) == len(tars) else None,
        "shards_counted": len(known),
        "statuses": dict(statuses.most_common()),
        **stats.report(),
    }


def _counts(store: Store, tars: list[str], beside: set[str]) -> tuple[list[int | None], Counter[str]]:
    """Samples of each tar, None where only reading it would tell; and what img2dataset's statistics say of failures."""
    folder = posixpath.dirname(tars[0])
    sizes_name = posixpath.join(folder, "sizes.json")
    sizes = _decoded(store.read(sizes_name)) if sizes_name in beside else {}
    counts: list[int | None] = []
    statuses: Counter[str] = Counter()
    walked = 0
    for name in tars:
        base = name.removesuffix(".tar")
        if (stats_name := f"{base}_stats.json") in beside:
            stats = _decoded(store.read(stats_name))
            statuses.update({str(key): int(value) for key, value in dict(stats.get("status_dict") or {}).items()})
            counts.append(int(stats.get("successes", 0)))
        elif isinstance(count := sizes.get(posixpath.basename(name)), int):
            counts.append(count)
        elif f"{name}.idx" in beside:
            counts.append(store.size(f"{name}.idx") // 8 - 1)
        elif store.is_local and walked < _WALKED_BYTES:
            walked += store.size(name)
            with store.open(name) as file:
                counts.append(len(walk(file)) - 1)
        else:
            counts.append(None)
    return counts, statuses


def _first_samples(store: Store, name: str) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Key and members of samples from the front of a tar; one that breaks off ends."""
    last = ""
    members: dict[str, bytes] = {}
    try:
        with store.open(name) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                if not member.isreg() or (body := tar.extractfile(member)) is None:
                    continue
                key, field = split_field(member.name)
                if key != last and members:
                    yield last, members
                    members = {}
                last, members[field] = key, body.read()
    except tarfile.TarError:
        pass
    if members:
        yield last, members


def _of_tables(store: Store, tables: list[str]) -> dict[str, Any]:
    stats, samples, layout = SampleStats(), 0, ""
    exact = True
    step = max(1, len(tables) // _SHARDS)
    chosen = tables[::step][:_SHARDS]
    for name in tables:
        if name.endswith(".parquet"):
            with store.open(name) as file:
                samples += pq.ParquetFile(file).metadata.num_rows
        else:
            exact = False
    for name in chosen:
        for row in itertools.islice(_rows(store, name), _SAMPLES // len(chosen)):
            layout = layout or _table_layout(row)
            stats.add_row(row)
    return {
        "layout": layout or "table",
        "shards": len(tables),
        "bytes": sum(store.size(name) for name in tables),
        "samples": samples if exact else None,
        "shards_counted": len(tables) if exact else 0,
        "statuses": {},
        **stats.report(),
    }


def _table_layout(row: Mapping[str, Any]) -> str:
    if "text_list" in row:
        return "mmc4"
    return "OBELICS" if "texts" in row and "images" in row else "list of pairs"


def _rows(store: Store, name: str) -> Iterator[dict[str, Any]]:
    if name.endswith(".parquet"):
        with store.open(name) as file:
            for batch in pq.ParquetFile(file).iter_batches(batch_size=100):
                yield from batch.to_pylist()
        return
    compression = "infer" if not name.endswith(".zip") else "zip"
    with fsspec.open(str(store.fs.unstrip_protocol(store.path(name))), "rb", compression=compression) as lines:
        for line in lines:
            yield _decoded(line)


def _decoded(data: bytes) -> dict[str, Any]:
    """A JSON object; an empty one for anything else."""
    try:
        found = msgspec.json.decode(data)
    except msgspec.DecodeError:
        try:
            found = json.loads(data)  # NaN, which img2dataset writes, is no JSON
        except ValueError:
            return {}
    return found if isinstance(found, dict) else {}


def _height(data: bytes) -> int:
    try:
        with open_image(data) as image:
            return int(image.height)
    except Exception:  # decoders raise anything
        return 0
