"""Sequences, packing and per-image masks as stages of a `webdataset.DataPipeline`, for those who have such a loop.

    import webdataset as wds
    import weft.webdataset

    data = wds.WebDataset(urls, shardshuffle=100).shuffle(1000).compose(weft.webdataset.batches({"tokenizer": "lm"}))
    for batch in wds.WebLoader(data, batch_size=None, num_workers=8):  # weft's Batch, fields in docs/training-data.md
        ...

Samples are those of weft and of others that `weft.Loader` knows, as webdataset gives them: undecoded, by the ending of
their members. Nothing needs an index: tars are read from front to back. In the order of the tars the batches are those
of a `weft.Loader` with one lane and without shuffling. It needs the extra `train`.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec
from webdataset.utils import pytorch_worker_info

from model.data.batch import Batch, collate
from model.data.config import DatasetSettings, LoaderConfig
from model.data.documents import Kind
from model.data.order import Position
from model.data.packing import Packer
from model.data.rows import LoaderError, RowMaker, Waiting
from model.data.tokens import Tokens, load_tokens
from schemas.drops import DropRow
from schemas.settings import SettingsError
from weft.settings import settings_of

Sample = Mapping[str, Any]
Drops = Callable[[DropRow], None]

__all__ = ["Batches", "LoaderError", "batches"]


def batches(
    config: LoaderConfig | Mapping[str, Any] | str | os.PathLike[str],
    kind: Kind = "interleaved",
    tokens: Tokens | None = None,
    drops: Drops | None = None,
    settings: Mapping[str, Any] | None = None,
) -> "Batches":
    """The stage that takes samples and gives batches of packed rows.

    config    as for `weft.Loader`: `tokenizer`, `sequence`, `packing`, `images`, `batch_rows`, `order.seed` and
              `read.max_failures_in_a_row` count; which samples come, and in which order, is the pipeline's choice
    kind      how samples become sequences: `interleaved`, `pairs` or `clips`. Or name one dataset in the config, which
              says also its name, its rows and its weight in the loss
    tokens    the tokenizer, if not the one that the config names
    drops     called with a `DropRow` for each sample that is dropped
    settings  what to change: `{"packing.row_tokens": 2048}`

    Raises `SettingsError`; while iterating, `LoaderError` where too many samples in a row are dropped.
    """
    read = settings_of(LoaderConfig, config, settings or {})
    if len(read.datasets) > 1:
        raise SettingsError("a pipeline is of one dataset: mix batches of several by webdataset.RandomMix")
    if any(dataset.features for dataset in read.datasets):
        raise SettingsError("a pipeline gives pixels: features are read by a Loader, which knows each sample's shard")
    if not read.datasets:
        only = DatasetSettings(name=kind, shards="", kind=kind, batch_rows=read.batch_rows)
        read = msgspec.structs.replace(read, datasets=(only,))
    if read.sequence.max_tokens > read.packing.row_tokens:
        raise SettingsError(
            f"sequence.max_tokens {read.sequence.max_tokens} is over packing.row_tokens {read.packing.row_tokens}"
        )
    return Batches(read, load_tokens(read.tokenizer) if tokens is None else tokens, drops)


class Batches:
    """A stage: called with samples it gives batches. What is random follows from the seed, the worker, how often the
    stage was begun, and the number of the sample.

    Rows wait in it until they are full or the samples end; a batch of fewer rows comes last.
    """

    def __init__(self, config: LoaderConfig, tokens: Tokens, drops: Drops | None) -> None:
        self._config, self._tokens, self._drops = config, tokens, drops
        self._begun = 0

    def __call__(self, samples: Iterable[Sample]) -> Iterator[Batch]:
        epoch, self._begun = self._begun, self._begun + 1
        rows, wanted = [], self._config.datasets[0].batch_rows
        name = (self._config.datasets[0].name,)
        for row in self._rows(samples, epoch):
            rows.append(row)
            if len(rows) == wanted:
                yield collate(rows, self._config.packing.row_tokens, self._tokens.pad_id, name)
                rows = []
        if rows:
            yield collate(rows, self._config.packing.row_tokens, self._tokens.pad_id, name)

    def _rows(self, samples: Iterable[Sample], epoch: int) -> Iterator[Any]:
        rank, _, worker, workers = pytorch_worker_info()
        maker = RowMaker(self._config, self._tokens, 0, rank * workers + worker)
        packer: Packer[Waiting] = Packer(self._config.packing)
        for number, sample in enumerate(samples):
            url, read = _where(sample), _reader(sample)
            waiting = maker.waiting(Position(epoch, number), url, read)
            items = packer.add(waiting, len(waiting.sequence)) if waiting else None
            row = maker.row(items) if items else None
            self._tell(maker)
            if row is not None:
                yield row
        while items := packer.flush():
            row = maker.row(items)
            self._tell(maker)
            if row is not None:
                yield row

    def _tell(self, maker: RowMaker) -> None:
        for dropped in maker.taken_drops():
            if self._drops is not None:
                self._drops(dropped)


def _where(sample: Sample) -> str:
    return f"{sample.get('__url__', '')}#{sample.get('__key__', '')}"


def _reader(sample: Sample) -> Callable[[], tuple[str, Mapping[str, bytes]]]:
    def read() -> tuple[str, Mapping[str, bytes]]:
        members = {name.lower(): data for name, data in sample.items() if not name.startswith("__")}
        if decoded := [name for name, data in members.items() if not isinstance(data, bytes)]:
            raise LoaderError(f"{_where(sample)}: {decoded[0]} is decoded: put this stage where members are bytes yet")
        return str(sample["__key__"]), members

    return read
