"""What scorers and captioners of the user's own may be called, return and raise."""

from pathlib import Path

from jobs.phases.recipe import Recipe
from tests.jobs.phases.own_code import half_a_pair
from tests.jobs.phases.test_own_steps import OWN, PAIRS, built, pictures
from tests.jobs.test_build import drops


def test_a_caption_that_no_file_can_hold_costs_its_image_alone(tmp_path: Path) -> None:
    archive = pictures(tmp_path, "a bridge", "a dog")
    dataset = built(tmp_path / "out", [archive], Recipe(PAIRS).caption("colour_namer", half_a_pair))
    assert dataset.kinds["pairs"].samples == 1
    (row,) = [row for row in drops(tmp_path / "out") if row["reason"] == "step_failed"]
    assert row["url"] == "https://a.example/0.jpg"
    assert row["detail"].startswith(f"{OWN}:half_a_pair: UnicodeEncodeError: ")
