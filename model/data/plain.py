"""Documents of shards one after another, for what needs no batches: text models, evaluation."""

from collections.abc import Iterator, Sequence

import msgspec

from model.data.documents import Document, Kind, Medium, to_document
from model.data.features import FeatureReader, with_features
from model.data.images import ImageSettings
from model.data.listing import list_shards
from model.data.reading import Reader, TarFile
from schemas.drops import Drop


def read_documents(
    shards: str | Sequence[str], kind: Kind, features: str = "", images: ImageSettings | None = None
) -> Iterator[Document]:
    """As `documents_of` of listed shards. Raises `SettingsError` where there is none, too."""
    return documents_of(list_shards(shards), kind, features, images)


def documents_of(
    files: list[TarFile], kind: Kind, features: str = "", images: ImageSettings | None = None
) -> Iterator[Document]:
    """The sound samples of shards in their order; with a folder of `features` media have these beside them.

    Raises `SettingsError` for features of other images than the settings make; `OSError`; `LoaderError` for features
    that are not those of a sample.
    """
    if features:
        files = with_features(files, features, kind, images)
    reader = Reader(files)
    beside = None if reader.features is None else FeatureReader(reader.features, files)
    try:
        for number, file in enumerate(files):
            for sample in range(file.samples):
                try:
                    key, members = reader.members(number, sample)
                    document = to_document(kind, key, members)
                    if beside is not None:
                        document = _with_beside(document, beside, (number, sample), f"{file.path}#{sample}")
                except Drop:
                    continue
                yield document
    finally:
        reader.close()


def _with_beside(document: Document, beside: FeatureReader, place: tuple[int, int], url: str) -> Document:
    media = [part for part in document.parts if isinstance(part, Medium)]
    found = iter(beside.beside(place, url, document.key, media))
    parts = tuple(next(found) if isinstance(part, Medium) else part for part in document.parts)
    return msgspec.structs.replace(document, parts=parts)


def text_of(document: Document) -> list[str]:
    """Its texts, without what stands between them."""
    return [part for part in document.parts if isinstance(part, str)]
