"""What `weft export-model` writes, loaded as others load it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from msgspec import structs
from PIL import Image
from transformers import AutoModel, AutoModelForImageTextToText, AutoProcessor, pipeline

import weft.transformers as registered
from jobs.cli import main
from model.data.batch import Batch
from model.data.config import DatasetSettings
from model.evaluation.loaded import LoadedModel
from model.evaluation.text_generation import read_medium
from model.exported.card import licence_of_data, licence_of_model
from model.exported.network import WeftForConditionalGeneration
from model.exported.write import export_model, write_model
from model.network.generate import GenerateSettings, generate, make_prompt
from schemas.settings import SettingsError

#: As somebody who has no weft: the code beside the weights is all there is.
OTHERS = """
import json, sys
import torch

class None_of_weft:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("model", "schemas", "weft", "jobs"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, None_of_weft())
torch.set_num_threads(1)
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

folder, picture = sys.argv[1:]
processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
model = AutoModelForImageTextToText.from_pretrained(folder, trust_remote_code=True)
inputs = processor(images=[Image.open(picture)] * 2, text="<image>a cat<image>the")
logits = model(**inputs).logits
ids = model.generate(**inputs, max_new_tokens=8)[:, inputs["input_ids"].shape[1] :]
print(json.dumps([type(model).__module__, logits[0, -1].tolist(), processor.batch_decode(ids)]))
"""


@pytest.fixture(scope="module")
def folder(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("made") / "model"
    export_model(str(run), str(made), licence="apache-2.0")
    return made


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return AutoModelForImageTextToText.from_pretrained(folder)


@pytest.fixture(scope="module")
def processor(folder: Path) -> Any:
    return AutoProcessor.from_pretrained(folder)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def asked(loaded: LoadedModel, picture: Path, beams: int = 1) -> tuple[torch.Tensor, str]:
    """The last logits and the text of weft's own."""
    shown = read_medium(loaded, picture)
    prompt = make_prompt([shown, "a cat", shown, "the"], loaded.tokens)
    index = torch.tensor([prompt.media_index])
    batch = Batch(
        tokens_BT=torch.tensor([prompt.tokens]),
        document_BT=torch.zeros_like(index, dtype=torch.int32),
        position_BT=torch.arange(index.shape[1])[None],
        media_index_BT=index,
        loss_weight_BT=torch.ones(index.shape),
        frames_FCHW=torch.from_numpy(np.concatenate(prompt.media)).permute(0, 3, 1, 2),
        frame_offsets_M1=torch.arange(len(prompt.media) + 1, dtype=torch.int32),
        source_D=torch.zeros(1, dtype=torch.int64),
        keys=("asked",),
        sources=("made",),
    )
    settings = GenerateSettings(max_new_tokens=8, beams=beams)
    (ids,) = generate(loaded.model, [prompt], loaded.stop_ids, settings)
    with torch.no_grad():
        return loaded.model(batch)[0, -1], loaded.tokens.decode(ids)


