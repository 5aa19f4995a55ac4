"""Language models, encoders and tokenizers by family, and the tables that say what weft makes of each."""

from typing import Any

import pytest
import torch

from docs.make_families import TABLES
from model.network.config import VisionSettings
from model.network.vision.encoder import make_encoder
from schemas.settings import SettingsError
from tests.docs.test_docs import tables
from tests.model.network.families import ENCODERS
from tests.model.network.makers import frames


@pytest.mark.parametrize(("title", "name"), [(title, name) for title, table in TABLES.items() for name in table.names])
def test_a_family_is_what_its_row_says(title: str, name: str) -> None:
    table = TABLES[title]
    (stated,) = (rows for heading, *rows in tables("model-exchange.md") if tuple(heading) == table.head)
    assert list(table.row(name)) in stated, "python -m docs.make_families writes the tables anew"
    assert len(stated) == len(table.names)


@pytest.mark.parametrize("kind", ["CLIP", "SigLIP", "ViT", "DINOv2", "DINOv3 ViT"])
def test_an_encoder_may_be_given_another_size(kind: str) -> None:
    """Its positions are interpolated, as transformers does it."""
    config = ENCODERS[kind][0]
    torch.manual_seed(0)
    encoder: Any = make_encoder(VisionSettings(kind="transformers", config=config, size_px=48)).eval()
    assert encoder.image_px == 48
    pictures = torch.randint(0, 256, (2, 3, 48, 48), dtype=torch.uint8)
    assert encoder(pictures).shape[1] in (36, 37)
    with pytest.raises(ValueError, match="takes 48 x 48"):
        encoder(frames(1))
    own: Any = make_encoder(VisionSettings(kind="transformers", config=config, size_px=32)).eval()
    own.load_state_dict(encoder.state_dict())
    same: Any = make_encoder(VisionSettings(kind="transformers", config=config)).eval()
    same.load_state_dict(encoder.state_dict())
    small = pictures[..., :32, :32]
    torch.testing.assert_close(own(small), same(small), atol=1e-5, rtol=0)


def test_a_size_that_patches_do_not_fill_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"vision\.size_px is 36, no multiple of the encoder's patches of 8 pixels"):
        make_encoder(VisionSettings(kind="transformers", config=ENCODERS["CLIP"][0], size_px=36))
    with pytest.raises(ValueError, match="size_px is of transformers"):
        VisionSettings(size_px=32)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["CLIP", "SigLIP", "DINOv3 ViT"])
def test_the_class_token_may_be_left_out(kind: str) -> None:
    config = ENCODERS[kind][0]
    with_it: Any = make_encoder(VisionSettings(kind="transformers", config=config)).eval()
    without: Any = make_encoder(VisionSettings(kind="transformers", config=config, class_token=False)).eval()
    without.load_state_dict(with_it.state_dict())
    pictures = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    features = without(pictures)
    assert features.shape[1] == 16
    assert torch.equal(features, with_it(pictures)[:, -16:])


@pytest.mark.parametrize("kind", ["CLIP", "SigLIP", "DINOv2"])
def test_pixels_may_be_normalised_by_other_means(kind: str) -> None:
    settings = VisionSettings(kind="transformers", config=ENCODERS[kind][0], mean=(0.1, 0.2, 0.3), std=(1.0, 1.0, 1.0))
    assert make_encoder(settings).mean == (0.1, 0.2, 0.3)
    with pytest.raises(ValueError, match="go together"):
        VisionSettings(mean=(0.1, 0.2, 0.3))
