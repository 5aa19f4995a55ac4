"""The ragged batch: what the network is given, with the mask as data.

Shapes: B rows, T tokens a row, D documents, M media, F frames of all media, C channels, H and W pixels, V features a
frame, I their width.
"""

from collections.abc import Callable
from collections.abc import Sequence as Seq
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from model.data.row import Row
from schemas.settings import SettingsError


@dataclass(frozen=True)
class Batch:
    """Rows of documents and the media they attend to. Media and documents are numbered over the whole batch.

    A document's tokens follow each other in one row. `frames_FCHW` lies in memory with its channels last. A token with
    `loss_weight_BT` 0 is not predicted; the others carry the lambda of their dataset, and are predicted from the token
    before them. `frame_offsets_M1` stays in the CPU's memory: by it the host cuts frames into media.

    Where features are streamed, frames have no pixel: `frames_FCHW` is [F, 3, 0, 0], and `features_FVI` holds what an
    encoder made of them.
    """

    tokens_BT: torch.Tensor  # int64
    document_BT: torch.Tensor  # int32, -1 where padded
    position_BT: torch.Tensor  # int64, from 0 in each document
    media_index_BT: torch.Tensor  # int32, the one medium the token attends to, -1 none
    loss_weight_BT: torch.Tensor  # float32
    frames_FCHW: torch.Tensor  # uint8
    frame_offsets_M1: torch.Tensor  # int32, medium m owns frames [m, m + 1) of them
    source_D: torch.Tensor  # int64, index into `sources`
    keys: tuple[str, ...]  # of the samples, one a document
    sources: tuple[str, ...]  # names of the loader's datasets
    features_FVI: torch.Tensor | None = None  # float16, or int8 with their scales
    scales_FI: torch.Tensor | None = None  # float32

    @property
    def fill(self) -> float:
        """The part of the rows that holds tokens."""
        return float((self.document_BT >= 0).float().mean())

    def to(self, device: torch.device | str) -> "Batch":
        """There, without waiting for what the device has still to do."""
        moved = self._mapped(lambda tensor: moved_to(tensor, torch.device(device)))
        return replace(moved, frame_offsets_M1=self.frame_offsets_M1)

    def pin_memory(self) -> "Batch":
        """In memory that a GPU copies from by itself, made by whoever calls this."""
        return replace(self._mapped(torch.Tensor.pin_memory), frame_offsets_M1=self.frame_offsets_M1)

    def with_frames(self, chosen: slice | torch.Tensor, frame_offsets_M1: torch.Tensor) -> "Batch":
        """The batch with these of its frames alone, in this order, cut into media by other offsets."""
        return replace(
            self,
            frames_FCHW=self.frames_FCHW[chosen],
            frame_offsets_M1=frame_offsets_M1,
            features_FVI=None if self.features_FVI is None else self.features_FVI[chosen],
            scales_FI=None if self.scales_FI is None else self.scales_FI[chosen],
        )

    def features(self) -> torch.Tensor | None:
        """[F, V, I] as floats, where the media have features; None where they have pixels."""
        return None if self.features_FVI is None else floats(self.features_FVI, self.scales_FI)

    def check(self) -> None:
        """Raises `ValueError` naming the invariant that does not hold. For tests, and for batches made by hand."""
        held = {
            "padding attends to nothing": (self.media_index_BT[self.document_BT < 0] == -1).all(),
            "padding is not predicted": (self.loss_weight_BT[self.document_BT < 0] == 0).all(),
            "the first token of a document is not predicted": (self.loss_weight_BT[self.position_BT == 0] == 0).all(),
            "media are in range": (self.media_index_BT < len(self.frame_offsets_M1) - 1).all(),
            "each medium has a frame": (self.frame_offsets_M1.diff() > 0).all(),
            "frames are those of the media": self.frame_offsets_M1[-1] == len(self.frames_FCHW),
            "features are those of the frames": self.features_FVI is None
            or len(self.features_FVI) == len(self.frames_FCHW),
            "each medium belongs to one document": _one_document_each(self.media_index_BT, self.document_BT),
            "a key and a source for each document": len(self.keys) == len(self.source_D) == self._documents(),
        }
        if broken := [name for name, holds in held.items() if not bool(holds)]:
            raise ValueError("; ".join(broken))

    def _documents(self) -> int:
        return int(self.document_BT.max()) + 1 if self.document_BT.numel() else 0

    def _mapped(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "Batch":
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        changed = {name: change(value) for name, value in values.items() if isinstance(value, torch.Tensor)}
        return Batch(**{**values, **changed})


def require_gpu() -> None:
    """Raises `SettingsError` where there is none that memory could be pinned for."""
    if not torch.cuda.is_available():
        raise SettingsError("pin is for batches that go to a GPU, and torch finds none here")


def collate(rows: Seq[Row], row_tokens: int, pad_id: int, sources: tuple[str, ...], pin: bool = False) -> Batch:
    """The batch of some rows, padded to `row_tokens`; media are laid end to end, none is padded.

    Everything is copied, once, with `pin` to where a GPU copies from by itself: nothing of `rows` is looked at later.
    """
    shape = (len(rows), row_tokens)
    tokens_BT = torch.full(shape, pad_id, dtype=torch.int64, pin_memory=pin)
    document_BT = torch.full(shape, -1, dtype=torch.int32, pin_memory=pin)
    position_BT = torch.zeros(shape, dtype=torch.int64, pin_memory=pin)
    media_index_BT = torch.full(shape, -1, dtype=torch.int32, pin_memory=pin)
    loss_weight_BT = torch.zeros(shape, dtype=torch.float32, pin_memory=pin)
    tokens, document, position, media_index, loss_weight = (
        tensor.numpy() for tensor in (tokens_BT, document_BT, position_BT, media_index_BT, loss_weight_BT)
    )
    num_documents = num_media = 0
    for b, row in enumerate(rows):
        place = (b, slice(0, len(row)))
        tokens[place] = row.tokens_T
        document[place] = row.document_T + num_documents
        position[place] = row.position_T
        media_index[place] = np.where(row.media_index_T < 0, -1, row.media_index_T + num_media)
        loss_weight[place] = row.loss_weight_T
        num_documents += len(row.keys)
        num_media += len(row.frame_counts_M)
    counts_M = np.concatenate([row.frame_counts_M for row in rows])
    source_D = np.repeat(np.array([row.source for row in rows], np.int64), [len(row.keys) for row in rows])
    features = [row.features for row in rows if row.features is not None]
    scales = [of.scales_FI for of in features if of.scales_FI is not None]
    return Batch(
        tokens_BT=tokens_BT,
        document_BT=document_BT,
        position_BT=position_BT,
        media_index_BT=media_index_BT,
        loss_weight_BT=loss_weight_BT,
        frames_FCHW=_joined([row.frames_FHWC for row in rows], pin).permute(0, 3, 1, 2),
        frame_offsets_M1=torch.from_numpy(np.concatenate([[0], np.cumsum(counts_M)]).astype(np.int32)),
        source_D=_joined([source_D], pin),
        keys=tuple(key for row in rows for key in row.keys),
        sources=sources,
        features_FVI=_joined([of.values_FVI for of in features], pin) if features else None,
        scales_FI=_joined(scales, pin) if scales else None,
    )


def floats(features_FVI: torch.Tensor, scales_FI: torch.Tensor | None) -> torch.Tensor:
    """Features as they were before they were stored, but for rounding."""
    return features_FVI if scales_FI is None else features_FVI * scales_FI[:, None]


def _joined(arrays: Seq[npt.NDArray[Any]], pin: bool) -> torch.Tensor:
    """End to end along the first dimension. numpy copies without the interpreter's lock."""
    shape = (sum(map(len, arrays)), *arrays[0].shape[1:])
    dtype = torch.from_numpy(np.empty(0, arrays[0].dtype)).dtype
    joined = torch.empty(shape, dtype=dtype, pin_memory=pin)
    np.concatenate(arrays, out=joined.numpy())
    return joined


def self_attention_mask(batch: Batch) -> torch.Tensor:
    """Bool [B, T, T], true where row token may attend to column token: the same document, not later.

    Padding attends to itself alone, so that no row is empty: a softmax over nothing is NaN.
    """
    same_BTT = batch.document_BT[:, :, None] == batch.document_BT[:, None, :]
    length = batch.document_BT.shape[1]
    causal_TT = torch.ones(length, length, dtype=torch.bool, device=same_BTT.device).tril()
    real_BTT = (batch.document_BT >= 0)[:, :, None].expand_as(same_BTT)
    diagonal_TT = torch.eye(length, dtype=torch.bool, device=same_BTT.device)
    return (same_BTT & causal_TT & real_BTT) | diagonal_TT


def moved_to(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """To a GPU from pinned memory: from other memory the copy waits until all before it is done."""
    if device.type == "cuda" and tensor.device.type == "cpu" and not tensor.is_pinned():
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def normalise(frames_FCHW: torch.Tensor, mean: Seq[float], std: Seq[float]) -> torch.Tensor:
    """uint8 frames as float32 by the mean and standard deviation of a vision encoder, given for pixels in 0 to 1."""
    shift, scale = (moved_to(torch.tensor(of).view(1, -1, 1, 1) * 255, frames_FCHW.device) for of in (mean, std))
    return (frames_FCHW.float() - shift) / scale


def _one_document_each(media_index_BT: torch.Tensor, document_BT: torch.Tensor) -> bool:
    seen = media_index_BT >= 0
    pairs = set(zip(media_index_BT[seen].tolist(), document_BT[seen].tolist(), strict=True))
    return len(pairs) == len({medium for medium, _ in pairs})
