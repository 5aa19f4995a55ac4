"""What a model has learnt, on data that is not trained on: losses, and whether the pictures matter.

The gap between the loss with shuffled and with right pictures is the evidence that a model uses what it sees. At the
start it is 0 by construction: the gates are closed.
"""

from collections.abc import Iterable, Mapping

import msgspec
import torch

from model.data.batch import Batch
from model.data.config import DatasetSettings, LoaderConfig
from model.data.documents import Document, Medium
from model.data.images import frames_of
from model.data.loader import Loader
from model.data.plain import documents_of
from model.data.reading import TarFile
from model.data.sequences import rng_of
from model.data.tokens import Tokens
from model.network.attention import MediaSpans
from model.network.flamingo import Flamingo
from model.network.generate import GenerateSettings, Prompt, generate, make_prompt
from model.training.parallel import ParallelModel, Processes
from model.training.step import predicted, source_of_tokens
from schemas.drops import Drop
from schemas.settings import SettingsError

_AT_A_TIME = 32


def held_out_batches(
    config: LoaderConfig, tokens: Tokens, steps: int, processes: Processes, files: list[list[TarFile]] | None = None
) -> list[dict[str, Batch]]:
    """The first steps of the loader, once and for all: the same batches at each measurement. `files` as for it."""
    for dataset, of_dataset in zip(config.datasets, files or [], strict=False):
        if (samples := sum(file.samples for file in of_dataset)) < processes.readers:
            raise SettingsError(
                f"dataset {dataset.name} holds {samples} samples to measure on, fewer than the {processes.readers} "
                "processes that read: name one with more in held_out.datasets, or none"
            )
    if processes.readers > config.order.lanes:  # each needs a lane of its own
        order = msgspec.structs.replace(config.order, lanes=processes.readers)
        config = msgspec.structs.replace(config, order=order)
    with Loader(config, tokens, processes.reader, processes.readers, files=files) as loader:
        found = []
        for step in loader:
            found.append(step)
            if len(found) == steps:
                break
        return found


def shuffled_media(batch: Batch) -> Batch:
    """The batch with other pictures: each medium gets the frames of the next one, the last those of the first.

    Nobody keeps its own, unless there is one medium only.
    """
    counts = batch.frame_offsets_M1.diff()
    media = torch.arange(len(batch.frames_FCHW)).split(counts.tolist())
    turned = torch.cat([*media[1:], *media[:1]])
    offsets = torch.cat([batch.frame_offsets_M1[:1], counts.roll(-1).cumsum(0).to(batch.frame_offsets_M1.dtype)])
    return batch.with_frames(turned, offsets)


@torch.no_grad()
def losses(
    parallel: ParallelModel, batches: Iterable[Mapping[str, Batch]], processes: Processes
) -> dict[str, dict[str, float]]:
    """By dataset: `loss`, the mean over its predicted tokens; `shuffled`, that with other pictures; `gap`, their
    difference. Over all processes."""
    parallel.model.eval()
    names: tuple[str, ...] = ()
    sums: torch.Tensor | None = None
    for step in batches:
        for batch in step.values():
            names = batch.sources
            sums = torch.zeros(3, len(names), dtype=torch.float64) if sums is None else sums
            for row, seen in ((0, batch), (1, shuffled_media(batch))):
                sums[row] += _sums(parallel, seen, processes)
            sources = source_of_tokens(batch)[predicted(batch)]
            sums[2] += torch.bincount(sources, minlength=len(names))
    parallel.model.train()
    if sums is None:
        return {}
    right, wrong, tokens = processes.sum(sums).cpu()
    return {
        name: {
            "loss": float(right[n] / tokens[n]),
            "shuffled": float(wrong[n] / tokens[n]),
            "gap": float((wrong[n] - right[n]) / tokens[n]),
        }
        for n, name in enumerate(names)
        if tokens[n]
    }


def _sums(parallel: ParallelModel, batch: Batch, processes: Processes) -> torch.Tensor:
    spans, moved = MediaSpans.of(batch), batch.to(processes.device)
    with parallel.autocast():
        loss_BT = parallel.module(moved, spans, losses=True)
    mask = predicted(moved)
    summed = torch.zeros(len(batch.sources), dtype=torch.float64)
    return summed.index_add_(0, source_of_tokens(moved)[mask].cpu(), loss_BT[mask].double().cpu())


def caption_documents(dataset: DatasetSettings, limit: int, files: list[TarFile]) -> list[Document]:
    """The first pairs or clips of a dataset, whose shards are `files`, with their features where it has some."""
    found = []
    for document in documents_of(files, dataset.kind, dataset.features):
        found.append(document)
        if len(found) == limit:
            break
    return found


def captions_of(
    model: Flamingo, tokens: Tokens, config: LoaderConfig, documents: list[Document], shuffled: bool = False
) -> list[tuple[str, str]]:
    """For each pair or clip what the model says, greedily, and its text. `shuffled` shows each the picture of the next.

    One whose medium does not decode is left out.
    """
    shown: list[tuple[Prompt, str]] = []
    for document in documents:
        try:
            medium = next(part for part in document.parts if isinstance(part, Medium))
            frames = frames_of(medium, rng_of(config.order.seed, document.key), config.images)
        except Drop:
            continue
        text = "".join(part for part in document.parts if isinstance(part, str))
        shown.append((make_prompt([frames], tokens), text))
    prompts = [prompt for prompt, _ in shown]
    if shuffled:
        prompts = [*prompts[1:], *prompts[:1]]
    stops = [tokens.end_of_chunk_id, *([] if tokens.eos_id is None else [tokens.eos_id])]
    settings = GenerateSettings(max_new_tokens=max((len(tokens.encode(text)) for _, text in shown), default=0) + 4)
    said: list[str] = []
    for start in range(0, len(prompts), _AT_A_TIME):
        said += [
            tokens.decode(ids).strip() for ids in generate(model, prompts[start : start + _AT_A_TIME], stops, settings)
        ]
    return [(words, text) for words, (_, text) in zip(said, shown, strict=True)]


def accuracy(captions: list[tuple[str, str]]) -> float:
    """The part of captions that equals the text, word for word."""
    return sum(said == text for said, text in captions) / len(captions) if captions else 0.0
