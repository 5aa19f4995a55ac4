"""Videos of pages and of lists, on their way to the task that cuts them: all references to one meet in one task."""

import os
import posixpath
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import msgspec
import pyarrow as pa

from crawlers.inputs import InputError
from crawlers.url_lists import columns_of, read_fields
from jobs.phases.plan import Plan, read_plan
from pipeline.video.captions import without_personal_data
from schemas.buckets import BucketWriter, bucket_of
from schemas.commits import Attempt, Commit
from schemas.drop_files import DropFile
from schemas.drops import DropRow, StepError, Tally
from schemas.storage import Store
from schemas.urls import media_key
from schemas.videos import VideoDraft, VideoText

LISTS = "video-lists"
VIDEOS = {"uid": pa.int64(), "video": pa.binary()}
WANTED = {"key": pa.binary(), "partition": pa.int32()}
_LIST_UIDS = 1 << 62  # above those of pages
_ADDRESS_FIELDS = ("url", "path")
_TEXT_FIELDS = ("text", "caption", "txt")
_OTHER_FIELDS = ("title", "subtitles", "page_url", "licence", "license")


class VideoShuffle:
    """Writes videos to the partition of their address."""

    def __init__(self, attempt: Attempt, name: str, plan: Plan) -> None:
        self._plan, self._stack = plan, ExitStack()
        self._videos = self._stack.enter_context(BucketWriter(attempt.create(f"{name}.videos.parquet"), VIDEOS))

    def add(self, video: VideoDraft) -> Iterator[tuple[bytes, int]]:
        """Add a video; gives the keys of the files that it wants, and the partition that wants them."""
        partition = bucket_of(media_key(video.url), self._plan.partitions)
        packed = msgspec.json.encode(video)
        self._videos.add(partition, video.uid, packed, size=len(packed) + 100)
        for key in dict.fromkeys(map(media_key, (*video.candidates, *video.tracks))):
            yield key, located_as(self._plan, partition)

    def __enter__(self) -> "VideoShuffle":
        return self

    def __exit__(self, failure: type[BaseException] | None, *details: Any) -> None:
        self._stack.__exit__(failure, *details)


def located_as(plan: Plan, partition: int) -> int:
    """The number under which the places of a partition's videos are found: those below are of pages."""
    return plan.partitions + partition


def check_list(url: str) -> None:
    """Raises `InputError` if a list cannot be read, or names no videos."""
    found = columns_of(url)
    if not set(_ADDRESS_FIELDS) & set(found):
        raise InputError(f"{url} has no column {' or '.join(_ADDRESS_FIELDS)}; it has {', '.join(found) or 'none'}")


def read_list(output: str, index: int) -> Commit:
    """Read one list of videos: what of them is to be looked for in archives is asked for like that of pages."""
    plan, store = read_plan(output), Store(output)
    url, name = plan.video_lists[index].url, f"work/{LISTS}/{index:06d}"
    with Attempt(store, LISTS, index) as attempt:
        with (
            DropFile(attempt, f"drops/{LISTS}-{index:06d}.parquet") as drops,
            VideoShuffle(attempt, name, plan) as shuffle,
            BucketWriter(attempt.create(f"{name}.wanted.parquet"), WANTED) as wanted,
        ):
            tally = Tally(drops.add)
            for video in _videos_of(url, index, tally):
                for key, partition in shuffle.add(without_personal_data(video, plan.config.pii)):
                    wanted.add(bucket_of(key, plan.buckets), key, partition)
        return attempt.commit(tally.counts())


def _videos_of(url: str, index: int, tally: Tally) -> Iterator[VideoDraft]:
    """Raises `StepError` where the list is damaged: another try would meet the same."""
    try:
        for number, row in enumerate(read_fields(url, (*_ADDRESS_FIELDS, *_TEXT_FIELDS, *_OTHER_FIELDS))):
            tally.saw("video")
            if address := str(row.get("url") or row.get("path") or "").strip():
                tally.kept("video")
                yield _listed(url, address, row, _LIST_UIDS | index << 40 | number)
            else:
                tally.drop(DropRow("", "video", "bad_row", f"row {number} of {url}"))
    except InputError as error:
        raise StepError(str(error)) from None


def _listed(list_url: str, address: str, row: dict[str, Any], uid: int) -> VideoDraft:
    texts = [("list", str(row[name])) for name in _TEXT_FIELDS if row.get(name)]
    texts += [("title", str(row["title"]))] if row.get("title") else []
    tracks = str(row.get("subtitles") or "").strip()
    return VideoDraft(
        uid=uid,
        candidates=(_beside(list_url, address),),
        texts=tuple(VideoText(source, " ".join(text.split())) for source, text in texts),
        tracks=(_beside(list_url, tracks),) if tracks else (),
        page_url=str(row.get("page_url") or ""),
        page_title=str(row.get("title") or ""),
        licence=str(row.get("licence") or row.get("license") or ""),
    )


def _beside(list_url: str, address: str) -> str:
    """Relative names are taken from the folder of the list."""
    if "://" in address or address.startswith("/"):
        return address
    folder = posixpath.dirname(list_url) if "://" in list_url else os.path.dirname(os.path.abspath(list_url))
    return posixpath.join(folder, address)
