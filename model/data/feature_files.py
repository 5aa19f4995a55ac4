"""What a frozen vision encoder makes of media, as it is written beside the shards, and read in place of pixels.

    FEATURES/features.json            which encoder, which preprocessing, of what; `FeaturesInfo`
    FEATURES/shards/{name}.tar        for each sample of the shard of that name one sample, in its order
    FEATURES/shards/{name}.tar.idx    where each begins, as beside any shard
    FEATURES/commit/{name}.json       the tar counts

A sample is `{key}.json`, and for each medium that has features `{key}.{n}.npy`, beside it `{key}.{n}.scale.npy` where
they are int8.

Shapes: F frames of a medium, V features a frame, I their width.
"""

import io
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from model.data.stretches import WholeClip
from schemas.drops import Drop
from schemas.tar import member_bytes

INFO, SHARDS, COMMITS = "features.json", "shards", "commit"
StoredAs = Literal["float16", "int8"]
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([<|][fi][1248])', 'fortran_order': False, 'shape': \(([0-9, ]*)\),? *\}",
    re.DOTALL,
)


class FeaturesInfo(msgspec.Struct, frozen=True):
    """`features.json`, written before anything else: what another folder of features would have to be equal in."""

    source: str
    kind: str
    encoder: dict[str, Any]  # the settings of vision that decide what it gives, and the SHA-256 of its files
    images: dict[str, Any]  # the settings of images that decide what the encoder sees
    stored_as: StoredAs
    precision: str  # that the encoder computed in
    size_px: int
    features: int  # of a frame
    width: int
    weft_version: str
    version: int = 1


class ShardFeatures(msgspec.Struct, frozen=True):
    """`commit/{name}.json`: the features of a shard are there. Written last."""

    samples: int
    media: int
    frames: int
    bytes: int
    drops: dict[str, int] = {}  # of media, and of samples of which nothing was made, by reason


class MediumRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a medium: its bytes, and why it has no features, or which frames of a clip it has."""

    crc32: int
    bytes: int = 0  # of its members in the tar, which follow the JSON in the order of media
    reason: str = ""
    detail: str = ""
    clip: WholeClip | None = None


class SampleRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """`{key}.json` beside the features of a sample."""

    key: str
    media: tuple[MediumRecord, ...] = ()
    dropped: str = ""  # why nothing was made of it


class Features(msgspec.Struct, frozen=True):
    """Of the frames of a medium, as they are stored: float16, or int8 with a scale for each channel of a frame."""

    values_FVI: npt.NDArray[Any]
    scales_FI: npt.NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.values_FVI)

    def only(self, frames: Sequence[int] | slice) -> "Features":
        scales_FI = self.scales_FI
        return Features(self.values_FVI[frames], None if scales_FI is None else scales_FI[frames])

    def floats(self) -> npt.NDArray[np.float32]:
        """[F, V, I]."""
        values_FVI = self.values_FVI.astype(np.float32)
        return values_FVI if self.scales_FI is None else values_FVI * self.scales_FI[:, None]


class Beside(msgspec.Struct, frozen=True):
    """What stands beside a medium: in place of its pixels."""

    record: MediumRecord
    features: Features | None


def members_of(key: str, record: SampleRecord, features: Sequence[Features | None]) -> list[tuple[str, bytes]]:
    """The members of a sample of features, by full name."""
    members, media = list[tuple[str, bytes]](), []
    for number, (medium, found) in enumerate(zip(record.media, features, strict=True)):
        own = []
        if found is not None:
            own.append((f"{key}.{number}.npy", _npy(found.values_FVI)))
            if found.scales_FI is not None:
                own.append((f"{key}.{number}.scale.npy", _npy(found.scales_FI)))
        media.append(msgspec.structs.replace(medium, bytes=sum(member_bytes(len(data)) for _, data in own)))
        members += own
    whole = msgspec.structs.replace(record, media=tuple(media))
    return [(f"{key}.json", msgspec.json.encode(whole)), *members]


def read_record(members: Mapping[str, bytes]) -> SampleRecord:
    """Raises `Drop("broken_sample")`."""
    try:
        return msgspec.json.decode(members["json"], type=SampleRecord)
    except (KeyError, msgspec.MsgspecError) as error:
        raise Drop("broken_sample", f"its features: {type(error).__name__}: {error}") from None


def beside(record: SampleRecord, members: Mapping[str, bytes], number: int) -> Beside:
    """What stands beside medium `number` of a sample. Raises `Drop("broken_sample")`."""
    if (data := members.get(f"{number}.npy")) is None:
        return Beside(record.media[number], None)
    try:
        scale = members.get(f"{number}.scale.npy")
        return Beside(record.media[number], Features(_array(data), None if scale is None else _array(scale)))
    except ValueError as error:
        raise Drop("broken_sample", f"its features: {error}") from None


def crc32(data: bytes) -> int:
    """What a medium's bytes are known by."""
    return zlib.crc32(data)


def _npy(array: npt.NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return file.getvalue()


def _array(data: bytes) -> npt.NDArray[Any]:
    """Of the very bytes: nothing is copied. Raises `ValueError` for what is no array of ours.

    NumPy evaluates the header as Python, which two threads cannot do at a time in Python 3.11.
    """
    if (found := _HEADER.match(data)) is None:
        raise ValueError("no array where one should be")
    dtype, shape = found[1].decode(), tuple(int(size) for size in found[2].split(b",") if size.strip())
    start = 10 + int.from_bytes(data[8:10], "little")
    return np.frombuffer(data, dtype, offset=start).reshape(shape)
