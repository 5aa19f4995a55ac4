import copy
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
import pytest
import torch
from torch.utils.checkpoint import checkpoint

from model.data.batch import Batch
from model.network.attention import MediaSpans
from model.network.config import LanguageSettings, VisionSettings
from model.network.flamingo import Flamingo
from model.network.language import load_language_model
from model.network.loss import token_loss
from schemas.settings import SettingsError
from tests.model.network.makers import END, IMAGE, VOCABULARY, alone, batch, flamingo, frames, lm_config, small

#: Nothing, then medium 0, nothing again (as where text looks ahead and none follows), then 1 and 2.
ATTENDS = [-1] * 3 + [0] * 6 + [-1] * 2 + [1] * 5 + [2] * 4


def with_medium_changed(given: Batch, medium: int) -> Batch:
    changed = given.frames_FCHW.clone()
    start, stop = given.frame_offsets_M1[medium : medium + 2].tolist()
    changed[start:stop] = frames(stop - start, seed=99)
    return replace(given, frames_FCHW=changed)


def differing(one: torch.Tensor, other: torch.Tensor) -> set[int]:
    """Positions in which the first row differs at all."""
    return set((one != other).any(-1)[0].nonzero().flatten().tolist())


@torch.no_grad()
def test_at_first_the_logits_are_those_of_the_language_model_alone() -> None:
    model = flamingo(gates=None)
    given = batch([[ATTENDS]], len(ATTENDS))
    plain = replace(given, tokens_BT=given.tokens_BT.clamp(max=VOCABULARY - 1))
    expected = model.lm(plain.tokens_BT, use_cache=False).logits
    for mode in (True, False):
        logits = model.train(mode)(plain)
        assert logits.shape[-1] == VOCABULARY + 2
        assert (logits[..., :VOCABULARY] - expected).abs().max() == 0


@torch.no_grad()
@pytest.mark.parametrize("medium", [0, 1, 2])
def test_a_medium_changes_nothing_before_its_first_token(medium: int) -> None:
    model, given = flamingo(), batch([[ATTENDS]], len(ATTENDS))
    changed = differing(model(given), model(with_medium_changed(given, medium)))
    first = ATTENDS.index(medium)
    assert min(changed) == first
    assert set(range(first, len(ATTENDS))) >= changed >= {t for t, m in enumerate(ATTENDS) if m == medium}


@torch.no_grad()
@pytest.mark.parametrize("medium", [0, 1, 2])
def test_the_cross_attention_of_a_token_sees_its_medium_and_no_other(medium: int) -> None:
    model, given = flamingo(), batch([[ATTENDS]], len(ATTENDS))
    (block, *_), hidden = model.blocks, torch.randn(1, len(ATTENDS), 32)
    outs = [
        block(hidden, model.encode(each.frames_FCHW, each.frame_offsets_M1), MediaSpans.of(each))
        for each in (given, with_medium_changed(given, medium))
    ]
    assert differing(*outs) == {t for t, attends in enumerate(ATTENDS) if attends == medium}


@torch.no_grad()
def test_text_without_a_medium_gets_nothing_from_the_cross_attention() -> None:
    model, given = flamingo(), batch([[ATTENDS]], len(ATTENDS))
    (block, *_), hidden = model.gated_blocks(), torch.randn(1, len(ATTENDS), 32)
    latents = model.encode(given.frames_FCHW, given.frame_offsets_M1)
    out = block(hidden, latents, MediaSpans.of(given))
    alone = hidden + block.feed_forward_gate.tanh() * block.feed_forward(hidden)
    blind = torch.tensor(ATTENDS) < 0
    assert (out[0, blind] == alone[0, blind]).all()
    assert (out[0, ~blind] != alone[0, ~blind]).any(-1).all()


