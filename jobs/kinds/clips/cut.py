"""Videos become clips: fetched, cut, judged, written to shards."""

import hashlib
import logging
from collections.abc import Callable

import msgspec

from crawlers.captured import Media, MediaSource
from jobs.engine.isolation import Isolated
from jobs.kinds.clips.judge import ClipJudge
from jobs.kinds.clips.known import KnownVideos, characters_of, clip_keys_writer
from jobs.kinds.clips.source import ListedFiles, is_of_web, subtitles_of
from jobs.kinds.clips.take import VIDEO_LISTS, located_as, row_of, where_it_was
from jobs.kinds.clips.write import WrittenClip, add_clip
from jobs.kinds.shards import Shards
from jobs.phases.extract import EXTRACT
from jobs.phases.fetch import Asks
from jobs.phases.known import KeysWriter
from jobs.phases.late import late_of
from jobs.phases.media import first_good, open_media, read_locations
from jobs.phases.plan import Plan
from jobs.phases.recipe import Recipe
from jobs.phases.scoring import Hosts, open_models
from jobs.phases.task import Phase, Task, silent_tally
from pipeline.consent import honour_image_consent
from schemas.clips import CutVideo
from schemas.deny import DenyList, read_deny_list
from schemas.drops import Drop, DropRow, Guarded, Tally
from schemas.kinds import CLIPS
from schemas.urls import media_key
from schemas.videos import VideoDraft

logger = logging.getLogger(__name__)


def make_clips(task: Task, recipe: Recipe, hosts: Hosts) -> None:
    """Make the clips of one part of the videos."""
    plan, config, deny = task.plan, task.config, read_deny_list(task.store)
    partition = plan.partition_of(CLIPS.name, task.index)
    shards = Shards(task.attempt, CLIPS, partition, config.shards, plan.config_hash, task.tally)
    task.finish_shards = shards.finish
    models = open_models(task, hosts)
    source = open_media(task, read_locations(task, located_as(plan, task.index)), "video")
    media = ListedFiles(source, config.warc.max_video_bytes, config.videos_folder)
    cut = Guarded(task.enter(Isolated(recipe.cut(with_frames=models is not None), config.video_isolation)))
    make = _Make(task, media, deny, cut, ClipJudge(task, models), shards, clip_keys_writer(task))
    videos = _videos(task, task.tally)
    known = KnownVideos(task, {media_key(video.url) for video in videos})
    late = late_of(task)
    for number, video in enumerate(videos):
        task.at(number, len(videos))
        key = media_key(video.url)
        try:
            is_better = late is not None and late.any_of((*video.candidates, *video.tracks))
            if known.stays(key, characters_of(video.texts) + is_better):
                raise Drop("duplicate_video", "its clips are there")
            make(number, video)
        except Drop as drop:
            _drop(task.plan, task.tally, video, drop.reason, drop.detail)
        else:
            task.tally.kept("video")
            known.replace(key, video.page_url)
    if lacking := make.without_subtitles:
        said = "%d videos of lists have clips without the subtitles named: missing, unreadable or not allowed, first %s"
        logger.warning(said, len(lacking), lacking[0])


def ask_for_videos(task: Task) -> None:
    """Tell what one part of the videos wants of the web: the videos, and their subtitles."""
    deny = read_deny_list(task.store)
    captured = read_locations(task, located_as(task.plan, task.index), fetched=False).places
    asks, judge = Asks(task, deny, captured), ClipJudge(task, None)
    for video in _videos(task, silent_tally()):  # who cuts them counts them
        try:
            judge.may_have_caption(video)
        except Drop:
            continue
        if not deny.denies(video.page_url):
            asks.add([url for url in video.candidates if is_of_web(url)], "video")
            for url in filter(is_of_web, video.tracks):
                asks.add([url], "video")


