"""Features of a frozen encoder in place of pixels: where they lie, and that they are those of the medium at hand."""

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from model.data.config import DatasetSettings, LoaderConfig
from model.data.documents import Kind, Medium
from model.data.feature_files import COMMITS, INFO, SHARDS, FeaturesInfo, SampleRecord, beside, crc32, read_record
from model.data.images import ImageSettings
from model.data.reading import Reader, TarFile, parse_sample, retried, size_of
from model.data.rows import LoaderError, Waiting
from schemas.drops import Drop
from schemas.settings import SettingsError
from schemas.storage import Store
from schemas.tar import BLOCK, member_bytes

_HEAD_BYTES = 4096  # of a sample: its JSON, mostly


def read_info(folder: str, tries: int = 5) -> FeaturesInfo:
    """Of a folder of features. Raises `SettingsError` where there are none."""
    try:
        data = retried(lambda: Store(folder).read(INFO), tries)
        return msgspec.json.decode(data, type=FeaturesInfo)
    except FileNotFoundError:
        raise SettingsError(f"no features in {folder}: weft features writes them, a folder for each kind") from None
    except msgspec.MsgspecError as error:
        raise SettingsError(f"{folder}/{INFO} is damaged: {error}") from None


def differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """In one line what two records have otherwise, as `layer is -2 there and null here`; "" where they are equal."""
    said = [
        f"{name} is {_short(theirs.get(name))} there and {_short(ours.get(name))} here"
        for name in {**theirs, **ours}
        if theirs.get(name) != ours.get(name)
    ]
    return ", ".join(said)


def with_features(
    files: Sequence[TarFile], folder: str, kind: Kind, images: ImageSettings | None, tries: int = 5
) -> list[TarFile]:
    """The shards with where their features lie. Without `images` nobody asks how the encoder saw them.

    Raises `SettingsError`, in one line, for features of another kind or preprocessing, and for shards without any.
    """
    info = read_info(folder, tries)
    if info.kind != kind:
        raise SettingsError(f"the features in {folder} are of {info.kind}, not of {kind}")
    if images is not None:
        check_images(info, folder, images)
    store = Store(folder)
    written = retried(lambda: written_in(store), tries)
    if without := [file.path for file in files if name_of(file) not in written]:
        raise SettingsError(
            f"{len(without)} of {len(files)} shards have no features in {folder}, first {without[0]}: "
            "the same weft features goes on"
        )
    return [
        msgspec.structs.replace(file, features=TarFile(store, f"{SHARDS}/{name_of(file)}.tar", file.samples, file.gone))
        for file in files
    ]


def written_in(store: Store) -> set[str]:
    """Names of the shards whose features are there: their mark, and their tar. Raises `OSError`."""
    tars = set(store.list(SHARDS))
    names = (name.removesuffix(".json") for name in store.list(COMMITS))
    return {name for name in names if f"{name}.tar" in tars}


def dataset_features(dataset: DatasetSettings, files: list[TarFile], config: LoaderConfig) -> list[TarFile]:
    """The shards of a dataset, with their features where its settings name some. Raises `SettingsError`."""
    if not dataset.features:
        return files
    try:
        return with_features(files, dataset.features, dataset.kind, config.images, config.read.tries)
    except (SettingsError, OSError) as error:
        raise SettingsError(f"dataset {dataset.name}: {error}") from None


def check_images(info: FeaturesInfo, folder: str, images: ImageSettings) -> None:
    """Raises `SettingsError` where frames are to be seen otherwise than the encoder saw them."""
    if images.augments:
        raise SettingsError(
            f"the features in {folder} are of images as they are: flips and colours cannot be made of them. Set "
            "images.p_flip and images.colour to 0"
        )
    if said := differences(info.images, images.seen()):
        raise SettingsError(f"the features in {folder} were made of images that were prepared otherwise: {said}")


def name_of(file: TarFile) -> str:
    """What a shard and its features are called."""
    return posixpath.basename(file.name).removesuffix(".tar")


class FeatureReader:
    """Reads what stands beside media, of one worker's shards."""

    def __init__(self, reader: Reader, files: Sequence[TarFile]) -> None:
        self._reader, self._files = reader, files

    def ask(self, items: Iterable[Waiting]) -> None:
        """Begin to read what is taken next, where it lies on another machine."""
        for item in items:
            if not self._reader.ask(*item.place, waits=True):
                return

    def media(self, item: Waiting) -> tuple[Medium, ...]:
        """The media of a sequence, each with what stands beside it. Raises as `media_beside`."""
        sequence = item.sequence
        return self.beside(item.place, item.url, sequence.key, sequence.media, sequence.first_medium)

    def beside(
        self, place: tuple[int, int], url: str, key: str, media: Sequence[Medium], first: int = 0
    ) -> tuple[Medium, ...]:
        """Media, the first of them number `first` of its sample, each with what stands beside it.

        Raises `Drop("broken_sample")` where the features are damaged, and `LoaderError` where they are not of this
        sample: other media than these were encoded.
        """
        record, members = self._members(place, url, first, len(media))
        if record.key != key or len(record.media) < first + len(media):
            raise LoaderError(f"{url}: {self._gone(record.dropped or f'they are of {record.key}, not of {key}')}")
        found = []
        for number, medium in enumerate(media, first):
            if record.media[number].crc32 != crc32(medium.data):
                raise LoaderError(f"{url}: {self._gone(f'medium {number} has other bytes')}")
            found.append(Medium(medium.data, medium.kind, beside(record, members, number)))
        return tuple(found)

    def _members(
        self, place: tuple[int, int], url: str, first: int, count: int
    ) -> tuple[SampleRecord, Mapping[str, bytes]]:
        """What is known of a sample, and the members of these media at least."""
        shard, sample = place
        features = self._files[shard].features
        assert features is not None
        try:
            if sample >= self._reader.count(shard):
                raise LoaderError(f"{url}: {self._gone('there is none of this sample')}")
            if self._reader.reads_ahead:
                members = self._reader.members(shard, sample)[1]
                return read_record(members), members
            return _read_some(partial(self._reader.stretch, shard, sample), first, count)
        except FileNotFoundError:
            raise LoaderError(f"{url}: its features are not there any more: {features.path}") from None
        except OSError as error:
            raise LoaderError(f"{features.path}#{sample} cannot be read: {error}") from error
        except Drop as drop:
            raise Drop(drop.reason, f"its features: {drop.detail}") from None

    @staticmethod
    def _gone(why: str) -> str:
        return f"its features are not its own ({why}): the shard has changed since weft features, or was not whole then"


def _read_some(read: Callable[[int, int], bytes], first: int, count: int) -> tuple[SampleRecord, Mapping[str, bytes]]:
    """The JSON of a sample and the members of some of its media, by two reads: of a long page few are in a window."""
    head = read(0, _HEAD_BYTES)
    if len(head) < BLOCK:
        raise Drop("broken_sample", "the tar ends before them")
    end = member_bytes(size_of(head[:BLOCK]))
    head += read(len(head), end - len(head)) if end > len(head) else b""
    record = read_record(parse_sample(head[:end])[1])
    sizes = [medium.bytes for medium in record.media]
    size = sum(sizes[first : first + count])
    wanted = read(end + sum(sizes[:first]), size)
    if len(wanted) < size:
        raise Drop("broken_sample", "the tar ends within them")
    return record, parse_sample(wanted)[1] if wanted else {}


def _short(value: Any) -> str:
    return msgspec.json.encode(value).decode()