@torch.no_grad()
def test_text_that_looks_ahead_sees_the_medium_that_its_tag_follows() -> None:
    model, ahead = flamingo(), [0] * 6 + [1] * 5 + [-1] * 4
    given = batch([[ahead]], len(ahead))
    changed = differing(model(given), model(with_medium_changed(given, 1)))
    assert min(changed) == 6


def test_packed_documents_give_what_they_give_alone() -> None:
    documents = [[-1, -1, 0, 0, 0, 1, 1, 1], [0] * 5, [-1] * 4, [-1, 0, 0, 1, 2, 2, 3, 3, 4, 4, 4]]
    model = flamingo()
    packed = batch([documents[:2], documents[2:]], 17)
    losses, gradients = _losses_and_gradients(model, [packed])
    assert MediaSpans.of(packed).packed
    apart = [alone(packed, number, length) for number, length in enumerate(map(len, documents))]
    assert not any(MediaSpans.of(each).packed for each in apart)
    losses_apart, gradients_apart = _losses_and_gradients(model, apart)
    torch.testing.assert_close(losses, losses_apart, atol=1e-5, rtol=0)
    assert gradients.keys() == gradients_apart.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, gradients_apart[name], atol=1e-4, rtol=1e-4, msg=name)


def _losses_and_gradients(model: Flamingo, batches: list[Batch]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    model.zero_grad()
    losses = []
    for each in batches:
        loss = model.loss(each) * each.loss_weight_BT
        loss.sum().backward()
        losses.append(loss.detach()[each.document_BT >= 0])
    return torch.cat(losses), {n: p.grad.clone() for n, p in model.trainable_parameters().items() if p.grad is not None}


@torch.no_grad()
def test_a_document_does_not_reach_another_in_its_row() -> None:
    model, given = flamingo(), batch([[[-1, 0, 0, 0, 1, 1], [-1, 0, 0, 0, 0]]], 12)
    logits = model(given)
    tokens = given.tokens_BT.clone()
    tokens[0, 0] = (tokens[0, 0] + 1) % VOCABULARY
    for changed in (with_medium_changed(given, 0), with_medium_changed(given, 1), replace(given, tokens_BT=tokens)):
        other = model(changed)
        assert (logits[0, :6] != other[0, :6]).any()
        assert (logits[0, 6:11] == other[0, 6:11]).all()


def test_only_what_is_new_is_trained() -> None:
    model, given = flamingo(), batch([[ATTENDS]], len(ATTENDS))
    trained = model.trainable_parameters()
    assert {name.split(".")[0] for name in trained} == {"connector", "blocks", "new_embeddings", "new_logits"}
    before = copy.deepcopy(model.state_dict())
    groups = model.parameter_groups(0.1)
    assert sum(len(group["params"]) for group in groups) == len(trained)
    optimiser = torch.optim.AdamW(groups, lr=1e-2)
    for _ in range(3):
        optimiser.zero_grad()
        model.train().loss(given).sum().backward()
        optimiser.step()
    assert all(parameter.grad is None for parameter in model.lm.parameters())
    assert not model.lm.training
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]) == (name not in trained), name


def test_decay_is_for_the_matrices_of_the_cross_attention() -> None:
    model = flamingo()
    decayed, others = model.parameter_groups(0.1)
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    of_block = {"to_q", "to_out", "keys_values.to_k", "keys_values.to_v", "feed_forward.up", "feed_forward.down"}
    assert {names[id(p)] for p in decayed["params"]} == {f"blocks.{n}.{m}.weight" for n in (0, 1) for m in of_block}


@torch.no_grad()
def test_what_is_trained_is_saved_and_loaded_and_nothing_else() -> None:
    model, given = flamingo(), batch([[ATTENDS]], len(ATTENDS))
    state = model.trainable_state_dict()
    assert not any(name.startswith(("lm", "vision")) for name in state)
    other = flamingo(gates=None)
    assert not torch.equal(other(given), model(given))
    other.load_trainable_state_dict(state)
    assert torch.equal(other(given), model(given))
    wrong = {**state, "blocks.0.to_q.weight": torch.zeros(2, 2), "more": torch.zeros(1)}
    del wrong["new_logits.bias"]
    with pytest.raises(
        ValueError, match=r"new_logits.bias is missing; more is unknown; blocks.0.to_q.weight is \(2, 2\)"
    ):
        other.load_trainable_state_dict(wrong)


