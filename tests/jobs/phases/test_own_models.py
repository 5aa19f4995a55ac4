"""What scorers and captioners of the user's own may be called, return and raise."""

from pathlib import Path

import msgspec
import pytest

import weft
from jobs.config import BuildConfig
from jobs.phases.recipe import Recipe
from pipeline.captions import CaptionRules
from pipeline.pairs import PairRules
from pipeline.video.settings import ClipRules, ClipSettings, VideoCaptionRules
from schemas.drops import Counts
from schemas.pairs import Caption
from schemas.settings import SettingsError
from tests.jobs.phases import own_code
from tests.jobs.phases.own_code import Redness, half_a_pair
from tests.jobs.phases.test_own_steps import OWN, PAIRS, built, pictures
from tests.jobs.site import prose, write_archive
from tests.jobs.test_build import SMALL, drops
from tests.pipeline.videos import make_video


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


def test_personal_data_that_a_captioner_reads_off_a_picture_becomes_placeholders_and_is_counted(tmp_path: Path) -> None:
    archive = pictures(tmp_path, "a bridge of c@d.org", "a dog")
    config = msgspec.structs.replace(PAIRS, pairs=PairRules(caption=CaptionRules(sources=("signs", "alt"))))
    made = built(tmp_path / "out", [archive], Recipe(config).caption("signs", own_code.reads_signs))
    said = "a wall of the old bakery where somebody wrote to call <PHONE> or to mail <EMAIL>"
    with weft.open(tmp_path / "out") as dataset:
        pairs = [sample.record for sample in dataset]
    assert [pair.caption for pair in pairs] == [said, said]
    assert all(pair.captions[-1] == Caption(said, "signs") for pair in pairs)
    assert sorted(pair.redacted["email"] for pair in pairs) == [1, 2]
    assert sum(made.phases.values(), Counts()).redacted == {"email": 3, "phone": 2}


def test_of_clips_as_well(tmp_path: Path) -> None:
    page = f"<video src='/film.mp4'></video><p>{prose(1)}</p>".encode()
    film = make_video(scenes=(75,))
    records = [("https://a.example/", page, "text/html"), ("https://a.example/film.mp4", film, "video/mp4")]
    archive = write_archive(tmp_path / "a.warc.gz", records)
    clips = ClipSettings(rules=ClipRules(target_s=0), caption=VideoCaptionRules(sources=("signs",)))
    config = msgspec.structs.replace(BuildConfig(), kinds=("clips",), clips=clips)
    made = built(tmp_path / "out", [archive], Recipe(config).caption("signs", own_code.reads_signs))
    with weft.open(tmp_path / "out") as dataset:
        (clip,) = [sample.record for sample in dataset]
    assert clip.caption == "a wall of the old bakery where somebody wrote to call <PHONE> or to mail <EMAIL>"
    assert clip.redacted == sum(made.phases.values(), Counts()).redacted == {"email": 1, "phone": 1}
