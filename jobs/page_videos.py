"""Videos of pages and of lists, on their way to the task that cuts them: all references to one meet in one task."""

import csv
import io
import os
import posixpath
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import fsspec
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from crawlers.inputs import InputError
from crawlers.warc import Capture, page_of
from jobs.config import BuildConfig
from jobs.isolation import Isolated
from jobs.plan import Plan, read_plan
from pipeline.captions import without_personal_data
from pipeline.url_rules import refuse_url
from pipeline.video_refs import find_videos, may_show_video
from schemas.buckets import BucketWriter, bucket_of
from schemas.commits import Attempt, Commit
from schemas.consent import refusal
from schemas.documents import Page
from schemas.drop_files import DropFile
from schemas.drops import Drop, DropRow, Tally, guarded
from schemas.storage import Store
from schemas.urls import media_key
from schemas.videos import VideoDraft, VideoText

VIDEOS = {"uid": pa.int64(), "video": pa.binary()}
WANTED_VIDEOS = {"key": pa.binary(), "partition": pa.int32()}
_LIST_UIDS = 1 << 62  # above those of pages
_TEXT_FIELDS = ("text", "caption", "txt")


def video_recipe(config: BuildConfig, page: Page) -> list[VideoDraft]:
    """The videos of one page, personal data taken from their texts. Raises `Drop` as `find_videos`, and opt_out."""
    refuse_url(page, config.url)
    videos = find_videos(page)
    for video in videos[:1]:  # consent is that of the page
        if signal := refusal(video.consent, config.consent.page_directives, config.consent.tdm_reservation):
            raise Drop("opt_out", signal)
    return [without_personal_data(video, config.pii) for video in videos]


def find_clips(
    pages: Iterator[Capture], attempt: Attempt, index: int, archive: str, plan: Plan, tally: Tally
) -> Iterator[Capture]:
    """The same pages, if they become documents; their videos are written down in passing."""
    config, is_alone = plan.config, "interleaved" not in plan.config.kinds
    with (
        VideoShuffle(attempt, f"work/extract/{index:06d}", plan) as shuffle,
        Isolated(partial(video_recipe, config), config.isolation) as recipe,
    ):
        for capture in pages:
            videos, drop = [], Drop("no_video")
            try:
                page = page_of(capture, index << 40 | capture.number, archive, config.warc)
                if may_show_video(page.html):
                    videos = guarded(recipe, page)
            except Drop as reason:
                drop = reason
            for video in videos:
                shuffle.add(video)
            if not is_alone:
                yield capture
            elif videos:
                tally.kept("page")
            else:
                tally.drop(DropRow(capture.url, "page", drop.reason, drop.detail))


class VideoShuffle:
    """Writes videos to the partition of their address, and what of them is to be looked for in archives."""

    def __init__(self, attempt: Attempt, name: str, plan: Plan) -> None:
        self._plan, self._stack = plan, ExitStack()
        self._videos = self._stack.enter_context(BucketWriter(attempt.create(f"{name}.videos.parquet"), VIDEOS))
        wanted = attempt.create(f"{name}.wanted-videos.parquet")
        self._wanted = self._stack.enter_context(BucketWriter(wanted, WANTED_VIDEOS))

    def add(self, video: VideoDraft) -> None:
        partition = bucket_of(media_key(video.url), self._plan.partitions)
        packed = msgspec.json.encode(video)
        self._videos.add(partition, video.uid, packed, size=len(packed) + 100)
        for key in dict.fromkeys(map(media_key, (*video.candidates, *video.tracks))):
            self._wanted.add(bucket_of(key, self._plan.buckets), key, located_as(self._plan, partition))

    def __enter__(self) -> "VideoShuffle":
        return self

    def __exit__(self, failure: type[BaseException] | None, *details: Any) -> None:
        self._stack.__exit__(failure, *details)


def located_as(plan: Plan, partition: int) -> int:
    """The number under which the places of a partition's videos are found: those below are of pages."""
    return plan.partitions + partition


def read_list(output: str, index: int) -> Commit:
    """Read one list of videos."""
    plan, store = read_plan(output), Store(output)
    url = plan.video_lists[index].url
    with Attempt(store, "lists", index) as attempt:
        with (
            DropFile(attempt, f"drops/lists-{index:06d}.parquet"),
            VideoShuffle(attempt, f"work/lists/{index:06d}", plan) as shuffle,
        ):
            tally = Tally()
            for number, row in enumerate(_rows(url)):
                shuffle.add(
                    without_personal_data(_listed(url, row, _LIST_UIDS | index << 40 | number), plan.config.pii)
                )
        return attempt.commit(tally.counts())


def _listed(list_url: str, row: dict[str, Any], uid: int) -> VideoDraft:
    """Raises `InputError` for a row without an address."""
    address = str(row.get("url") or row.get("path") or "").strip()
    if not address:
        raise InputError(f"{list_url}: a row has neither url nor path: {str(row)[:200]}")
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


def _rows(url: str) -> Iterator[dict[str, Any]]:
    """Raises `InputError`."""
    suffix = url.removesuffix(".gz").rpartition(".")[2].lower()
    try:
        with fsspec.open(url, "rb", compression="infer") as file:
            match suffix:
                case "jsonl":
                    yield from (msgspec.json.decode(line, type=dict[str, Any]) for line in file if line.strip())
                case "csv" | "tsv":
                    lines = io.TextIOWrapper(file, "utf-8-sig", newline="")
                    yield from csv.DictReader(lines, delimiter="\t" if suffix == "tsv" else ",")
                case "parquet":
                    for batch in pq.ParquetFile(file).iter_batches():
                        yield from batch.to_pylist()
                case _:
                    raise InputError(f"{url}: a list of videos is .jsonl, .csv, .tsv or .parquet")
    except (ValueError, csv.Error, msgspec.DecodeError, pa.ArrowException) as error:
        raise InputError(f"{url}: {error}") from None
