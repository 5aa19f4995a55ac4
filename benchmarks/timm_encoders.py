"""The real encoders of timm beside the stand-ins of the tests: weft's features against timm's own.

    pip install --no-deps --target DIR timm==1.0.31 torchvision    # the torchvision that belongs to the torch here
    PYTHONPATH=DIR:. python -m benchmarks.timm_encoders

Random weights; nothing is downloaded. The wheel of torchvision on PyPI is built beside a torch for CUDA: with one for
CPUs its compiled part does not load, and its Python part asks for operators of that, which are declared here and never
called.
"""

import importlib
import re
import sys

import torch

from model.network.config import VisionSettings
from model.network.vision.encoder import make_encoder

ENCODERS = (("dm_nfnet_f0", 64), ("nfnet_l0", 64), ("vit_tiny_patch16_224", 224), ("resnet18", 64))
_MISSING = re.compile(r"operator torchvision::(\w+) does not exist")


def main() -> None:
    declared = torch.library.Library("torchvision", "FRAGMENT")
    while name := _missing():
        declared.define(f"{name}(Tensor x) -> Tensor")
    for architecture, size in ENCODERS:
        print(f"{architecture:<24} {compared(architecture, size)}")


@torch.no_grad()
def compared(architecture: str, size: int) -> str:
    """Weights, width, and the largest difference of a feature."""
    torch.manual_seed(0)
    encoder = make_encoder(VisionSettings(kind="timm", name=architecture, image_px=size)).eval()
    frames = torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8)
    mean, std = (torch.tensor(values)[:, None, None] for values in (encoder.mean, encoder.std))
    model = encoder.get_submodule("model")
    own: torch.Tensor = model.forward_features((frames / 255 - mean) / std)  # type: ignore[operator]
    own = own if own.ndim == 3 else own.flatten(2).transpose(1, 2)
    weights = sum(p.numel() for p in encoder.parameters()) / 1e6
    return f"{weights:5.1f} M weights, width {encoder.dim}, differs by {float((encoder(frames) - own).abs().max()):.1e}"


def _missing() -> str:
    """The operator for want of which torchvision does not load; empty where it does."""
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if not (found := _MISSING.search(str(error))):
            raise
        for module in [module for module in sys.modules if module.partition(".")[0] == "torchvision"]:
            del sys.modules[module]
        return found[1]
    return ""


if __name__ == "__main__":
    main()
