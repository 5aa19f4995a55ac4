"""Own steps, scorers and captioners on Ray: the bytes are those of one process, and the module travels."""

import os
import subprocess
import sys
from pathlib import Path

from tests.jobs.conftest import contents

COOKING = """
import numpy

import weft


def odd_pages(draft: weft.Draft, parity: int = 1) -> weft.Draft:
    if int(draft.title.split()[1]) % 2 != parity:
        raise weft.Drop("cooking:even_page")
    return draft


class Brightness:
    def __call__(self, images, texts):
        return [numpy.asarray(image).mean() / 255 for image in images]


def says_size(images, texts):
    return [f"a picture of {image.width} by {image.height}" for image in images]


settings = {"partitions": 3, "buckets": 2, "kinds": ["interleaved", "pairs"]}
settings |= {"pairs.caption.sources": ["size", "alt"], "scorers.actors": 1}
recipe = (
    weft.Recipe("default", settings)
    .after("text_rules", odd_pages)
    .score("brightness", Brightness, at_least=0.1)
    .caption("size", says_size)
)
"""


def test_own_code_on_ray_has_the_bytes_of_one_process(tmp_path: Path, site: list[Path]) -> None:
    """The file lies where neither the folder nor the path of a worker would find it."""
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/cooking.py").write_text(COOKING)
    (tmp_path / "elsewhere").mkdir()
    for engine in ("inline", "ray"):
        command = [sys.executable, "-m", "jobs.cli", "build", str(tmp_path / "recipes/cooking.py"), "--engine", engine]
        command += ["--workers", "2", "--output", str(tmp_path / engine), "--input", *map(str, site)]
        done = subprocess.run(command, cwd=tmp_path / "elsewhere", env=os.environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "cooking:even_page 12" in done.stdout
        assert "interleaved: 12 samples" in done.stdout
    assert contents(tmp_path / "ray") == contents(tmp_path / "inline")
