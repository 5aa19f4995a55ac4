"""Questions about images and videos that are answered freely."""

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from model.evaluation.formats.folder import Folder, Listed


class _Question(msgspec.Struct):
    question_id: int
    image_id: int
    question: str


class _Questions(msgspec.Struct):
    questions: list[_Question]


class _Answer(msgspec.Struct):
    answer: str


class _Annotation(msgspec.Struct):
    question_id: int
    answers: list[_Answer]


class _Annotations(msgspec.Struct):
    annotations: list[_Annotation]


def vqav2(folder: Folder, split: str) -> Iterator[Listed]:
    """`v2_OpenEnded_mscoco_SPLIT2014_questions.json` and `v2_mscoco_SPLIT2014_annotations.json` over COCO's images."""
    return _vqa(folder, split, "v2_")


def okvqa(folder: Folder, split: str) -> Iterator[Listed]:
    """`OpenEnded_mscoco_SPLIT2014_questions.json` and `mscoco_SPLIT2014_annotations.json` over COCO's images."""
    return _vqa(folder, split, "")


def _vqa(folder: Folder, split: str, version: str) -> Iterator[Listed]:
    questions = folder.json(_Questions, f"{version}OpenEnded_mscoco_{split}2014_questions.json").questions
    annotations = folder.json(_Annotations, f"{version}mscoco_{split}2014_annotations.json").annotations
    answers = {one.question_id: tuple(answer.answer for answer in one.answers) for one in annotations}
    for asked in questions:
        image = f"{asked.image_id:012d}.jpg"
        good = answers.get(asked.question_id, ())
        names = (f"COCO_{split}2014_{image}", image)
        yield Listed(str(asked.question_id), names, good, asked.question, example=_commonest(good))


class _VizWiz(msgspec.Struct):
    image: str
    question: str
    answers: list[_Answer] = []


def vizwiz(folder: Folder, split: str) -> Iterator[Listed]:
    """`Annotations/SPLIT.json`."""
    for asked in folder.json(list[_VizWiz], f"{split}.json"):
        good = tuple(answer.answer for answer in asked.answers)
        yield Listed(asked.image, (asked.image,), good, asked.question, example=_commonest(good))


class _TextVqa(msgspec.Struct):
    question_id: int
    image_id: str
    question: str
    answers: list[str] = []


class _TextVqas(msgspec.Struct):
    data: list[_TextVqa]


def textvqa(folder: Folder, split: str) -> Iterator[Listed]:
    """`TextVQA_0.5.1_SPLIT.json`; the words that a reader of letters found are not shown."""
    for asked in folder.json(_TextVqas, f"TextVQA_*_{split}.json").data:
        good = tuple(asked.answers)
        yield Listed(str(asked.question_id), (f"{asked.image_id}.jpg",), good, asked.question, example=_commonest(good))


class _VideoQuestion(msgspec.Struct):
    id: int
    video_id: int
    question: str
    answer: str


def msvd_qa(folder: Folder, split: str) -> Iterator[Listed]:
    """`SPLIT_qa.json`; `youtube_mapping.txt` says which clip (`-4wsuPCjDBc_5_15.avi`) is which number."""
    pairs = [line.split() for line in folder.lines("youtube_mapping.txt")]
    names = {number: clip for clip, number in (pair for pair in pairs if len(pair) == 2)}
    for asked in folder.json(list[_VideoQuestion], f"{split}_qa.json"):
        number = f"vid{asked.video_id}"
        yield Listed(str(asked.id), (names.get(number, number), number), (asked.answer,), asked.question)


def msrvtt_qa(folder: Folder, split: str) -> Iterator[Listed]:
    """`SPLIT_qa.json`; the clips are `video7010.mp4` and so on."""
    for asked in folder.json(list[_VideoQuestion], f"{split}_qa.json"):
        yield Listed(str(asked.id), (f"video{asked.video_id}",), (asked.answer,), asked.question)


class _Ivqa(msgspec.Struct):
    video_id: str
    start: float
    end: float
    question: str
    answer1: str
    answer2: str = ""
    answer3: str = ""
    answer4: str = ""
    answer5: str = ""


def ivqa(folder: Folder, split: str) -> Iterator[Listed]:
    """`SPLIT.csv`; clips `VIDEO_START_END`, or whole videos of which the part is taken."""
    for number, asked in enumerate(folder.rows(_Ivqa, f"{split}.csv")):
        cut = f"{asked.video_id}_{asked.start:g}_{asked.end:g}"
        good = tuple(filter(None, (asked.answer1, asked.answer2, asked.answer3, asked.answer4, asked.answer5)))
        is_cut = folder.medium(cut) is not None
        yield Listed(
            key=f"{cut}-{number}",
            names=(cut if is_cut else asked.video_id,),
            answers=good,
            question=asked.question,
            span_s=None if is_cut else (asked.start, asked.end),
            example=_commonest(good),
        )


class _NextQa(msgspec.Struct):
    video: str
    question: str
    answer: str
    qid: str
    type: str
    a0: str = ""
    a1: str = ""
    a2: str = ""
    a3: str = ""
    a4: str = ""


def nextqa(folder: Folder, split: str) -> Iterator[Listed]:
    """`SPLIT.csv` of the open-ended set, a second answer in `add_reference_answer_SPLIT.json`; or that of five choices.

    `map_vid_vidorID.json` says in which folder a video lies.
    """
    second: dict[str, dict[str, str]] = {}
    if folder.has(name := f"add_reference_answer_{split}.json"):
        second = folder.json(dict[str, dict[str, str]], name)
    places = folder.json(dict[str, str], name) if folder.has(name := "map_vid_vidorID.json") else {}
    for asked in folder.rows(_NextQa, f"{split}.csv"):
        choices = tuple(filter(None, (asked.a0, asked.a1, asked.a2, asked.a3, asked.a4)))
        if choices and asked.answer.isdigit() and int(asked.answer) < len(choices):
            good: tuple[str, ...] = (choices[int(asked.answer)],)
        else:
            good = tuple(filter(None, (asked.answer, second.get(asked.video, {}).get(asked.qid))))
        names = (places.get(asked.video, asked.video), asked.video)
        question = asked.question if asked.question.endswith("?") else f"{asked.question}?"
        yield Listed(f"{asked.video}-{asked.qid}", names, good, question, candidates=choices, type=asked.type)


def _commonest(answers: Sequence[str]) -> str:
    """Of several annotators, what most say; of equals the first."""
    return Counter(answers).most_common(1)[0][0] if answers else ""
