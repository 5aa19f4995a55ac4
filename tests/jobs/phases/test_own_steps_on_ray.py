"""Steps and models of a file to which no path of Ray's workers leads: the bytes are those of one process."""

import sys
from pathlib import Path

import pytest

from jobs.build import build
from jobs.engine.engine import EngineSettings
from jobs.phases.own_steps import import_file
from jobs.phases.recipe import Recipe
from tests.jobs.conftest import contents
from tests.jobs.test_build import INLINE, SMALL, samples

FILE = """
import msgspec
import numpy as np
import weft

def shouts(draft: weft.Draft) -> weft.Draft:
    return msgspec.structs.replace(draft, title=draft.title.upper())

def only_even(draft: weft.Draft) -> weft.Draft:
    if int(draft.title.split()[1]) % 2:
        raise weft.Drop("mine:odd")
    return draft

class Redness:
    def __init__(self, channel: int):
        self._channel = channel

    def __call__(self, images, texts):
        return [np.asarray(image)[:, :, self._channel].mean() / 255 for image in images]
"""


def test_a_file_of_steps_goes_with_the_build(tmp_path: Path, site: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))  # import_file adds to it
    (tmp_path / "own_on_ray.py").write_text(FILE)
    own = import_file(tmp_path / "own_on_ray.py")
    recipe = Recipe(SMALL).after("text_rules", own.only_even).after("pii", own.shouts)
    recipe = recipe.score("red", own.Redness, channel=0)
    archives = [str(path) for path in site]
    build(str(tmp_path / "inline"), archives, recipe, INLINE)
    build(str(tmp_path / "ray"), archives, recipe, EngineSettings(workers=2))
    read = [sample["document"] for sample in samples(tmp_path / "ray")]
    assert {document["title"] for document in read} == {f"ARTICLE {number}" for number in range(0, 24, 2)}
    assert all("red" in scores for document in read for scores in document["image_scores"])
    assert contents(tmp_path / "ray") == contents(tmp_path / "inline")
