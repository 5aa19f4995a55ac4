"""Public datasets in small, in the layout in which they are downloaded."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.model.makers import photo


def put(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")


def images(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        put(folder / name, photo(number))


def clips(folder: Path, *names: str) -> None:
    for name in names:
        put(folder / name, b"a clip")


def coco(folder: Path) -> None:
    listed = [
        {
            "filepath": f"{which}2014",
            "filename": f"COCO_{which}2014_{number:012d}.jpg",
            "imgid": number,
            "cocoid": number,
            "sentids": [],
            "split": split,
            "sentences": [{"tokens": [], "raw": f" A cat {number}. ", "imgid": number, "sentid": 0}],
        }
        for number, (which, split) in enumerate(
            [("train", "train"), ("val", "restval"), ("val", "test"), ("val", "val")]
        )
    ]
    put(folder / "annotations/dataset_coco.json", {"images": listed, "dataset": "coco"})
    images(folder, *(f"images/{one['filepath']}/{one['filename']}" for one in listed))


def coco_official(folder: Path) -> None:
    for number, split in enumerate(("train", "val")):
        name = f"COCO_{split}2014_{number:012d}.jpg"
        captions = [{"image_id": number, "id": n, "caption": f"A cat {n}."} for n in range(2)]
        put(
            folder / f"annotations/captions_{split}2014.json",
            {"info": {}, "images": [{"id": number, "file_name": name, "license": 3}], "annotations": captions},
        )
        images(folder, f"{split}2014/{name}")


def flickr30k(folder: Path) -> None:
    listed = [
        {"filename": f"{n}.jpg", "imgid": n, "split": split, "sentences": [{"raw": "A dog."}, {"raw": "A dog runs."}]}
        for n, split in enumerate(("train", "test"))
    ]
    put(folder / "dataset_flickr30k.json", {"images": listed, "dataset": "flickr30k"})
    images(folder, "flickr30k-images/0.jpg", "flickr30k-images/1.jpg")


def _vqa(folder: Path, version: str) -> None:
    for number, split in enumerate(("train", "val")):
        asked = [{"image_id": number, "question": "What is it?", "question_id": 10 * number + n} for n in range(3)]
        answered = [
            {
                "question_type": "what",
                "multiple_choice_answer": "cat",
                "answers": [
                    {"answer": "dog" if n < 2 else "cat", "answer_confidence": "yes", "answer_id": n + 1}
                    for n in range(10)
                ],
                "image_id": one["image_id"],
                "answer_type": "other",
                "question_id": one["question_id"],
            }
            for one in asked
        ]
        shared = {"info": {}, "license": {}, "data_type": "mscoco", "data_subtype": f"{split}2014"}
        put(
            folder / f"{version}OpenEnded_mscoco_{split}2014_questions.json",
            {**shared, "task_type": "Open-Ended", "questions": asked},
        )
        put(folder / f"{version}mscoco_{split}2014_annotations.json", {**shared, "annotations": answered})
        images(folder, f"{split}2014/COCO_{split}2014_{number:012d}.jpg")


def vqav2(folder: Path) -> None:
    _vqa(folder, "v2_")


def okvqa(folder: Path) -> None:
    _vqa(folder, "")


def vizwiz(folder: Path) -> None:
    for split in ("train", "val"):
        name = f"VizWiz_{split}_00000000.jpg"
        answers = [{"answer_confidence": "yes", "answer": "unanswerable" if n > 2 else "a can"} for n in range(10)]
        put(
            folder / f"Annotations/{split}.json",
            [{"image": name, "question": "What is this?", "answers": answers, "answer_type": "other", "answerable": 1}],
        )
        images(folder, f"{split}/{name}")


def textvqa(folder: Path) -> None:
    for number, split in enumerate(("train", "val")):
        entry = {
            "question": "what does it say?",
            "image_id": f"abc{number}",
            "image_classes": ["Sign"],
            "flickr_original_url": "",
            "image_width": 96,
            "question_tokens": [],
            "question_id": number,
            "set_name": split,
            "answers": ["stop"] * 7 + ["halt"] * 3,
        }
        put(
            folder / f"TextVQA_0.5.1_{split}.json", {"dataset_type": split, "data": [entry], "dataset_version": "0.5.1"}
        )
        images(folder, f"train_images/abc{number}.jpg")


def visdial(folder: Path) -> None:
    for number, split in ((139, "train"), (185, "val")):
        rounds = [
            {"question": n % 2, "answer": n % 3, "answer_options": list(range(3)) * 33 + [0], "gt_index": n % 3}
            for n in range(10)
        ]
        data = {
            "questions": ["is it big", "what color"],
            "answers": ["yes", "no", "red"],
            "dialogs": [{"image_id": number, "caption": "a cat on a mat", "dialog": rounds}],
        }
        put(folder / f"visdial_1.0_{split}.json", {"data": data, "split": f"{split}2018", "version": "1.0"})
    put(
        folder / "visdial_1.0_val_dense_annotations.json",
        [{"image_id": 185, "round_id": 3, "gt_relevance": [1.0, 0.0, 0.4] * 33 + [0.0]}],
    )
    images(folder, "train2014/COCO_train2014_000000000139.jpg")
    images(folder, "VisualDialog_val2018/VisualDialog_val2018_000000000185.jpg")


def hateful_memes(folder: Path) -> None:
    for split, number in (("train", 0), ("test_seen", 10)):
        lines = [
            {"id": number + n, "img": f"img/{number + n:05d}.png", "label": n % 2, "text": f"words {n}"}
            for n in range(4)
        ]
        put(folder / f"{split}.jsonl", "\n".join(map(json.dumps, lines)) + "\n")
        images(folder, *(str(line["img"]) for line in lines))


def rendered_sst2(folder: Path) -> None:
    for split in ("train", "valid", "test"):
        images(folder / "rendered-sst2" / split, "positive/0.png", "negative/1.png")


def imagenet(folder: Path) -> None:
    put(folder / "LOC_synset_mapping.txt", "n01440764 tench, Tinca tinca\nn01443537 goldfish, Carassius auratus\n")
    images(folder / "train", "n01440764/n01440764_18.JPEG", "n01443537/n01443537_2.JPEG")
    images(folder / "val", "n01440764/ILSVRC2012_val_00000293.JPEG", "n01443537/ILSVRC2012_val_00000236.JPEG")


def imagenet_flat(folder: Path) -> None:
    """As the competition gives it."""
    put(folder / "LOC_synset_mapping.txt", "n01440764 tench, Tinca tinca\nn01443537 goldfish, Carassius auratus\n")
    put(
        folder / "LOC_val_solution.csv",
        "ImageId,PredictionString\nILSVRC2012_val_00000236,n01443537 1 2 3 4 n01443537 1 2 3 4 \n"
        "ILSVRC2012_val_00000293,n01440764 1 2 3 4 \n",
    )
    inner = folder / "ILSVRC/Data/CLS-LOC"
    images(inner / "train", "n01440764/n01440764_18.JPEG", "n01443537/n01443537_2.JPEG")
    images(inner / "val", "ILSVRC2012_val_00000293.JPEG", "ILSVRC2012_val_00000236.JPEG")


def msvd_qa(folder: Path) -> None:
    put(folder / "youtube_mapping.txt", "-4wsuPCjDBc_5_15 vid1\n-7KMZQEsJW4_205_208 vid2\n")
    for number, split in ((1, "train"), (2, "test")):
        put(
            folder / f"{split}_qa.json",
            [{"answer": "eat", "id": number, "question": "what does it do?", "video_id": number}],
        )
    clips(folder, "YouTubeClips/-4wsuPCjDBc_5_15.avi", "YouTubeClips/-7KMZQEsJW4_205_208.avi")


def msrvtt_qa(folder: Path) -> None:
    for number, split in ((0, "train"), (7010, "test")):
        row = {"answer": "eat", "category_id": 14, "id": number, "question": "what does it do?", "video_id": number}
        put(folder / f"{split}_qa.json", [row])
        clips(folder, f"TrainValVideo/video{number}.mp4")


def ivqa(folder: Path) -> None:
    head = "video_id,start,end,question,answer1,answer2,answer3,answer4,answer5,conf1,conf2,conf3,conf4,conf5"
    for name, split in (("aaa", "train"), ("bbb", "test")):
        put(
            folder / f"{split}.csv",
            f'{head}\n{name},10,25,"what, then, is cut?",onion,onions,onion,leek,onion,1,1,1,1,1\n',
        )
    clips(folder, "videos/aaa.mp4", "videos/bbb_10_25.webm")


def nextqa(folder: Path) -> None:
    for split in ("train", "test"):
        put(
            folder / f"{split}.csv",
            "video,frame_count,width,height,question,answer,qid,type\n"
            "3238737531,600,640,480,why did the boy stop,to look at the dog,4,CW\n",
        )
    put(folder / "add_reference_answer_test.json", {"3238737531": {"4": "saw a dog"}})
    put(folder / "map_vid_vidorID.json", {"3238737531": "1164/3238737531"})
    clips(folder, "NExTVideo/1164/3238737531.mp4")


def vatex(folder: Path) -> None:
    for number, name in enumerate(("training_v1.0", "validation_v1.0", "public_test_english_v1.1")):
        video = f"Ptf_2VRj-V{number}_000122_000132"
        put(folder / f"vatex_{name}.json", [{"videoID": video, "enCap": ["A man lifts."], "chCap": ["一个人"]}])
        clips(folder, f"videos/{video}.mp4")


def youcook2(folder: Path) -> None:
    recipes = {
        f"GLd3aX16zB{number}": {
            "duration": 241.62,
            "subset": subset,
            "recipe_type": "113",
            "annotations": [
                {"segment": [90, 102], "id": 0, "sentence": "spread margarine on two slices of white bread "},
                {"segment": [114, 127], "id": 1, "sentence": "place cheese on the bread"},
            ],
            "video_url": "",
        }
        for number, subset in enumerate(("training", "validation"))
    }
    put(folder / "youcookii_annotations_trainval.json", {"database": recipes})
    clips(folder, "raw_videos/training/113/GLd3aX16zB0.mkv", "raw_videos/validation/113/GLd3aX16zB1.mp4")


def star(folder: Path) -> None:
    for number, split in enumerate(("train", "val")):
        row = {
            "question_id": "Interaction_T1_0",
            "question": "Which object was opened by the person?",
            "video_id": f"6H78{number}",
            "start": 11.1,
            "end": 19.6,
            "answer": "The closet/cabinet.",
            "question_program": [],
            "choices": [
                {"choice_id": n, "choice": choice, "choice_program": []}
                for n, choice in enumerate(("The blanket.", "The door.", "The closet/cabinet.", "The refrigerator."))
            ],
            "situations": {},
        }
        put(folder / f"STAR_{split}.json", [row])
        clips(folder, f"Charades_v1_480/6H78{number}.mp4")


def rareact(folder: Path) -> None:
    put(
        folder / "rareact.csv",
        "id,video_id,start,end,class_id,verb,noun,annotation\n0,v1,3,5,0,cut,laptop,1\n1,v2,3,5,1,wash,egg,0\n"
        "2,v2,8,9,2,wash,laptop,2\n",
    )
    clips(folder, "rareact/v1.mp4", "rareact/v2.mp4")


MAKERS: dict[str, Callable[[Path], None]] = {
    maker.__name__: maker
    for maker in (
        coco, flickr30k, vqav2, okvqa, vizwiz, textvqa, visdial, hateful_memes, rendered_sst2, imagenet, msvd_qa,
        msrvtt_qa, ivqa, nextqa, vatex, youcook2, star, rareact,
    )
}  # fmt: skip
