import base64
import json
from pathlib import Path
from typing import Any

import pytest

from model.data.config import DatasetSettings, LoaderConfig, OrderSettings
from model.data.documents import Kind, Medium, to_document
from model.data.images import ImageSettings
from model.data.loader import Loader
from schemas.drops import Drop
from tests.model.makers import Members, page, pair, photo, some_tokens, write_foreign_tar


def document(fields: dict[str, Any], **members: bytes) -> tuple[str | Medium, ...]:
    return to_document("interleaved", "k", {"json": json.dumps(fields).encode(), **members}).parts


def test_texts_and_images_in_parallel() -> None:
    found = document({"texts": ["a", None, "b"], "images": [None, "k.1.jpg", None]}, **{"1.jpg": b"I"})
    assert found == ("a", Medium(b"I"), "b")


def test_obelics_in_a_tar_has_addresses_where_the_names_are_and_numbers_its_members() -> None:
    fields = {"texts": [None, "a", None], "images": ["https://h/x.jpg", None, "https://h/y.png"], "metadata": "[]"}
    assert document(fields, **{"0.jpg": b"X", "2.png": b"Y"}) == (Medium(b"X"), "a", Medium(b"Y"))


def test_energon_and_nemo_name_members_with_and_without_the_key() -> None:
    fields = {"texts": [None, "a"], "images": ["2345ew.jpg", None]}
    assert document(fields, **{"2345ew.jpg": b"X"}) == (Medium(b"X"), "a")


@pytest.mark.parametrize("name", ["0.png", "0.0.png", "x/0.png"])
def test_a_field_that_begins_as_the_key_does_is_found_as_it_stands(name: str) -> None:
    members = {"json": json.dumps({"texts": ["a", None], "images": [None, name]}).encode(), "0.png": b"X"}
    assert to_document("interleaved", "0", members).parts == ("a", Medium(b"X"))


def test_a_full_name_is_sought_before_a_field() -> None:
    members = {"json": json.dumps({"texts": [None], "images": ["0.png"]}).encode(), "png": b"P", "0.png": b"X"}
    assert to_document("interleaved", "0", members).parts == (Medium(b"P"),)


@pytest.mark.parametrize("name", ["k.0.mp4", "0.mp4", "https://h/x.webm"])
def test_a_video_among_the_members_of_a_page_is_a_clip(name: str) -> None:
    fields = {"texts": [None, "a", None], "images": [name, None, "k.2.png"]}
    found = document(fields, **{"0.mp4": b"V", "2.png": b"I"})
    assert found == (Medium(b"V", "clip"), "a", Medium(b"I"))


def test_mmc4_images_stand_before_their_sentences_in_the_order_of_the_sentences() -> None:
    images = [
        {"image_base64": base64.b64encode(bytes([n])).decode(), "matched_text_index": at}
        for n, at in enumerate((2, 0, 1))
    ]
    fields = {"text_list": ["One.", "Two.", "Three.", "Four."], "image_info": images}
    assert document(fields) == (Medium(b"\1"), "One.", Medium(b"\2"), "Two.", Medium(b"\0"), "Three. Four.")


@pytest.mark.parametrize(
    ("kind", "members", "reason"),
    [
        ("interleaved", {"json": b"{"}, "broken_sample"),
        ("interleaved", {"json": b"[]"}, "broken_sample"),
        ("interleaved", {"1.jpg": b"I"}, "broken_sample"),
        ("interleaved", {"json": b'{"texts": ["a"], "images": []}'}, "broken_sample"),
        ("interleaved", {"json": b'{"texts": [null], "images": ["k.0.jpg"]}'}, "broken_sample"),
        ("interleaved", {"json": b'{"texts": [7], "images": [null]}'}, "broken_sample"),
        ("interleaved", {"json": b'{"texts": ["a"], "images": [null]}'}, "no_image"),
        ("interleaved", {"json": b'{"text_list": ["a"], "image_info": [{"matched_text_index": 4}]}'}, "broken_sample"),
        ("interleaved", {"json": b'{"text_list": null, "image_info": []}'}, "broken_sample"),
        ("interleaved", {"json": b'{"text_list": [7], "image_info": []}'}, "broken_sample"),
        ("interleaved", {"json": b'{"text_list": "ab", "image_info": []}'}, "broken_sample"),
        ("interleaved", {"json": b'{"text_list": ["a"], "image_info": null}'}, "broken_sample"),
        ("interleaved", {"json": b'{"text_list": ["a"], "image_info": ["x"]}'}, "broken_sample"),
        ("interleaved", {"json": b'{"text_list": ["a"], "image_info": [1]}'}, "broken_sample"),
        ("pairs", {"txt": b"a"}, "broken_sample"),
        ("pairs", {"jpg": b"I", "txt": b" \n"}, "no_text"),
        ("pairs", {"jpg": b"I", "txt": b"\xff"}, "broken_sample"),
        ("pairs", {"jpg": b"I", "json": b'{"caption": null}'}, "no_text"),
        ("clips", {"jpg": b"I", "txt": b"a"}, "broken_sample"),
    ],
)
def test_a_sample_that_is_none_of_its_kind_is_dropped(kind: Kind, members: dict[str, bytes], reason: str) -> None:
    with pytest.raises(Drop) as drop:
        to_document(kind, "k", members)
    assert drop.value.reason == reason


def test_pairs_and_clips_take_the_text_or_the_caption() -> None:
    assert to_document("pairs", "k", {"jpeg": b"I", "txt": b" a cat \n"}).parts == (Medium(b"I"), "a cat")
    assert to_document("pairs", "k", {"webp": b"I", "json": b'{"caption": "a dog"}'}).parts == (Medium(b"I"), "a dog")
    assert to_document("clips", "k", {"mp4": b"V", "txt": b"a run"}).parts == (Medium(b"V", "clip"), "a run")


def mmc4(number: int) -> tuple[str, Members]:
    """As OpenFlamingo's convert_mmc4_to_wds.py writes it: one JSON with the images in it."""
    images = [{"image_base64": base64.b64encode(photo(number + n)).decode(), "matched_text_index": n} for n in (1, 0)]
    fields = {"text_list": ["Sentence one.", "Sentence two."], "image_info": images}
    return str(number), [(f"{number}.json", json.dumps(fields).encode())]


def obelics(number: int) -> tuple[str, Members]:
    fields = {"texts": [None, "Text.", None], "images": ["https://h/a.jpg", None, "https://h/b.png"], "metadata": ""}
    members = [("json", json.dumps(fields).encode()), ("0.jpg", photo(number)), ("2.png", photo(number, format="PNG"))]
    return f"{number:06d}", [(f"{number:06d}.{field}", data) for field, data in members]


@pytest.mark.parametrize(
    ("make", "kind"), [(page, "interleaved"), (pair, "pairs"), (mmc4, "interleaved"), (obelics, "interleaved")]
)
def test_foreign_shards_load(tmp_path: Path, make: Any, kind: Kind) -> None:
    write_foreign_tar(tmp_path / "00000.tar", [make(n) for n in range(5)])
    write_foreign_tar(tmp_path / "00001.tar", [make(n) for n in range(5, 8)])
    config = LoaderConfig(
        datasets=(DatasetSettings("x", str(tmp_path), kind),),
        order=OrderSettings(lanes=2, epochs=1),
        images=ImageSettings(size_px=16),
    )
    with Loader(config, some_tokens()) as loader:
        batches = [step["x"] for step in loader]
    for batch in batches:
        batch.check()
    assert sorted(key for batch in batches for key in batch.keys) == sorted(make(n)[0] for n in range(8))