def test_the_language_model_and_the_encoder_can_be_trained_too() -> None:
    clip = {"model_type": "clip_vision_model", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    vision = VisionSettings(
        kind="transformers", config={**clip, "num_attention_heads": 2, "image_size": 16, "patch_size": 8}
    )
    model = flamingo(small(train_lm=True, train_vision=True, vision=vision))
    model.train().loss(batch([[ATTENDS]], len(ATTENDS))).sum().backward()
    assert model.lm.training
    for name in ("lm.lm_head.weight", "vision.model.embeddings.patch_embedding.weight", "blocks.1.to_q.weight"):
        assert model.get_parameter(name).grad is not None, name


def test_the_language_model_stays_what_it_was() -> None:
    lm = load_language_model(LanguageSettings(config=lm_config("llama")))
    keys, kind, tokens = set(lm.state_dict()), type(lm), torch.arange(8)[None]
    expected = lm(tokens).logits
    model = flamingo(lm=lm)
    assert (set(lm.state_dict()), type(lm)) == (keys, kind)
    assert torch.equal(lm(tokens).logits, expected)
    assert {name.removeprefix("lm.") for name in model.state_dict() if name.startswith("lm.")} == keys


@torch.no_grad()
def test_after_an_error_and_inside_another_call_it_sees_what_it_should() -> None:
    model, given = flamingo(), batch([[ATTENDS]], len(ATTENDS))
    plain = given.tokens_BT.clamp(max=VOCABULARY - 1)
    blind = model.lm(plain).logits
    with pytest.raises(IndexError):
        model(replace(given, tokens_BT=given.tokens_BT - VOCABULARY - 5))
    assert torch.equal(model.lm(plain).logits, blind)
    latents = model.encode(given.frames_FCHW, given.frame_offsets_M1)
    with model.conditioning(latents, MediaSpans.of(given)):
        seeing = model.lm(given.tokens_BT).logits
        model(with_medium_changed(given, 0))
        assert torch.equal(model.lm(given.tokens_BT).logits, seeing)


@torch.no_grad()
def test_a_copy_sees_through_its_own_blocks() -> None:
    model, given = flamingo(), batch([[ATTENDS]], len(ATTENDS))
    expected, twin = model(given), copy.deepcopy(model)
    for block in model.gated_blocks():
        block.attention_gate.zero_()
    assert torch.equal(twin(given), expected)
    assert not torch.equal(model(given), expected)


def test_a_batch_without_media_gives_every_parameter_a_gradient() -> None:
    model, given = flamingo(), batch([[[-1] * 8]], 10)
    model.loss(given).sum().backward()
    assert all(parameter.grad is not None for parameter in model.trainable_parameters().values())


def test_the_loss_of_a_token_is_under_the_one_before_it() -> None:
    logits = torch.randn(2, 5, 7)
    tokens = torch.randint(0, 7, (2, 5))
    losses = token_loss(logits, tokens)
    assert (losses[:, 0] == 0).all()
    for b in range(2):
        for t in range(1, 5):
            expected = -logits[b, t - 1].log_softmax(-1)[tokens[b, t]]
            torch.testing.assert_close(losses[b, t], expected)


# The compiler reads .grad of what it should not.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.parametrize("how", ["checkpoint", "compile"])
def test_layers_can_be_checkpointed_and_compiled(how: str) -> None:
    given = batch([[ATTENDS], [ATTENDS[:9], ATTENDS[:5]]], len(ATTENDS))
    config = small(lm=LanguageSettings(config={**lm_config("llama"), "num_hidden_layers": 2}))
    losses, gradients = _losses_and_gradients(flamingo(config), [given])
    model = flamingo(config)
    # The compiler's own code is not under test, only that it can follow ours.
    wrap: Any = partial(torch.compile, backend="eager") if how == "compile" else _checkpointed
    model.wrap_layers(wrap)
    wrapped_losses, wrapped_gradients = _losses_and_gradients(model, [given])
    torch.testing.assert_close(wrapped_losses, losses)
    for name, gradient in gradients.items():
        torch.testing.assert_close(wrapped_gradients[name], gradient, msg=name)


def _checkpointed(forward: Any) -> Any:
    return partial(checkpoint, forward, use_reentrant=False)


def test_a_language_model_in_half_precision_works() -> None:
    config = small(lm=LanguageSettings(config=lm_config("llama"), dtype="bfloat16"))
    model, given = flamingo(config), batch([[ATTENDS[:9], ATTENDS[:5]]], 16)
    with torch.autocast("cpu", torch.bfloat16):
        inside = model(given)
    outside = model(given)
    assert outside.dtype == torch.float32
    torch.testing.assert_close(inside, outside, atol=0.1, rtol=0.1)
    outside.sum().backward()
    assert all(parameter.grad is not None for parameter in model.trainable_parameters().values())


def test_new_tokens_may_stand_in_unused_places_of_the_vocabulary() -> None:
    torch.manual_seed(0)
    model = Flamingo.build(small(), (VOCABULARY - 1, VOCABULARY))
    given = batch([[[-1] * 6]], 6)
    given = replace(given, tokens_BT=torch.tensor([[3, 4, VOCABULARY - 1, 5, VOCABULARY, 6]]))
    logits = model(given)
    assert logits.shape[-1] == VOCABULARY + 1
    logits.sum().backward()
    for part in (model.new_embeddings, model.new_logits):
        assert part.weight.grad is not None
        assert part.weight.grad.any(-1).all()


def test_a_token_that_the_tokenizer_alone_knows_is_never_said() -> None:
    """As that of images in the tokenizer of Gemma 3 1B and 270M."""
    torch.manual_seed(0)
    model = Flamingo.build(small(), (IMAGE + 1, END + 1))
    given = batch([[[-1] * 6]], 6)
    given = replace(given, tokens_BT=torch.tensor([[3, 4, IMAGE + 1, 5, END + 1, 6]]))
    logits = model(given)
    assert logits.shape[-1] == VOCABULARY + 3
    shares = logits.softmax(-1)
    assert (shares[..., VOCABULARY] == 0).all()
    assert (shares[..., [IMAGE + 1, END + 1]] > 0).all()
    losses = model.loss(given)
    losses.sum().backward()
    assert losses.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.trainable_parameters().values())


@pytest.mark.parametrize("ids", [(IMAGE + 5, END + 5), (IMAGE, IMAGE), (IMAGE, END + 1)])
def test_ids_that_do_not_fit_the_vocabulary_are_refused(ids: tuple[int, int]) -> None:
    with pytest.raises(SettingsError, match="do not belong together"):
        Flamingo.build(small(), ids)


def test_frames_of_another_size_are_refused_with_the_setting_that_helps() -> None:
    given = batch([[ATTENDS]], len(ATTENDS))
    model = flamingo(small(vision=VisionSettings(image_px=32, dim=32)))
    with pytest.raises(ValueError, match=r"images.size_px to 32"):
        model(given)


def test_settings_that_make_no_sense_are_refused() -> None:
    for change in ({"every": 0}, {"ff_mult": 0}):
        with pytest.raises(ValueError, match="1 or more"):
            msgspec.structs.replace(small().cross_attention, **change)
    with pytest.raises(ValueError, match="multiple of patch_px"):
        VisionSettings(image_px=20)
