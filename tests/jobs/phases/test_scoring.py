"""Scorers in whole builds."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from jobs.build import build
from jobs.config import load_config
from jobs.engine.engine import EngineSettings
from model.scorers import BadModel
from tests.jobs.conftest import contents
from tests.jobs.phases.test_duplicates import built, drops, page, story
from tests.jobs.site import photo
from tests.jobs.test_build import samples
from tests.models import write_classifier, write_clip, write_head


def red() -> bytes:
    image = Image.open(io.BytesIO(photo(50)))
    _, green, blue = image.split()
    out = io.BytesIO()
    Image.merge("RGB", (green.point(lambda _: 255), green, blue)).save(out, "PNG")
    return out.getvalue()


def web() -> tuple[dict[str, bytes], dict[str, bytes]]:
    pages, images = {}, {}
    for number in range(5):
        own = [f"https://site{number}.com/{side}.jpg" for side in "ab"]
        pages[f"https://site{number}.com/"] = page(story(number), own)
        images |= {url: photo(2 * number + side) for side, url in enumerate(own)}
    images["https://site1.com/a.jpg"] = images["https://site2.com/a.jpg"] = images["https://site2.com/b.jpg"] = red()
    return pages, images


def test_scores_stand_beside_the_order_of_the_page_and_unsafe_images_go(tmp_path: Path) -> None:
    pages, images = web()
    models = [
        f"scorers.clip.path={write_clip(tmp_path / 'clip')}",
        f"scorers.nsfw.path={write_classifier(tmp_path / 'nsfw')}",
        f"scorers.aesthetic={write_head(tmp_path / 'head.onnx')}",
        "scorers.max_nsfw=0.99",
        "scorers.batch_size=3",
    ]
    dataset = built(tmp_path, pages, images, *models)
    assert dataset.drops == {"image": {"nsfw": 3}, "page": {"no_image_left": 1}}
    read = samples(tmp_path / "out")
    assert len(read) == 4
    for sample in read:
        document = sample["document"]
        count = len(document["image_urls"])
        assert document["screened"] == ["nsfw"]
        assert [set(scores) for scores in document["image_scores"]] == [{"nsfw", "clip", "aesthetic"}] * count
        assert document["scores"]["nsfw"] == max(scores["nsfw"] for scores in document["image_scores"])
        paragraphs = [part for text in document["texts"] if text for part in text.split("\n\n")]
        assert [len(row) for row in document["clip_similarity"]] == [len(paragraphs)] * count
        assert len(set(document["clip_assignment"])) == count
        best = [round(max(row), 2) for row in document["clip_similarity"]]
        assert best == pytest.approx([scores["clip"] for scores in document["image_scores"]], abs=0.01)
        if count == 2:
            assert [text is None for text in document["texts"]] == [False, True, False, True, False]


def test_without_a_model_every_sample_says_not_screened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from jobs.cli import main

    pages, images = web()
    built(tmp_path, pages, images)
    for sample in samples(tmp_path / "out"):
        assert sample["document"]["screened"] == []
        assert sample["document"]["clip_similarity"] == sample["document"]["clip_assignment"] == []
    assert main(["show", str(tmp_path / "out")]) == 0
    assert "not screened" in capsys.readouterr().out


def test_images_are_let_go_by_similarity_to_text_and_to_evaluation_images(tmp_path: Path) -> None:
    pages, images = web()
    (tmp_path / "eval.jpg").write_bytes(images["https://site0.com/a.jpg"])
    models = [
        f"scorers.clip.path={write_clip(tmp_path / 'clip')}",
        f"decontamination.images=[{tmp_path}/eval.jpg]",
        "decontamination.max_image_distance=0",
        "corpus.max_image_places=null",
    ]
    turned = io.BytesIO()
    Image.open(io.BytesIO(photo(0))).point(lambda value: min(255, value + 9)).save(turned, "PNG")
    images["https://site3.com/a.jpg"] = turned.getvalue()
    dataset = built(tmp_path, pages, images, *models, "scorers.max_evaluation_similarity=0.97")
    assert dataset.drops["image"]["evaluation_image"] == 2
    details = sorted(row["detail"] for row in drops(tmp_path / "out") if row["reason"] == "evaluation_image")
    assert any("cosine" in detail and f"{tmp_path}/eval.jpg" in detail for detail in details)
    (tmp_path / "strict").mkdir()
    strict = built(tmp_path / "strict", pages, images, models[0], "scorers.min_similarity=2.0")
    assert strict.kinds["interleaved"].samples == 0
    assert strict.drops["image"] == {"unrelated": 10}


def test_a_model_that_is_missing_ends_the_build_by_name(tmp_path: Path) -> None:
    pages, images = web()
    with pytest.raises(BadModel, match="nowhere"):
        built(tmp_path, pages, images, "scorers.nsfw.path=/nowhere")


@pytest.mark.shares_ray
def test_actors_on_ray_score_as_this_process_does(tmp_path: Path) -> None:
    pages, images = web()
    clip, nsfw = write_clip(tmp_path / "clip"), write_classifier(tmp_path / "nsfw")
    models = [f"scorers.clip.path={clip}", f"scorers.nsfw.path={nsfw}", "scorers.actors=2"]
    built(tmp_path, pages, images, *models)
    config = load_config("default", ["partitions=2", "buckets=3", "max_slice_bytes=9000", *models])
    archives = sorted(map(str, tmp_path.glob("*.warc.gz")))
    inputs = json.loads((tmp_path / "out/work/plan.json").read_text())["inputs"]
    build(str(tmp_path / "ray"), [item["url"] for item in inputs], config, EngineSettings(workers=4))
    assert len(archives) == len(inputs)
    assert contents(tmp_path / "ray") == contents(tmp_path / "out")
