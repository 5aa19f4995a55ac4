"""Tasks: items with media, a question perhaps, and answers, from local jsonl files or shards."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from model.data.documents import CLIP_EXTENSIONS, Document, Kind, Medium
from model.data.images import ImageSettings
from model.data.plain import read_documents
from schemas.settings import Settings, SettingsError


class ItemSource(Settings, frozen=True):
    """Where items lie."""

    path: str
    """A `.jsonl` file, or shards as the loader takes them."""
    kind: Kind = "pairs"
    """Of shards: pairs or clips."""
    limit: int = 0
    """Only so many, the first; 0: all. The paper takes 2048 to support and at most 5000 queries."""
    features: str = ""
    """Of shards: what `weft features` wrote of them, read in place of pixels. Of a task both sources have it, or
    none."""


class TaskSettings(Settings, frozen=True):
    """One task."""

    name: str
    """Of its row in the table."""
    query: ItemSource
    """What is asked."""
    support: ItemSource
    """What the examples in context are taken from. It must not hold what is asked."""
    template: str = "Output: {answer}"
    """Text of an example after its media, with `{question}` and `{answer}`; of a query what stands before `{answer}`.
    The paper: `Output: {answer}` for captions, `Question: {question} Answer: {answer}` for questions."""
    metric: Literal["exact", "vqa", "cider", "classification"] = "cider"
    """`classification` takes the likeliest of `classes`; the others judge what is generated."""
    classes: tuple[str, ...] = ()
    """Empty: all answers of the support items."""
    mean_likelihood: bool = False
    """Of a class the mean over its tokens, not the sum: long names then have no disadvantage."""
    permutations: int = 1
    """Of a classification: so many orders of the examples, their likelihoods averaged (paper: 6 with RICES)."""
    max_new_tokens: int = 32
    """Of an answer."""

    def __post_init__(self) -> None:
        if "{answer}" not in self.template:
            raise ValueError("template must hold {answer}")
        if bool(self.query.features) != bool(self.support.features):
            raise ValueError("a prompt has features or pixels: name features for query and support, or for none")
        if self.permutations < 1 or self.max_new_tokens < 1:
            raise ValueError("permutations and max_new_tokens are 1 or more")


class Item(msgspec.Struct, frozen=True):
    """One question with its media and the answers that are right."""

    key: str
    media: tuple[Medium, ...]
    answers: tuple[str, ...]
    question: str = ""
    group: str = ""  # examples are taken from the same group only


def read_items(source: ItemSource, images: ImageSettings | None = None) -> list[Item]:
    """`images`: as features must have seen them. Raises `SettingsError` naming the file, and the line, that cannot be
    used; `LoaderError` for features that are not those of an item."""
    is_file = source.path.endswith(".jsonl")
    if is_file and source.features:
        raise SettingsError(f"{source.path}: features are of shards, not of a .jsonl file")
    items = _of_jsonl(Path(source.path)) if is_file else _of_shards(source, images)
    found = []
    for item in items:
        found.append(item)
        if source.limit and len(found) == source.limit:
            break
    if not found:
        raise SettingsError(f"{source.path} holds no item")
    return found


def _of_shards(source: ItemSource, images: ImageSettings | None) -> Iterator[Item]:
    if source.kind == "interleaved":
        raise SettingsError(f"{source.path}: items come from pairs or clips, or from a .jsonl file")
    for document in read_documents(source.path, source.kind, source.features, images):
        yield _of_document(document)


def _of_document(document: Document) -> Item:
    media = tuple(part for part in document.parts if isinstance(part, Medium))
    text = "".join(part for part in document.parts if isinstance(part, str))
    return Item(document.key, media, (text,))


def _of_jsonl(path: Path) -> Iterator[Item]:
    """Lines such as {"image": "a.png", "question": "...", "answers": ["...", ...]}; paths from the file's folder."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read {path}: {error}") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield _of_row(msgspec.json.decode(line, type=dict[str, Any]), path, number)
            except (msgspec.MsgspecError, KeyError, TypeError, OSError) as error:
                raise SettingsError(f"{path}, line {number}: {type(error).__name__}: {error}") from None


def _of_row(row: dict[str, Any], path: Path, number: int) -> Item:
    names = row["images"] if "images" in row else [row["image"] if "image" in row else row["video"]]
    answers = next((row[name] for name in ("answers", "captions", "answer", "caption", "label") if name in row), None)
    if answers is None:
        raise SettingsError(f"{path}, line {number}: no answers, answer, captions, caption or label")
    answers = [answers] if isinstance(answers, str) else answers
    return Item(
        key=str(row.get("key", number)),
        media=tuple(_medium(path.parent / name) for name in names),
        answers=tuple(str(answer["answer"] if isinstance(answer, dict) else answer) for answer in answers),
        question=str(row.get("question", "")),
        group=str(row.get("group", "")),
    )


def _medium(path: Path) -> Medium:
    kind: Literal["image", "clip"] = "clip" if path.suffix.lower().lstrip(".") in CLIP_EXTENSIONS else "image"
    return Medium(path.read_bytes(), kind)
