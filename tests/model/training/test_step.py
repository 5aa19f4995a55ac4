from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch._dynamo.utils import counters

from model.data.batch import Batch
from model.training.assembly import Run, assemble
from model.training.config import OptimiserSettings, TrainConfig
from model.training.optimiser import schedule
from model.training.parallel import ParallelModel, Processes
from model.training.step import counts, micro_batches, source_of_tokens, train_step
from tests.model.training.makers import micro

ALONE = Processes(0, 1, torch.device("cpu"))


def ready(config: TrainConfig) -> tuple[Run, dict[str, Batch]]:
    run = assemble(config, ALONE)
    with torch.no_grad():  # closed gates let no gradient through to most of the new weights
        for block in run.model.blocks:
            block.attention_gate.fill_(0.5)
            block.feed_forward_gate.fill_(0.5)
    with run.loader as loader:
        return run, next(iter(loader))


def gradients(run: Run, batches: dict[str, Batch], **options: object) -> dict[str, torch.Tensor]:
    """What a step would apply: seen by the judge, who then refuses it."""
    seen: dict[str, torch.Tensor] = {}
    trained = run.model.trainable_parameters()

    def judge(norm: float) -> bool:
        seen.update({name: p.grad.clone() for name, p in trained.items() if p.grad is not None})
        return False

    wanted = counts(batches, run.config.loss)
    train_step(run.parallel, run.optimiser, batches, wanted, ALONE, judge=judge, **options)  # type: ignore[arg-type]
    return seen


