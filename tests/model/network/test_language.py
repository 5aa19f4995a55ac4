"""Every architecture with random weights: nothing here knows any of them by name."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec import structs
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from model.data.batch import Batch
from model.network import apart, varlen
from model.network.apart import check_packing
from model.network.config import LanguageSettings
from model.network.generate import GenerateSettings, Prompt, generate, score
from model.network.language import decoder_layers, load_language_model
from model.training.config import ParallelSettings
from model.training.parallel import ParallelModel, Processes
from schemas.settings import SettingsError
from tests.model.network.makers import (
    END,
    HYBRIDS,
    LANGUAGE_MODELS,
    REFUSED,
    VOCABULARY,
    alone,
    batch,
    flamingo,
    flash_kernel,
    lm_config,
    small,
    some_prompts,
)
from tests.model.network.test_generate import BEAM, beams_without_cache, without_cache

#: Rows of several documents need a mask that this one does not take.
NO_PACKING = ("bloom",)
#: What transformers has no other attention for, or scores that FlashAttention does not know.
BY_MASK = ("gpt_neo", "gptj", "stablelm", "bloom", "mpt", "falcon", "gemma2")


@pytest.fixture(params=LANGUAGE_MODELS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@torch.no_grad()
def test_the_logits_at_first_are_the_language_models(kind: str) -> None:
    model = flamingo(small(kind), gates=None)
    keys = set(AutoModelForCausalLM.from_config(AutoConfig.for_model(**lm_config(kind))).state_dict())
    assert set(model.lm.state_dict()) == keys
    given = batch([[[-1, -1, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2]]], 14)
    given.tokens_BT.clamp_(max=VOCABULARY - 1)
    logits = model(given)[..., :VOCABULARY]
    assert (logits - model.lm(given.tokens_BT, use_cache=False).logits).abs().max() == 0


@torch.no_grad()
def test_documents_of_a_row_are_kept_apart_or_the_model_is_refused(kind: str) -> None:
    """The documents are longer than the windows of those that have one."""
    model = flamingo(small(kind))
    one, other = [-1] + [0] * 6 + [1] * 5, [0] * 10
    packed = batch([[one, other]], 24)
    if kind in NO_PACKING:
        with pytest.raises(SettingsError, match=r"packing\.enabled"):
            model(packed)
        return
    logits = model(packed)[:, :22]
    apart = [model(alone(packed, n, len(each)))[0, : len(each)] for n, each in enumerate((one, other))]
    torch.testing.assert_close(logits[0], torch.cat(apart), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", [kind for kind in LANGUAGE_MODELS if kind not in (*NO_PACKING, *BY_MASK)])
def test_told_where_documents_end_a_model_says_what_it_says_by_a_mask(kind: str, monkeypatch: Any) -> None:
    """With a stand-in for FlashAttention; rows with padding and without, with several documents and one."""
    given = batch([[[-1] + [0] * 6 + [1] * 5, [0] * 12], [[-1] * 3 + [0] * 9], [[0] * 11, [-1] * 2 + [0] * 11]], 24)
    expected, wanted = losses_and_gradients(flamingo(small(kind)), given)
    monkeypatch.setattr(apart, "takes", lambda *of: True)
    monkeypatch.setattr(varlen, "KERNEL", flash_kernel)
    model: Any = flamingo(small(kind))
    losses_BT, gradients = losses_and_gradients(model, given)
    assert model.lm.config._attn_implementation == apart.BY_ENDS
    torch.testing.assert_close(losses_BT, expected, atol=1e-5, rtol=1e-5)
    for name, gradient in wanted.items():
        torch.testing.assert_close(gradients[name], gradient, atol=1e-4, rtol=1e-3, msg=name)
    prompts, settings = some_prompts(), GenerateSettings(max_new_tokens=4)
    assert generate(model, prompts, [END], settings) == without_cache(model, prompts, [END], settings)


def losses_and_gradients(model: Any, given: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    losses_BT = model.loss(given) * (given.loss_weight_BT > 0)
    losses_BT.sum().backward()
    gradients = {name: p.grad for name, p in model.trainable_parameters().items() if p.grad is not None}
    return losses_BT.detach(), gradients


@pytest.mark.parametrize("kind", BY_MASK)
def test_a_model_that_cannot_be_told_so_gets_a_mask(kind: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(apart, "takes", lambda *of: True)
    monkeypatch.setattr(varlen, "KERNEL", flash_kernel)
    model: Any = flamingo(small(kind))
    model.settle_packing(packed=kind not in NO_PACKING)
    assert model.lm.config._attn_implementation != apart.BY_ENDS


def test_what_cannot_pack_is_refused_before_it_is_laid_out_unless_no_row_is_packed() -> None:
    """Tried in the forward pass it would run on those processes alone whose rows are packed."""
    alone, settings = Processes(0, 1, torch.device("cpu")), ParallelSettings()
    with pytest.raises(SettingsError, match=r"packing\.enabled"):
        ParallelModel(flamingo(small("bloom")), settings, alone)
    ParallelModel(flamingo(small("bloom")), settings, alone, packed=False)


def test_a_model_that_forgets_where_documents_end_gets_a_mask(monkeypatch: Any) -> None:
    monkeypatch.setattr(apart, "takes", lambda *of: True)
    monkeypatch.setattr(varlen, "KERNEL", lambda q, k, v, *of, **more: v.repeat_interleave(len(q[0]) // len(v[0]), 1))
    model: Any = flamingo()
    model.settle_packing()
    assert model.lm.config._attn_implementation == "sdpa"


def test_generation_with_a_cache_is_that_without(kind: str) -> None:
    model, settings = flamingo(small(kind)), GenerateSettings(max_new_tokens=4)
    prompts = some_prompts()
    assert generate(model, prompts, [END], settings) == without_cache(model, prompts, [END], settings)


@pytest.mark.parametrize("kind", HYBRIDS)
def test_a_model_that_reads_on_from_a_state_generates_and_scores(kind: str) -> None:
    model, prompts = flamingo(small(kind)), some_prompts()
    greedy = GenerateSettings(max_new_tokens=4)
    assert generate(model, prompts, [END], greedy) == without_cache(model, prompts, [END], greedy)
    assert generate(model, prompts[:1], [END], BEAM) == [beams_without_cache(model, prompts[0])]
    first = prompts[0]
    longer = Prompt((*first.tokens, 3, 4), (*first.media_index, 1, 1), first.media)
    both, alone = score(model, first, [[5], [3, 4, 9]]), score(model, longer, [[9]])
    assert both[1][2] == pytest.approx(alone[0][0], abs=1e-4)


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_see_is_refused_in_a_line(kind: str) -> None:
    with pytest.raises(SettingsError, match=REFUSED[kind][1]):
        flamingo(small(kind))


def test_a_model_that_goes_on_from_no_cache_is_trained_and_says_that_it_does_not_generate() -> None:
    config = small("mamba")
    model = flamingo(structs.replace(config, cross_attention=structs.replace(config.cross_attention, heads=4)))
    model.loss(batch([[[-1, -1, 0, 0, 1, 1]]], 8)).sum().backward()
    with pytest.raises(SettingsError, match="does not go on from a cache"):
        generate(model, some_prompts(), [END])


class Forgetful(nn.Module):
    """A language model that looks at no mask but its own."""

    def __init__(self, lm: Any) -> None:
        super().__init__()
        self.lm, self.config = lm, lm.config

    def forward(self, input_ids: torch.Tensor, **_: Any) -> Any:
        return self.lm(input_ids=input_ids, use_cache=False)


class Misplacing(Forgetful):
    """One that takes the mask, and numbers the places of a row on through its documents."""

    def forward(self, input_ids: torch.Tensor, attention_mask: Any = None, **_: Any) -> Any:
        return self.lm(input_ids=input_ids, attention_mask=attention_mask, use_cache=False)


@pytest.mark.parametrize("fault", [Forgetful, Misplacing])
def test_a_model_that_mixes_documents_is_found_out(fault: type[Forgetful]) -> None:
    torch.manual_seed(0)
    lm = load_language_model(LanguageSettings(config=lm_config("gpt2")))
    with torch.no_grad():
        lm.get_parameter("transformer.wpe.weight").mul_(20)
    check_packing(lm)
    with pytest.raises(SettingsError, match="keep the documents of a row apart"):
        check_packing(fault(lm))


def test_eager_attention_takes_the_mask_too() -> None:
    check_packing(load_language_model(LanguageSettings(config=lm_config("llama"), attention="eager")))


def test_layers_may_be_named_and_wrong_names_are_refused() -> None:
    lm = load_language_model(LanguageSettings(config=lm_config("gpt_neox")))
    assert decoder_layers(lm) is decoder_layers(lm, "gpt_neox.layers")
    for path in ("gpt_neox.layer", "gpt_neox.embed_in"):
        with pytest.raises(SettingsError, match=r"lm\.layers"):
            decoder_layers(lm, path)
    lm.twin = nn.ModuleList(nn.Identity() for _ in range(4))
    with pytest.raises(SettingsError, match=r"set lm\.layers"):
        decoder_layers(lm)


def test_a_model_from_a_folder_is_that_model(tmp_path: Path) -> None:
    lm: Any = load_language_model(LanguageSettings(config=lm_config("gpt2")))
    lm.save_pretrained(tmp_path)
    loaded = load_language_model(LanguageSettings(path=str(tmp_path)))
    assert all(torch.equal(value, lm.state_dict()[name]) for name, value in loaded.state_dict().items())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (LanguageSettings(), r"lm\.path must name a local model folder"),
        (LanguageSettings(path="/nowhere"), r"no model folder at /nowhere"),
        (LanguageSettings(config={"n_layer": 2}), r"lm\.config needs model_type"),
        (LanguageSettings(config={"model_type": "nonsense"}), r"lm\.config"),
        (LanguageSettings(config={"model_type": "clip_vision_model"}), r"lm\.config"),
    ],
)
def test_what_is_no_language_model_is_refused(settings: LanguageSettings, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_language_model(settings)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    AutoConfig.for_model(**lm_config("gpt2")).save_pretrained(tmp_path)
    with pytest.raises(SettingsError, match="does not load as a causal LM"):
        load_language_model(LanguageSettings(path=str(tmp_path)))


def test_code_of_a_folder_is_not_run(tmp_path: Path) -> None:
    """Nor is anybody asked at the terminal whether it may be."""
    config = {"model_type": "mosaic_gpt", "auto_map": {"AutoConfig": "c.C", "AutoModelForCausalLM": "m.M"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "c.py").write_text("raise SystemExit('run')")
    with pytest.raises(SettingsError, match="does not load as a causal LM"):
        load_language_model(LanguageSettings(path=str(tmp_path)))
