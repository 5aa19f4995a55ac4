"""Run by benchmarks/loading.py in a Python with megatron-energon: FOLDER KIND SIZE; prints CPU seconds, then images."""

import sys
import time
from pathlib import Path

import torch
from megatron import energon


class Documents(energon.DefaultTaskEncoder):
    """Images by Energon's own decoder, as float tensors, brought to size."""

    def __init__(self, kind: str, size: int) -> None:
        super().__init__()
        self.kind, self.size = kind, size

    def encode_sample(self, sample):
        parts = [sample.image] if self.kind == "pairs" else [p for p in sample.sequence if not isinstance(p, str)]
        size = (self.size, self.size)
        return [torch.nn.functional.interpolate(part[None], size, mode="bilinear", antialias=True) for part in parts]

    def batch(self, samples):
        return torch.cat([image for images in samples for image in images])


def main(folder: str, kind: str, size: int) -> None:
    torch.set_num_threads(1)
    dataset = energon.get_train_dataset(
        Path(folder),
        worker_config=energon.WorkerConfig(rank=0, world_size=1, num_workers=0),
        batch_size=8,
        repeat=False,
        shuffle_buffer_size=100,
        max_samples_per_sequence=100,
        task_encoder=Documents(kind, size),
    )
    start = time.process_time()
    images = sum(len(batch) for batch in energon.get_loader(dataset))
    print(time.process_time() - start, images)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
