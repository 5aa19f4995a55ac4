import json
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from model.evaluation.formats.choices import third_person
from model.evaluation.formats.table import FORMATS
from model.evaluation.items import Item, MediaFile
from model.evaluation.prompts import example_text, query_text
from model.evaluation.tasks import FormatName, ItemSource, TaskSettings, decide, read_items
from schemas.drops import Tally
from schemas.settings import SettingsError
from tests.model.evaluation import public
from tests.model.evaluation.public import MAKERS, put


def first(folder: Path, name: str) -> Item:
    return read_items(decide(TaskSettings("t", format=name, path=str(folder))).query)[0]  # type: ignore[arg-type]


def file_of(item: Item) -> str:
    (medium,) = item.media
    assert isinstance(medium, MediaFile)
    return Path(medium.path).name


def test_every_format_has_a_name_a_reader_and_a_made_dataset() -> None:
    assert set(get_args(FormatName)) == set(FORMATS) == set(MAKERS)


#: The file, the prompt, the answers of the first query of each.
FIRST = {
    "coco": ("COCO_val2014_000000000002.jpg", "Output:", ("A cat 2.",)),
    "flickr30k": ("1.jpg", "Output:", ("A dog.", "A dog runs.")),
    "vqav2": ("COCO_val2014_000000000001.jpg", "Question: What is it? Answer:", ("dog",) * 2 + ("cat",) * 8),
    "okvqa": ("COCO_val2014_000000000001.jpg", "Question: What is it? Answer:", ("dog",) * 2 + ("cat",) * 8),
    "vizwiz": (
        "VizWiz_val_00000000.jpg", "Question: What is this? Answer:", ("a can",) * 3 + ("unanswerable",) * 7,
    ),
    "textvqa": ("abc1.jpg", "Question: what does it say? Answer:", ("stop",) * 7 + ("halt",) * 3),
    "visdial": (
        "VisualDialog_val2018_000000000185.jpg",
        "a cat on a mat. Question: is it big? Answer: yes. Question: what color? Answer: no. "
        "Question: is it big? Answer:",
        ("red",),
    ),
    "hateful_memes": (
        "00010.png", 'is an image with written: "words 0" on it. Is it hateful? Answer:', ("no",),
    ),
    "rendered_sst2": ("0.png", "Output:", ("positive",)),
    "imagenet": ("ILSVRC2012_val_00000293.JPEG", "Output:", ("tench",)),
    "msvd_qa": ("-7KMZQEsJW4_205_208.avi", "Question: what does it do? Answer:", ("eat",)),
    "msrvtt_qa": ("video7010.mp4", "Question: what does it do? Answer:", ("eat",)),
    "ivqa": (
        "bbb_10_25.webm", "Question: what, then, is cut? Answer:", ("onion", "onions", "onion", "leek", "onion"),
    ),
    "nextqa": (
        "3238737531.mp4", "Question: why did the boy stop? Answer:", ("to look at the dog", "saw a dog"),
    ),
    "vatex": ("Ptf_2VRj-V2_000122_000132.mp4", "Output:", ("A man lifts.",)),
    "youcook2": ("GLd3aX16zB1.mp4", "Output:", ("spread margarine on two slices of white bread",)),
    "star": ("6H781.mp4", "Question: Which object was opened by the person? Answer:", ("The closet/cabinet.",)),
    "rareact": ("v1.mp4", "Caption:", ("a person cuts a laptop",)),
}  # fmt: skip


@pytest.mark.parametrize("name", FIRST)
def test_a_dataset_as_downloaded_is_a_task(tmp_path: Path, name: str) -> None:
    MAKERS[name](tmp_path)
    task = decide(TaskSettings("t", format=name, path=str(tmp_path)))  # type: ignore[arg-type]
    item = read_items(task.query)[0]
    assert (file_of(item), query_text(task.template, item), item.answers) == FIRST[name]
    if task.support is not None:
        assert task.support.split in ("train", "training")
        (example, *_) = read_items(task.support)
        assert example_text(task.template, example).endswith(example.example_answer)


def test_parts_of_videos_are_named(tmp_path: Path) -> None:
    spans = {"ivqa": None, "youcook2": (90.0, 102.0), "star": (11.1, 19.6), "rareact": (3.0, 5.0)}
    for name, span_s in spans.items():
        MAKERS[name](tmp_path / name)
        (medium,) = first(tmp_path / name, name).media
        assert isinstance(medium, MediaFile)
        assert medium.span_s == span_s
    (whole,) = read_items(ItemSource(str(tmp_path / "ivqa"), format="ivqa", split="train"))
    assert whole.media[0].span_s == (10.0, 25.0)


