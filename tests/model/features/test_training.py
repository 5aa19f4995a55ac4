"""A run on features is the run on pixels, without the encoder."""

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from model.data.features import FeatureReader
from model.data.images import ImageSettings
from model.data.rows import LoaderError
from model.evaluation.config import EvaluateConfig
from model.evaluation.harness import evaluate
from model.evaluation.loaded import load_model
from model.evaluation.tasks import ItemSource, TaskSettings
from model.network.config import VisionSettings
from model.network.vision.absent import AbsentEncoder
from model.network.vision.encoder import make_encoder
from model.training.config import HeldOutSettings, TrainConfig
from model.training.dry_run import dry_run
from model.training.loop import train
from model.training.parallel import Processes
from model.training.records import read_metrics
from schemas.settings import SettingsError
from tests.model.features.makers import make_features
from tests.model.makers import page, pair, write_dataset
from tests.model.training.makers import micro, write_data

CLIP: dict[str, Any] = {
    "model_type": "clip_vision_model",
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 16,
    "patch_size": 8,
    "initializer_range": 0.3,
}
KINDS: dict[str, Any] = {"pages": "interleaved", "pairs": "pairs"}
PLAIN = ImageSettings(size_px=16, p_flip=0.0, colour=0.0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("data")
    write_data(folder)
    torch.manual_seed(1)
    made: Any = make_encoder(VisionSettings(kind="transformers", config=CLIP))
    made.model.save_pretrained(folder / "clip")
    for name, kind in KINDS.items():
        for stored_as in ("float16", "int8"):
            output = folder / stored_as / name
            make_features(folder / name, kind, output, vision=vision(folder), stored_as=stored_as)
    return folder


def vision(folder: Path) -> VisionSettings:
    return VisionSettings(kind="transformers", path=str(folder / "clip"))


def config(data: Path, output: Path, features: str = "", **changes: Any) -> TrainConfig:
    base = micro(data, output)
    datasets = tuple(
        msgspec.structs.replace(dataset, features=features and str(data / features / dataset.name))
        for dataset in base.data.datasets
    )
    return msgspec.structs.replace(
        base,
        model=msgspec.structs.replace(base.model, vision=vision(data)),
        data=msgspec.structs.replace(base.data, images=PLAIN, datasets=datasets),
        held_out=HeldOutSettings(every_steps=0, batches=1, captions=3),
        **changes,
    )


def measured(settings: TrainConfig) -> list[dict[str, float]]:
    train(settings, on_message=lambda text: None)
    return [
        {name: value for name, value in row.items() if name.startswith(("loss/", "trained_on/"))}
        for row in read_metrics(settings.output)
    ]


@pytest.fixture(scope="module")
def with_pixels(data: Path) -> list[dict[str, float]]:
    return measured(config(data, data / "run-pixels"))


@pytest.mark.parametrize(("stored_as", "tolerance"), [("float16", 1e-3), ("int8", 1e-2)])
def test_losses_are_those_with_pixels_and_the_encoder_is_not_loaded(
    stored_as: str, tolerance: float, data: Path, with_pixels: list[dict[str, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every step, of what is measured, with other pictures, and in the share of captions."""

    def refuse(settings: VisionSettings) -> Any:
        raise AssertionError("the encoder was loaded")

    monkeypatch.setattr("model.network.flamingo.make_encoder", refuse)
    found = measured(config(data, data / f"run-{stored_as}", stored_as))
    assert [row.keys() for row in found] == [row.keys() for row in with_pixels]
    assert {"loss/pages", "trained_on/pairs/shuffled", "trained_on/pairs/accuracy"} <= {
        name for row in found for name in row
    }
    differences = [abs(row[name] - known[name]) for row, known in zip(found, with_pixels, strict=True) for name in row]
    assert max(differences) < tolerance
    assert len(differences) > 12


def test_a_run_of_pixels_goes_on_with_features_and_with_shards_that_were_moved(
    data: Path, tmp_path: Path, with_pixels: list[dict[str, float]]
) -> None:
    measured(config(data, tmp_path / "run", steps=3))
    shutil.copytree(data / "pages", tmp_path / "moved")
    later = config(data, tmp_path / "run", "float16")
    pages = msgspec.structs.replace(later.data.datasets[0], shards=str(tmp_path / "moved"))
    datasets = (pages, later.data.datasets[1])
    found = measured(msgspec.structs.replace(later, data=msgspec.structs.replace(later.data, datasets=datasets)))
    known = [row for row in with_pixels if "loss/pages" in row]
    gone_on = [row for row in found if "loss/pages" in row]
    for one, other in zip(gone_on, known, strict=True):
        assert one == pytest.approx(other, abs=1e-3)
    other_weight = msgspec.structs.replace(pages, weight=0.5)
    changed = msgspec.structs.replace(later.data, datasets=(other_weight, later.data.datasets[1]))
    assert "other settings: data.datasets: " in refused(msgspec.structs.replace(later, data=changed))


def test_cut_batches_and_gradients_are_the_same(data: Path, tmp_path: Path) -> None:
    whole = measured(config(data, tmp_path / "whole", "float16"))
    parallel = msgspec.structs.replace(micro(data, tmp_path).parallel, micro_rows=1)
    cut = measured(config(data, tmp_path / "cut", "float16", parallel=parallel))
    for one, other in zip(whole, cut, strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def refused(settings: TrainConfig) -> str:
    with pytest.raises(SettingsError) as error:
        train(settings, on_message=lambda text: None)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_features_of_another_encoder_layer_size_or_preprocessing_are_refused_in_a_line(
    data: Path, tmp_path: Path
) -> None:
    good = config(data, tmp_path / "run", "float16")

    def with_vision(**changes: Any) -> TrainConfig:
        changed = msgspec.structs.replace(good.model.vision, **changes)
        return msgspec.structs.replace(good, model=msgspec.structs.replace(good.model, vision=changed))

    def with_images(**changes: Any) -> TrainConfig:
        images = msgspec.structs.replace(PLAIN, **changes)
        return msgspec.structs.replace(good, data=msgspec.structs.replace(good.data, images=images))

    torch.manual_seed(2)
    other: Any = make_encoder(VisionSettings(kind="transformers", config=CLIP))
    other.model.save_pretrained(tmp_path / "other")
    assert "dataset pages: the features in" in refused(with_vision(path=str(tmp_path / "other")))
    assert "are of another encoder: weights is" in refused(with_vision(path=str(tmp_path / "other")))
    assert "layer is null there and -2 here" in refused(with_vision(layer=-2))
    assert 'kind is "transformers" there and "patch" here' in refused(
        msgspec.structs.replace(good, model=micro(data, tmp_path).model)
    )
    assert "size_px is 16 there and 32 here" in refused(with_images(size_px=32))
    assert 'fit is "pad" there and "crop" here' in refused(with_images(fit="crop"))
    for augmented in ({"p_flip": 0.5}, {"colour": 0.1}):
        assert "Set images.p_flip and images.colour to 0" in refused(with_images(**augmented))
    trained = msgspec.structs.replace(good, model=msgspec.structs.replace(good.model, train_vision=True))
    assert "model.train_vision changes it" in refused(trained)


def with_dataset(data: Path, output: Path, **changes: Any) -> TrainConfig:
    good = config(data, output, "float16")
    pages = msgspec.structs.replace(good.data.datasets[0], **changes)
    datasets = (pages, good.data.datasets[1])
    return msgspec.structs.replace(good, data=msgspec.structs.replace(good.data, datasets=datasets))


def test_features_that_are_not_there_or_of_others_are_refused_in_a_line(data: Path, tmp_path: Path) -> None:
    nowhere = with_dataset(data, tmp_path / "run", features=str(tmp_path / "nowhere"))
    assert "weft features writes them" in refused(nowhere)
    of_pairs = with_dataset(data, tmp_path / "run", features=str(data / "float16" / "pairs"))
    assert "are of pairs, not of interleaved" in refused(of_pairs)
    write_dataset(tmp_path / "grown", [page(n, images=2, words=8) for n in range(40)])
    grown = with_dataset(data, tmp_path / "run", shards=str(tmp_path / "grown"))
    assert "2 of 6 shards have no features in" in refused(grown)
    mixed = msgspec.structs.replace(with_dataset(data, tmp_path / "run", features=""))
    sampled = msgspec.structs.replace(mixed, data=msgspec.structs.replace(mixed.data, mix="sampled"))
    assert "name features for pages too, or for none" in refused(sampled)


@pytest.mark.parametrize("change", ["other pictures", "other samples", "more samples"])
def test_shards_that_have_changed_since_end_the_run_in_a_line(change: str, data: Path, tmp_path: Path) -> None:
    samples = [page(n, images=2, words=8) for n in range(24)]
    write_dataset(tmp_path / "pages", samples)
    make_features(tmp_path / "pages", "interleaved", tmp_path / "made", vision=vision(data))
    if change == "more samples":  # in a shard of the same name
        write_dataset(tmp_path / "pages", [*samples[:23], page(50, 2, 8), page(51, 2, 8)], per_shard=7)
    elif change == "other samples":
        write_dataset(tmp_path / "pages", [*samples[:5], page(99, 2, 8), *samples[6:]])
    else:
        key, members = samples[5]
        changed = [members[0], (members[1][0], members[2][1]), members[2]]
        write_dataset(tmp_path / "pages", [*samples[:5], (key, changed), *samples[6:]])
    settings = with_dataset(
        data, tmp_path / "run", shards=str(tmp_path / "pages"), features=str(tmp_path / "made"), batch_rows=20
    )
    with pytest.raises(LoaderError, match="its features are not its own") as error:
        train(settings, on_message=lambda text: None)
    assert "\n" not in str(error.value)


def test_features_that_are_gone_are_missed_before_the_run(data: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / "pages", [page(n, images=2, words=8) for n in range(24)])
    make_features(tmp_path / "pages", "interleaved", tmp_path / "made", vision=vision(data))
    (tmp_path / "made/shards/000002-000.tar").unlink()
    settings = with_dataset(data, tmp_path / "run", shards=str(tmp_path / "pages"), features=str(tmp_path / "made"))
    with pytest.raises(SettingsError, match=r"1 of 4 shards have no features in .*: the same weft features goes on"):
        train(settings, on_message=lambda text: None)


def test_features_that_go_after_they_were_listed_end_the_run_in_a_line(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dataset(tmp_path / "pages", [page(n, images=2, words=8) for n in range(24)])
    make_features(tmp_path / "pages", "interleaved", tmp_path / "made", vision=vision(data))
    beside = FeatureReader.beside

    def gone(*of: Any) -> Any:
        (tmp_path / "made/shards/000002-000.tar").unlink(missing_ok=True)
        return beside(*of)

    monkeypatch.setattr(FeatureReader, "beside", gone)
    shards = str(tmp_path / "pages")
    settings = with_dataset(data, tmp_path / "run", shards=shards, features=str(tmp_path / "made"), batch_rows=20)
    with pytest.raises(LoaderError, match="its features are not there any more") as error:
        train(settings, on_message=lambda text: None)
    assert "\n" not in str(error.value)


def test_a_dataset_of_pixels_beside_one_of_features_needs_the_encoder(data: Path, tmp_path: Path) -> None:
    found = measured(with_dataset(data, tmp_path / "run", features=""))
    known = measured(config(data, tmp_path / "known"))
    for one, other in zip(found, known, strict=True):
        assert one == pytest.approx(other, abs=1e-3)


def test_evaluation_reads_features_and_says_the_same(data: Path, with_pixels: list[dict[str, float]]) -> None:
    answers = []
    for features in ("", str(data / "float16" / "pairs")):
        items = ItemSource(str(data / "pairs"), limit=6, features=features)
        tasks = tuple(
            TaskSettings(metric, items, items, metric=metric, classes=("the cat", "a mat"), max_new_tokens=3)
            for metric in ("exact", "classification")
        )
        settings = EvaluateConfig(tasks=tasks, shots=(0, 2), beams=2, examples="rices")
        loaded = load_model(str(data / "run-pixels"), "cpu", settings.features)
        assert isinstance(loaded.model.vision, AbsentEncoder) == bool(features)
        answers.append([answer.said for score in evaluate(loaded, settings) for answer in score.answers])
    assert answers[0] == answers[1]
    assert len(answers[0]) == 24


def test_evaluation_refuses_features_of_another_encoder_and_those_of_files(
    data: Path, tmp_path: Path, with_pixels: list[dict[str, float]]
) -> None:
    write_dataset(tmp_path / "pairs", [pair(n) for n in range(8)])
    make_features(tmp_path / "pairs", "pairs", tmp_path / "patches")
    with pytest.raises(SettingsError, match="are of another encoder: kind is"):
        load_model(str(data / "run-pixels"), "cpu", [str(tmp_path / "patches")])
    (tmp_path / "items.jsonl").write_text(json.dumps({"image": "a.png", "answer": "a"}))
    items = ItemSource(str(tmp_path / "items.jsonl"), features=str(data / "float16" / "pairs"))
    settings = EvaluateConfig(tasks=(TaskSettings("t", items, items),))
    with pytest.raises(SettingsError, match=r"features are of shards, not of a \.jsonl file"):
        list(evaluate(load_model(str(data / "run-pixels"), "cpu", settings.features), settings))
    with pytest.raises(ValueError, match="name features for query and support"):
        TaskSettings("t", items, msgspec.structs.replace(items, features=""))


def test_a_trial_says_that_the_encoder_is_not_loaded(data: Path, tmp_path: Path) -> None:
    settings = config(data, tmp_path / "run", "int8")
    lines = list(dry_run(settings, Processes(0, 1, torch.device("cpu"))))
    assert "vision encoder: not loaded, its features are read" in lines
    assert any("frames of 5 features each, not pixels" in line for line in lines)


def test_a_batch_without_any_medium_runs_the_same_modules(data: Path, with_pixels: list[dict[str, float]]) -> None:
    """With several processes each must, whatever its batch holds."""
    model = load_model(str(data / "run-pixels"), "cpu", [str(data / "float16" / "pairs")]).model
    none = torch.zeros(0, 3, 0, 0, dtype=torch.uint8)
    latents = model.encode(none, torch.tensor([0]), torch.zeros(0, 5, 32, dtype=torch.float16))
    assert latents.shape == (1, 3, 32)


def test_pixels_for_a_model_without_its_encoder_are_refused(data: Path, with_pixels: list[dict[str, float]]) -> None:
    loaded = load_model(str(data / "run-pixels"), "cpu", [str(data / "float16" / "pairs")])
    with pytest.raises(ValueError, match="vision encoder is not loaded"):
        loaded.model.encode(torch.zeros(1, 3, 16, 16, dtype=torch.uint8), torch.tensor([0, 1]))
    assert loaded.model.count_parameters()["vision encoder"] == 0
