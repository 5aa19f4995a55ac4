from pathlib import Path

import pytest
import torch

from model.data.listing import list_shards
from model.data.loader import Loader
from model.data.tokens import load_tokens
from model.training.config import held_out_loader
from model.training.held_out import accuracy, held_out_batches, shuffled_media
from model.training.parallel import Processes
from schemas.settings import SettingsError
from tests.model.training.makers import micro


def test_shuffled_media_are_the_same_frames_each_at_another_place(data: Path, tmp_path: Path) -> None:
    config = micro(data, tmp_path)
    with Loader(config.data, load_tokens(config.data.tokenizer)) as loader:
        batch = next(iter(loader))["pages"]
    other = shuffled_media(batch)
    other.check()
    frames = batch.frames_FCHW.split(batch.frame_offsets_M1.diff().tolist())
    turned = other.frames_FCHW.split(other.frame_offsets_M1.diff().tolist())
    assert len(frames) > 2
    assert all(torch.equal(mine, turned[(n - 1) % len(frames)]) for n, mine in enumerate(frames))
    assert torch.equal(batch.media_index_BT, other.media_index_BT)


def test_held_out_batches_are_plain_and_always_the_same(data: Path, tmp_path: Path) -> None:
    config = micro(data, tmp_path)
    plain = held_out_loader(config)
    assert (plain.sequence.p_next, plain.sequence.p_space, plain.images.p_flip, plain.images.colour) == (0, 0, 0, 0)
    tokens, alone = load_tokens(config.data.tokenizer), Processes(0, 1, torch.device("cpu"))
    first, again = (held_out_batches(plain, tokens, 2, alone) for _ in range(2))
    assert len(first) == 2
    for mine, other in zip(first, again, strict=True):
        assert all(torch.equal(mine[name].frames_FCHW, other[name].frames_FCHW) for name in mine)


def test_fewer_samples_than_processes_are_told_by_their_name(data: Path, tmp_path: Path) -> None:
    plain = held_out_loader(micro(data, tmp_path))
    tokens, one_of = load_tokens(plain.tokenizer), Processes(0, 25, torch.device("cpu"))
    files = [list_shards(dataset.shards) for dataset in plain.datasets]
    with pytest.raises(SettingsError, match="dataset pages holds 24 samples to measure on, fewer than the 25"):
        held_out_batches(plain, tokens, 1, one_of, files)


def test_accuracy_is_the_part_that_is_word_for_word() -> None:
    assert accuracy([("a red circle", "a red circle"), ("a red square", "a red circle")]) == 0.5
    assert accuracy([]) == 0.0