def test_given_answers_stand_with_the_question(tmp_path: Path) -> None:
    for name, count, relevant in (("visdial", 100, 66), ("star", 4, 0), ("imagenet", 2, 0), ("rareact", 3, 2)):
        MAKERS[name](tmp_path / name)
        item = first(tmp_path / name, name)
        assert len(item.candidates) == count
        assert sum(value > 0 for value in item.relevance) == relevant
        assert item.answers[0] in item.candidates


def test_an_action_that_is_seen_is_not_seen_in_the_others(tmp_path: Path) -> None:
    """Of the row that shows "cut laptop": "wash egg" shares nothing, "wash laptop" the noun."""
    MAKERS["rareact"](tmp_path)
    items = read_items(ItemSource(str(tmp_path), format="rareact", split="all"))
    assert [item.relevance for item in items] == [(1.0, 0.0, 2.0), (-1.0, 0.0, -1.0), (-1.0, -1.0, 2.0)]
    assert [third_person(verb) for verb in ("cut", "wash", "dry", "play", "put on")] == (
        ["cuts", "washes", "dries", "plays", "puts on"]
    )


def test_examples_say_what_most_annotators_do(tmp_path: Path) -> None:
    MAKERS["vqav2"](tmp_path)
    assert first(tmp_path, "vqav2").example_answer == "cat"


def test_the_official_files_of_coco_have_no_test_split(tmp_path: Path) -> None:
    public.coco_official(tmp_path)
    (item,) = read_items(ItemSource(str(tmp_path), format="coco", split="val"))
    assert (file_of(item), item.answers) == ("COCO_val2014_000000000001.jpg", ("A cat 0.", "A cat 1."))
    with pytest.raises(SettingsError, match=r"no dataset_coco\.json.*split val"):
        first(tmp_path, "coco")


@pytest.mark.parametrize("name", ["results.csv", "results_20130124.token"])
def test_captions_of_flickr30k_without_splits(tmp_path: Path, name: str) -> None:
    put(
        tmp_path / name,
        "image_name| comment_number| comment\n7.jpg| 0| A dog | runs .\n7.jpg| 1| Two .\n"
        if name.endswith("csv")
        else "7.jpg#0\tA dog runs .\n7.jpg#1\tTwo .\n",
    )
    public.images(tmp_path, "flickr30k_images/7.jpg")
    (item,) = read_items(ItemSource(str(tmp_path), format="flickr30k", split="all"))
    assert item.answers[1] == "Two ."
    with pytest.raises(SettingsError, match=r"dataset_flickr30k\.json"):
        first(tmp_path, "flickr30k")


def test_imagenet_as_the_competition_gives_it(tmp_path: Path) -> None:
    public.imagenet_flat(tmp_path)
    items = read_items(ItemSource(str(tmp_path), format="imagenet", split="val"))
    assert [(file_of(item)[-13:], item.answers) for item in items] == [
        ("00000236.JPEG", ("goldfish",)), ("00000293.JPEG", ("tench",)),
    ]  # fmt: skip


def test_five_choices_of_nextqa(tmp_path: Path) -> None:
    put(
        tmp_path / "val.csv",
        "video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4\n1,9,9,9,why,2,0,CW,a,b,c,d,e\n",
    )
    public.clips(tmp_path, "1.mp4")
    (item,) = read_items(ItemSource(str(tmp_path), format="nextqa", split="val"))
    assert (item.answers, item.candidates) == (("c",), ("a", "b", "c", "d", "e"))


def test_what_is_missing_is_counted_with_its_reason(tmp_path: Path) -> None:
    MAKERS["hateful_memes"](tmp_path)
    (tmp_path / "img/00011.png").unlink()
    with (tmp_path / "test_seen.jsonl").open("a") as file:
        file.write(json.dumps({"id": 99, "img": "img/00010.png", "text": "no label"}) + "\n")
    tally = Tally()
    assert len(read_items(ItemSource(str(tmp_path), format="hateful_memes", split="test_seen"), tally)) == 3
    assert tally.counts().drops == {"sample": {"missing_file": 1, "no_answer": 1}}
    assert tally.counts().unaccounted("sample") == 0
    for path in (tmp_path / "img").iterdir():
        path.unlink()
    with pytest.raises(SettingsError, match=r"holds no item \(missing_file 5\)"):
        read_items(ItemSource(str(tmp_path), format="hateful_memes", split="test_seen"))


