from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from model.evaluation.loaded import LoadedModel
from model.exported.write import processor_of
from model.network.generate import make_prompt

RED = Image.new("RGB", (20, 10), "red")


@pytest.fixture(scope="module")
def processor(loaded: LoadedModel) -> Any:
    return processor_of(loaded)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("<image>a cat<image>", [0, "a cat", 0]),
        ("the mat<image> a cat", ["the mat", 0, " a cat"]),
        ("<image>a cat<|endofchunk|><image>the", [0, "a cat", 0, "the"]),
        ("</s> or <s>", ["</s> or <s>"]),
        ("a <|endofchunk| > cat", ["a <|endofchunk| > cat"]),
    ],
)
def test_the_tokens_are_those_of_a_prompt(loaded: LoadedModel, processor: Any, text: str, parts: list[Any]) -> None:
    pixels = np.zeros((1, 16, 16, 3), np.uint8)
    prompt = make_prompt([pixels if part == 0 else part for part in parts], loaded.tokens)
    made = processor(text=text, images=[RED] * parts.count(0))
    assert made["input_ids"].tolist() == [list(prompt.tokens)]


def test_without_a_tag_the_pictures_stand_before_the_text(processor: Any) -> None:
    both = [processor(images=[RED, RED], text=text)["input_ids"] for text in ("a cat", "<image><image>a cat")]
    assert torch.equal(*both)
    alone = [processor(images=RED, text=text)["input_ids"] for text in (None, "<image>")]
    assert torch.equal(*alone)


def test_several_texts_take_their_pictures_in_turn(processor: Any) -> None:
    black = Image.new("RGB", (8, 8))
    made = processor(images=[RED, black, RED], text=["<image>a<image>", "<image>"])
    assert made["pixel_values"].shape == (3, 3, 16, 16)
    assert made["pixel_values"].dtype == torch.uint8
    assert made["pixel_values"][1].max() == 0
    assert made["attention_mask"].tolist()[1][:2] == [0, 0]
    one_each = processor(images=[RED, black], text=["a", "the"])
    assert one_each["pixel_values"][1].max() == 0


def test_a_picture_is_laid_into_a_square_of_the_mean(loaded: LoadedModel, processor: Any) -> None:
    (square,) = processor(images=RED)["pixel_values"]
    assert square[:, 8, 8].tolist() == [255, 0, 0]
    assert square[:, 0, 0].tolist() == [round(255 * value) for value in loaded.data.images.mean]
    transparent = Image.new("RGBA", (16, 16))
    assert processor(images=transparent)["pixel_values"].min() == 255


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"text": "<image>", "images": [RED, RED]}, "names 1 pictures, 2 were given"),
        ({"text": "<image>"}, "names 1 pictures, 0 were given"),
        ({"text": ["<image>", "<image>"], "images": [RED]}, "name 2 pictures, 1 were given"),
        ({"text": ["a", "the"], "images": [[RED]]}, "2 texts, and lists of pictures for 1"),
        ({"images": np.zeros((4, 4), np.uint8)}, r"not uint8 \[4, 4\]"),
        ({"images": np.zeros((4, 4, 3))}, "not float64"),
        ({"text": "a", "return_tensors": "np"}, "only 'pt'"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(processor: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        processor(**given)
