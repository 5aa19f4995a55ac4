import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from model.evaluation import feature_store as features
from model.evaluation import harness
from model.evaluation.config import EvaluateConfig
from model.evaluation.feature_store import features_of
from model.evaluation.harness import Score, evaluate
from model.evaluation.loaded import LoadedModel, load_model
from model.evaluation.prompts import Examples, Showing, answer_text, in_context
from model.evaluation.tasks import ItemSource, TaskSettings, read_items
from model.evaluation.text_generation import generate_text, split_prompt
from model.network.generate import Prompt, score
from model.training.checkpoints import CheckpointError, find_checkpoint
from model.training.config import TrainConfig
from model.training.loop import train
from schemas.settings import SettingsError, changed, dump_settings, load_settings
from tests.model.evaluation.public import MAKERS
from tests.model.makers import photo
from tests.model.test_images import clip
from tests.model.training.makers import micro, write_data


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("evaluation")
    write_data(folder)
    train(micro(folder, folder / "run", steps=2), on_message=lambda text: None)
    return load_model(str(folder / "run"), "cpu")


@pytest.fixture
def items(tmp_path: Path) -> ItemSource:
    lines = []
    for number in range(6):
        (tmp_path / f"{number}.jpg").write_bytes(photo(number))
        lines.append(json.dumps({"image": f"{number}.jpg", "answer": ("the cat", "a mat")[number % 2]}))
    (tmp_path / "items.jsonl").write_text("\n".join(lines))
    return ItemSource(str(tmp_path / "items.jsonl"))


def scores(loaded: LoadedModel, items: ItemSource, **task: object) -> list[Score]:
    settings = TaskSettings("t", items, items, **task)  # type: ignore[arg-type]
    return list(evaluate(loaded, EvaluateConfig(tasks=(settings,), shots=(0, 2), beams=2)))


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"metric": "classification"}, "classification needs 1 or more answers to choose among, 1 has 0"),
        ({"metric": "ndcg", "classes": ("a", "b")}, "ndcg needs the relevance of each candidate"),
        ({"metric": "mwap", "classes": ("a", "b")}, "mwap needs the relevance of each candidate"),
    ],
)
def test_answers_that_cannot_be_weighed_are_told_before_the_model_is_asked(
    loaded: LoadedModel, items: ItemSource, task: dict[str, object], message: str
) -> None:
    settings = TaskSettings("t", items, None, **task)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match=message):
        next(evaluate(loaded, EvaluateConfig(tasks=(settings,), shots=(0,))))


def test_generated_answers_are_judged_at_each_number_of_shots(loaded: LoadedModel, items: ItemSource) -> None:
    zero, two = scores(loaded, items, metric="exact", max_new_tokens=4)
    assert (zero.shots, two.shots, zero.queries) == (0, 2, 6)
    assert [answer.key for answer in two.answers] == ["1", "2", "3", "4", "5", "6"]
    assert 0 <= two.score <= 1
    assert two.score == pytest.approx(np.mean([answer.score for answer in two.answers]))


@pytest.mark.parametrize("examples", ["random", "rices"])
def test_queries_with_fewer_examples_than_asked_for_are_counted(
    loaded: LoadedModel, items: ItemSource, examples: str
) -> None:
    """Of six items each has five others, and of those one does not decode."""
    (Path(items.path).parent / "5.jpg").write_bytes(b"none")
    task = TaskSettings("t", ItemSource(items.path, limit=2), items, metric="exact", max_new_tokens=1)
    config = changed(EvaluateConfig(tasks=(task,), shots=(0, 4, 5)), {"examples": examples})
    assert [found.with_fewer for found in evaluate(loaded, config)] == [0, 0, 2]


def test_the_likeliest_class_is_that_of_full_passes(loaded: LoadedModel, items: ItemSource) -> None:
    """One pass over prompt and class, nothing cached; and the order of the classes does not matter."""
    _, two = scores(loaded, items, metric="classification", template="Output: {answer}")
    asked = read_items(items)
    shown = [*map(Showing(loaded.data.images), asked)]
    classes = ["a mat", "the cat"]
    for n, answer in enumerate(two.answers):
        prompt = in_context(
            [shown[m] for m in Examples(asked, 0).drawn(asked[n], 2)], shown[n], "Output: {answer}", loaded.tokens
        )
        totals = [full(loaded, prompt, loaded.tokens.encode(answer_text("Output: {answer}", c))) for c in classes]
        assert answer.said == classes[int(np.argmax(totals))]
    _, turned = scores(loaded, items, metric="classification", classes=("the cat", "a mat"))
    assert [answer.said for answer in turned.answers] == [answer.said for answer in two.answers]


