import json
import random
from pathlib import Path

import msgspec
import pytest

from jobs.dataset.check import problems
from jobs.dataset.summary import summary
from jobs.settings_files import load_file
from jobs.training.shape_pictures import COLOURS, DIRECTIONS, SHAPES
from jobs.training.shapes import make_shapes
from model.data.config import DatasetSettings, LoaderConfig, OrderSettings
from model.data.documents import Document, Medium
from model.data.images import ImageSettings
from model.data.loader import Loader
from model.data.plain import read_documents, text_of
from model.data.sequences import make_sequence
from model.data.tokens import Tokens
from model.evaluation.config import EvaluateConfig
from model.evaluation.tasks import ItemSource, read_items
from model.training.config import ShapeSettings, TrainConfig
from model.training.text_model import BOS, EOS, train_tokenizer
from schemas.storage import Store
from tests.model.makers import some_tokens

ROOT = Path(__file__).parents[3]
SIZES = {
    "train_pages": 20, "train_pairs": 24, "train_clips": 6, "train_clip_pages": 12,
    "held_out_pages": 4, "held_out_pairs": 4, "held_out_clips": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> ShapeSettings:
    settings = ShapeSettings(folder=str(tmp_path_factory.mktemp("shapes")), **SIZES)
    assert make_shapes(settings)
    return settings


def test_shapes_are_a_dataset_like_any_other(shapes: ShapeSettings) -> None:
    store = Store(f"{shapes.folder}/train")
    kinds = summary(store)["kinds"]
    assert {kind: totals["samples"] for kind, totals in kinds.items()} == {"interleaved": 20, "pairs": 24, "clips": 6}
    assert list(problems(store)) == []


def test_they_are_made_once_and_the_same_settings_give_the_same_bytes(shapes: ShapeSettings, tmp_path: Path) -> None:
    assert not make_shapes(shapes)
    again = msgspec.structs.replace(shapes, folder=str(tmp_path))
    make_shapes(again)
    for name in ("train/interleaved/shards/000000-000.tar", "train/pairs/shards/000000-000.tar"):
        assert (tmp_path / name).read_bytes() == (Path(shapes.folder) / name).read_bytes()


def test_what_was_killed_is_finished(shapes: ShapeSettings, tmp_path: Path) -> None:
    again = msgspec.structs.replace(shapes, folder=str(tmp_path))
    make_shapes(again)
    before = (tmp_path / "train/pairs/shards/000000-000.tar").stat().st_mtime_ns
    (tmp_path / "train/dataset.json").unlink()
    (tmp_path / "train/work/clips/000000.json").unlink()
    assert make_shapes(again)
    assert (tmp_path / "train/pairs/shards/000000-000.tar").stat().st_mtime_ns == before


def test_the_loader_reads_all_three_kinds(shapes: ShapeSettings) -> None:
    datasets = tuple(
        DatasetSettings(kind, f"{shapes.folder}/train/{kind}", kind, batch_rows=1)  # type: ignore[arg-type]
        for kind in ("interleaved", "pairs", "clips")
    )
    images = ImageSettings(size_px=64, clip_frames=4)
    config = LoaderConfig(datasets=datasets, images=images, order=OrderSettings(lanes=1))
    with Loader(config, some_tokens()) as loader:
        step = next(iter(loader))
    for batch in step.values():
        batch.check()
    assert set(step["clips"].frame_offsets_M1.diff().tolist()) == {4}
    assert set(step["pairs"].frame_offsets_M1.diff().tolist()) == {1}


def test_pages_of_clips_have_each_clip_with_its_own_text(shapes: ShapeSettings) -> None:
    folder = f"{shapes.folder}/train"
    clips = {tuple(document.parts) for document in read_documents(f"{folder}/clips", "clips")}
    pages = list(read_documents(f"{folder}/clip_pages", "interleaved"))
    shown = [tuple(zip(page.parts[::2], page.parts[1::2], strict=True)) for page in pages]
    assert len(shown) == 12
    assert {clip for page in shown for clip in page} <= clips
    assert all(2 <= len(page) <= shapes.clip_page_clips for page in shown)
    assert len({len(page) for page in shown}) > 3


def test_the_longest_page_of_clips_is_a_document_of_the_tiny_run() -> None:
    """Else it would be cut, and as many examples as an evaluation gives never be trained on."""
    config = load_file(TrainConfig, str(ROOT / "configs/tiny.yaml"), [], {})
    assert config.shapes is not None
    texts = [f"a {c} {s} moving {d}" for c in COLOURS for s in SHAPES for d in DIRECTIONS]
    tokens = Tokens(train_tokenizer(iter(texts), 400), BOS, EOS)
    parts = [(Medium(b"", "clip"), text) for text in texts[: config.shapes.clip_page_clips]]
    page = Document("key", "interleaved", tuple(part for pair in parts for part in pair))
    sequence = make_sequence(page, tokens, random.Random(0), config.data.sequence)
    assert len(sequence.media) == config.shapes.clip_page_clips == max(tiny_shots()) + 1
    assert len(sequence) <= config.data.packing.row_tokens


def tiny_shots() -> tuple[int, ...]:
    return load_file(EvaluateConfig, str(ROOT / "examples/tiny-tasks.yaml"), [], {}).shots


def test_a_name_holds_on_its_page_only(shapes: ShapeSettings) -> None:
    names: dict[str, set[str]] = {}
    pages = 0
    for document in read_documents(f"{shapes.folder}/train/interleaved", "interleaved"):
        texts = [text.split() for text in text_of(document)]
        if all(len(words) == 3 for words in texts):
            pages += 1
            of_page = {words[1]: words[2] for words in texts}
            assert all(of_page[words[1]] == words[2] for words in texts)
            for colour, name in of_page.items():
                names.setdefault(colour, set()).add(name)
    assert pages > 3
    assert max(len(of_colour) for of_colour in names.values()) > 2


def test_the_tasks_ask_what_only_the_examples_of_the_group_can_tell(shapes: ShapeSettings) -> None:
    folder = f"{shapes.folder}/held_out/tasks"
    support, query = (read_items(ItemSource(f"{folder}/naming-{role}.jsonl")) for role in ("support", "query"))
    for item in query[:12]:
        assert item.answers[0] in {other.answers[0] for other in support if other.group == item.group}
    assert {json.dumps(item.key) for item in query}.isdisjoint(json.dumps(item.key) for item in support)
