"""Which shards a dataset has, and how many samples each holds."""

import logging
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import braceexpand
import msgspec
from fsspec.core import url_to_fs

from model.data.cache import Cache
from model.data.offsets import index_of, reaches_the_end, walked_offsets
from model.data.reading import TarFile, retried
from schemas.builds import is_published, read_builds
from schemas.kinds import KINDS
from schemas.settings import SettingsError
from schemas.shards import ShardMark, read_marks
from schemas.storage import Store
from schemas.superseded import read_superseded

SIZES = "sizes.json"
_SIZES = msgspec.json.Decoder(dict[str, Annotated[int, msgspec.Meta(ge=0)]])
_AT_A_TIME = 16  # tars that are opened to count what they hold

logger = logging.getLogger(__name__)


def list_shards(shards: str | Sequence[str], cache: Cache | None = None, tries: int = 5) -> list[TarFile]:
    """The shards of a dataset, sorted, so that everybody numbers them alike.

    `shards` is the folder of a kind (`out/interleaved`), a folder of tars, a `.tar` with `*` or `{000..099}` in its
    name, or a list of these; local or any fsspec URL. Numbers of samples come from `sizes.json`, commit marks or offset
    indexes; only a tar that has none of them is walked. Raises `SettingsError` where nothing is found, and for a
    `sizes.json` that is none.
    """
    if not isinstance(shards, str):
        return [file for place in shards for file in list_shards(place, cache, tries)]
    if not posixpath.basename(shards.rstrip("/")).endswith(".tar"):
        return retried(lambda: _of_folder(shards.rstrip("/"), cache), tries)
    found: list[TarFile] = []
    for pattern in braceexpand.braceexpand(shards):
        folder, name = posixpath.split(pattern)
        store = Store(folder or ".")
        names, home = _matching(pattern) if "*" in pattern else [name], posixpath.dirname(folder)
        found += _counted(store, _published(home, names), _sizes(store, ""), _gone(home), cache, tries)
    if not found:
        raise SettingsError(f"no shard matches {shards}")
    return sorted(found, key=lambda file: file.path)


def _of_folder(url: str, cache: Cache | None) -> list[TarFile]:
    store = Store(url)
    for folder in ("shards", ""):
        names = [name for name in store.list(folder) if name.endswith(".tar") and not name.startswith(".")]
        sizes = _sizes(store, folder)
        home = url if folder else posixpath.dirname(url)
        if sizes:
            _tell_of_uncounted(store.path(posixpath.join(folder, SIZES)), _published(home, names), sizes)
        elif folder and (marks := _marks(url)):
            # An unfinished build: what has no mark is not there yet.
            sizes = {f"{mark.shard.name}.tar": mark.shard.samples for mark in marks}
        # What sizes.json names and is not there is missed when it is read, and named then.
        if listed := list(sizes) or names:
            published = [posixpath.join(folder, name) for name in _published(home, listed)]
            return _counted(store, published, sizes, _gone(home), cache, 1)
    raise SettingsError(f"no shards in {url}: name the folder of a kind, such as out/interleaved, or tars")


def _tell_of_uncounted(path: str, names: Iterable[str], sizes: Mapping[str, int]) -> None:
    if left := sorted({*names} - {*sizes}):
        others = f" and {len(left) - 1:,} other tars" if len(left) > 1 else ""
        logger.warning(
            "%s does not count %s%s beside it: they are not read; write it anew or remove it", path, left[0], others
        )


def _marks(url: str) -> list[ShardMark]:
    parent, _, kind = url.rpartition("/")
    return read_marks(Store(parent or "."), kind)


def _published(url: str, names: Sequence[str]) -> list[str]:
    """Those of the shards of a kind that are not of a build still going on."""
    parent, _, kind = url.rpartition("/")
    builds = read_builds(Store(parent or ".")) if kind in KINDS else []
    return [name for name in names if is_published(builds, kind, name)]


def _gone(url: str) -> dict[str, tuple[int, ...]]:
    """What later builds replaced in the shards of a kind, by the name of the tar; nothing where weft wrote no kind."""
    parent, _, kind = url.rpartition("/")
    if kind not in KINDS:
        return {}
    found = read_superseded(Store(parent or "."), kind)
    return {f"{shard}.tar": tuple(gone.rows) for shard, gone in found.items()}


def _counted(
    store: Store,
    names: Sequence[str],
    sizes: dict[str, int],
    gone: dict[str, tuple[int, ...]],
    cache: Cache | None,
    tries: int,
) -> list[TarFile]:
    """Those that no `sizes.json` counts, by the length of their index; tars without one are opened, many at a time."""
    uncounted = [name for name in names if posixpath.basename(name) not in sizes]
    lengths = _index_lengths(store, uncounted) if len(uncounted) > _AT_A_TIME else {}

    def counted(name: str) -> TarFile:
        base = posixpath.basename(name)
        count, walked, passed_over = sizes.get(base), b"", gone.get(base, ())
        if count is None and name in lengths and reaches_the_end(store, name):
            count = lengths[name]
        if count is None:
            offsets = retried(lambda: index_of(store, name, asks=True), tries)
            if offsets is None:
                offsets = retried(lambda: walked_offsets(store, name, cache), tries)
                walked = offsets.astype("<u8").tobytes()
            count = len(offsets) - 1
        return TarFile(store, name, count - len(passed_over), passed_over, walked)

    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        found = pool.map(counted, sorted(names))
        return [file for file in found if not file.gone or file.samples > 0]


def _index_lengths(store: Store, names: Iterable[str]) -> dict[str, int]:
    """Samples of tars by how long the index beside each is: a listing tells it, and nothing need be read.

    Nothing where a store cannot list, as most web servers.
    """
    found: dict[str, int] = {}
    wanted = set(names)
    for folder in {posixpath.dirname(name) for name in wanted}:
        try:
            listed = store.fs.ls(store.path(folder), detail=True)
        except (OSError, NotImplementedError):
            continue
        for entry in listed:
            name = posixpath.join(folder, posixpath.basename(str(entry["name"]))).removesuffix(".idx")
            length = entry.get("size") or 0
            if str(entry["name"]).endswith(".idx") and name in wanted and length >= 8 and length % 8 == 0:
                found[name] = length // 8 - 1
    return found


def _sizes(store: Store, folder: str) -> dict[str, int]:
    """Samples by tar; nothing where there is no such file. Raises `SettingsError` for one that says something else."""
    name = posixpath.join(folder, SIZES)
    try:
        return _SIZES.decode(store.read(name))
    except FileNotFoundError:
        return {}
    except ValueError as error:  # msgspec's are
        raise SettingsError(f"{store.path(name)} is no mapping of tars to their numbers of samples: {error}") from None


def _matching(pattern: str) -> list[str]:
    fs, path = url_to_fs(pattern)
    return [posixpath.basename(str(found)) for found in fs.glob(path)]
