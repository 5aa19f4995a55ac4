"""One step: the gradients of every dataset added up, then one update of the weights.

With lambda the weight of a dataset and N the number of its predicted tokens in the step, over all processes, the loss
is sum over datasets of lambda / N * sum over tokens (arXiv 2204.14198, equation 2 with means for its expectations).
However a step is cut into batches, packed into rows or spread over processes, its gradient is the same.

Shapes: B rows, T tokens, S datasets.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch

from model.data.batch import Batch, moved_to
from model.network.attention import MediaSpans
from model.training.parallel import ParallelModel, Processes


@dataclass(frozen=True)
class Totals:
    """Of one dataset or several, over this process: tensors [S] on the model's device."""

    loss_S: torch.Tensor  # sum over the predicted tokens, without lambda
    tokens_S: torch.Tensor  # predicted tokens


@dataclass(frozen=True)
class Outcome:
    """What a step did."""

    totals: Totals
    grad_norm: float  # global, before clipping
    applied: bool  # False: the weights are as before


def source_of_tokens(batch: Batch) -> torch.Tensor:
    """[B, T]: the dataset of each token; that of padding means nothing."""
    return batch.source_D[batch.document_BT.clamp(min=0).long()]


def predicted(batch: Batch) -> torch.Tensor:
    """Bool [B, T]."""
    return batch.loss_weight_BT > 0


def counts(batches: Mapping[str, Batch], loss: Literal["token_mean", "sequence_sum"]) -> torch.Tensor:
    """N of each dataset in these batches, float64 [S]: predicted tokens, or documents."""
    total = torch.zeros(_num_sources(batches), dtype=torch.float64)
    for batch in batches.values():
        if loss == "sequence_sum":
            total += torch.bincount(batch.source_D.cpu(), minlength=len(total))
        else:
            sources = source_of_tokens(batch)[predicted(batch)].cpu()
            total += torch.bincount(sources, minlength=len(total))
    return total


def micro_batches(batches: Mapping[str, Batch], rows: int) -> Iterator[Batch]:
    """The batches, those with more than `rows` rows cut; 0 leaves them whole."""
    for batch in batches.values():
        size = len(batch.tokens_BT)
        if not rows or size <= rows:
            yield batch
            continue
        for start in range(0, size, rows):
            yield rows_of(batch, start, min(size, start + rows))


def rows_of(batch: Batch, start: int, stop: int) -> Batch:
    """Some rows of a batch, with their documents and media numbered from 0 again."""
    document_BT = batch.document_BT[start:stop]
    kept = torch.unique(document_BT[document_BT >= 0]).long()
    first = int(kept[0]) if len(kept) else 0
    media_BT = batch.media_index_BT[start:stop]
    # The media of a document follow each other, and so do documents: what the rows hold is one span.
    seen = media_BT[media_BT >= 0]
    before = batch.media_index_BT[:start]
    low = int(before.max()) + 1 if before.numel() and int(before.max()) >= 0 else 0
    high = max(int(seen.max()) + 1, low) if len(seen) else low
    offsets = batch.frame_offsets_M1
    cut = batch.with_frames(slice(int(offsets[low]), int(offsets[high])), offsets[low : high + 1] - offsets[low])
    return replace(
        cut,
        tokens_BT=batch.tokens_BT[start:stop],
        document_BT=torch.where(document_BT >= 0, document_BT - first, document_BT),
        position_BT=batch.position_BT[start:stop],
        media_index_BT=torch.where(media_BT >= 0, media_BT - low, media_BT),
        loss_weight_BT=batch.loss_weight_BT[start:stop],
        source_D=batch.source_D[kept],
        keys=tuple(batch.keys[document] for document in kept.tolist()),
    )


def train_step(
    parallel: ParallelModel,
    optimiser: torch.optim.Optimizer,
    batches: Mapping[str, Batch],
    counts_S: torch.Tensor,
    processes: Processes,
    clip_norm: float = 0.0,
    micro_rows: int = 0,
    judge: Callable[[float], bool] = lambda norm: True,
) -> Outcome:
    """One update; `counts_S` are those of `counts`, summed over all processes.

    `judge` gets the global norm of the gradient, the same on every process, and decides whether it is applied.
    """
    parts = list(micro_batches(batches, micro_rows))
    # Gradients are averaged over processes: what is wanted is their sum.
    weight_S = moved_to((processes.world / counts_S.clamp(min=1)).float(), processes.device)
    losses, tokens = torch.zeros_like(weight_S), torch.zeros_like(weight_S)
    for number, part in enumerate(parts):
        spans = MediaSpans.of(part)  # while it is in the CPU's memory: no wait for the device
        batch = part.to(processes.device)
        parallel.summing(number == len(parts) - 1)
        with parallel.autocast():
            loss_BT = parallel.module(batch, spans, losses=True)
        source_BT = source_of_tokens(batch)
        (loss_BT * batch.loss_weight_BT * weight_S[source_BT]).sum().backward()
        # All tokens, those that are not predicted as 0: to choose some by a mask the host would have to count them.
        mask_BT, source_N = predicted(batch), source_BT.flatten()
        losses.index_add_(0, source_N, loss_BT.detach().float().where(mask_BT, 0).flatten())
        tokens.index_add_(0, source_N, mask_BT.to(tokens.dtype).flatten())
    norm = looked_at(gradient_norm(optimiser, clip_norm))
    applied = judge(norm)
    if applied:
        optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return Outcome(Totals(losses, tokens), norm, applied)


def looked_at(norm: torch.Tensor) -> float:
    """The one place of a step that waits for the device: all that it has to do was asked for before."""
    return float(norm)


def gradient_norm(optimiser: torch.optim.Optimizer, clip_norm: float) -> torch.Tensor:
    """The global norm of the gradients, which are brought down to `clip_norm` if that is not 0."""
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    norm = torch.nn.utils.clip_grad_norm_(parameters, clip_norm or float("inf"))
    full: torch.Tensor = norm.full_tensor() if hasattr(norm, "full_tensor") else norm
    return full


def _num_sources(batches: Mapping[str, Batch]) -> int:
    return len(next(iter(batches.values())).sources)