def full(loaded: LoadedModel, prompt: Prompt, candidate: list[int]) -> float:
    longer = Prompt(prompt.tokens + tuple(candidate[:-1]), prompt.media_index + (prompt.media_index[-1],) * (len(candidate) - 1), prompt.media)  # fmt: skip # noqa: E501
    total = score(loaded.model, prompt, [candidate[:1]])[0][0]
    for n in range(1, len(candidate)):
        cut = len(prompt.tokens) + n
        before = Prompt(longer.tokens[:cut], longer.media_index[:cut], longer.media)
        total += score(loaded.model, before, [[candidate[n]]])[0][0]
    return total


def test_orders_of_the_examples_are_averaged(loaded: LoadedModel, items: ItemSource) -> None:
    once, more = (scores(loaded, items, metric="classification", permutations=n)[1] for n in (1, 3))
    assert len(once.answers) == len(more.answers) == 6


def test_rices_takes_what_looks_alike(loaded: LoadedModel, items: ItemSource) -> None:
    found = features_of(loaded, [*map(Showing(loaded.data.images), read_items(items))]).astype(np.float32)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-3)
    assert (found @ found.T).argmax(1).tolist() == list(range(6))
    settings = TaskSettings("t", items, items, metric="exact", max_new_tokens=2)
    (only,) = evaluate(loaded, EvaluateConfig(tasks=(settings,), shots=(2,), beams=1, examples="rices"))
    assert only.queries == 6


