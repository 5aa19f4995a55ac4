"""Answers that are chosen among given ones: ImageNet, HatefulMemes, Rendered SST-2, VisDial, STAR, RareAct."""

import codecs
import os
from collections.abc import Iterator
from typing import Any

import msgspec

from model.data.documents import IMAGE_EXTENSIONS
from model.data.sequences import rng_of
from model.evaluation.formats.folder import Folder, Listed
from schemas.settings import SettingsError


def imagenet(folder: Folder, split: str) -> Iterator[Listed]:
    """A folder a class in `train/` and `val/`, or `val/` flat beside `LOC_val_solution.csv`.

    Names of classes, the first of each: `LOC_synset_mapping.txt`, `imagenet_class_index.json` or `classes.json`, which
    has {"n01440764": "tench"}.
    """
    names = _class_names(folder)
    classes = tuple(names.values())
    root = _first_folder(folder, split)
    if any(entry.name in names for entry in os.scandir(root) if entry.is_dir()):
        found = [(path, wnid) for wnid in names for path in _images(os.path.join(root, wnid))]
    else:
        solved = folder.rows(dict[str, str], f"LOC_{split}_solution.csv")
        wnid_of = {row.get("ImageId", ""): row.get("PredictionString", "").partition(" ")[0] for row in solved}
        found = [(path, wnid_of.get(os.path.splitext(os.path.basename(path))[0], "")) for path in _images(root)]
    for path, wnid in found:
        good = (names[wnid],) if wnid in names else ()
        yield Listed(os.path.basename(path), (os.path.abspath(path),), good, candidates=classes)


def _class_names(folder: Folder) -> dict[str, str]:
    """First name of each class by its WordNet id; two of ImageNet's have one name, "crane" and "maillot"."""
    top = set(os.listdir(folder.path))
    if "LOC_synset_mapping.txt" in top:
        lines = _read(folder, "LOC_synset_mapping.txt").decode("utf-8-sig", "replace").splitlines()
        pairs = [line.strip().partition(" ")[::2] for line in lines if line.strip()]
    elif "imagenet_class_index.json" in top:
        pairs = [
            (wnid, name)
            for wnid, name in _json_of(folder, dict[str, tuple[str, str]], "imagenet_class_index.json").values()
        ]
    elif "classes.json" in top:
        pairs = list(_json_of(folder, dict[str, str], "classes.json").items())
    else:
        raise SettingsError(
            f"{folder.path} holds no LOC_synset_mapping.txt, imagenet_class_index.json or classes.json, which name its "
            "classes"
        )
    return {wnid: names.partition(",")[0].replace("_", " ").strip() for wnid, names in pairs}


def _json_of(folder: Folder, kind: Any, name: str) -> Any:
    try:
        return msgspec.json.decode(_read(folder, name).removeprefix(codecs.BOM_UTF8), type=kind)
    except msgspec.MsgspecError as error:
        raise SettingsError(f"{os.path.join(folder.path, name)}: {error}") from None


def _read(folder: Folder, name: str) -> bytes:
    """A file at the top, without a walk over all below it, which are millions."""
    path = os.path.join(folder.path, name)
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise SettingsError(f"{path}: {error}") from None


def _first_folder(folder: Folder, split: str) -> str:
    for below in (split, f"ILSVRC/Data/CLS-LOC/{split}"):
        if os.path.isdir(root := os.path.join(folder.path, below)):
            return root
    raise SettingsError(f"{folder.path} holds no folder {split}")


def _images(root: str) -> list[str]:
    if not os.path.isdir(root):
        return []
    return sorted(
        entry.path
        for entry in os.scandir(root)
        if entry.name.lower().endswith(tuple(f".{e}" for e in IMAGE_EXTENSIONS))
    )


def rendered_sst2(folder: Folder, split: str) -> Iterator[Listed]:
    """`SPLIT/positive/*.png` and `SPLIT/negative/*.png`."""
    root = folder.path
    if os.path.isdir(inner := os.path.join(root, "rendered-sst2")):
        root = inner
    if not os.path.isdir(os.path.join(root, split)):
        raise SettingsError(f"{root} holds no folder {split}")
    for label in ("positive", "negative"):
        for path in _images(os.path.join(root, split, label)):
            yield Listed(f"{label}-{os.path.basename(path)}", (os.path.abspath(path),), (label,))


class _Meme(msgspec.Struct):
    id: int | str
    img: str
    text: str
    label: int | None = None


def hateful_memes(folder: Folder, split: str) -> Iterator[Listed]:
    """`SPLIT.jsonl` (train, dev_seen, test_seen, ...): the words on the meme are its question."""
    name = f"{split}.jsonl"
    for number, line in enumerate(folder.lines(name), 1):
        try:
            meme = msgspec.json.decode(line, type=_Meme)
        except msgspec.MsgspecError as error:
            raise SettingsError(f"{folder.one(name)}, line {number}: {error}") from None
        good = () if meme.label is None else (("no", "yes")[bool(meme.label)],)
        yield Listed(str(meme.id), (meme.img,), good, meme.text)


class _Round(msgspec.Struct):
    question: int
    answer: int | None = None
    answer_options: list[int] = []


class _Dialog(msgspec.Struct):
    image_id: int
    caption: str
    dialog: list[_Round]


class _Dialogs(msgspec.Struct):
    questions: list[str]
    answers: list[str]
    dialogs: list[_Dialog]


