"""The phase that makes clips: the videos of one part of all addresses are fetched, cut, judged, written to shards."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import fsspec
import msgspec
import numpy as np

from crawlers.captured import CapturedMedia, Location, Media, MediaSource
from crawlers.web_media import WebMedia
from jobs.config import BuildConfig
from jobs.engine.isolation import Isolated
from jobs.kinds.clips.take import LISTS, located_as
from jobs.kinds.clips.write import ClipShards
from jobs.phases.plan import Plan, read_plan
from jobs.phases.references import image_index
from jobs.phases.scoring import Score, evaluation_embeddings, judge_image, open_scorer
from model.scorers import Scored
from pipeline.consent import honour_image_consent
from pipeline.decontamination import ImageIndex
from pipeline.video.captions import choose_caption
from pipeline.video.clips import Clip, CutVideo, cut_video
from pipeline.video.settings import ClipSettings
from pipeline.video.subtitles import during, read_subtitles, spoken
from schemas.buckets import read_groups
from schemas.commits import Attempt, Commit
from schemas.deny import DenyList, read_deny_list
from schemas.documents import StoredImage
from schemas.drop_files import DropFile
from schemas.drops import Drop, DropRow, Tally, guarded
from schemas.storage import Store
from schemas.urls import media_key
from schemas.videos import KIND, Subtitle, VideoDraft, VideoText


def make_clips(output: str, actors: tuple[Any, ...], partition: int) -> Commit:
    """Run the phase on one part of the videos of the build at `output`."""
    plan, store = read_plan(output), Store(output)
    config = plan.config
    archives = [archive.url for archive in plan.inputs]
    with Attempt(store, "clips", partition) as attempt:
        score = open_scorer(config.scorers, actors, partition)
        step = partial(cut_step, config.clips, score is not None)
        with (
            DropFile(attempt, f"drops/clips-{partition:06d}.parquet") as drops,
            CapturedMedia(archives, _locations(store, plan, partition), config.warc.max_video_bytes) as captured,
            _media(captured, config, read_deny_list(store)) as media,
            Isolated(step, config.video_isolation) as cut,
        ):
            tally = Tally(drops.add)
            shards = ClipShards(attempt, partition, plan, tally)
            judge = ClipJudge(config, score, image_index(output), evaluation_embeddings(output))
            source = VideoSource(media, config, read_deny_list(store))
            for number, video in enumerate(_videos(store, plan, partition, tally)):
                try:
                    kept = _make(video, number, source, cut, judge, shards, tally)
                    if not kept:
                        raise Drop("no_clip_left")
                except Drop as drop:
                    tally.drop(DropRow(video.url, "video", drop.reason, _on(drop.detail, video)))
                else:
                    tally.kept("video")
            shards.close()
        for mark in shards.marks:
            attempt.put(f"{KIND}/commit/{mark.shard.name}.json", msgspec.json.encode(mark))
        return attempt.commit(tally.counts(), [mark.shard for mark in shards.marks])


def cut_step(settings: ClipSettings, with_frames: bool, media: Media) -> CutVideo:
    """What the child process does."""
    return cut_video(media.body, settings, with_frames)


def _make(
    video: VideoDraft,
    number: int,
    source: "VideoSource",
    cut: Callable[[Media], CutVideo],
    judge: "ClipJudge",
    shards: "ClipShards",
    tally: Tally,
) -> int:
    """Clips of one video into shards; returns how many. Raises `Drop`."""
    judge.may_have_caption(video)
    media = source.get(video)
    whole = guarded(cut, media)
    cues = source.subtitles(video)
    tally.saw("clip", len(whole.clips) + len(whole.dropped))
    for start, end, reason, detail in whole.dropped:
        tally.drop(DropRow(video.url, "clip", reason, f"{start:g} to {end:g} s: {detail}"))
    kept = 0
    for clip in whole.clips:
        try:
            caption, own, scores = judge(video, clip, cues)
        except Drop as drop:
            detail = f"{clip.start_s:g} to {clip.end_s:g} s: {drop.detail}"
            tally.drop(DropRow(video.url, "clip", drop.reason, detail))
        else:
            tally.kept("clip")
            shards.add(number, video, media.url, whole, clip, caption, own, scores)
            kept += 1
    return kept


class VideoSource:
    """Videos and subtitle files by address: from archives, the web, or files that a list names."""

    def __init__(self, media: MediaSource, config: BuildConfig, deny: DenyList) -> None:
        self._media, self._config, self._deny = media, config, deny

    def get(self, video: VideoDraft) -> Media:
        """The first of the candidates that can be had. Raises the `Drop` that says most."""
        if self._deny.denies(video.page_url) or any(map(self._deny.denies, video.candidates)):
            raise Drop("denied")
        failure = Drop("not_captured")
        for url in self._media.order(video.candidates):
            try:
                media = self._file(url) if is_file(url) else self._media.get(url)
                honour_image_consent(media.headers, self._config.consent)
            except Drop as drop:
                failure = drop if failure.reason == "not_captured" else failure
            else:
                return media
        raise failure

    def subtitles(self, video: VideoDraft) -> list[Subtitle]:
        """The cues of the first track that can be had and read; none is no fault."""
        for url in video.tracks:
            try:
                cues = read_subtitles((self._file(url) if is_file(url) else self._media.get(url)).body)
            except Drop:
                continue
            if cues:
                return cues
        return []

    def _file(self, url: str) -> Media:
        """Raises `Drop`: not_captured, too_large."""
        cap = self._config.warc.max_video_bytes
        try:
            with fsspec.open(url, "rb") as file:
                body = file.read(cap + 1)
        except FileNotFoundError as error:
            raise Drop("not_captured", str(error)) from None
        if len(body) > cap:
            raise Drop("too_large", f"over {cap} bytes")
        return Media(url, {}, body)


def is_file(url: str) -> bool:
    """Whether an address is read like a file: only lists name such, pages name http and https."""
    return not url.startswith(("http://", "https://"))


class ClipJudge:
    """What is decided of a clip beside its look: caption, evaluation sets, scores of its frames."""

    def __init__(self, config: BuildConfig, score: Score | None, images: ImageIndex | None, evaluation: Any) -> None:
        self._config, self._score, self._images, self._evaluation = config, score, images, evaluation

    def may_have_caption(self, video: VideoDraft) -> None:
        """Before anything is fetched. Raises `Drop` when no text, and no track, could give a caption."""
        if not (video.tracks and "subtitles" in self._config.clips.caption.sources):
            choose_caption(video.texts, self._config.clips.caption, self._config.language)

    def __call__(
        self, video: VideoDraft, clip: Clip, cues: list[Subtitle]
    ) -> tuple[VideoText, list[Subtitle], dict[str, float]]:
        """Caption, cues of the clip, and scores. Raises `Drop`."""
        own = during(cues, clip.start_s, clip.end_s)
        texts = [*video.texts, *([VideoText("subtitles", spoken(own))] if own else [])]
        caption = choose_caption(texts, self._config.clips.caption, self._config.language)
        if self._images is not None:
            for value in clip.frame_hashes:
                self._images.check(StoredImage(b"", "jpg", 0, 0, "", 0, 0, "", "", value))
        scores: list[dict[str, float]] = []
        if self._score is not None and clip.frames:
            scored = self._score(clip.frames, [caption.text])
            scores = [self._frame(scored, place) for place in range(len(clip.frames))]
        return caption, own, _worst(scores)

    def _frame(self, scored: Scored, place: int) -> dict[str, float]:
        return judge_image(self._config.scorers, self._evaluation, scored, place)


def _worst(scores: list[dict[str, float]]) -> dict[str, float]:
    """The worst of nsfw, the means of the others."""
    names = scores[0] if scores else ()
    of = {name: [frame[name] for frame in scores] for name in names}
    return {name: max(of[name]) if name == "nsfw" else round(float(np.mean(of[name])), 4) for name in names}


def _media(captured: CapturedMedia, config: BuildConfig, deny: DenyList) -> AbstractContextManager[MediaSource]:
    if not config.media.from_web:
        return nullcontext(captured)
    return WebMedia(captured, config.media, config.consent, deny, "video")


def _videos(store: Store, plan: Plan, partition: int, tally: Tally) -> Iterator[VideoDraft]:
    """The videos of a partition in seeded order; of several references to one, the one with most text."""
    names = [f"work/extract/{index:06d}.videos.parquet" for index in range(len(plan.inputs))]
    names += [f"work/{LISTS}/{index:06d}.videos.parquet" for index in range(len(plan.video_lists))]
    best: dict[bytes, VideoDraft] = {}
    for table in read_groups(store, names, partition):
        for packed in table.column("video").to_pylist():
            video = msgspec.json.decode(packed, type=VideoDraft)
            tally.saw("video")
            key = media_key(video.url)
            other = best.get(key)
            if other is not None:
                video, other = sorted((video, other), key=lambda one: (-_characters(one), one.uid))
                tally.drop(DropRow(other.url, "video", "duplicate_video", _on(f"taken from {video.page_url}", other)))
            best[key] = video
    order = sorted(best, key=lambda key: hashlib.blake2b(b"%d/%b" % (plan.config.seed, key)).digest())
    yield from (best[key] for key in order)


def _characters(video: VideoDraft) -> int:
    return sum(len(text.text) for text in video.texts)


def _on(detail: str, video: VideoDraft) -> str:
    return ", ".join(filter(None, (detail, f"on {video.page_url}" if video.page_url else "")))


def _locations(store: Store, plan: Plan, partition: int) -> dict[bytes, Location]:
    names = [f"work/urls/{bucket:06d}.locations.parquet" for bucket in range(plan.buckets)]
    found: dict[bytes, Location] = {}
    for table in read_groups(store, names, located_as(plan, partition)):
        columns = (table.column(name).to_pylist() for name in ("key", "archive", "offset", "length", "record_url"))
        for key, *place in zip(*columns, strict=True):
            found[key] = Location(*place)
    return found
