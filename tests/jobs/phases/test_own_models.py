"""What scorers and captioners of the user's own may be called, return and raise."""

from pathlib import Path

import pytest

from jobs.phases.recipe import Recipe
from schemas.settings import SettingsError
from tests.jobs.phases import own_code
from tests.jobs.phases.own_code import Redness, half_a_pair
from tests.jobs.phases.test_own_steps import OWN, PAIRS, built, pictures
from tests.jobs.test_build import SMALL, drops


def test_a_caption_that_no_file_can_hold_costs_its_image_alone(tmp_path: Path) -> None:
    archive = pictures(tmp_path, "a bridge", "a dog")
    dataset = built(tmp_path / "out", [archive], Recipe(PAIRS).caption("colour_namer", half_a_pair))
    assert dataset.kinds["pairs"].samples == 1
    (row,) = [row for row in drops(tmp_path / "out") if row["reason"] == "step_failed"]
    assert row["url"] == "https://a.example/0.jpg"
    assert row["detail"].startswith(f"{OWN}:half_a_pair: UnicodeEncodeError: ")


@pytest.mark.parametrize("name", ["Red", "nsfw", "a b", ""])
def test_a_score_has_a_name_of_its_own(name: str) -> None:
    with pytest.raises(SettingsError, match="is no name for it"):
        Recipe(SMALL).score(name, Redness)


@pytest.mark.parametrize("name", ["Alt", "alt", "title", "figcaption", "list", "subtitles", ""])
def test_a_source_has_a_name_of_its_own(name: str) -> None:
    with pytest.raises(SettingsError, match="is no name for it"):
        Recipe(SMALL).caption(name, half_a_pair)


@pytest.mark.parametrize(
    ("scorer", "message"),
    [
        (own_code.NoCall, "NoCall: the class has no __call__"),
        (own_code.CalledWithOne, "CalledWithOne: it cannot be called as it would be: too many positional"),
        (own_code.takes_images_alone, "takes_images_alone: it cannot be called as it would be: too many positional"),
        (own_code.awaits_scores, "awaits_scores: an async function cannot be one"),
        (own_code.Awaits, "Awaits: an async function cannot be one"),
    ],
)
def test_what_could_never_look_at_images_is_refused_at_the_door(scorer: object, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Recipe(SMALL).score("fine", scorer)  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_scores_may_be_yielded() -> None:
    """They are made a list wherever they are used."""
    Recipe(SMALL).score("fine", own_code.one_each)


def test_a_captioner_that_leaves_python_costs_the_image(tmp_path: Path) -> None:
    archive = pictures(tmp_path, "a bridge", "a dog")
    dataset = built(tmp_path / "out", [archive], Recipe(PAIRS).caption("colour_namer", own_code.leaves_at_bridges))
    assert dataset.kinds["pairs"].samples == 1
    (row,) = [row for row in drops(tmp_path / "out") if row["reason"] == "step_failed"]
    assert row["detail"].startswith(f"{OWN}:leaves_at_bridges: SystemExit: 3")


def test_a_model_that_leaves_python_when_it_is_made_is_said_in_one_line(tmp_path: Path) -> None:
    archive = pictures(tmp_path, "a bridge", "a dog")
    with pytest.raises(SettingsError, match="Leaves: SystemExit: no weights"):
        built(tmp_path / "out", [archive], Recipe(SMALL).score("fine", own_code.Leaves))
