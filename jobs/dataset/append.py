"""What is added to a finished dataset: made aside, in a folder of its own, and published in one step.

The folder `appending/` is laid out as a dataset is, with numbers of partitions that follow those of the dataset. Its
`dataset.json`, written last, has one build in its history, and says by that that all is there. Then files are moved,
which no reader looks at before the dataset's own `dataset.json` names the build: that decides. Killed at any moment,
`publish` called again finishes it.
"""

import posixpath

import msgspec

from schemas.builds import APPENDING, CAPTURED, Amount, Build, drop_prefix
from schemas.commits import sweep
from schemas.dataset import DATASET, Dataset, KindTotals, read_dataset, write_reader_files
from schemas.drops import Counts
from schemas.shards import read_marks
from schemas.storage import Store

#: Removed last of what lies in the folder: while it is there, what lies beside it belongs to the build that it names.
_LAST = "work/plan.json"
_FOLDERS_OF_KIND = ("keys", "superseded", "shards", "commit")  # in the order in which they are moved


def aside(store: Store) -> Store:
    """Where what is to be added to a dataset is made."""
    return Store(f"{store.url}/{APPENDING}")


def is_appending(store: Store) -> bool:
    """Whether something lies there that was begun and is not published, or not cleared away."""
    return store.exists(f"{APPENDING}/{_LAST}")


def history(store: Store, dataset: Dataset) -> list[Build]:
    """The builds of a finished dataset, its first one too."""
    if dataset.builds:
        return dataset.builds
    marks = {kind: read_marks(store, kind) for kind in dataset.kinds}
    first = Build(
        number=0,
        inputs=dataset.inputs,
        input_bytes=dataset.input_bytes,
        written={kind: Amount(of_kind.samples, of_kind.images) for kind, of_kind in dataset.kinds.items()},
        superseded={},
        partitions={kind: 1 + max((mark.partition for mark in found), default=-1) for kind, found in marks.items()},
        config_hash=dataset.config_hash,
        weft_version=dataset.weft_version,
        phases=dataset.phases,
    )
    return [first]


def publish(store: Store) -> Dataset:
    """Add to a dataset what lies complete in its `appending/`; returns the dataset as it is then."""
    dataset, added = read_dataset(store), read_dataset(aside(store))
    (build,) = added.builds
    builds = history(store, dataset)
    if build.number == len(builds):
        if not dataset.builds:  # from here on a mark beyond the last partition is not published
            _write(store, msgspec.structs.replace(dataset, builds=builds))
        _move(store, build)
        _write_reader_files(store, build)
        dataset = _joined(dataset, added, builds)
        _write(store, dataset)
    folders = [f"{kind}/{folder}" for kind in build.partitions for folder in (*_FOLDERS_OF_KIND, ".nv-meta")]
    sweep(store, ["", "drops", "inputs", CAPTURED, *folders])
    clear(store)
    return dataset


def _move(store: Store, build: Build) -> None:
    """Give what was made aside its place: nothing of it is read yet."""
    _move_folder(store, "inputs")
    _move_folder(store, "drops", drop_prefix(build.number))
    for folder in (CAPTURED, "media/warc", "media/work/frontier"):  # where media lie, and what was fetched
        _move_folder(store, folder, drop_prefix(build.number))
    for kind in build.partitions:
        for folder in _FOLDERS_OF_KIND:
            _move_folder(store, f"{kind}/{folder}")


def _move_folder(store: Store, folder: str, prefix: str = "") -> None:
    def move(name: str) -> None:
        store.move(posixpath.join(APPENDING, folder, name), posixpath.join(folder, prefix + name))

    names = store.list(f"{APPENDING}/{folder}")
    kept = [name for name in names if not name.startswith(".") and not name.endswith(".lock") and name != "sizes.json"]
    store.each(move, kept)


def _joined(dataset: Dataset, added: Dataset, builds: list[Build]) -> Dataset:
    """What `dataset.json` says of both."""
    (build,) = added.builds
    phases = dict(dataset.phases)
    for name, counts in added.phases.items():
        phases[name] = phases.get(name, Counts()) + counts
    nothing, none = KindTotals(0, 0, 0, 0), Amount(0, 0)
    kinds = {}
    for kind in dict.fromkeys([*dataset.kinds, *added.kinds]):
        old, new = dataset.kinds.get(kind, nothing), added.kinds.get(kind, nothing)
        gone = build.superseded.get(kind, none)
        samples, images = old.samples + new.samples - gone.samples, old.images + new.images - gone.images
        kinds[kind] = KindTotals(old.shards + new.shards, samples, images, old.bytes + new.bytes)
    return msgspec.structs.replace(
        dataset,
        kinds=kinds,
        phases=phases,
        drops=sum(phases.values(), Counts()).drops,
        inputs=dataset.inputs + added.inputs,
        input_bytes=dataset.input_bytes + added.input_bytes,
        builds=[*builds, build],
    )


def _write(store: Store, dataset: Dataset) -> None:
    store.put(DATASET, msgspec.json.format(msgspec.json.encode(dataset), indent=1))


def _write_reader_files(store: Store, build: Build) -> None:
    """Those of other readers, who know nothing of builds, name the new shards just before the dataset does."""
    for kind, end in build.partitions.items():
        marks = read_marks(store, kind, before=end)
        write_reader_files(store, kind, [mark.shard for mark in marks])


def clear(store: Store) -> None:
    """Remove what is left aside when it is published."""
    left = aside(store)
    root = left.path("")
    names = [str(path)[len(root.rstrip("/")) + 1 :] for path in left.fs.find(root)]
    left.remove_all([name for name in names if name != _LAST])
    left.remove(_LAST)
    if left.is_local:
        left.fs.rm(root, recursive=True)
