"""Tasks: items with media, a question perhaps, and answers, from public datasets, local jsonl files or shards."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from model.data.documents import Document, Kind, Medium
from model.data.images import ImageSettings
from model.data.plain import read_documents
from model.evaluation.formats.table import FORMATS, read_format
from model.evaluation.items import Item, MediaFile
from schemas.drops import Tally
from schemas.settings import Settings, SettingsError

FormatName = Literal[
    "coco", "flickr30k", "vqav2", "okvqa", "vizwiz", "textvqa", "visdial", "hateful_memes", "rendered_sst2", "imagenet",
    "msvd_qa", "msrvtt_qa", "ivqa", "nextqa", "vatex", "youcook2", "star", "rareact",
]  # fmt: skip
Metric = Literal["exact", "vqa", "ivqa", "wups", "cider", "classification", "ndcg", "roc_auc", "mwap"]


class ItemSource(Settings, frozen=True):
    """Where items lie."""

    path: str
    """A `.jsonl` file, shards as the loader takes them, or with `format` the folder of a dataset as downloaded."""
    kind: Kind = "pairs"
    """Of shards: pairs or clips."""
    limit: int = 0
    """Only so many: the first, or of a public dataset so many drawn, always the same; 0: all. The paper takes 2048 to
    support and at most 5000 queries."""
    features: str = ""
    """Of shards: what `weft features` wrote of them, read in place of pixels. Of a task both sources have it, or
    none."""
    format: FormatName | None = None
    """Of a public dataset; null: a `.jsonl` file or shards."""
    split: str = ""
    """Of a public dataset; empty: the one that the paper asks, or takes examples from."""


class TaskSettings(Settings, frozen=True):
    """One task."""

    name: str
    """Of its row in the table."""
    query: ItemSource | None = None
    """What is asked; null is the split that the paper asks."""
    support: ItemSource | None = None
    """What the examples in context are taken from. It must not hold what is asked. null: 2048 of the training split."""
    template: str | None = None
    """Text of an example after its media, with `{question}` and `{answer}`; of a query what stands before `{answer}`.
    null: that of the format, else `Output: {answer}`. The paper: `Output: {answer}` for captions, `Question: {question}
    Answer: {answer}` for questions."""
    metric: Metric | None = None
    """null: that of the format, else `cider`. `classification`, `ndcg`, `roc_auc` and `mwap` weigh given answers by
    their likelihood; the others judge what is generated."""
    classes: tuple[str, ...] = ()
    """What may be answered. Empty: what the format says, else all answers of the support items. With `roc_auc` two:
    what is looked for, and what is not."""
    mean_likelihood: bool = False
    """Of a class the mean over its tokens, not the sum: long names then have no disadvantage."""
    permutations: int = 1
    """Of given answers: so many orders of the examples, their likelihoods averaged (paper: 6 with RICES)."""
    max_new_tokens: int = 32
    """Of an answer."""
    format: FormatName | None = None
    """A public dataset, which decides all that is not set here: splits, template, metric, classes, as in the paper."""
    path: str = ""
    """The folder where it lies as downloaded, with `format`."""

    def __post_init__(self) -> None:
        if self.template is not None and "{answer}" not in self.template:
            raise ValueError("template must hold {answer}")
        try:
            (self.template or "").format(question="", answer="")
        except (KeyError, IndexError, ValueError, AttributeError):
            raise ValueError("template holds {question} and {answer}; other braces are written twice") from None
        sources = [source for source in (self.query, self.support) if source is not None]
        if len({bool(source.features) for source in sources}) > 1:
            raise ValueError("a prompt has features or pixels: name features for query and support, or for none")
        if self.permutations < 1 or self.max_new_tokens < 1:
            raise ValueError("permutations and max_new_tokens are 1 or more")
        if (self.format is None) != (not self.path):
            raise ValueError("format and path go together: which dataset, and where it lies")
        if self.format is None and self.query is None:
            raise ValueError("a task names a format and its path, or query and support")


class Task(msgspec.Struct, frozen=True):
    """A task with everything decided. Without `support` it is asked without examples alone."""

    name: str
    query: ItemSource
    support: ItemSource | None
    template: str
    metric: Metric
    classes: tuple[str, ...]
    mean_likelihood: bool
    permutations: int
    max_new_tokens: int


def decide(settings: TaskSettings) -> Task:
    """What the format decides put in where the settings say nothing. Raises `SettingsError`."""
    query, support = settings.query, settings.support
    template, metric, classes = settings.template, settings.metric, settings.classes
    if settings.format is not None:
        known = FORMATS[settings.format]
        query = query or ItemSource(settings.path, format=settings.format)
        if support is None and known.support:
            support = ItemSource(settings.path, format=settings.format, limit=known.support_limit)
        template, metric = template or known.template, metric or known.metric  # type: ignore[assignment]
        classes = classes or known.classes
    assert query is not None
    if metric == "roc_auc" and len(classes) != 2:
        raise SettingsError(f"task {settings.name}: roc_auc needs two classes, what is looked for and what is not")
    return Task(
        settings.name,
        _with_split(query, "query"),
        support and _with_split(support, "support"),
        template or "Output: {answer}",
        metric or "cider",
        classes,
        settings.mean_likelihood,
        settings.permutations,
        settings.max_new_tokens,
    )


def _with_split(source: ItemSource, use: Literal["query", "support"]) -> ItemSource:
    if source.format is None or source.split:
        return source
    split = getattr(FORMATS[source.format], use) or FORMATS[source.format].query
    return msgspec.structs.replace(source, split=split)


def read_items(source: ItemSource, tally: Tally | None = None, images: ImageSettings | None = None) -> list[Item]:
    """What is left out of a public dataset is told to `tally`, with its reason; `images`: as features must have seen
    them.

    Raises `SettingsError` naming the file, and the line, that cannot be used; `LoaderError` for features that are not
    those of an item.
    """
    is_file = source.path.endswith(".jsonl") or source.format is not None
    if is_file and source.features:
        raise SettingsError(f"{source.path}: features are of shards, not of a .jsonl file or a public dataset")
    tally = tally or Tally()
    if (name := source.format) is not None:
        source = _with_split(source, "query")
        found = read_format(name, source.path, source.split, source.limit, tally)
        where = f"{source.path}, split {source.split} of {source.format},"
    else:
        items = _of_jsonl(Path(source.path)) if is_file else _of_shards(source, images)
        found, where = [], source.path
        for item in items:
            found.append(item)
            if source.limit and len(found) == source.limit:
                break
    if not found:
        raise SettingsError(f"{where} holds no item{_left_out(tally)}")
    return found


def _left_out(tally: Tally) -> str:
    reasons = tally.counts().drops.get("sample", {})
    return f" ({', '.join(f'{reason} {count:,}' for reason, count in reasons.items())})" if reasons else ""


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
        lines = path.read_text("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read {path}: {error}") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield _of_row(msgspec.json.decode(line, type=dict[str, Any]), path, number)
            except (msgspec.MsgspecError, KeyError, TypeError, OSError) as error:
                raise SettingsError(f"{path}, line {number}: {type(error).__name__}: {error}") from None


def _of_row(row: dict[str, Any], path: Path, number: int) -> Item:
    row = {name: value for name, value in row.items() if value is not None}
    member = next((name for name in ("images", "image", "video") if name in row), None)
    if member is None:
        raise SettingsError(f"{path}, line {number}: no images, image or video")
    names = [row[member]] if isinstance(row[member], str) else row[member]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise SettingsError(f"{path}, line {number}: {member} is a path, or a list of paths")
    if not isinstance(row.get("candidates", []), list):
        raise SettingsError(f"{path}, line {number}: candidates is a list of answers")
    answers = next((row[name] for name in ("answers", "captions", "answer", "caption", "label") if name in row), None)
    if answers is None:
        raise SettingsError(f"{path}, line {number}: no answers, answer, captions, caption or label")
    answers = answers if isinstance(answers, list) else [answers]
    texts = tuple(str(answer["answer"] if isinstance(answer, dict) else answer) for answer in answers)
    if not any(map(str.strip, texts)):
        raise SettingsError(f"{path}, line {number}: its list of answers is empty")
    return Item(
        key=str(row.get("key", number)),
        media=tuple(_medium(path.parent / name) for name in names),
        answers=texts,
        question=str(row.get("question", "")),
        group=str(row.get("group", "")),
        candidates=tuple(map(str, row.get("candidates", ()))),
    )


def _medium(path: Path) -> MediaFile:
    """Raises `OSError` where it is not there: it is read later."""
    path.stat()
    return MediaFile(str(path))
