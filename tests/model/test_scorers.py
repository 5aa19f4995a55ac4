import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.scorers import BadModel, Models, ModelSettings, Preprocessor, ScorerSettings
from tests.jobs.site import photo
from tests.models import DIMENSIONS, write_classifier, write_clip, write_head


def png(color: tuple[int, int, int], size: tuple[int, int] = (40, 30)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, "PNG")
    return out.getvalue()


def settings(folder: Path, **changes: object) -> ScorerSettings:
    return ScorerSettings(
        clip=ModelSettings(str(write_clip(folder / "clip"))),
        nsfw=ModelSettings(str(write_classifier(folder / "nsfw"))),
        aesthetic=str(write_head(folder / "head.onnx")),
        **changes,
    )


def test_embeddings_have_unit_length_and_scores_one_row_an_image(tmp_path: Path) -> None:
    images, texts = [photo(seed) for seed in range(5)], ["the river", "a letter of the river"]
    scored = Models(settings(tmp_path)).score(images, texts)
    assert scored.image_embeddings.shape == (5, DIMENSIONS)
    assert scored.text_embeddings.shape == (2, DIMENSIONS)
    assert np.allclose(np.linalg.norm(scored.image_embeddings, axis=1), 1, atol=1e-5)
    assert np.allclose(scored.aesthetic, scored.image_embeddings.sum(axis=1), atol=1e-5)
    assert scored.nsfw.shape == (5,)


def test_the_probability_is_that_of_the_label(tmp_path: Path) -> None:
    scored = Models(settings(tmp_path)).score([png((255, 0, 0)), png((0, 255, 0)), png((128, 0, 0))], [])
    assert scored.nsfw.tolist() == pytest.approx([1.0, 0.0, 0.51], abs=0.01)


def test_the_size_of_batches_does_not_change_the_scores(tmp_path: Path) -> None:
    images, texts = [photo(seed) for seed in range(7)], ["the river", "a letter", "of letter"]
    whole = Models(settings(tmp_path / "a")).score(images, texts)
    parts = Models(settings(tmp_path / "b", batch_size=2)).score(images, texts)
    for name in ("image_embeddings", "text_embeddings", "nsfw", "aesthetic"):
        assert np.allclose(getattr(whole, name), getattr(parts, name), atol=1e-5)


def test_without_models_there_are_no_scores(tmp_path: Path) -> None:
    assert not ScorerSettings().is_on
    scored = Models(ScorerSettings()).score([photo(1)], ["text"])
    assert scored.image_embeddings.shape == (1, 0)
    assert scored.nsfw.shape == scored.aesthetic.shape == (0,)


def test_images_are_resized_by_their_shortest_side_and_cropped_in_the_centre() -> None:
    config = {
        "size": {"shortest_edge": 4},
        "crop_size": {"height": 4, "width": 4},
        "image_mean": [0] * 3,
        "image_std": [1] * 3,
    }
    image = Image.new("RGB", (30, 10))
    image.paste((255, 255, 255), (10, 0, 20, 10))
    pixels = Preprocessor(config)([image])
    assert pixels.shape == (1, 3, 4, 4)
    assert pixels.min() > 0.4, "the white middle is what is seen"


def test_a_model_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match=r"clip: .*nowhere"):
        Models(ScorerSettings(clip=ModelSettings(str(tmp_path / "nowhere"))))
    classifier = ModelSettings(str(write_classifier(tmp_path / "nsfw", "explicit")))
    with pytest.raises(BadModel, match="no label nsfw; there are normal, explicit"):
        Models(ScorerSettings(nsfw=classifier))
    with pytest.raises(BadModel, match="nsfw: open_clip holds no such model"):
        Models(ScorerSettings(nsfw=ModelSettings("x", "open_clip")))


def test_a_clip_of_transformers_scores_like_any(tmp_path: Path) -> None:
    """Runs where torch and transformers are installed, as with the extra `torch`."""
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.CLIPConfig(
        text_config={**small, "vocab_size": 64, "eos_token_id": 3},
        vision_config={**small, "image_size": 16, "patch_size": 8},
        projection_dim=DIMENSIONS,
    )
    folder = tmp_path / "clip"
    transformers.CLIPModel(config).save_pretrained(folder)
    (folder / "vocab.json").write_text(
        '{"<|startoftext|>": 2, "<|endoftext|>": 3, "a": 4, "b</w>": 5, "a</w>": 6, "b": 7, "ab</w>": 8}'
    )
    (folder / "merges.txt").write_text("#version: 0.2\na b</w>\n")
    transformers.CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt")).save_pretrained(folder)
    size = {"size": {"shortest_edge": 16}, "crop_size": {"height": 16, "width": 16}}
    transformers.CLIPImageProcessor(**size).save_pretrained(folder)
    models = Models(ScorerSettings(clip=ModelSettings(str(folder), "transformers")))
    scored = models.score([photo(1), photo(2)], ["a b", "b"])
    assert scored.image_embeddings.shape == scored.text_embeddings.shape == (2, DIMENSIONS)
    assert np.allclose(np.linalg.norm(scored.text_embeddings, axis=1), 1, atol=1e-5)


def test_a_checkpoint_of_open_clip_scores_like_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs where open_clip is installed, as with the extra `torch`."""
    torch = pytest.importorskip("torch")
    open_clip = pytest.importorskip("open_clip")
    architecture = {
        "embed_dim": DIMENSIONS,
        "vision_cfg": {"image_size": 16, "layers": 1, "width": 64, "patch_size": 8},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    }
    (tmp_path / "tiny.json").write_text(json.dumps(architecture))
    open_clip.add_model_config(tmp_path / "tiny.json")
    torch.save(open_clip.create_model("tiny").state_dict(), tmp_path / "tiny.pt")
    models = Models(ScorerSettings(clip=ModelSettings(str(tmp_path / "tiny.pt"), "open_clip", "tiny")))
    scored = models.score([photo(1), photo(2)], ["a river", "b"])
    assert scored.image_embeddings.shape == (2, DIMENSIONS)
