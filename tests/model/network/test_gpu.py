"""On a GPU the model says what it says on a CPU, and gradients are the same; where there is none all is skipped."""

from typing import Any

import pytest
import torch
from torch._dynamo.utils import counters

from model.network.apart import BY_ENDS
from model.network.flamingo import Flamingo
from model.network.generate import GenerateSettings, generate
from model.training.config import ParallelSettings
from model.training.parallel import ParallelModel, Processes
from tests.model.network.makers import END, LANGUAGE_MODELS, alone, batch, flamingo, small, some_prompts
from tests.model.network.test_language import BY_MASK, NO_PACKING

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
ROWS = [[[-1] + [0] * 6 + [1] * 5, [0] * 10], [[-1] * 3 + [0] * 9]]


def losses_and_gradients(model: Flamingo, device: str, dtype: torch.dtype) -> tuple[torch.Tensor, dict[str, Any]]:
    given = batch(ROWS, 24)
    with torch.autocast(device, torch.bfloat16, enabled=dtype != torch.float32):
        losses_BT = model.loss(given.to(device))
    (losses_BT.float() * given.loss_weight_BT.to(device)).sum().backward()
    gradients = {n: p.grad.float().cpu() for n, p in model.trainable_parameters().items() if p.grad is not None}
    return losses_BT.detach().float().cpu(), gradients


@pytest.mark.parametrize("kind", sorted(set(LANGUAGE_MODELS) - set(NO_PACKING)))
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_losses_and_gradients_are_those_of_the_cpu(kind: str, dtype: torch.dtype) -> None:
    expected, wanted = losses_and_gradients(flamingo(small(kind)), "cpu", torch.float32)
    model: Any = flamingo(small(kind)).to("cuda")
    model.lm.to(dtype)
    found, gradients = losses_and_gradients(model, "cuda", dtype)
    if dtype == torch.bfloat16:
        assert (model.lm.config._attn_implementation == BY_ENDS) == (kind not in BY_MASK)
    allowed = 2e-4 if dtype == torch.float32 else 0.08
    places = batch(ROWS, 24).loss_weight_BT > 0
    assert (found - expected)[places].norm() <= allowed * expected[places].norm()
    every = torch.cat([(gradients[name] - wanted[name]).flatten() for name in wanted])
    assert every.norm() <= allowed * torch.cat([value.flatten() for value in wanted.values()]).norm()


def test_documents_longer_than_a_tile_are_kept_apart() -> None:
    """What packed rows of 2048 tokens give, beside the same documents in rows of their own."""
    model: Any = flamingo().to("cuda")
    model.lm.to(torch.bfloat16)
    long = batch([[[0] * 700, [0] * 1348]], 2048)
    with torch.no_grad(), torch.autocast("cuda", torch.bfloat16):
        packed = model(long.to("cuda"))[0].cpu()
        apart = [model(alone(long, n, length).to("cuda"))[0, :length].cpu() for n, length in enumerate((700, 1348))]
    assert model.lm.config._attn_implementation == BY_ENDS
    assert (packed - torch.cat(apart)).norm() <= 0.02 * packed.norm()


def test_generation_on_a_gpu_with_a_cache_is_that_without() -> None:
    model: Any = flamingo().to("cuda")
    model.lm.to(torch.bfloat16)
    model.settle_packing()
    prompts, settings = some_prompts(), GenerateSettings(max_new_tokens=4, beams=2)
    model.lm.float()
    expected = generate(flamingo(), prompts, [END], settings)
    assert generate(model, prompts, [END], settings) == expected


@pytest.mark.filterwarnings("ignore:The .grad attribute", "ignore::DeprecationWarning")  # of the compiler's own code
@pytest.mark.parametrize("recompute", [False, True])
def test_compiled_layers_have_no_graph_breaks_and_the_same_gradients(recompute: bool) -> None:
    _, wanted = losses_and_gradients(flamingo().to("cuda"), "cuda", torch.float32)
    torch._dynamo.reset()
    counters.clear()
    model = flamingo()
    settings = ParallelSettings(precision="bfloat16", compile=True, activation_checkpointing=recompute)
    ParallelModel(model, settings, Processes(0, 1, torch.device("cuda", 0)))
    _, gradients = losses_and_gradients(model, "cuda", torch.bfloat16)
    assert not counters["graph_break"]
    every = torch.cat([(gradients[name] - wanted[name]).flatten() for name in wanted])
    assert every.norm() <= 0.08 * torch.cat([value.flatten() for value in wanted.values()]).norm()
