"""Models of many kinds as models of transformers, saved and loaded."""

from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec import structs

from model.exported.config import WeftConfig, config_of
from model.exported.network import WeftForConditionalGeneration
from model.network.config import LanguageSettings, VisionSettings
from tests.model.network.makers import IMAGE, SIZE, batch, flamingo, frames, lm_config, small

_SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "image_size": SIZE,
    "patch_size": 8,
}
ENCODERS = {
    "patch": VisionSettings(image_px=SIZE, dim=32),
    **{
        kind: VisionSettings(kind="transformers", config={**_SMALL, "model_type": kind})
        for kind in ("clip_vision_model", "siglip_vision_model", "dinov2", "dinov3_vit")
    },
}


def loaded_again(model: Any, folder: Path) -> Any:
    WeftForConditionalGeneration(config_of(model), model).save_pretrained(folder)
    return WeftForConditionalGeneration.from_pretrained(folder)


@torch.no_grad()
@pytest.mark.parametrize("vision", ENCODERS)
def test_an_encoder_of_each_kind_is_saved_with_its_mean_and_deviation(vision: str, tmp_path: Path) -> None:
    model = flamingo(small(vision=structs.replace(ENCODERS[vision], mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))))
    again, given = loaded_again(model, tmp_path), frames(2)
    assert torch.equal(again.flamingo.vision(given), model.vision(given))
    assert again.flamingo.vision.mean == (0.1, 0.2, 0.3)


@torch.no_grad()
def test_another_attention_of_the_language_model_is_what_is_asked_for(tmp_path: Path) -> None:
    model = loaded_again(flamingo(small()), tmp_path)
    assert model.flamingo.lm.config._attn_implementation == "sdpa"
    again = WeftForConditionalGeneration.from_pretrained(tmp_path, attn_implementation="eager")
    assert again.flamingo.lm.config._attn_implementation == "eager"
    given = batch([[[-1, -1, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2]], [[-1] * 4 + [0] * 8]], 12)
    torch.testing.assert_close(again.flamingo(given), model.flamingo(given), atol=1e-4, rtol=1e-4)
    known = WeftConfig.from_pretrained(tmp_path, attn_implementation="eager")  # so does AutoModel
    handed_on = WeftForConditionalGeneration.from_pretrained(tmp_path, config=known)
    assert handed_on.flamingo.lm.config._attn_implementation == "eager"
    with pytest.raises(ValueError, match="sdpa or eager, not flash_attention_2"):
        WeftForConditionalGeneration.from_pretrained(tmp_path, attn_implementation="flash_attention_2")


@torch.no_grad()
@pytest.mark.parametrize("kind", ["llama", "phi", "mpt", "gptj"])
@pytest.mark.parametrize(("lm_dtype", "vision_dtype"), [("float32", "bfloat16"), ("bfloat16", "float32")])
def test_each_part_keeps_the_precision_that_it_has(kind: str, lm_dtype: Any, vision_dtype: Any, tmp_path: Path) -> None:
    lm = LanguageSettings(config={**lm_config(kind), "tie_word_embeddings": kind != "phi"}, dtype=lm_dtype)
    vision = structs.replace(ENCODERS["clip_vision_model"], dtype=vision_dtype)
    model = flamingo(small(lm=lm, vision=vision))
    again = loaded_again(model, tmp_path)
    dtypes = [{name: value.dtype for name, value in each.state_dict().items()} for each in (model, again.flamingo)]
    assert dtypes[0] == dtypes[1]
    given = batch([[[-1, -1, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2]], [[-1] * 4 + [0] * 8]], 12)
    assert torch.equal(again.flamingo(given), model(given))