class _VisDial(msgspec.Struct):
    data: _Dialogs


class _Dense(msgspec.Struct):
    image_id: int
    round_id: int  # from 1
    gt_relevance: list[float] = []
    relevance: list[float] = []  # its name in the training set


def visdial(folder: Folder, split: str) -> Iterator[Listed]:
    """`visdial_1.0_SPLIT.json`; of `visdial_1.0_SPLIT_dense_annotations.json` the rounds whose options were all judged.

    A question stands after the caption and the rounds before it. Where no option was judged, as in the training set, a
    round of each dialogue is drawn.
    """
    data = folder.json(_VisDial, f"visdial_1.0_{split}.json").data
    judged: dict[int, _Dense] = {}
    if split != "train":
        dense = folder.json(list[_Dense], f"visdial_1.0_{split}_dense_annotations.json")
        judged = {one.image_id: one for one in dense}
    for dialog in data.dialogs:
        if not dialog.dialog or (judged and dialog.image_id not in judged):
            continue
        one = judged.get(dialog.image_id)
        number = one.round_id - 1 if one else rng_of("visdial", dialog.image_id).randrange(len(dialog.dialog))
        try:
            yield _round_of(data, dialog, number, one)
        except IndexError:
            raise SettingsError(
                f"{folder.path}: image {dialog.image_id} has a round, question or answer of no number"
            ) from None


def _round_of(data: _Dialogs, dialog: _Dialog, number: int, judged: _Dense | None) -> Listed:
    asked = dialog.dialog[number]
    said = [f"{dialog.caption.strip().rstrip('.')}."]
    for before in dialog.dialog[:number]:
        answer = "" if before.answer is None else data.answers[before.answer]
        said.append(f"Question: {data.questions[before.question]}? Answer: {answer}.")
    said.append(f"Question: {data.questions[asked.question]}?")
    image = f"{dialog.image_id:012d}.jpg"
    return Listed(
        key=f"{dialog.image_id}-{number + 1}",
        names=tuple(f"{which}_{image}" for which in ("VisualDialog_val2018", "COCO_train2014", "COCO_val2014")),
        answers=() if asked.answer is None else (data.answers[asked.answer],),
        question=" ".join(said),
        candidates=tuple(data.answers[option] for option in asked.answer_options),
        relevance=tuple(judged.gt_relevance or judged.relevance) if judged else (),
    )


class _Choice(msgspec.Struct):
    choice: str


class _Star(msgspec.Struct):
    question_id: str
    question: str
    video_id: str
    start: float
    end: float
    choices: list[_Choice]
    answer: str | None = None


def star(folder: Folder, split: str) -> Iterator[Listed]:
    """`STAR_SPLIT.json` over the videos of Charades, four choices each; of the test split no answer is published."""
    for asked in folder.json(list[_Star], f"STAR_{split}.json"):
        yield Listed(
            key=asked.question_id,
            names=(asked.video_id,),
            answers=() if asked.answer is None else (asked.answer,),
            question=asked.question,
            span_s=(asked.start, asked.end),
            candidates=tuple(choice.choice for choice in asked.choices),
        )


class _RareAct(msgspec.Struct):
    id: int
    video_id: str
    start: float
    end: float
    class_id: int
    verb: str
    noun: str
    annotation: int


#: How a row of RareAct counts for an action, in `relevance`.
POSITIVE, NEGATIVE, HARD_NEGATIVE, NOT_IN = 1.0, 0.0, 2.0, -1.0


def rareact(folder: Folder, split: str) -> Iterator[Listed]:
    """`rareact.csv`, which has no splits: each row a part of a video, judged for one action.

    A row that shows its action is also one that does not show the others: a hard one where it shares verb or noun.
    """
    rows = list(folder.rows(_RareAct, "rareact.csv"))
    actions = list(dict.fromkeys((row.verb, row.noun) for row in rows))
    said = tuple(f"a person {third_person(verb)} {article(noun)} {noun}" for verb, noun in actions)
    for row in sorted(rows, key=lambda row: (row.video_id, row.start, row.end)):  # those of one part follow each other
        own = (row.verb, row.noun)
        yield Listed(
            key=str(row.id),
            names=(row.video_id,),
            answers=(said[actions.index(own)],),
            span_s=(row.start, row.end),
            candidates=said,
            relevance=tuple(_counts_as(row, own, action) for action in actions),
            source=row.video_id,
        )


def _counts_as(row: _RareAct, own: tuple[str, str], action: tuple[str, str]) -> float:
    if action == own:
        return {0: NEGATIVE, 1: POSITIVE}.get(row.annotation, HARD_NEGATIVE)
    if row.annotation != 1:
        return NOT_IN
    return HARD_NEGATIVE if own[0] == action[0] or own[1] == action[1] else NEGATIVE


def third_person(verb: str) -> str:
    """Of the present, its first word bent: "put on" is "puts on"."""
    first, space, rest = verb.partition(" ")
    if first.endswith(("s", "sh", "ch", "x", "z", "o")):
        first += "es"
    elif first.endswith("y") and first[-2:-1] not in "aeiou":
        first = f"{first[:-1]}ies"
    else:
        first += "s"
    return f"{first}{space}{rest}"


def article(noun: str) -> str:
    return "an" if noun[:1].lower() in "aeiou" else "a"
