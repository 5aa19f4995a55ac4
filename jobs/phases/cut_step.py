"""What is done with one video. It lies apart because it brings FFmpeg, which only clips need."""

from collections.abc import Sequence

import msgspec

from crawlers.captured import Media
from jobs.config import BuildConfig
from jobs.phases.own_steps import OwnFunction
from jobs.phases.steps import chain
from pipeline.c2pa import c2pa_signals
from pipeline.consent import honour_image_consent
from pipeline.video.clips import cut_video
from schemas.clips import CutVideo
from schemas.drops import Drop
from schemas.hash_lists import refuse_listed


def cut_step(config: BuildConfig, with_frames: bool, own: Sequence[OwnFunction], media: Media) -> CutVideo:
    """Raises `Drop`: hash_listed, opt_out, no_opt_in, and those of `cut_video`."""
    refuse_listed(media.body, config.consent.hash_lists)
    others = media.signals + c2pa_signals(media.body, media.time)
    signals = honour_image_consent(media.headers, config.consent, media.url, media.time, others)
    whole = cut_video(media.body, config.clips, with_frames or bool(own))
    whole = msgspec.structs.replace(whole, signals=signals)
    if not own:
        return whole
    clips, dropped = [], list(whole.dropped)
    for clip in whole.clips:
        try:
            kept = chain(own, clip)
            clips.append(kept if with_frames else msgspec.structs.replace(kept, frames=[]))
        except Drop as drop:
            dropped.append((clip.start_s, clip.end_s, drop.reason, drop.detail))
    return msgspec.structs.replace(whole, clips=clips, dropped=dropped)
