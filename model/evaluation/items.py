"""What is asked of a model: media, a question perhaps, and the answers that are right."""

from pathlib import Path
from typing import Literal

import msgspec

from model.data.documents import CLIP_EXTENSIONS, Medium


class MediaFile(msgspec.Struct, frozen=True):
    """An image or a clip in a file, which is read when its turn comes."""

    path: str
    span_s: tuple[float, float] | None = None  # of a clip: from so many seconds to so many

    def read(self) -> Medium:
        """Raises `OSError`."""
        path = Path(self.path)
        kind: Literal["image", "clip"] = "clip" if path.suffix.lower().lstrip(".") in CLIP_EXTENSIONS else "image"
        return Medium(path.read_bytes(), kind, span_s=self.span_s)


class Item(msgspec.Struct, frozen=True):
    """One question with its media and the answers that are right."""

    key: str
    media: tuple[Medium | MediaFile, ...]
    answers: tuple[str, ...]
    question: str = ""
    group: str = ""  # examples are taken from the same group only
    candidates: tuple[str, ...] = ()  # what may be answered, where it is not the same for all items
    relevance: tuple[float, ...] = ()  # of each candidate, where more than one is right
    example: str = ""  # what is answered where it is an example; else the first of `answers`
    type: str = ""  # of the question, where it decides the score
    source: str = ""  # the video that a clip was cut from, where clips of one count together

    @property
    def example_answer(self) -> str:
        return self.example or self.answers[0]
