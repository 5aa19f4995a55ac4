"""What is decided of a clip beside its look: caption, evaluation sets, scores of its frames."""

from collections import Counter

import msgspec

from jobs.phases.own_models import texts_said
from jobs.phases.references import image_index
from jobs.phases.scoring import Judge, ModelHost, of_all_images
from jobs.phases.task import Task
from pipeline.text.pii import redact_text
from pipeline.video.captions import choose_caption
from pipeline.video.subtitles import during, in_one_line, spoken
from schemas.clips import Clip
from schemas.documents import StoredImage
from schemas.videos import Subtitle, VideoDraft, VideoText


class JudgedClip(msgspec.Struct, frozen=True):
    """What was decided of a clip that stays."""

    caption: VideoText
    texts: list[VideoText]  # all candidates, those that stand with the video and those of captioners
    cues: list[Subtitle]  # while the clip lasts, from its start
    scores: dict[str, float]
    redacted: dict[str, int]  # placeholders in the cues and in what captioners say, by kind


class ClipJudge:
    """Judges one clip after the other. Raises `Drop`."""

    def __init__(self, task: Task, models: ModelHost | None) -> None:
        self._config, self._models = task.config, models
        self._images = task.memory.once(image_index)
        self._judge = Judge(task)

    def may_have_caption(self, video: VideoDraft) -> None:
        """Before anything is fetched. Raises `Drop` when no text, no track and no captioner could give a caption."""
        sources = self._config.clips.caption.sources
        comes_later = any(one.name in sources for one in self._config.caption_with)
        if not comes_later and not (video.tracks and "subtitles" in sources):
            choose_caption(video.texts, self._config.clips.caption, self._config.language)

    def __call__(self, video: VideoDraft, clip: Clip, cues: list[Subtitle]) -> JudgedClip:
        shown = during(cues, clip.start_s, clip.end_s)
        own, counts = self._without_personal_data(in_one_line(shown))
        (said,), more = self._without_personal_data([Subtitle(0, 0, spoken(shown))])  # a number may go on in a next cue
        said_of_it, in_captions = self._captions(video, clip)
        found = [*video.texts, *said_of_it]
        texts = [*found, *([VideoText("subtitles", said.text)] if own else [])]
        caption = choose_caption(texts, self._config.clips.caption, self._config.language)
        if self._images is not None:
            for value in clip.frame_hashes:
                self._images.check(StoredImage(b"", "jpg", 0, 0, "", 0, 0, "", "", value))
        scores: list[dict[str, float]] = []
        if self._models is not None and clip.frames:
            seen = self._models.score(clip.frames, [caption.text], [caption.text] * len(clip.frames))
            scores = [self._judge(seen, place) for place in range(len(clip.frames))]
        return JudgedClip(caption, found, own, of_all_images(scores), dict((counts | more) + in_captions))

    def _without_personal_data(self, cues: list[Subtitle]) -> tuple[list[Subtitle], Counter[str]]:
        counts: Counter[str] = Counter()
        rules = self._config.pii
        return [msgspec.structs.replace(cue, text=redact_text(cue.text, rules, counts)) for cue in cues], counts

    def _captions(self, video: VideoDraft, clip: Clip) -> tuple[list[VideoText], Counter[str]]:
        """What the user's captioners say of the frame in the middle, and the placeholders in it."""
        if self._models is None or not self._config.caption_with or not clip.frames:
            return [], Counter()
        beside = video.texts[0].text if video.texts else ""
        (answers,) = self._models.caption([clip.frames[len(clip.frames) // 2]], [beside])
        texts, redacted = texts_said(answers)
        return [VideoText(name, text) for name, text in texts.items()], redacted
