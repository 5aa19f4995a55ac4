"""A row: documents end to end, as workers make it and batches are put together from. Needs no torch.

Shapes: T tokens of the row, M its media, F their frames, H and W pixels, C channels, V features a frame, I their width.
"""

from collections.abc import Sequence as Seq
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from model.data.feature_files import Features
from model.data.sequences import Floats, Ints, Sequence

Pixels = npt.NDArray[np.uint8]


class Row(msgspec.Struct, frozen=True):
    """One row without padding. Documents and media are numbered within it; its frames stand in the order of media, and
    are without a pixel where there are `features` of them."""

    tokens_T: Ints
    document_T: Ints
    position_T: Ints  # from 0 in each document
    media_index_T: Ints  # -1 none
    loss_weight_T: Floats  # 0 where the token is not predicted, else the lambda of the dataset
    frames_FHWC: Pixels
    frame_counts_M: Ints
    keys: tuple[str, ...]  # of the samples, one a document
    source: int  # which of the loader's datasets
    features: Features | None = None

    def __len__(self) -> int:
        return len(self.tokens_T)


def to_row(
    sequences: Seq[Sequence],
    frames_FHWC: Pixels,
    frame_counts_M: Ints,
    source: int,
    loss_weight: float,
    features: Features | None = None,
) -> Row:
    """Sequences end to end. The loops over documents are here, where workers run, not where batches are made."""
    media = np.cumsum([0, *(len(sequence.media) for sequence in sequences)])
    lengths = [len(sequence) for sequence in sequences]
    indexes = [
        np.where(sequence.media_index_T < 0, -1, sequence.media_index_T + before)
        for sequence, before in zip(sequences, media, strict=False)
    ]
    return Row(
        tokens_T=_joined([sequence.tokens_T for sequence in sequences], np.int32),
        document_T=np.repeat(np.arange(len(sequences), dtype=np.int32), lengths),
        position_T=_joined([np.arange(length) for length in lengths], np.int32),
        media_index_T=_joined(indexes, np.int32),
        loss_weight_T=_joined([s.weight_T * np.float32(loss_weight) for s in sequences], np.float32),
        frames_FHWC=frames_FHWC,
        frame_counts_M=frame_counts_M,
        keys=tuple(sequence.key for sequence in sequences),
        source=source,
        features=features,
    )


def seen_frames(media: Seq[Pixels | Features], size_px: int) -> tuple[Pixels, Ints, Features | None]:
    """Frames of media end to end, how many each has, and their features where they have these."""
    counts_M = np.array([len(medium) for medium in media], np.int32)
    features = [medium for medium in media if isinstance(medium, Features)]
    if features:
        values_FVI = np.concatenate([of.values_FVI for of in features])
        scales = [of.scales_FI for of in features if of.scales_FI is not None]
        frames_FHWC = np.zeros((len(values_FVI), 0, 0, 3), np.uint8)
        return frames_FHWC, counts_M, Features(values_FVI, np.concatenate(scales) if scales else None)
    pixels = [medium for medium in media if not isinstance(medium, Features)]
    return np.concatenate(pixels) if pixels else np.zeros((0, size_px, size_px, 3), np.uint8), counts_M, None


def _joined(parts: list[Any], dtype: npt.DTypeLike) -> Any:
    return np.concatenate(parts).astype(dtype, copy=False) if parts else np.zeros(0, dtype)
