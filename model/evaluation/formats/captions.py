"""Captions: COCO, Flickr30k, VATEX, YouCook2."""

from collections.abc import Iterator

import msgspec

from model.evaluation.formats.folder import Folder, Listed
from schemas.settings import SettingsError


class _Sentence(msgspec.Struct):
    raw: str


class _KarpathyImage(msgspec.Struct):
    filename: str
    split: str
    sentences: list[_Sentence]
    filepath: str = ""


class _Karpathy(msgspec.Struct):
    images: list[_KarpathyImage]


class _CocoImage(msgspec.Struct):
    id: int
    file_name: str


class _CocoCaption(msgspec.Struct):
    image_id: int
    caption: str


class _Coco(msgspec.Struct):
    images: list[_CocoImage]
    annotations: list[_CocoCaption]


def coco(folder: Folder, split: str) -> Iterator[Listed]:
    """`dataset_coco.json` (Karpathy: train, restval, val, test), else `captions_train2014.json` and so on.

    The train split has Karpathy's restval too, as is the custom.
    """
    if folder.has("dataset_coco.json"):
        yield from _karpathy(folder, "dataset_coco.json", split)
        return
    if split == "test":
        raise SettingsError(
            f"{folder.path} holds no dataset_coco.json, which says what is its test split: put it there, or ask for "
            "split val, which captions_val2014.json has"
        )
    found = folder.json(_Coco, f"captions_{split}2014.json", f"captions_{split}2017.json")
    said: dict[int, list[str]] = {}
    for one in found.annotations:
        said.setdefault(one.image_id, []).append(one.caption.strip())
    for image in found.images:
        yield Listed(str(image.id), (image.file_name,), tuple(said.get(image.id, ())))


def flickr30k(folder: Folder, split: str) -> Iterator[Listed]:
    """`dataset_flickr30k.json` (Karpathy), else a table of captions, which knows no splits: `results.csv`, `.token`."""
    if folder.has("dataset_flickr30k.json"):
        yield from _karpathy(folder, "dataset_flickr30k.json", split)
        return
    if split != "all":
        raise SettingsError(
            f"{folder.path} holds no dataset_flickr30k.json, which says what is its {split} split: put it there, or "
            "ask for split all"
        )
    said: dict[str, list[str]] = {}
    if folder.has("results*.token"):
        for line in folder.lines("results*.token"):
            name, _, caption = line.partition("\t")
            said.setdefault(name.partition("#")[0], []).append(caption.strip())
    else:
        for row in folder.rows(dict[str, str], "results.csv", delimiter="|"):
            said.setdefault(row.get("image_name", ""), []).append(row.get("comment", ""))
    for name, captions in said.items():
        yield Listed(name, (name,), tuple(filter(None, captions)))


def _karpathy(folder: Folder, name: str, split: str) -> Iterator[Listed]:
    wanted = {split, "restval"} if split == "train" else {split}
    for image in folder.json(_Karpathy, name).images:
        if image.split in wanted:
            where = f"{image.filepath}/{image.filename}" if image.filepath else image.filename
            yield Listed(image.filename, (where,), tuple(sentence.raw.strip() for sentence in image.sentences))


class _Vatex(msgspec.Struct):
    videoID: str
    enCap: list[str] = []


def vatex(folder: Folder, split: str) -> Iterator[Listed]:
    """English captions of `vatex_training_v1.0.json`, `vatex_validation_v1.0.json` and `vatex_public_test_*.json`.

    Clips bear the name of their `videoID`, as they were cut.
    """
    name = {"train": "training", "val": "validation", "test": "public_test"}.get(split, split)
    for video in folder.json(list[_Vatex], f"vatex_{name}_*.json"):
        yield Listed(video.videoID, (video.videoID,), tuple(video.enCap))


class _Step(msgspec.Struct):
    id: int
    segment: tuple[float, float]
    sentence: str


class _Recipe(msgspec.Struct):
    subset: str
    annotations: list[_Step]


class _YouCook(msgspec.Struct):
    database: dict[str, _Recipe]


def youcook2(folder: Folder, split: str) -> Iterator[Listed]:
    """The steps of `youcookii_annotations_trainval.json`: parts of videos that are named after their id."""
    subset = {"train": "training", "val": "validation"}.get(split, split)
    for video, recipe in folder.json(_YouCook, "youcookii_annotations_*.json").database.items():
        if recipe.subset == subset:
            for step in recipe.annotations:
                yield Listed(f"{video}-{step.id}", (video,), (step.sentence.strip(),), span_s=step.segment)
