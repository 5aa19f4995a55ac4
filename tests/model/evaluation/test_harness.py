import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from model.evaluation.harness import EvaluateConfig, Score, evaluate, features
from model.evaluation.loaded import LoadedModel, load_model
from model.evaluation.prompts import answer_text, choose, decode, in_context
from model.evaluation.tasks import ItemSource, TaskSettings, read_items
from model.evaluation.text_generation import generate_text, split_prompt
from model.network.generate import Prompt, score
from model.training.checkpoints import CheckpointError, find_checkpoint
from model.training.config import TrainConfig
from model.training.loop import train
from schemas.settings import SettingsError, changed, dump_settings, load_settings
from tests.model.makers import photo
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


def test_generated_answers_are_judged_at_each_number_of_shots(loaded: LoadedModel, items: ItemSource) -> None:
    zero, two = scores(loaded, items, metric="exact", max_new_tokens=4)
    assert (zero.shots, two.shots, zero.queries) == (0, 2, 6)
    assert [answer.key for answer in two.answers] == ["1", "2", "3", "4", "5", "6"]
    assert 0 <= two.score <= 1
    assert two.score == pytest.approx(np.mean([answer.score for answer in two.answers]))


def test_the_likeliest_class_is_that_of_full_passes(loaded: LoadedModel, items: ItemSource) -> None:
    """One pass over prompt and class, nothing cached; and the order of the classes does not matter."""
    _, two = scores(loaded, items, metric="classification", template="Output: {answer}")
    shown = decode(read_items(items), loaded.data.images)
    classes = ["a mat", "the cat"]
    for n, answer in enumerate(two.answers):
        prompt = in_context(choose(shown, shown[n].item, 2, 0), shown[n], "Output: {answer}", loaded.tokens)
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
    shown = decode(read_items(items), loaded.data.images)
    found = features(loaded, shown)
    assert np.allclose(np.linalg.norm(found, axis=1), 1)
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