def close(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    largest = max(float(value.abs().max()) for value in left.values())
    return left.keys() == right.keys() and all(
        torch.allclose(left[name], right[name], rtol=1e-4, atol=1e-6 * largest) for name in left
    )


def test_gradients_are_the_sum_of_those_of_the_datasets_by_their_weights(data: Path, tmp_path: Path) -> None:
    run, batches = ready(micro(data, tmp_path))
    found = gradients(run, batches)
    total = torch.zeros(())
    for name, weight in (("pages", 1.0), ("pairs", 0.2)):
        losses_BT = run.model.loss(batches[name])
        total = total + weight * losses_BT[batches[name].loss_weight_BT > 0].mean()
    total.backward()
    expected = {name: p.grad for name, p in run.model.trainable_parameters().items() if p.grad is not None}
    assert len(found) > 20
    assert close(found, expected)


def test_however_a_step_is_cut_its_gradient_is_the_same(data: Path, tmp_path: Path) -> None:
    run, batches = ready(micro(data, tmp_path))
    whole = gradients(run, batches)
    assert close(whole, gradients(run, batches, micro_rows=1))
    for batch in micro_batches(batches, 1):
        batch.check()
        assert len(batch.tokens_BT) == 1
    keys = [key for batch in batches.values() for key in batch.keys]
    assert [key for batch in micro_batches(batches, 1) for key in batch.keys] == keys


def test_a_mixed_batch_gives_the_gradient_of_separate_ones(data: Path, tmp_path: Path) -> None:
    """Dataset by dataset or both in one batch: what counts are the weights and the numbers of tokens."""
    config = micro(data, tmp_path)
    mixed = msgspec.structs.replace(config.data, mix="sampled", batch_rows=4)
    run, batches = ready(msgspec.structs.replace(config, data=mixed))
    (batch,) = batches.values()
    found = gradients(run, batches)
    source_BT, losses_BT = source_of_tokens(batch), run.model.loss(batch)
    total = torch.zeros(())
    for source, weight in enumerate((1.0, 0.2)):
        chosen = losses_BT[(source_BT == source) & (batch.loss_weight_BT > 0)]
        total = total + weight * chosen.sum() / max(1, len(chosen))
    total.backward()
    assert close(found, {n: p.grad for n, p in run.model.trainable_parameters().items() if p.grad is not None})


def test_sums_over_sequences_are_averaged_over_documents(data: Path, tmp_path: Path) -> None:
    run, batches = ready(micro(data, tmp_path, loss="sequence_sum"))
    wanted = counts(batches, "sequence_sum")
    assert wanted.tolist() == [len(batches["pages"].keys), len(batches["pairs"].keys)]
    found = gradients(run, batches)
    total = sum(
        weight * run.model.loss(batches[name])[batches[name].loss_weight_BT > 0].sum() / len(batches[name].keys)
        for name, weight in (("pages", 1.0), ("pairs", 0.2))
    )
    assert isinstance(total, torch.Tensor)
    total.backward()
    assert close(found, {n: p.grad for n, p in run.model.trainable_parameters().items() if p.grad is not None})


def test_only_what_is_new_changes(data: Path, tmp_path: Path) -> None:
    run, batches = ready(micro(data, tmp_path))
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    for _ in range(2):
        train_step(run.parallel, run.optimiser, batches, counts(batches, "token_mean"), ALONE, clip_norm=1.0)
    changed = {name for name, value in run.model.state_dict().items() if not torch.equal(value, before[name])}
    trained = set(run.model.trainable_parameters())
    assert changed <= trained
    assert not any(name.startswith(("lm.", "vision.")) for name in changed)
    assert len(changed) > 0.8 * len(trained)
    assert all(parameter.grad is None for parameter in run.model.lm.parameters())


def test_the_norm_is_brought_down_once_over_all_datasets(data: Path, tmp_path: Path) -> None:
    run, batches = ready(micro(data, tmp_path))
    whole = gradients(run, batches)
    norm = torch.cat([value.flatten() for value in whole.values()]).norm()
    clipped = gradients(run, batches, clip_norm=float(norm) / 4, micro_rows=1)
    assert torch.cat([value.flatten() for value in clipped.values()]).norm() == pytest.approx(float(norm) / 4, rel=1e-4)
    assert close({name: value / 4 for name, value in whole.items()}, clipped)


def test_rates_and_decay_are_those_of_the_settings(data: Path, tmp_path: Path) -> None:
    config = micro(data, tmp_path)
    unfrozen = msgspec.structs.replace(config.model, train_lm=True)
    optimiser = msgspec.structs.replace(config.optimiser, lm_rate=1e-5)
    run, _ = ready(msgspec.structs.replace(config, model=unfrozen, optimiser=optimiser))
    names = {id(parameter): name for name, parameter in run.model.named_parameters()}
    seen = {}
    for group in run.optimiser.param_groups:
        for parameter in group["params"]:
            seen[names[id(parameter)]] = (group["rate"], group["weight_decay"])
    assert seen["blocks.0.attention_gate"] == (3e-3, 0.0)
    assert seen["blocks.0.to_q.weight"] == (3e-3, 0.1)
    assert all(value == (3e-3, 0.0) for name, value in seen.items() if name.startswith("connector."))
    assert {value[0] for name, value in seen.items() if name.startswith("lm.")} == {1e-5}


def test_the_rate_rises_stays_and_may_fall() -> None:
    settings = OptimiserSettings(warmup_steps=4)
    assert [schedule(step, 100, settings) for step in (0, 1, 3, 50, 99)] == [0.25, 0.5, 1.0, 1.0, 1.0]
    falling = OptimiserSettings(warmup_steps=0, final_steps=10)
    assert [schedule(step, 100, falling) for step in (0, 90, 95, 99)] == [1.0, 1.0, 0.5, 0.1]


@pytest.mark.filterwarnings("ignore:The .grad attribute", "ignore::DeprecationWarning")  # of the compiler's own code
@pytest.mark.parametrize("recompute", [False, True])
def test_a_compiled_step_has_no_graph_breaks(data: Path, tmp_path: Path, recompute: bool, monkeypatch: Any) -> None:
    """Its gradients are those of the plain one. What is under test is that the compiler can follow our code."""
    run, batches = ready(micro(data, tmp_path))
    plain = gradients(run, batches)
    torch._dynamo.reset()
    counters.clear()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    settings = msgspec.structs.replace(run.config.parallel, compile=True, activation_checkpointing=recompute)
    run.parallel = ParallelModel(run.model, settings, ALONE)
    assert close(plain, gradients(run, batches))
    assert counters["stats"]["unique_graphs"] > 4
    assert not counters["graph_break"]
