"""Videos of pages and of lists, on their way to the task that cuts them: all references to one meet in one task."""

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from crawlers.inputs import InputError
from crawlers.url_lists import BadRow, columns_of, read_fields, require_single, text_of
from jobs.engine.isolation import Isolated
from jobs.kinds.clips.source import address_of
from jobs.phases.extract import Wanted
from jobs.phases.late import late_of
from jobs.phases.plan import Plan
from jobs.phases.recipe import Recipe
from jobs.phases.steps import Extracted
from jobs.phases.task import Phase, Task
from pipeline.video.captions import without_personal_data
from schemas.buckets import bucket_of
from schemas.drops import Drop, DropRow, Guarded, StepError, Tally, in_row, on_page
from schemas.urls import media_key
from schemas.videos import VideoDraft, VideoText

VIDEOS = {"uid": pa.int64(), "video": pa.binary()}
_LIST_UIDS = 1 << 62  # above those of pages
_ADDRESS_FIELDS = ("url", "path")
_TEXT_FIELDS = ("text", "caption", "txt")
_FIELDS = (*_ADDRESS_FIELDS, *_TEXT_FIELDS, "title", "subtitles", "page_url", "licence", "license")


class TakeVideos:
    """Videos in the bucket of their address, and the files that they want."""

    def __init__(self, task: Task, wanted: Wanted) -> None:
        self._task, self._wanted, self._videos = task, wanted, task.writer("videos", VIDEOS)
        self.sizes = np.zeros(task.plan.partitions, np.int64)  # they are not cut into slices

    def take(self, found: Extracted) -> None:
        """What one page gave."""
        tally = self._task.tally
        for video in found.videos:
            self.add(video)
        for row in found.dropped_videos:
            tally.drop(row)
        tally.saw("video", len(found.videos) + len(found.dropped_videos))
        tally.kept("video", len(found.videos))

    def add(self, video: VideoDraft) -> None:
        """Hand on a video."""
        plan = self._task.plan
        for what, count in video.redacted.items():
            self._task.tally.redacted(what, count)
        partition = bucket_of(media_key(video.url), plan.partitions)
        packed = msgspec.json.encode(video)
        self._videos.add(partition, video.uid, packed, size=len(packed) + 100)
        self._wanted.add((*video.candidates, *video.tracks), located_as(plan, partition))


def located_as(plan: Plan, partition: int) -> int:
    """The number under which the places of a partition's videos are found: those below are of pages."""
    return plan.partitions + partition


def row_of(plan: Plan, uid: int) -> str:
    """The row of a list that a video comes from; "" of one that a page has."""
    index, number = divmod(uid & ~_LIST_UIDS, 1 << 40)
    return in_row("", number, plan.video_lists[index].url) if uid & _LIST_UIDS else ""


def where_it_was(plan: Plan, video: VideoDraft, detail: str) -> str:
    """A drop's detail that names the page of a video, and the row of the list that named it."""
    return ", ".join(filter(None, (on_page(detail, video.page_url), row_of(plan, video.uid))))


def check_list(url: str) -> None:
    """Raises `InputError` if a list cannot be read, or names no videos."""
    found = columns_of(url)
    if not set(_ADDRESS_FIELDS) & set(found):
        raise InputError(f"{url} has no column {' or '.join(_ADDRESS_FIELDS)}; it has {', '.join(found) or 'none'}")
    require_single(url, found, _FIELDS)


def read_video_list(task: Task, recipe: Recipe) -> None:
    """Read one list of videos: what of them is to be looked for in archives is asked for like that of pages."""
    taker, judge, folder = TakeVideos(task, Wanted(task)), None, task.config.videos_folder
    late = late_of(task)
    if recipe.has_video_steps:
        judge = Guarded(task.enter(Isolated(recipe.judge_video, task.config.isolation)))
    for video in _videos_of(task.plan.video_lists[task.index].url, task.index, folder, task.tally):
        try:
            if late is not None and not late.any_of((*video.candidates, *video.tracks)):
                continue
            video = without_personal_data(video, task.config.pii)
            taker.add(judge(video) if judge is not None else video)
            task.tally.kept("video")
        except Drop as drop:
            detail = where_it_was(task.plan, video, drop.detail)
            task.tally.drop(DropRow(video.url, "video", drop.reason, detail, video.page_url))


VIDEO_LISTS = Phase("video-lists", "video_lists", read_video_list)


def _videos_of(url: str, index: int, folder: str, tally: Tally) -> Iterator[VideoDraft]:
    """Raises `StepError` where the list is damaged: another try would meet the same."""
    try:
        for number, row in enumerate(read_fields(url, _FIELDS)):
            tally.saw("video")
            try:
                yield _listed(row, _LIST_UIDS | index << 40 | number, folder)
            except Drop as drop:
                tally.drop(DropRow("", "video", drop.reason, in_row(drop.detail, number, url)))
    except InputError as error:
        raise StepError(str(error)) from None


def _listed(row: dict[str, Any] | BadRow, uid: int, folder: str) -> VideoDraft:
    """Raises `Drop`: bad_row, bad_address, file_not_allowed."""
    if isinstance(row, BadRow):
        raise Drop("bad_row", row.fault)
    try:
        said = {name: text_of(value) for name, value in row.items()}
    except ValueError as error:
        raise Drop("bad_row", str(error)[:200]) from None
    address = (said.get("url") or said.get("path") or "").strip()
    if not address:
        raise Drop("bad_row")
    texts = [("list", said[name]) for name in _TEXT_FIELDS if said.get(name)]
    texts += [("title", said["title"])] if said.get("title") else []
    tracks = (said.get("subtitles") or "").strip()
    return VideoDraft(
        uid=uid,
        candidates=(address_of(address, folder),),
        texts=tuple(VideoText(source, " ".join(text.split())) for source, text in texts),
        tracks=(address_of(tracks, folder),) if tracks else (),
        page_url=said.get("page_url") or "",
        page_title=said.get("title") or "",
        licence=said.get("licence") or said.get("license") or "",
    )