class _Make:
    """Makes the clips of one video after the other."""

    def __init__(
        self,
        task: Task,
        media: MediaSource,
        deny: DenyList,
        cut: Callable[[Media], CutVideo],
        judge: ClipJudge,
        shards: Shards,
        keys: KeysWriter,
    ) -> None:
        self._task, self._media, self._deny, self._cut, self._judge = task, media, deny, cut, judge
        self._shards, self._keys = shards, keys
        self.without_subtitles: list[str] = []  # rows of lists whose subtitles could not be had

    def __call__(self, number: int, video: VideoDraft) -> None:
        """Raises `Drop` of the video."""
        self._judge.may_have_caption(video)
        if self._deny.denies(video.page_url) or any(map(self._deny.denies, video.candidates)):
            raise Drop("denied")
        url, media = first_good(self._media, self._consenting, video.candidates)
        if entry := self._deny.hashes.of_bytes(media.body):
            raise Drop("denied", entry)
        whole = self._cut(media)
        cues = subtitles_of(self._media, video, self._task.config.consent)
        if video.tracks and not cues and (row := row_of(self._task.plan, video.uid)):
            self.without_subtitles.append(f"{video.tracks[0]}, {row}")
        tally = self._task.tally
        tally.saw("clip", len(whole.clips) + len(whole.dropped))
        for start, end, reason, detail in whole.dropped:
            self._drop_clip(video, start, end, reason, detail)
        kept = 0
        for clip in whole.clips:
            try:
                if entry := self._deny.hashes.entry((clip.sha256,), clip.frame_hashes):
                    raise Drop("denied", entry)
                judged = self._judge(video, clip, cues)
            except Drop as drop:
                self._drop_clip(video, clip.start_s, clip.end_s, drop.reason, drop.detail)
            else:
                tally.kept("clip")
                for what, count in judged.redacted.items():
                    tally.redacted(what, count)
                key = add_clip(self._shards, self._task, WrittenClip(number, video, url, whole, clip, judged))
                self._keys.add(sample=key, video=media_key(video.url), characters=characters_of(video.texts))
                kept += 1
        if not kept:
            raise Drop("no_clip_left")

    def _consenting(self, media: Media) -> Media:
        """Of addresses that refuse another is tried; whether there is a yes is known when the video has been read."""
        settings = msgspec.structs.replace(self._task.config.consent, require_yes=False)
        honour_image_consent(media.headers, settings, media.url, media.time, media.signals)
        return media

    def _drop_clip(self, video: VideoDraft, start: float, end: float, reason: str, detail: str) -> None:
        detail = where_it_was(self._task.plan, video, f"{start:g} to {end:g} s: {detail}")
        self._task.tally.drop(DropRow(video.url, "clip", reason, detail, video.page_url))


def _videos(task: Task, tally: Tally) -> list[VideoDraft]:
    """The videos of a partition in seeded order; of several references to one, the one with most text."""
    best: dict[bytes, VideoDraft] = {}
    for table in task.groups([EXTRACT, VIDEO_LISTS], "videos"):
        for packed in table.column("video").to_pylist():
            video = msgspec.json.decode(packed, type=VideoDraft)
            tally.saw("video")
            key = media_key(video.url)
            other = best.get(key)
            if other is not None:
                video, other = sorted((video, other), key=lambda one: (-characters_of(one.texts), one.uid))
                taken = f"taken from {video.page_url or row_of(task.plan, video.uid)}"
                _drop(task.plan, tally, other, "duplicate_video", taken)
            best[key] = video
    order = sorted(best, key=lambda key: hashlib.blake2b(b"%d/%b" % (task.config.seed, key)).digest())
    return [best[key] for key in order]


def _drop(plan: Plan, tally: Tally, video: VideoDraft, reason: str, detail: str) -> None:
    tally.drop(DropRow(video.url, "video", reason, where_it_was(plan, video, detail), video.page_url))


ASK_VIDEOS = Phase("ask-videos", "partitions", ask_for_videos)
CLIPS_PHASE = Phase("clips", "partitions", make_clips, counts_again=True)