def text_of(processor: Any, inputs: Any, ids: torch.Tensor) -> str:
    return str(processor.batch_decode(ids[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)[0])


def test_others_who_have_no_weft_get_the_same_logits_and_text(
    loaded: LoadedModel, folder: Path, picture: Path, tmp_path: Path
) -> None:
    """In a process of its own."""
    environment = {**os.environ, "HF_MODULES_CACHE": str(tmp_path / "modules"), "HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "-c", OTHERS, str(folder), str(picture)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    module, logits, (text,) = json.loads(done.stdout)
    assert module.startswith("transformers_modules.")
    expected, said = asked(loaded, picture)
    assert torch.equal(torch.tensor(logits), expected)
    assert text.replace("<|endofchunk|>", "").replace("</s>", "") == said


def test_where_weft_is_installed_the_auto_classes_know_it(
    loaded: LoadedModel, model: Any, processor: Any, picture: Path, folder: Path
) -> None:
    assert type(model) is registered.WeftForConditionalGeneration is type(AutoModel.from_pretrained(folder))
    assert type(processor) is registered.WeftProcessor
    inputs = processor(images=[Image.open(picture)] * 2, text="<image>a cat<image>the")
    expected, said = asked(loaded, picture)
    with torch.no_grad():
        assert torch.equal(model(**{**inputs, "attention_mask": None}).logits[0, -1], expected)
    assert text_of(processor, inputs, model.generate(**inputs, max_new_tokens=8)) == said
    assert (
        text_of(processor, inputs, model.generate(**inputs, max_new_tokens=8, num_beams=3))
        == asked(loaded, picture, beams=3)[1]
    )


def test_a_picture_makes_a_difference(model: Any, processor: Any, picture: Path) -> None:
    logits = [
        model(**processor(images=image, text="the")).logits[0, -1]
        for image in (Image.open(picture), Image.new("RGB", (20, 20)))
    ]
    assert (logits[0] - logits[1]).abs().max() > 0.01


def test_rows_of_several_lengths_say_what_each_says_alone(model: Any, processor: Any, picture: Path) -> None:
    image = Image.open(picture)
    clip = np.random.default_rng(1).integers(0, 256, (3, 9, 9, 3), np.uint8)
    texts, images = ["the", "<image>a cat on a mat<image>", "<image>the"], [[], [image, clip], [image.rotate(90)]]
    together = processor(images=images, text=texts)
    assert together["frame_counts"].tolist() == [1, 3, 1]
    ids = model.generate(**together, max_new_tokens=6)
    texts_together = processor.batch_decode(ids[:, together["input_ids"].shape[1] :], skip_special_tokens=True)
    for text, mine, said in zip(texts, images, texts_together, strict=True):
        alone = processor(images=mine or None, text=text)
        assert text_of(processor, alone, model.generate(**alone, max_new_tokens=6)) == said


def test_several_texts_are_drawn_of_one_prompt(model: Any, processor: Any, picture: Path) -> None:
    inputs = processor(images=Image.open(picture))
    torch.manual_seed(0)
    drawn = model.generate(**inputs, max_new_tokens=4, do_sample=True, num_return_sequences=3, temperature=2.0)
    assert len(drawn) == 3
    assert len({tuple(row) for row in drawn.tolist()}) > 1


def test_a_loss_is_there_for_labels(model: Any, processor: Any, picture: Path) -> None:
    inputs = processor(images=Image.open(picture), text="a cat")
    out = model(**inputs, labels=inputs["input_ids"])
    expected = torch.nn.functional.cross_entropy(out.logits[0, :-1], inputs["input_ids"][0, 1:])
    assert torch.equal(out.loss, expected)


def test_saved_again_it_is_the_same(model: Any, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in model.state_dict().items())


def test_frozen_parts_may_stay_where_they_lie(
    run: Path, loaded: LoadedModel, model: Any, processor: Any, picture: Path, tmp_path: Path
) -> None:
    """Only the language model of the run has a folder here; it is put into one, as a real one would be."""
    lm: Any = loaded.model.lm
    lm.save_pretrained(tmp_path / "lm")
    settings = loaded.model.config
    lm_settings = structs.replace(settings.lm, path=str(tmp_path / "lm"), config=None)
    loaded.model.config = structs.replace(settings, lm=lm_settings)
    try:
        write_model(loaded, tmp_path / "small", refer=True)
    finally:
        loaded.model.config = settings
    saved = (tmp_path / "small/model.safetensors").stat().st_size
    assert saved < sum(p.numel() * 4 for p in loaded.model.trainable_parameters().values()) + 10_000
    small = AutoModelForImageTextToText.from_pretrained(tmp_path / "small")
    inputs = processor(images=Image.open(picture), text="the")
    assert torch.equal(small(**inputs).logits, model(**inputs).logits)
    for asked in ({"device_map": "cpu"}, {"dtype": torch.bfloat16}, {"torch_dtype": torch.bfloat16}):
        with pytest.raises(ValueError, match="exported with its frozen parts"):
            WeftForConditionalGeneration.from_pretrained(tmp_path / "small", **asked)
    again = WeftForConditionalGeneration.from_pretrained(tmp_path, subfolder="small", dtype="auto")
    again.save_pretrained(tmp_path / "again")
    assert (tmp_path / "again/model.safetensors").stat().st_size < saved + 10_000
    again = AutoModelForImageTextToText.from_pretrained(tmp_path / "again", dtype="auto")
    assert torch.equal(again(**inputs).logits, model(**inputs).logits)


def test_the_card_says_what_it_was_trained_on(folder: Path) -> None:
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers\npipeline_tag: image-text-to-text\n")
    assert "license: apache-2.0" in card
    for said in ("| pages | interleaved | 1 |", "| pairs | pairs | 0.2 |", "- step 2 of 2", "learning_rate: 0.003"):
        assert said in card
    assert {path.name for path in folder.iterdir()} >= {"config.json", "model.safetensors", "tokenizer.json"}


def test_licences_are_taken_from_where_they_are_said(loaded: LoadedModel, tmp_path: Path) -> None:
    for name in ("carded", "filed", "silent", "out/pairs"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "carded/README.md").write_text("---\nlicense: mit\ntags: [a]\n---\n# Model\n")
    (tmp_path / "filed/LICENSE.txt").write_text("text")
    said = [licence_of_model(tmp_path / name) for name in ("carded", "filed", "silent", "nowhere")]
    unknown = "not known: its folder does not say"
    assert said == ["mit", "see LICENSE.txt of its folder", unknown, unknown]
    (tmp_path / "out/card.json").write_text(json.dumps({"publisher": {"licence": "cc-by-4.0"}, "files": {}}))
    places = (str(tmp_path / "out/pairs"), f"{tmp_path}/out/pairs/shards/*.tar", str(tmp_path / "silent"), "s3://b/x")
    licences = [licence_of_data(DatasetSettings("pairs", place, "pairs")) for place in places]
    assert licences == ["cc-by-4.0", "cc-by-4.0", "not said as a whole", "not said as a whole"]


def test_a_pipeline_of_transformers_runs_it(model: Any, processor: Any, picture: Path) -> None:
    pipe = pipeline("image-text-to-text", model=model, processor=processor)
    (said,) = pipe(images=[Image.open(picture)], text="<image>the", max_new_tokens=4, return_full_text=False)
    inputs = processor(images=[Image.open(picture)], text="<image>the")
    assert said["generated_text"] == text_of(processor, inputs, model.generate(**inputs, max_new_tokens=4))


def test_the_command_writes_it_once(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export-model", str(run), "-o", str(tmp_path / "out")]) == 0
    assert "step-00000002" in capsys.readouterr().out
    assert main(["export-model", str(run), "-o", str(tmp_path / "out")]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(["export-model", str(tmp_path / "nowhere"), "-o", str(tmp_path / "new")]) == 2
    assert not (tmp_path / "new").exists()
    assert main(["export-model", str(run), "-o", "s3://bucket/model"]) == 2
    assert "s3://bucket/model is no local folder" in capsys.readouterr().err
    with pytest.raises(SettingsError, match="is there already"):
        export_model(str(run), str(tmp_path))
