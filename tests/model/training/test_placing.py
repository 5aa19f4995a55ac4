"""Each process makes its share of the weights, one weight after the other."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
import torch.distributed as dist
from torch.testing._internal.distributed.fake_pg import FakeStore

from model.data.tokens import load_tokens
from model.network.config import LanguageSettings
from model.network.flamingo import Flamingo
from model.network.language import load_language_model
from model.network.late import Late
from model.training.assembly import build_model, tokenizer_of
from model.training.config import TrainConfig
from model.training.parallel import ParallelModel, Processes
from model.training.placing import make_weights, rows_of_share, shares_of, weights_by_name
from tests.model.training.makers import micro

ALONE = Processes(0, 1, torch.device("cpu"))


@contextmanager
def one_of(world: int, rank: int) -> Iterator[Processes]:
    """A process whose others are not there: collectives return at once."""
    dist.init_process_group("fake", store=FakeStore(), rank=rank, world_size=world)
    try:
        yield Processes(rank, world, torch.device("cpu"))
    finally:
        dist.destroy_process_group()


def config_of(data: Path, output: Path, precision: Any = "float32") -> TrainConfig:
    config = micro(data, output)
    parallel = msgspec.structs.replace(config.parallel, strategy="fsdp", precision=precision)
    return msgspec.structs.replace(config, parallel=parallel)


def laid_out(config: TrainConfig, processes: Processes, late: Late | None) -> Flamingo:
    model = build_model(config, load_tokens(tokenizer_of(config)), late=late)
    # What two rows of a batch say of each other cannot be asked of a process alone.
    model.settle_packing = lambda packed=True: None  # type: ignore[method-assign]
    return ParallelModel(model, config.parallel, processes, late=late).model


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_shares_of_all_processes_are_the_model(data: Path, tmp_path: Path, precision: str) -> None:
    config = config_of(data, tmp_path, precision)
    whole = dict(laid_out(config, ALONE, None).named_parameters())
    shares: dict[str, list[torch.Tensor]] = {name: [] for name in whole}
    for rank in range(3):
        with one_of(3, rank) as processes:
            model = laid_out(config, processes, Late())
            for name, parameter in model.named_parameters():
                sharded: Any = parameter.data
                shares[name].append(sharded.to_local())
                assert (parameter.dtype, parameter.requires_grad) == (whole[name].dtype, whole[name].requires_grad)
            assert model.lm.get_output_embeddings().weight is model.lm.get_input_embeddings().weight  # type: ignore[operator]
            assert not any(buffer.is_meta for buffer in model.buffers())
    for name, parts in shares.items():
        assert torch.equal(torch.cat(parts), whole[name]), name
        assert max(len(part) for part in parts) == -(-len(whole[name]) // 3)


def test_one_whole_weight_at_a_time_is_in_memory(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[weakref.ref[torch.Tensor]] = []
    alive: list[int] = []  # bytes, each time that a weight was made
    value = Late.value

    def watched(self: Late, tensor: torch.Tensor) -> torch.Tensor:
        found = value(self, tensor)
        if tensor.is_meta:
            made.append(weakref.ref(found))
            alive.append(sum(one.nbytes for ref in made if (one := ref()) is not None))
        return found

    with one_of(2, 0) as processes:
        late = Late()
        monkeypatch.setattr(Late, "value", watched)
        model = laid_out(config_of(data, tmp_path), processes, late)
    assert len(alive) >= len(list(model.parameters()))
    largest = max(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    # The last one is let go when the next is there; buffers are held whole.
    assert max(alive) <= 2 * largest + sum(buffer.nbytes for buffer in model.buffers())
    shares: list[Any] = [parameter.data for parameter in model.parameters()]
    held = sum(share.to_local().untyped_storage().nbytes() for share in shares)
    everything = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    assert held < 0.6 * everything


def test_one_process_places_what_it_would_have_moved(data: Path, tmp_path: Path) -> None:
    config = config_of(data, tmp_path, "bfloat16")
    now, later = laid_out(config, ALONE, None), laid_out(config, ALONE, Late())
    for (name, mine), (_, made) in zip(now.state_dict().items(), later.state_dict().items(), strict=True):
        assert mine.dtype == made.dtype
        assert torch.equal(mine, made), name


def test_what_is_read_at_once_is_placed_with_what_is_made_late(data: Path, tmp_path: Path) -> None:
    """A checkpoint of pickles: its weights are there when the others are yet to be made."""
    config = config_of(data, tmp_path)
    language = load_language_model(config.model.lm)
    language.save_pretrained(tmp_path / "lm")  # type: ignore[operator]
    (tmp_path / "lm" / "model.safetensors").unlink()
    torch.save(language.state_dict(), tmp_path / "lm" / "pytorch_model.bin")
    settings = msgspec.structs.replace(config.model, lm=LanguageSettings(path=str(tmp_path / "lm")))
    config = msgspec.structs.replace(config, model=settings)
    now, late = laid_out(config, ALONE, None), Late()
    model = build_model(config, load_tokens(tokenizer_of(config)), late=late)
    assert {parameter.is_meta for parameter in model.parameters()} == {True, False}
    placed = ParallelModel(model, config.parallel, ALONE, late=late).model
    for (name, mine), (_, made) in zip(now.state_dict().items(), placed.state_dict().items(), strict=True):
        assert torch.equal(mine, made), name
    elsewhere = build_model(config, load_tokens(tokenizer_of(config)), late=late)
    make_weights(elsewhere, late, weights_by_name(elsewhere), torch.device("meta"))
    assert all(value.is_meta for value in elsewhere.state_dict().values())
    with one_of(2, 1) as processes:
        shared: Any = laid_out(config, processes, Late()).state_dict()
    assert all(
        torch.equal(part.to_local(), now.state_dict()[name][rows_of_share(len(part), 1, 2)])
        for name, part in shared.items()
    )


def test_whole_weights_are_taken_by_shares(data: Path, tmp_path: Path) -> None:
    """As of a checkpoint that is evaluated, or that a run starts from; one that does not fit is named."""
    config = config_of(data, tmp_path)
    given = {
        name: torch.rand_like(value) for name, value in laid_out(config, ALONE, None).trainable_state_dict().items()
    }
    with one_of(2, 1) as processes:
        model = laid_out(config, processes, Late())
        model.load_trainable_state_dict(shares_of(given, model))
        for name, parameter in model.trainable_parameters().items():
            sharded: Any = parameter.data
            assert torch.equal(sharded.to_local(), given[name][rows_of_share(len(given[name]), 1, 2)]), name
        gates = next(name for name in given if "gate" in name)
        with pytest.raises(ValueError, match=rf"{gates} is \(2,\), not \(1,\)"):
            model.load_trainable_state_dict(shares_of({**given, gates: torch.zeros(2)}, model))