def test_a_checkpoint_answers_the_same_each_time(loaded: LoadedModel, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(photo(1))
    parts = split_prompt("The cat <image> is", [str(tmp_path / "a.jpg")])
    assert [str(part) for part in parts] == ["The cat ", str(tmp_path / "a.jpg"), " is"]
    assert generate_text(loaded, parts) == generate_text(loaded, parts)
    with pytest.raises(SettingsError, match="2 <image>, but 1 pictures"):
        split_prompt("<image><image>", ["a.jpg"])


def test_a_run_is_loaded_from_where_it_lies_now(
    loaded: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its settings name what lies in its output, such as the tokenizer, from the folder where it ran."""
    monkeypatch.chdir(tmp_path)
    run, checkpoint = Path("run"), Path(loaded.checkpoint)
    shutil.copytree(checkpoint, run / "checkpoints" / checkpoint.name)
    shutil.copytree(checkpoint.parents[2] / "tokenizer", run / "tokenizer")
    settings = run / "checkpoints" / checkpoint.name / "settings.yaml"
    config = load_settings(TrainConfig, settings.read_text())
    config = changed(config, {"output": "run", "data.tokenizer": "run/tokenizer"})
    settings.write_text(dump_settings(config))
    run.rename("moved")
    assert load_model("moved", "cpu").tokens.base_size == loaded.tokens.base_size


def test_what_is_no_checkpoint_is_told(loaded: LoadedModel, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no checkpoint in"):
        load_model(str(tmp_path))
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for name in ("checkpoint.json", "settings.yaml"):
        (damaged / name).write_bytes((Path(find_checkpoint(loaded.checkpoint)) / name).read_bytes())
    (damaged / "weights.safetensors").write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_model(str(damaged))


def test_public_datasets_are_evaluated_as_they_were_downloaded(loaded: LoadedModel, tmp_path: Path) -> None:
    """Those that are answered by likelihood too, each with its own score; what is missing is left out and counted."""
    for name in ("vqav2", "hateful_memes", "visdial"):
        MAKERS[name](tmp_path / name)
    (tmp_path / "hateful_memes/img/00011.png").unlink()
    (tmp_path / "hateful_memes/img/00012.png").write_bytes(photo(1)[:600])
    (tmp_path / "hateful_memes/img/00002.png").write_bytes(photo(1)[:600])
    tasks = [
        {"name": name, "format": name, "path": str(tmp_path / name)} for name in ("vqav2", "hateful_memes", "visdial")
    ]
    config = load_settings(EvaluateConfig, json.dumps({"tasks": tasks, "shots": [0, 4], "beams": 1}))
    vqa, _, zero, memes, visdial, _ = evaluate(loaded, config)
    assert (vqa.metric, vqa.queries, vqa.dropped) == ("vqa", 3, {})
    assert (zero.metric, zero.queries) == ("roc_auc", 2)
    assert zero.dropped == {"queries": {"missing_file": 1, "broken_image": 1}}
    assert memes.dropped == zero.dropped | {"examples": {"broken_image": 1}}
    assert {answer.said for answer in memes.answers} <= {"yes", "no"}
    assert (visdial.metric, visdial.queries) == ("ndcg", 1)
    assert 0 < visdial.score <= 1


def test_all_tasks_are_read_before_the_first_is_asked(loaded: LoadedModel, items: ItemSource, tmp_path: Path) -> None:
    MAKERS["vqav2"](tmp_path)
    (tmp_path / "v2_mscoco_val2014_annotations.json").unlink()
    tasks = (TaskSettings("a", items, items, metric="exact"), TaskSettings("b", format="vqav2", path=str(tmp_path)))
    with pytest.raises(SettingsError, match="v2_mscoco_val2014_annotations"):
        next(evaluate(loaded, EvaluateConfig(tasks=tasks)))


def test_what_needs_no_examples_is_asked_without(
    loaded: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RareAct has none; a part that was judged for several actions is read by the model once."""
    asked: list[int] = []
    monkeypatch.setattr(harness, "score", lambda model, prompt, texts: asked.append(len(texts)) or [[0.0]] * len(texts))
    MAKERS["rareact"](tmp_path)
    lines = (tmp_path / "rareact.csv").read_text()
    (tmp_path / "rareact.csv").write_text(lines + "3,v1,3,5,1,wash,egg,0\n")
    for name in ("v1", "v2"):
        (tmp_path / f"rareact/{name}.mp4").write_bytes(clip(10))
    task = TaskSettings("r", format="rareact", path=str(tmp_path))
    (only,) = evaluate(loaded, EvaluateConfig(tasks=(task,), shots=(0, 4)))
    assert (only.shots, only.queries, only.metric, asked) == (0, 4, "mwap", [3, 3, 3])


def test_features_are_kept_between_runs(
    loaded: LoadedModel, items: ItemSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that was ended while it wrote goes on with what was whole; a picture that has changed is seen anew."""
    seen: list[int] = []
    encoded = features.features_of
    monkeypatch.setattr(features, "features_of", lambda model, shown: seen.append(len(shown)) or encoded(model, shown))
    settings = TaskSettings("t", items, items, metric="exact", max_new_tokens=2)
    config = EvaluateConfig(
        tasks=(settings,), shots=(2,), beams=1, examples="rices", keep_features=str(tmp_path / "kept")
    )
    said = [[answer.said for answer in one.answers] for one in evaluate(loaded, config)]
    assert seen == [6]
    (place,) = (tmp_path / "kept").iterdir()
    with (place / "rows.f16").open("ab") as rows, (place / "names.bin").open("ab") as names:
        rows.write(b"half a row")
        names.write(b"half")
    assert [[answer.said for answer in one.answers] for one in evaluate(loaded, config)] == said
    assert seen == [6]
    with (place / "names.bin").open("r+b") as names:
        names.truncate(4 * 16)
    (tmp_path / "0.jpg").write_bytes(photo(9))
    assert len(list(evaluate(loaded, config))) == 1
    assert seen == [6, 3]


def test_features_are_kept_on_this_machine(loaded: LoadedModel, items: ItemSource, tmp_path: Path) -> None:
    task = TaskSettings("t", items, items, metric="exact", max_new_tokens=2)
    config = EvaluateConfig(tasks=(task,), shots=(2,), examples="rices", keep_features="s3://bucket/kept")
    with pytest.raises(SettingsError, match="a folder of this machine is wanted, not s3://bucket/kept"):
        list(evaluate(loaded, config))


def test_two_runs_do_not_write_to_one_place(loaded: LoadedModel, tmp_path: Path) -> None:
    store = features.FeatureStore(str(tmp_path), "f", 4)
    with pytest.raises(SettingsError, match="another run writes to"):
        features.FeatureStore(str(tmp_path), "f", 4)
    store.close()
    features.FeatureStore(str(tmp_path), "f", 4).close()


def test_features_belong_to_an_encoder(loaded: LoadedModel) -> None:
    here = features.encoder_fingerprint(loaded)
    assert here == features.encoder_fingerprint(loaded)
    images = changed(loaded.data, {"images.fit": "stretch"})
    assert features.encoder_fingerprint(dataclasses.replace(loaded, data=images)) != here
