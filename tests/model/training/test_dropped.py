"""Of what a run leaves out of its shards the first are named, all are counted."""

from pathlib import Path

import msgspec
import pytest

from model.training.config import TrainConfig
from model.training.loop import train
from model.training.records import read_metrics
from tests.model.makers import pair, write_dataset
from tests.model.training.makers import micro

BROKEN = 9  # of ten


@pytest.fixture
def damaged(data: Path, tmp_path: Path) -> TrainConfig:
    """Pairs of which nine in ten have half a picture."""
    samples = []
    for number in range(40):
        key, ((name, picture), *others) = pair(number, words=5)
        whole = number % 10 >= BROKEN
        samples.append((key, [(name, picture if whole else picture[: len(picture) // 2]), *others]))
    write_dataset(tmp_path / "damaged", samples)
    config = micro(data, tmp_path / "run", steps=2)
    pairs = msgspec.structs.replace(config.data.datasets[1], shards=str(tmp_path / "damaged"))
    datasets = (config.data.datasets[0], pairs)
    return msgspec.structs.replace(config, data=msgspec.structs.replace(config.data, datasets=datasets))


def test_samples_that_are_dropped_are_named_and_counted_by_reason(damaged: TrainConfig) -> None:
    said: list[str] = []
    ended = train(damaged, on_message=said.append)
    named = [text for text in said if text.startswith("dropped ")]
    assert len(named) == 5
    assert all(".tar#" in text and ": broken_image: " in text for text in named)
    rows = [row for row in read_metrics(damaged.output) if "grad_norm" in row]
    assert ended.dropped == {"broken_image": rows[-1]["total/dropped/broken_image"]}
    assert ended.dropped["broken_image"] > 10


def test_counts_go_on_with_the_run(damaged: TrainConfig) -> None:
    whole = train(damaged, on_message=lambda text: None)
    twice = msgspec.structs.replace(damaged, output=f"{damaged.output}-twice")
    train(msgspec.structs.replace(twice, steps=1), on_message=lambda text: None)
    assert train(twice, on_message=lambda text: None).dropped == whole.dropped


def test_where_nothing_is_dropped_nothing_is_said_of_it(data: Path, tmp_path: Path) -> None:
    config, said = micro(data, tmp_path, steps=1), list[str]()
    assert train(config, on_message=said.append).dropped == {}
    assert not said
    assert not any("dropped" in name for row in read_metrics(config.output) for name in row)
