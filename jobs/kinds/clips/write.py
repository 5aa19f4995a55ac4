"""Clips into shards."""

from typing import Any

import msgspec

from jobs.phases.plan import Plan
from jobs.phases.scoring import screened_by
from pipeline.text.language import identify
from pipeline.video.clips import Clip, CutVideo
from schemas import __version__
from schemas.commits import Attempt
from schemas.drops import Counts, Tally
from schemas.shards import ShardInfo, ShardMark, ShardWriter
from schemas.urls import host_of, registered_domain
from schemas.videos import COLUMNS, KIND, ClipSample, Subtitle, VideoDraft, VideoText


class ClipShards:
    """Clips into shards, and what each shard's commit mark says."""

    def __init__(self, attempt: Attempt, partition: int, plan: Plan, tally: Tally) -> None:
        self._partition, self._plan, self._tally = partition, plan, tally
        self._counted = Counts()
        self.marks: list[ShardMark] = []
        settings = plan.config.shards
        self._writer = ShardWriter(attempt, f"{KIND}/shards", partition, COLUMNS, settings, self._finished)

    def add(
        self,
        number: int,
        video: VideoDraft,
        url: str,
        whole: CutVideo,
        clip: Clip,
        caption: VideoText,
        cues: list[Subtitle],
        scores: dict[str, float],
    ) -> None:
        key = f"{self._partition:06d}{number:06d}_{clip.number:05d}"
        language, certainty = identify(caption.text)
        sample = ClipSample(
            key=key,
            url=url,
            page_url=video.page_url,
            page_title=video.page_title,
            caption=caption.text,
            caption_source=caption.source,
            texts=list(video.texts),
            subtitles=cues,
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
            fetch_time=video.fetch_time,
            warc_file=video.warc_file,
            warc_offset=video.warc_offset,
            redacted=video.redacted,
            scores=scores,
            screened=screened_by(self._plan.config.scorers),
            weft_version=__version__,
            config_hash=self._plan.config_hash,
        )
        members = [
            (f"{key}.json", msgspec.json.encode(sample)),
            (f"{key}.mp4", clip.data),
            (f"{key}.txt", caption.text.encode()),
        ]
        self._writer.add(key, members, index_row(sample))

    def close(self) -> None:
        self._writer.close()

    def _finished(self, shard: ShardInfo) -> None:
        counts = self._tally.counts()
        stretch, self._counted = counts - self._counted, counts
        self.marks.append(ShardMark(shard, self._partition, stretch.drops, self._plan.config_hash, __version__))


def index_row(sample: ClipSample) -> dict[str, Any]:
    """The row of the parquet index for a clip."""
    row = {name: getattr(sample, name) for name in COLUMNS if hasattr(sample, name)}
    address = sample.page_url or sample.url
    return row | {
        "domain": registered_domain(host_of(address)) if "://" in address else "",
        "num_words": len(sample.caption.split()),
        "duration_s": round(sample.end_s - sample.start_s, 6),
        "scores": msgspec.json.encode(sample.scores).decode(),
    }
