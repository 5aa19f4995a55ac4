"""`weft.Loader` and `weft.load_model`."""

from pathlib import Path

import msgspec
import pytest
import torch
import yaml

import weft
from model.data.tokens import byte_tokens
from model.evaluation.text_generation import generate_text

SETTINGS = {
    "order": {"lanes": 2, "epochs": 1},
    "sequence": {"max_tokens": 512},
    "packing": {"row_tokens": 512},
    "images": {"size_px": 32},
    "read": {"workers": 1},
}


def keys(loader: weft.Loader) -> set[str]:
    with loader:
        return {key for step in loader for batch in step.values() for key in batch.keys}


def test_the_loader_reads_a_dataset_by_settings_in_any_form(looked_at: Path, tmp_path: Path) -> None:
    settings = {**SETTINGS, "datasets": [{"name": "pairs", "shards": str(looked_at / "pairs"), "kind": "pairs"}]}
    (tmp_path / "data.yaml").write_text(yaml.safe_dump(settings))
    record = msgspec.convert(settings, weft.LoaderConfig)
    expected = {sample.key for sample in weft.open(looked_at, "pairs")}
    for given in (settings, tmp_path / "data.yaml", record):
        assert keys(weft.Loader(given, byte_tokens())) == expected
    seeded = weft.Loader(settings, byte_tokens(), settings={"order.seed": 7})
    assert seeded.config.order.seed == 7
    with pytest.raises(weft.SettingsError, match="lane"):
        weft.Loader({"order": {"lanes": "many"}}, byte_tokens())


def test_batches_are_pinned_where_there_is_a_gpu_and_refused_where_there_is_none(
    looked_at: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**SETTINGS, "datasets": [{"name": "pairs", "shards": str(looked_at / "pairs"), "kind": "pairs"}]}
    if torch.cuda.is_available():
        with weft.Loader(settings, byte_tokens(), pin=True) as loader:
            assert next(iter(loader))["pairs"].frames_FCHW.is_pinned()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(weft.SettingsError, match="torch finds none here"):
        weft.Loader(settings, byte_tokens(), pin=True)


def test_a_trained_model_says_the_same_to_a_picture_in_any_form(
    checkpoint: Path, looked_at: Path, tmp_path: Path
) -> None:
    model = weft.load_model(checkpoint, "cpu")
    pair = weft.open(looked_at, "pairs")[0]
    (tmp_path / "picture.jpg").write_bytes(pair.data)
    said = generate_text(model.loaded, [tmp_path / "picture.jpg", "the cat"])
    forms = (pair, pair.data, tmp_path / "picture.jpg")
    assert [model.generate(form, "the cat", max_new_tokens=64) for form in forms] == [said] * 3
    assert model.caption(pair.image, max_new_tokens=4) == model.generate(pair.image, max_new_tokens=4)
    page, clip = weft.open(looked_at)[0], weft.open(looked_at, "clips")[0]
    assert isinstance(model.generate("the", page.pictures[0], "a mat", clip, max_new_tokens=2), str)


def test_what_cannot_be_shown_to_a_model_is_named(checkpoint: Path, tmp_path: Path) -> None:
    model = weft.load_model(checkpoint, "cpu")
    with pytest.raises(weft.Drop, match="unsupported_format"):
        model.caption(b"no picture")
    with pytest.raises(weft.SettingsError, match="max_tokens"):
        model.generate("the", max_tokens=3)
    with pytest.raises(weft.SettingsError, match="not int"):
        model.caption(7)
    with pytest.raises(weft.SettingsError, match=r"no checkpoint|nothing"):
        weft.load_model(tmp_path)
