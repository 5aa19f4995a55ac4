"""Documents of shards one after another, for what needs no batches: text models, evaluation."""

from collections.abc import Iterator, Sequence

from model.data.documents import Document, Kind, to_document
from model.data.listing import list_shards
from model.data.reading import Reader, TarFile
from schemas.drops import Drop


def read_documents(shards: str | Sequence[str], kind: Kind) -> Iterator[Document]:
    """The sound samples of shards in their order. Raises `SettingsError` where there is no shard, and `OSError`."""
    return documents_of(list_shards(shards), kind)


def documents_of(files: list[TarFile], kind: Kind) -> Iterator[Document]:
    """The sound samples of shards in their order. Raises `OSError`."""
    reader = Reader(files)
    try:
        for number, file in enumerate(files):
            for sample in range(file.samples):
                try:
                    key, members = reader.members(number, sample)
                    yield to_document(kind, key, members)
                except Drop:
                    continue
    finally:
        reader.close()


def text_of(document: Document) -> list[str]:
    """Its texts, without what stands between them."""
    return [part for part in document.parts if isinstance(part, str)]
