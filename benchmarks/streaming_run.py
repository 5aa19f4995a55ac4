"""Run by benchmarks/loading.py in a Python with mosaicml-streaming: FOLDER KIND SIZE; prints CPU seconds, then images.

MosaicML Streaming reads its own format only: the samples of the tars are first written in that, which is not timed.
"""

import io
import sys
import tarfile
import tempfile
import time
from importlib.machinery import ModuleSpec
from itertools import chain, groupby
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from PIL import Image


class _Stub(ModuleType):
    """Stands for torchvision: imported for datasets that are not used here, it does not load beside a CPU torch."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


if __name__ == "__main__":  # a program of its own: where it is only imported, nobody else is to meet the stubs
    for name in ("torchvision", "torchvision.datasets", "torchvision.transforms", "torchvision.transforms.functional"):
        sys.modules[name] = _Stub(name)
        sys.modules[name].__spec__, sys.modules[name].__path__ = ModuleSpec(name, None), []

from streaming import MDSWriter, StreamingDataset  # noqa: E402


class Images(StreamingDataset):
    """The images of a sample by Pillow, as its own vision datasets open them, brought to size as float tensors."""

    def __init__(self, folder: str, size: int) -> None:
        super().__init__(local=folder, shuffle=True, batch_size=8, allow_unsafe_types=True)
        self.side_px = size

    def __getitem__(self, at: int) -> list[torch.Tensor]:
        opened = (Image.open(io.BytesIO(data)).convert("RGB") for data in super().__getitem__(at)["images"])
        resized = (image.resize((self.side_px, self.side_px), Image.Resampling.BILINEAR) for image in opened)
        return [torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255 for image in resized]


def write(folder: Path, out: str) -> None:
    with MDSWriter(out=out, columns={"images": "pkl", "text": "bytes"}) as writer:
        for path in sorted((folder / "shards").glob("*.tar")):
            with tarfile.open(path) as tar:
                members = [(member.name, tar.extractfile(member).read()) for member in tar]
            for _, sample in groupby(members, lambda member: member[0].partition(".")[0]):
                data = dict(sample)
                images = [content for name, content in data.items() if name.endswith("jpg")]
                text = b"".join(content for name, content in data.items() if not name.endswith("jpg"))
                writer.write({"images": images, "text": text})


def main(folder: str, size: int) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as out:
        write(Path(folder), out)
        loader = torch.utils.data.DataLoader(
            Images(out, size), batch_size=8, collate_fn=lambda rows: list(chain(*rows))
        )
        start = time.process_time()
        images = sum(len(torch.stack(batch)) for batch in loader)
        print(time.process_time() - start, images)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[3]))
