"""A clip that stays becomes a sample: `{key}.json`, `{key}.mp4`, `{key}.txt`, as video2dataset writes them."""

from collections import Counter

import msgspec

from jobs.kinds.clips.judge import JudgedClip
from jobs.kinds.shards import Shards
from jobs.phases.scoring import screened_by
from jobs.phases.task import Task
from pipeline.text.language import identify
from schemas import __version__
from schemas.clips import Clip, CutVideo
from schemas.videos import ClipSample, VideoDraft


class WrittenClip(msgspec.Struct, frozen=True):
    """A clip, the video that it was cut from, and what was decided of it."""

    number: int  # of the video in its partition
    video: VideoDraft
    url: str  # of the candidates the one that gave the video
    whole: CutVideo
    clip: Clip
    judged: JudgedClip


def add_clip(shards: Shards, task: Task, written: WrittenClip) -> str:
    """Write a clip; returns its key."""
    key = f"{shards.partition:06d}{written.number:06d}_{written.clip.number:05d}"
    sample = to_sample(written, key, task)
    members = [
        (f"{key}.json", msgspec.json.encode(sample)),
        (f"{key}.mp4", written.clip.data),
        (f"{key}.txt", sample.caption.encode()),
    ]
    shards.add(key, sample, members)
    return key


def to_sample(written: WrittenClip, key: str, task: Task) -> ClipSample:
    """The JSON of a clip."""
    video, whole, clip, judged = written.video, written.whole, written.clip, written.judged
    caption = judged.caption
    language, certainty = identify(caption.text)
    return ClipSample(
        key=key,
        url=written.url,
        page_url=video.page_url,
        page_title=video.page_title,
        caption=caption.text,
        caption_source=caption.source,
        texts=judged.texts,
        subtitles=judged.cues,
        clip=clip.number,
        start_s=clip.start_s,
        end_s=clip.end_s,
        requested=clip.requested,
        cut_method=clip.method,
        width=clip.info.width,
        height=clip.info.height,
        num_frames=clip.num_frames,
        fps=round(clip.num_frames / clip.info.duration_s, 3),
        codec=clip.info.codec,
        has_audio=clip.info.has_audio,
        sha256=clip.sha256,
        frame_times_s=clip.frame_times_s,
        frame_hashes=clip.frame_hashes,
        original_container=whole.info.container,
        original_codec=whole.info.codec,
        original_size=(whole.info.width, whole.info.height),
        original_rotation=whole.info.rotation,
        original_duration_s=whole.info.duration_s,
        original_sha256=whole.sha256,
        language=language,
        language_score=round(certainty, 4),
        licence=video.licence,
        consent=video.consent,
        video_consent=whole.signals,
        fetch_time=video.fetch_time,
        warc_file=video.warc_file,
        warc_offset=video.warc_offset,
        redacted=dict(sorted((Counter(video.redacted) + Counter(judged.redacted)).items())),
        scores=judged.scores,
        screened=screened_by(task.config.scorers),
        weft_version=__version__,
        config_hash=task.plan.config_hash,
    )
