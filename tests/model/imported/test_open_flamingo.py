"""OpenFlamingo's checkpoints, against what its own code said of the same weights (`make_open_flamingo.py`)."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers.processors import TemplateProcessing
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from jobs.cli import main
from model.data.batch import Batch
from model.evaluation.loaded import load_model
from model.exported.network import WeftForConditionalGeneration
from model.exported.write import export_model
from model.imported.open_flamingo import read_open_flamingo, sorted_out
from model.imported.write import import_open_flamingo
from model.network.generate import GenerateSettings, generate, make_prompt
from schemas.settings import SettingsError
from tests.model.imported.open_flamingo import (
    COLUMNS,
    END_OF_CHUNK,
    HEAD,
    IMAGE,
    LANGUAGE,
    TOKENS,
    checkpoint,
    make_clip,
    make_language_model,
    questions,
    read_expected,
)

Parts = dict[str, Path]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("parts")
    make_clip(folder / "clip")
    for kind in LANGUAGE:
        make_language_model(kind, folder / kind)
        torch.save(checkpoint(kind, read_expected()[kind]["names"]), folder / f"{kind}.pt")
    return {kind: folder / kind for kind in ("clip", *LANGUAGE)}


def batch() -> Batch:
    """The questions with our ids for the two tokens."""
    tokens, pictures = questions()
    ours = torch.where(tokens == IMAGE, TOKENS, torch.where(tokens == END_OF_CHUNK, TOKENS + 1, tokens))
    seen = (tokens == IMAGE).cumsum(1)
    index = torch.where(seen > 0, seen - 1 + torch.tensor([[0], [2]]), -1).int()
    return Batch(
        tokens_BT=ours,
        document_BT=torch.arange(2, dtype=torch.int32)[:, None].expand_as(ours),
        position_BT=torch.arange(ours.shape[1]).expand_as(ours),
        media_index_BT=index,
        loss_weight_BT=torch.ones(ours.shape),
        frames_FCHW=pictures.flatten(0, 1),
        frame_offsets_M1=torch.arange(5, dtype=torch.int32),
        source_D=torch.zeros(2, dtype=torch.int64),
        keys=("0", "1"),
        sources=("made",),
    )


def run_of(parts: Parts, kind: str, output: Path, checkpoint: Path | None = None) -> str:
    source = str(checkpoint or parts[kind].with_suffix(".pt"))
    import_open_flamingo(source, str(output), str(parts[kind]), str(parts["clip"]))
    return str(output)


@torch.no_grad()
@pytest.mark.parametrize("kind", LANGUAGE)
def test_logits_are_those_of_its_own_code(parts: Parts, kind: str, tmp_path: Path) -> None:
    """Tokens before a picture, one beside another, and of the two new tokens."""
    loaded = load_model(run_of(parts, kind, tmp_path / "run"), "cpu")
    logits = loaded.model(batch())
    columns = [{IMAGE: TOKENS, END_OF_CHUNK: TOKENS + 1}.get(column, column) for column in COLUMNS]
    expected = torch.tensor(read_expected()[kind]["logits"])
    torch.testing.assert_close(logits[..., columns], expected, atol=2e-4, rtol=1e-4)
    assert logits.shape[-1] == TOKENS + 2


@torch.no_grad()
@pytest.mark.parametrize("kind", LANGUAGE)
def test_its_pictures_matter(parts: Parts, kind: str, tmp_path: Path) -> None:
    """Else equal logits would say little of perceiver and blocks."""
    model = load_model(run_of(parts, kind, tmp_path / "run"), "cpu").model
    given = batch()
    other = replace(given, frames_FCHW=255 - given.frames_FCHW)
    changed = (model(given) - model(other)).abs().amax(-1)
    assert changed[0, 3:].min() > 0.01
    assert changed[0, :3].max() == 0


def test_the_run_generates_and_its_rows_begin_as_theirs(parts: Parts, tmp_path: Path) -> None:
    loaded = load_model(run_of(parts, "mpt", tmp_path / "run"), "cpu")
    assert loaded.tokens.bos_id is None  # the tokenizer names one, and does not put it
    assert loaded.tokens.eos_id is not None
    assert (loaded.data.images.size_px, loaded.data.images.fit) == (16, "crop")
    prompt = make_prompt([batch().frames_FCHW[0].permute(1, 2, 0).numpy(), "the"], loaded.tokens)
    (ids,) = generate(loaded.model, [prompt], loaded.stop_ids, GenerateSettings(max_new_tokens=4))
    assert ids
    assert max(ids) < TOKENS + 2


@torch.no_grad()
def test_the_run_is_exported_like_any_other(parts: Parts, tmp_path: Path) -> None:
    run = run_of(parts, "gpt_neox", tmp_path / "run")
    export_model(run, str(tmp_path / "out"))
    again = WeftForConditionalGeneration.from_pretrained(tmp_path / "out")
    assert torch.equal(again.flamingo(batch()), load_model(run, "cpu").model(batch()))


def test_a_tokenizer_that_puts_bos_keeps_it(parts: Parts, tmp_path: Path) -> None:
    make_language_model("mpt", tmp_path / "lm")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(parts["mpt"])
    start = ("<s>", tokenizer.bos_token_id)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing("<s> $A", "<s> $A <s> $B", [start])
    tokenizer.save_pretrained(tmp_path / "lm")
    run = run_of({**parts, "mpt": tmp_path / "lm"}, "mpt", tmp_path / "run", parts["mpt"].with_suffix(".pt"))
    assert load_model(run, "cpu").tokens.bos_id == tokenizer.bos_token_id


@torch.no_grad()
def test_a_language_model_that_has_the_table_already_is_not_copied(parts: Parts, tmp_path: Path) -> None:
    """As where it was not trained, and has no rows beyond its tokenizer."""
    state = torch.load(parts["gpt_neox"].with_suffix(".pt"))
    lm: Any = AutoModelForCausalLM.from_pretrained(parts["gpt_neox"])
    lm.resize_token_embeddings(TOKENS, mean_resizing=False)
    lm.get_input_embeddings().weight.copy_(state["lang_encoder.gpt_neox.embed_in.weight"][:TOKENS])
    lm.get_output_embeddings().weight.copy_(state[HEAD][:TOKENS])
    lm.save_pretrained(tmp_path / "lm")
    PreTrainedTokenizerFast.from_pretrained(parts["gpt_neox"]).save_pretrained(tmp_path / "lm")
    plain = {**parts, "gpt_neox": tmp_path / "lm"}
    run = run_of(plain, "gpt_neox", tmp_path / "run", parts["gpt_neox"].with_suffix(".pt"))
    assert not (tmp_path / "run/lm").exists()
    expected = load_model(run_of(parts, "gpt_neox", tmp_path / "other"), "cpu").model(batch())
    assert torch.equal(load_model(run, "cpu").model(batch()), expected)


def test_names_of_every_way_to_save_are_known(parts: Parts, tmp_path: Path) -> None:
    """With an optimiser beside, wrapped, and blocks in a list of their own."""
    state = torch.load(parts["mpt"].with_suffix(".pt"))
    moved = {}
    for name, weight in state.items():
        head, block, rest = name.partition(".gated_cross_attn_layer.")
        layer = head.rpartition(".")[2]
        moved[f"module.{f'lang_encoder.gated_cross_attn_layers.{layer}.{rest}' if block else name}"] = weight
    moved["module.lang_encoder.old_decoder_blocks.0.attn.bias"] = torch.zeros(1)
    torch.save({"epoch": 3, "model_state_dict": moved, "optimizer_state_dict": {"state": {}}}, tmp_path / "epoch.pt")
    plain, wrapped = (
        read_open_flamingo(str(parts["mpt"].with_suffix(".pt"))),
        read_open_flamingo(str(tmp_path / "epoch.pt")),
    )
    assert plain.cross_attention() == wrapped.cross_attention()
    ours = plain.weights(), wrapped.weights()
    assert ours[0].keys() == ours[1].keys()
    assert all(torch.equal(weight, ours[1][name]) for name, weight in ours[0].items())


class Evil:
    def __reduce__(self) -> Any:
        return (print, ("run",))


def test_a_checkpoint_runs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"model_state_dict": Evil()}, tmp_path / "evil.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Evil()))
    (tmp_path / "text.pt").write_text("none")
    (tmp_path / "empty.pt").write_bytes(b"")
    for name in ("evil.pt", "plain.pt", "text.pt", "empty.pt"):
        with pytest.raises(SettingsError, match="is no checkpoint of plain weights"):
            read_open_flamingo(str(tmp_path / name))
    assert capsys.readouterr().out == ""
    torch.save({"step": 1}, tmp_path / "other.pt")
    with pytest.raises(SettingsError, match="holds no weights by name"):
        read_open_flamingo(str(tmp_path / "other.pt"))
    with pytest.raises(SettingsError, match="is a folder, and a checkpoint of OpenFlamingo is one file"):
        read_open_flamingo(str(tmp_path))


def without(state: dict[str, Any], text: str) -> dict[str, Any]:
    return {name: value for name, value in state.items() if text not in name}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (lambda state: without(state, "perceiver"), "holds no perceiver: it is none of OpenFlamingo"),
        (lambda state: without(state, "gated"), "holds no gated blocks"),
        (lambda state: without(state, "wte"), r"has no transformer\.wte\.weight: lm is another language model"),
        (lambda state: without(state, "blocks.1.gated"), r"before layers \[0, 2\], which are not every n-th"),
        (lambda state: without(state, "blocks.2.gated"), r"do not fit this model: blocks\.2"),
        (lambda state: without(state, "perceiver.latents"), r"holds no perceiver\.latents: it is none"),
        (lambda state: without(state, "ff.1.weight"), r"holds no ff\.1\.weight of a block"),
        (lambda state: {**state, "perceiver.media_time_embs": torch.zeros(1)}, "tells pictures apart by their number"),
        (
            lambda state: {**state, "perceiver.layers.0.1.9.weight": torch.zeros(1)},
            "which no checkpoint of OpenFlamingo",
        ),
        (lambda state: {**state, "perceiver.odd": torch.zeros(1)}, r"holds perceiver\.odd, which no checkpoint"),
        (lambda state: {**state, "perceiver.layers.x": torch.zeros(1)}, r"holds perceiver\.layers\.x, which no"),
        (lambda state: {**state, "perceiver.latents": torch.tensor(0.0)}, r"holds no perceiver\.latents: it is none"),
        (
            lambda state: {**state, "perceiver.norm.bias": torch.full((24,), torch.nan)},
            r"perceiver\.norm\.bias holds NaN or infinity",
        ),
        (
            lambda state: {**state, "lang_encoder.transformer.wte.weight": torch.full((TOKENS + 2, 32), torch.inf)},
            r"transformer\.wte\.weight holds NaN or infinity",
        ),
        (
            lambda state: {**state, "lang_encoder.transformer.blocks.0.decoder_layer.norm_1.weight": torch.zeros(32)},
            r"other weights than lm in 1 places, such as lang_encoder\.transformer\.blocks\.0\.decoder_layer\.norm_1",
        ),
        (
            lambda state: {**state, "lang_encoder.transformer.wte.weight": torch.zeros(50, 32)},
            rf"would have {TOKENS + 2} or {TOKENS + 3} rows of 32: they are not its own",
        ),
    ],
)
def test_what_does_not_go_together_is_told_in_a_line(changed: Any, message: str, parts: Parts, tmp_path: Path) -> None:
    torch.save(changed(torch.load(parts["mpt"].with_suffix(".pt"))), tmp_path / "changed.pt")
    with pytest.raises(SettingsError, match=message):
        run_of(parts, "mpt", tmp_path / "run", tmp_path / "changed.pt")
    assert not list(tmp_path.glob("*run*"))


def test_a_head_of_another_size_is_told_in_a_line(parts: Parts, tmp_path: Path) -> None:
    state = torch.load(parts["gpt_neox"].with_suffix(".pt"))
    torch.save({**state, HEAD: state[HEAD][:50]}, tmp_path / "changed.pt")
    with pytest.raises(SettingsError, match=r"embed_out\.weight is \(50, 32\), its table of embeddings"):
        run_of(parts, "gpt_neox", tmp_path / "run", tmp_path / "changed.pt")


def test_frozen_parts_may_stand_in_it_and_what_nothing_takes_is_told(
    parts: Parts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = torch.load(parts["mpt"].with_suffix(".pt"))
    lm = AutoModelForCausalLM.from_pretrained(parts["mpt"])
    frozen = {
        f"lang_encoder.{name.replace('.norm_1.', '.decoder_layer.norm_1.')}": weight.half()
        for name, weight in lm.state_dict().items()
        if "wte" not in name and "lm_head" not in name
    }
    torch.save({**frozen, **state}, tmp_path / "whole.pt")
    run_of(parts, "mpt", tmp_path / "run", tmp_path / "whole.pt")
    assert capsys.readouterr().out == ""
    torch.save({**state, "counter.odd": torch.zeros(1)}, tmp_path / "odd.pt")
    run_of(parts, "mpt", tmp_path / "other", tmp_path / "odd.pt")
    assert capsys.readouterr().out.startswith(
        "left out: 1 of the checkpoint's weights, which no part of a run takes (c"
    )


def test_frame_embeddings_are_taken(parts: Parts) -> None:
    state = torch.load(parts["mpt"].with_suffix(".pt"))
    times = torch.randn(5, 24)
    found = sorted_out({**state, "perceiver.frame_embs": times}, "made")
    assert found.connector().max_frames == 5
    assert torch.equal(found.weights()["connector.time"], times)


def test_the_command_writes_a_run(parts: Parts, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frozen = ["--lm", str(parts["gpt_neox"]), "--vision", str(parts["clip"])]
    asked = ["import-model", str(parts["gpt_neox"].with_suffix(".pt")), *frozen, "-o", str(tmp_path / "run")]
    assert main(asked) == 0
    out = capsys.readouterr().out
    assert "2 blocks, one before every 2. layer" in out
    assert str(tmp_path / "run/lm") in out
    assert main(asked) == 2
    assert "is there already" in capsys.readouterr().err
    assert main([*asked[:-1], str(tmp_path / "new"), "--vision", str(tmp_path)]) == 2
    assert "config.json" in capsys.readouterr().err
    (tmp_path / "run").rename(tmp_path / "moved")
    assert load_model(str(tmp_path / "moved"), "cpu").model.config.lm.path == str(tmp_path / "moved/lm")
