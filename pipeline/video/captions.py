"""Which of a video's texts is its caption, and which texts are fit to be one."""

from collections.abc import Sequence

import msgspec

from pipeline.text.language import LanguageRules, identify
from pipeline.text.pii import PiiRules, redact
from pipeline.text.rules import ParagraphRules, judge
from pipeline.video.settings import VideoCaptionRules
from schemas.documents import Draft, TextBlock
from schemas.drops import Drop
from schemas.videos import VideoDraft, VideoText


def choose_caption(texts: Sequence[VideoText], rules: VideoCaptionRules, language: LanguageRules) -> VideoText:
    """The caption. Raises `Drop`: no_caption where no wanted source has a text, else why the best of them is unfit."""
    first: Drop | None = None
    for source in rules.sources:
        for text in texts:
            if text.source == source:
                try:
                    _judge(text.text, rules, language)
                except Drop as drop:
                    first = first or Drop(drop.reason, f"{source}: {drop.detail}: {text.text[:80]}")
                else:
                    return text
    raise first or Drop("no_caption", f"{len(texts)} texts")


def _judge(text: str, rules: VideoCaptionRules, language: LanguageRules) -> None:
    code, score = identify(text)
    fits = ParagraphRules(
        min_words=rules.min_words,
        max_words=rules.max_words,
        max_character_repetition=rules.max_character_repetition,
        max_special_characters=rules.max_special_characters,
    )
    judge(text, fits, code)
    if language.keep and (code not in language.keep or score < language.min_score):
        raise Drop("language", f"{code} {score:.2f}")


def without_personal_data(draft: VideoDraft, rules: PiiRules) -> VideoDraft:
    """The same with placeholders in its texts."""
    blocks = tuple(TextBlock(text.text) for text in draft.texts)
    clean = redact(Draft(draft.uid, draft.page_url, blocks, title=draft.page_title), rules)
    texts = tuple(VideoText(text.source, block.text) for text, block in zip(draft.texts, clean.texts, strict=True))
    return msgspec.structs.replace(draft, texts=texts, page_title=clean.title, redacted=clean.redacted)