#: Files that a format can do without, or does not ask for its query.
SPARE = ("map_vid_vidorID.json", "add_reference_answer_test.json", "youtube_mapping.txt", "vatex_validation_v1.0.json")


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_file_that_is_missing_or_broken_is_told_in_one_line(tmp_path: Path, name: str) -> None:
    MAKERS[name](tmp_path)
    annotations = [path for path in tmp_path.rglob("*") if path.suffix in (".json", ".jsonl", ".csv", ".txt")]
    for path in annotations:
        if path.name in SPARE or ("train" in path.name and "trainval" not in path.name):
            continue
        whole = path.read_bytes()
        path.unlink()
        assert_told(tmp_path, name, "holds no")
        for damaged in (b"\xff\xfe{", b"a,b\n1,2\n" if path.suffix == ".csv" else b'{"a": 1}', b"[1, 2]"):
            path.write_bytes(damaged)
            assert_told(tmp_path, name, "")
        path.write_bytes(whole)
    assert first(tmp_path, name).answers


@pytest.mark.parametrize("name", FIRST)
def test_files_may_begin_with_a_byte_order_mark(tmp_path: Path, name: str) -> None:
    MAKERS[name](tmp_path)
    known = first(tmp_path, name)
    for path in tmp_path.rglob("*"):
        if path.suffix in (".json", ".jsonl", ".csv", ".txt", ".token"):
            path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert first(tmp_path, name) == known


def test_a_line_of_a_meme_ends_at_a_line_feed_alone(tmp_path: Path) -> None:
    public.hateful_memes(tmp_path)
    (path,) = tmp_path.rglob("test_seen.jsonl")
    row = {**json.loads(path.read_text().splitlines()[0]), "text": "a\u2028b\u0085c"}
    put(path, json.dumps(row, ensure_ascii=False) + "\r\n")
    assert first(tmp_path, "hateful_memes").question == "a\u2028b\u0085c"


def test_answers_without_a_letter_are_none(tmp_path: Path) -> None:
    public.coco(tmp_path)
    (path,) = tmp_path.rglob("dataset_coco.json")
    put(path, path.read_text().replace(" A cat 2. ", " "))
    with pytest.raises(SettingsError, match="no_answer 1"):
        first(tmp_path, "coco")


def test_a_folder_of_a_split_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is no folder"):
        first(tmp_path / "nowhere", "coco")
    for name, split in (("rendered_sst2", "test"), ("imagenet", "val")):
        MAKERS[name](tmp_path / name)
        with pytest.raises(SettingsError, match="holds no folder nonsense"):
            read_items(ItemSource(str(tmp_path / name), format=name, split="nonsense"))  # type: ignore[arg-type]
        assert split == FORMATS[name].query


def assert_told(folder: Path, name: str, text: str) -> None:
    with pytest.raises(SettingsError) as told:
        first(folder, name)
    assert "\n" not in str(told.value)
    assert str(folder) in str(told.value)
    assert text in str(told.value)


def test_two_files_of_one_name_that_differ_are_told(tmp_path: Path) -> None:
    MAKERS["textvqa"](tmp_path)
    public.images(tmp_path, "copy/other.jpg", "copy/abc1.jpg")
    with pytest.raises(SettingsError, match=r"differ: keep the one abc1\.jpg"):
        first(tmp_path, "textvqa")


def test_a_limit_draws_always_the_same(tmp_path: Path) -> None:
    MAKERS["hateful_memes"](tmp_path)
    source = ItemSource(str(tmp_path), format="hateful_memes", split="train", limit=2)
    keys = [item.key for item in read_items(source)]
    assert len(keys) == 2
    assert keys == [item.key for item in read_items(source)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "t"}, "a format and its path"),
        ({"name": "t", "format": "coco"}, "go together"),
        ({"name": "t", "path": "x"}, "go together"),
        ({"name": "t", "format": "cocoa", "path": "x"}, "Invalid enum value"),
    ],
)
def test_half_a_task_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(settings, TaskSettings)
