"""Every format that a task may name, with what the paper does with it (arXiv 2204.14198, appendix B.1.4)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from model.data.sequences import rng_of
from model.evaluation.formats import captions, choices, questions
from model.evaluation.formats.folder import Folder, Listed
from model.evaluation.items import Item, MediaFile
from schemas.drops import DropRow, Tally

CAPTION = "Output: {answer}"
QUESTION = "Question: {question} Answer: {answer}"


@dataclass(frozen=True)
class Format:
    """How a dataset is read, and what a task of it is where nothing else is said."""

    read: Callable[[Folder, str], Iterator[Listed]]
    query: str
    """The split that is asked. Where the paper's has no published answers, the validation split."""
    support: str
    """The split that examples are of."""
    metric: str
    template: str = QUESTION
    classes: tuple[str, ...] = ()
    support_limit: int = 2048


FORMATS = {
    "coco": Format(captions.coco, "test", "train", "cider", CAPTION),
    "flickr30k": Format(captions.flickr30k, "test", "train", "cider", CAPTION),
    "vqav2": Format(questions.vqav2, "val", "train", "vqa"),
    "okvqa": Format(questions.okvqa, "val", "train", "vqa"),
    "vizwiz": Format(questions.vizwiz, "val", "train", "vqa"),
    "textvqa": Format(questions.textvqa, "val", "train", "vqa"),
    "visdial": Format(choices.visdial, "val", "train", "ndcg", "{question} Answer: {answer}"),
    "hateful_memes": Format(
        choices.hateful_memes,
        "test_seen",
        "train",
        "roc_auc",
        'is an image with written: "{question}" on it. Is it hateful? Answer: {answer}',
        ("yes", "no"),
    ),
    "rendered_sst2": Format(
        choices.rendered_sst2, "test", "train", "classification", CAPTION, ("positive", "negative")
    ),
    "imagenet": Format(choices.imagenet, "val", "train", "classification", CAPTION),
    "msvd_qa": Format(questions.msvd_qa, "test", "train", "exact"),
    "msrvtt_qa": Format(questions.msrvtt_qa, "test", "train", "exact"),
    "ivqa": Format(questions.ivqa, "test", "train", "ivqa"),
    "nextqa": Format(questions.nextqa, "test", "train", "wups"),
    "vatex": Format(captions.vatex, "test", "train", "cider", CAPTION),
    "youcook2": Format(captions.youcook2, "val", "train", "cider", CAPTION),
    "star": Format(choices.star, "val", "train", "classification"),
    "rareact": Format(choices.rareact, "all", "", "mwap", "Caption: {answer}"),
}


def read_format(name: str, path: str, split: str, limit: int, tally: Tally) -> list[Item]:
    """The items of a split whose files are there; the others are told to `tally`. `limit` of them are drawn, always the
    same ones, for files are often sorted by class. Raises `SettingsError`."""
    folder = Folder(path)
    found = []
    for listed in FORMATS[name].read(folder, split):
        tally.saw("sample")
        medium = folder.medium(*listed.names)
        if medium is None or not any(map(str.strip, listed.answers)):
            reason = "missing_file" if medium is None else "no_answer"
            tally.drop(DropRow(listed.names[0], "sample", reason, f"{path}, {split}: {listed.key}"))
        else:
            found.append(_item(listed, medium))
    if limit and len(found) > limit:
        chosen = sorted(rng_of("evaluation", name, split).sample(range(len(found)), limit))
        found = [found[number] for number in chosen]
    tally.kept("sample", len(found))
    return found


def _item(listed: Listed, path: str) -> Item:
    return Item(
        key=listed.key,
        media=(MediaFile(path, listed.span_s),),
        answers=listed.answers,
        question=listed.question,
        candidates=listed.candidates,
        relevance=listed.relevance,
        example=listed.example,
        type=listed.type,
        source=listed.source,
    )
