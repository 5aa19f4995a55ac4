"""Videos whose clips are in the dataset that a build adds to; and the keys that a build leaves."""

from collections.abc import Sequence

import pyarrow as pa

from jobs.phases.known import KeysWriter, bucket_of_known, joined, keys_of, known_rows, superseded_writer
from jobs.phases.task import Phase, Task
from schemas.buckets import bucket_of
from schemas.kinds import CLIPS
from schemas.urls import media_key
from schemas.videos import ClipSample, VideoText

#: `keys/{partition}.parquet`, a row a clip.
KEYS = pa.schema([("sample", pa.string()), ("video", pa.binary()), ("characters", pa.int64())])
KNOWN_VIDEOS = {"video": pa.binary(), "characters": pa.int64(), "sample": pa.string(), "group": pa.int32()}


def characters_of(texts: Sequence[VideoText]) -> int:
    """Of several references to one video, the one with most text is taken."""
    return sum(len(text.text) for text in texts)


def clip_keys_writer(task: Task) -> KeysWriter:
    """Given `sample`, `video` and `characters` of each clip."""
    return KeysWriter(task, CLIPS.name, KEYS)


def tell_known_videos(task: Task) -> None:
    """For one group of shards: a row for each clip, for the task that meets other references to its video."""
    writer = task.writer("known-videos", KNOWN_VIDEOS)

    def derive(clip: ClipSample) -> dict[str, object]:
        stated = [text for text in clip.texts if text.source != "subtitles"]
        return {"video": media_key(clip.url), "characters": characters_of(stated)}

    for shards, rows in known_rows(task, CLIPS.name, ("key",)):
        for row in joined(rows, keys_of(task, CLIPS.name, shards, ("video", "characters"), derive)).to_pylist():
            partition = bucket_of(row["video"], task.plan.partitions)
            writer.add(partition, row["video"], row["characters"], row["key"], bucket_of_known(task, task.index))


KNOWN_CLIPS = Phase("clip-known", "known_clips", tell_known_videos)


class KnownVideos:
    """Of some videos those that the dataset has clips of: with how much text, and of which samples."""

    def __init__(self, task: Task, videos: set[bytes]) -> None:
        self._superseded = superseded_writer(task)
        self._characters: dict[bytes, int] = {}
        self._clips: dict[bytes, list[tuple[int, str]]] = {}
        for table in task.groups(KNOWN_CLIPS, "known-videos"):
            for row in table.to_pylist():
                if row["video"] in videos:
                    self._characters[row["video"]] = row["characters"]
                    self._clips.setdefault(row["video"], []).append((row["group"], row["sample"]))

    def stays(self, video: bytes, characters: int) -> bool:
        """Whether clips of the video are there that another reference, with so much text, does not replace."""
        return self._characters.get(video, -1) >= characters

    def replace(self, video: bytes, by_page: str) -> None:
        """Another reference to it is taken."""
        for group, sample in self._clips.get(video, []):
            assert self._superseded is not None
            self._superseded.add(group, sample, "duplicate_video", f"taken from {by_page}", size=200)