@torch.no_grad()
@pytest.mark.parametrize("asked", [torch.bfloat16, "bfloat16"])
def test_frozen_parts_may_be_loaded_in_another_precision(asked: Any, tmp_path: Path) -> None:
    model = flamingo(small(vision=ENCODERS["clip_vision_model"]))
    loaded_again(model, tmp_path)
    again = WeftForConditionalGeneration.from_pretrained(tmp_path, dtype=asked)
    parts = (again.flamingo.lm, again.flamingo.vision, again.flamingo.connector, again.flamingo.blocks)
    dtypes = [{parameter.dtype for parameter in part.parameters()} for part in parts]
    assert dtypes == [{torch.bfloat16}, {torch.bfloat16}, {torch.float32}, {torch.float32}]
    given = batch([[[-1, -1, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2]]], 12)
    torch.testing.assert_close(again.flamingo(given), model(given), atol=0.1, rtol=0.1)
    again.save_pretrained(tmp_path / "again")
    once_more = WeftForConditionalGeneration.from_pretrained(tmp_path / "again")
    assert torch.equal(once_more.flamingo(given), again.flamingo(given))


@torch.no_grad()
@pytest.mark.parametrize("kind", ["falcon_h1", "gemma4_text"])
def test_what_no_file_holds_is_made_anew(kind: str, tmp_path: Path) -> None:
    """Also where a model gives it to its parts: Falcon-H1 to the mixers of its layers."""
    model = flamingo(small(kind))
    again = loaded_again(model, tmp_path).flamingo
    for (name, buffer), other in zip(model.named_buffers(), again.buffers(), strict=True):
        assert torch.equal(buffer, other), name


@torch.no_grad()
def test_which_medium_a_token_sees_is_told_or_known_from_the_tokens(tmp_path: Path) -> None:
    model: Any = WeftForConditionalGeneration(config_of(flamingo()), flamingo()).eval()
    given = batch([[[-1, -1, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2]], [[-1] * 4 + [0] * 8]], 12)
    pictures = {"pixel_values": given.frames_FCHW, "frame_counts": given.frame_offsets_M1.diff()}
    told = model(given.tokens_BT, **pictures, media_index=given.media_index_BT).logits
    assert torch.equal(model(given.tokens_BT, **pictures).logits, told)
    assert torch.equal(told, model.flamingo(given))
    padded = torch.nn.functional.pad(given.tokens_BT, (3, 0))
    real = torch.nn.functional.pad(torch.ones_like(given.tokens_BT), (3, 0))
    shifted = model(padded, attention_mask=real, **pictures).logits[:, 3:]
    torch.testing.assert_close(shifted, told, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ({}, "name 2 pictures, pixel_values has 0"),
        ({"pixel_values": frames(1)}, "name 2 pictures, pixel_values has 1"),
        ({"pixel_values": frames(3)}, "name 2 pictures, pixel_values has 3"),
        ({"pixel_values": frames(2) / 255}, "uint8 of 0 to 255, as the processor gives them, not torch.float32"),
        ({"pixel_values": frames(3), "frame_counts": torch.tensor([1, 1])}, "adds up to 2, pixel_values has 3 frames"),
    ],
)
def test_pictures_that_do_not_fit_the_tokens_are_refused(pictures: dict[str, Any], message: str) -> None:
    model = WeftForConditionalGeneration(config_of(flamingo()), flamingo())
    with pytest.raises(ValueError, match=message):
        model(torch.tensor([[IMAGE, 1, IMAGE, 2]]), **pictures)


@torch.no_grad()
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_it_says_what_it_says_on_a_cpu(tmp_path: Path) -> None:
    here = loaded_again(flamingo(small(vision=ENCODERS["clip_vision_model"])), tmp_path)
    there = WeftForConditionalGeneration.from_pretrained(tmp_path, device_map="cuda")
    given = batch([[[-1, -1, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2]]], 12)
    pictures = {"pixel_values": given.frames_FCHW, "frame_counts": given.frame_offsets_M1.diff()}
    moved = {name: value.cuda() for name, value in pictures.items()}
    found = there(given.tokens_BT.cuda(), **moved).logits.cpu()
    torch.testing.assert_close(found, here(given.tokens_BT, **pictures).logits, atol=1e-3, rtol=0)
    asked = {"max_new_tokens": 4, "pad_token_id": 0}
    ids = [
        model.generate(tokens, **media, **asked)
        for model, tokens, media in ((here, given.tokens_BT, pictures), (there, given.tokens_BT.cuda(), moved))
    ]
    assert torch.equal(ids[0], ids[1].cpu())
