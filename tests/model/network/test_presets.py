import pytest
import torch
from msgspec import structs

from model.network.config import PRESETS, CrossAttentionSettings, FlamingoConfig, preset
from model.network.flamingo import Flamingo
from model.network.vision.encoder import Encoder
from schemas.settings import SettingsError, dump_settings, load_settings
from tests.docs.test_docs import tables
from tests.model.network.makers import flamingo, small

#: Blocks, and millions of parameters of connector, cross-attention and language model.
EXPECTED = {
    "flamingo-3b": (24, 174.8, 1157.9, 1274.1),
    "flamingo-9b": (10, 174.8, 1803.7, 8186.3),
    "flamingo-80b": (12, 174.8, 8355.5, 64695.2),
}


def published(name: str) -> Flamingo:
    """Without memory for weights; the paper's encoder gives 3072 wide features (NFNet-F6)."""
    with torch.device("meta"):
        return Flamingo.build(preset(name), (32_000, 32_001), vision=Encoder(3072, 320, (0.0,) * 3, (1.0,) * 3))


@pytest.mark.parametrize("name", EXPECTED)
def test_published_models_have_their_parameters(name: str) -> None:
    model = published(name)
    counts = {part: round(count / 1e6, 1) for part, count in model.count_parameters().items()}
    blocks, connector, attention, lm = EXPECTED[name]
    assert len(model.blocks) == blocks
    assert (counts["connector"], counts["cross-attention"], counts["language model"]) == (connector, attention, lm)
    stated = next(rows for heading, *rows in tables("model.md") if heading[0] == "preset")
    (row,) = (row for row in stated if row[0] == name)
    assert [float(cell.split(" M")[0].replace(",", "")) for cell in row[2:5]] == [lm, attention, connector]


@torch.no_grad()
def test_the_tiny_one_runs() -> None:
    model = Flamingo.build(preset("tiny"), (50_257, 50_258))
    assert model.encode(torch.zeros(2, 3, 64, 64, dtype=torch.uint8), torch.tensor([0, 1, 2])).shape == (2, 16, 192)


def test_a_block_stands_before_the_first_layer_and_every_so_many_further() -> None:
    model = published("flamingo-9b")
    with_block = [number for number, layer in enumerate(model.layers) if layer._forward_pre_hooks]
    assert with_block == list(range(0, 40, 4))


def test_the_first_block_may_stand_before_a_later_layer() -> None:
    config = structs.replace(small(), cross_attention=CrossAttentionSettings(every=2, first=1))
    model = flamingo(config)
    assert [number for number, layer in enumerate(model.layers) if layer._forward_pre_hooks] == [1, 3]
    assert len(model.blocks) == 2
    with pytest.raises(SettingsError, match=r"first is 4, but the language model has 4 layers"):
        flamingo(structs.replace(config, cross_attention=CrossAttentionSettings(first=4)))
    with pytest.raises(ValueError, match="first must not be below 0"):
        CrossAttentionSettings(first=-1)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_being_written_down(name: str) -> None:
    assert load_settings(FlamingoConfig, dump_settings(preset(name))) == preset(name)


def test_an_unknown_preset_is_refused_with_those_there_are() -> None:
    with pytest.raises(SettingsError, match="flamingo-9b"):
        preset("flamingo-8b")
