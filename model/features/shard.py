"""The features of one shard: media decoded by many threads, encoded in batches across samples, written in order."""

import array
import random
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain

import msgspec
import numpy as np

from model.data.ahead import Ahead
from model.data.documents import Document, Kind, Medium, to_document
from model.data.feature_files import Features, MediumRecord, SampleRecord, ShardFeatures, crc32, members_of
from model.data.fitting import Pixels
from model.data.images import ImageSettings, pixels_of, plain_frame
from model.data.reading import Reader, TarFile
from model.data.reading_ahead import ReadingAhead
from schemas.drops import Drop
from schemas.tar import Sink, TarWriter

_ASKED_AHEAD = 16  # samples, of another machine
_AHEAD_BYTES = 64_000_000
_DECODED_AHEAD = 4  # samples, for each thread
_LONGEST_NAME = 100  # of a member of a tar
_SUPERSEDED = "superseded"  # by a later build: readers pass it over
_NO_RNG = random.Random(0)  # nothing is drawn where nothing is augmented

Encode = Callable[[Pixels], Features]


class _Decoded(msgspec.Struct, frozen=True):
    record: SampleRecord
    frames: list[Pixels | None]  # by medium

    @property
    def count(self) -> int:
        return sum(len(frames) for frames in self.frames if frames is not None)


def write_shard(
    file: Sink, shard: TarFile, kind: Kind, images: ImageSettings, encode: Encode, batch_frames: int, threads: int
) -> tuple[ShardFeatures, bytes]:
    """Write the tar of a shard's features; what it holds, and its offsets.

    Memory: some batches of frames and of features. Raises what `encode` raises, and `OSError`.
    """
    tar, starts = TarWriter(file), array.array("Q")
    media, frames, drops = 0, 0, Counter[str]()
    decoded = _decoded(shard, kind, images, threads)
    ahead = Ahead(_encoded(decoded, encode, batch_frames), release=lambda: None)
    try:
        for number, (record, features) in enumerate(chain.from_iterable(ahead)):
            starts.append(tar.size)
            for name, data in members_of(_key(record.key, number), record, features):
                tar.add(name, data)
            media += len(record.media)
            frames += sum(len(of) for of in features if of is not None)
            drops.update(reason for of in record.media if (reason := _why_none(of)))
            drops.update([record.dropped] if record.dropped not in ("", _SUPERSEDED) else [])
    finally:
        ahead.close()
    starts.append(tar.size)
    tar.close()
    return ShardFeatures(len(starts) - 1, media, frames, tar.size, dict(drops)), starts.tobytes()


def _decoded(shard: TarFile, kind: Kind, images: ImageSettings, threads: int) -> Iterator[_Decoded]:
    """Every sample of the tar in order, those that readers pass over too, so that numbers agree."""
    whole = msgspec.structs.replace(shard, samples=shard.samples + len(shard.gone), gone=())
    gone = frozenset(shard.gone)
    asked = ReadingAhead(_AHEAD_BYTES)
    reader = Reader([whole], ahead=asked)
    waiting: deque[Future[_Decoded]] = deque()
    with ThreadPoolExecutor(threads, "weft-decode") as pool:
        try:
            for number in range(whole.samples):
                if number + _ASKED_AHEAD < whole.samples:
                    reader.ask(0, number + _ASKED_AHEAD)
                waiting.append(pool.submit(_decode, _document(reader, number, kind, number in gone), images))
                if len(waiting) > threads * _DECODED_AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
            asked.close()
            reader.close()


def _document(reader: Reader, number: int, kind: Kind, is_gone: bool) -> Document | str:
    """The document of a sample, or why there is none."""
    if is_gone:
        return _SUPERSEDED
    try:
        return to_document(kind, *reader.members(0, number))
    except Drop as drop:
        return drop.reason


def _decode(document: Document | str, images: ImageSettings) -> _Decoded:
    if isinstance(document, str):
        return _Decoded(SampleRecord("", dropped=document), [])
    media = [_frames(part, images) for part in document.parts if isinstance(part, Medium)]
    return _Decoded(SampleRecord(document.key, tuple(record for record, _ in media)), [of for _, of in media])


def _frames(medium: Medium, images: ImageSettings) -> tuple[MediumRecord, Pixels | None]:
    """Every frame that a reader of the shard may want, or why there is none."""
    known = crc32(medium.data)
    if medium.kind == "clip":
        from model.data.clips import whole_clip  # loads FFmpeg, which images do not need

        clip, frames = whole_clip(
            medium.data, images.clip_frames, images.clip_fps, lambda image: plain_frame(image, images)
        )
        return MediumRecord(known, clip=clip), np.stack(frames) if frames else None
    try:
        return MediumRecord(known), pixels_of(medium, _NO_RNG, images)
    except Drop as drop:
        return MediumRecord(known, reason=drop.reason, detail=drop.detail), None


def _encoded(
    decoded: Iterable[_Decoded], encode: Encode, batch_frames: int
) -> Iterator[list[tuple[SampleRecord, list[Features | None]]]]:
    """As many samples at a time as have `batch_frames` frames together; a sample with more is a batch of its own."""
    batch: list[_Decoded] = []
    count = 0
    for sample in decoded:
        if batch and count + sample.count > batch_frames:
            yield list(_of_batch(batch, encode))
            batch, count = [], 0
        batch.append(sample)
        count += sample.count
    yield list(_of_batch(batch, encode))


def _of_batch(batch: list[_Decoded], encode: Encode) -> Iterator[tuple[SampleRecord, list[Features | None]]]:
    frames = [of_medium for sample in batch for of_medium in sample.frames if of_medium is not None]
    found = encode(np.concatenate(frames)) if frames else None
    start = 0
    for sample in batch:
        features: list[Features | None] = []
        for of_medium in sample.frames:
            if found is None or of_medium is None:
                features.append(None)
                continue
            features.append(found.only(slice(start, start + len(of_medium))))
            start += len(of_medium)
        yield sample.record, features


def _key(key: str, number: int) -> str:
    """The key of the sample, where a tar can hold it; the JSON has it in any case."""
    fits = bool(key) and len(f"{key}.{number:04d}.scale.npy".encode()) <= _LONGEST_NAME
    return key if fits else f"{number:09d}"


def _why_none(record: MediumRecord) -> str:
    return record.reason or ("broken_clip" if record.clip is not None and record.clip.failure else "")
