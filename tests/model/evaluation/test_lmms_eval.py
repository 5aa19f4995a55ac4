"""The adapter of lmms-eval in examples/, over the package itself where it is installed, else over a double of it."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from PIL import Image

from model.evaluation.loaded import LoadedModel, load_model
from model.evaluation.text_generation import generate_text, read_medium
from model.network.generate import GenerateSettings, make_prompt, score
from model.training.loop import train
from tests.model.makers import photo
from tests.model.training.makers import micro, write_data

ROOT = Path(__file__).parents[3]


@dataclass
class Request:
    """As much of lmms-eval's Instance as a model sees."""

    args: tuple[Any, ...]


def stand_in() -> dict[str, ModuleType]:
    """The interface that lmms-eval 0.7.3 asks of a model: a class to inherit from, and where it is registered."""

    class lmms:
        def __init__(self) -> None:
            self.task_dict: dict[str, Any] = {}

    parts = {
        name: ModuleType(f"lmms_eval{name}") for name in ("", ".api", ".api.model", ".api.instance", ".api.registry")
    }
    parts[".api.model"].lmms = lmms  # type: ignore[attr-defined]
    parts[".api.instance"].Instance = Request  # type: ignore[attr-defined]
    parts[".api.registry"].register_model = lambda *names: lambda made: made  # type: ignore[attr-defined]
    return {part.__name__: part for part in parts.values()}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("lmms")
    write_data(folder)
    train(micro(folder, folder / "run", steps=1), on_message=lambda text: None)
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(photo(number))
    return folder


@pytest.fixture
def model(run: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    if importlib.util.find_spec("lmms_eval") is None:
        for name, module in stand_in().items():
            monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    sys.modules.pop("lmms_eval_weft", None)
    made = importlib.import_module("lmms_eval_weft").Weft(str(run / "run"), device="cpu", batch_size=2)
    pictures = [{"pictures": [Image.open(run / f"{number}.jpg")]} for number in range(3)]
    made.task_dict = {"task": {"test": [*pictures, {"pictures": []}]}}
    yield made
    sys.modules.pop("lmms_eval_weft", None)


def visuals(document: dict[str, Any]) -> list[Any]:
    return list(document["pictures"])


def asked(number: int, settings: dict[str, Any], text: str = "the cat") -> Request:
    return Request((text, settings, visuals, number, "task", "test"))


@pytest.fixture
def loaded(run: Path) -> LoadedModel:
    return load_model(str(run / "run"), "cpu")


def test_answers_are_those_of_weft_in_the_order_asked(model: Any, loaded: LoadedModel, run: Path) -> None:
    """Batched by settings: the second is asked for fewer tokens than the others."""
    requests = [asked(n, {"max_new_tokens": 4 if n == 1 else 8, "until": ["zzz"]}) for n in range(3)]
    expected = []
    for number, request in enumerate(requests):
        (run / "as.png").unlink(missing_ok=True)
        Image.open(run / f"{number}.jpg").save(run / "as.png")
        settings = GenerateSettings(max_new_tokens=request.args[1]["max_new_tokens"])
        expected.append(generate_text(loaded, [run / "as.png", "the cat"], settings))
    assert model.generate_until(requests) == expected
    assert len(model.generate_until([asked(3, {"max_new_tokens": 2})])) == 1


def test_what_is_said_ends_at_the_stop_of_the_task(model: Any) -> None:
    (whole,) = model.generate_until([asked(0, {"max_new_tokens": 12})])
    assert len(whole) > 3
    (cut,) = model.generate_until([asked(0, {"max_new_tokens": 12, "until": [whole[3]]})])
    assert cut == whole.partition(whole[3])[0].strip()


def test_likelihoods_are_those_of_weft(model: Any, loaded: LoadedModel, run: Path) -> None:
    targets = ["on a mat", lambda document: f"ran {len(document['pictures'])}"]
    found = model.loglikelihood([Request(("the cat", target, visuals, 0, "task", "test")) for target in targets])
    Image.open(run / "0.jpg").save(run / "as.png")
    prompt = make_prompt([read_medium(loaded, run / "as.png"), "the cat"], loaded.tokens)
    for (likelihood, greedy), text in zip(found, (" on a mat", " ran 1"), strict=True):
        (of_tokens,) = score(loaded.model, prompt, [loaded.tokens.encode_after("the cat", text)])
        assert likelihood == pytest.approx(sum(of_tokens), abs=1e-4)
        assert greedy is False


def test_what_the_model_would_say_is_greedy(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = sys.modules["lmms_eval_weft"]
    ids = model._loaded.tokens.encode_after("the cat", " on a mat")
    monkeypatch.setattr(adapter, "generate", lambda *arguments: [ids])
    ((_, greedy),) = model.loglikelihood([Request(("the cat", "on a mat", visuals, 0, "task", "test"))])
    assert greedy is True


def test_a_task_of_several_rounds_is_refused(model: Any) -> None:
    with pytest.raises(NotImplementedError, match="one round"):
        model.generate_until_multi_round([])
