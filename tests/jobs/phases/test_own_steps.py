"""Steps, scorers and captioners of the user's own, in whole builds in this process, and what is refused at the door."""

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

import weft
from jobs.build import build
from jobs.cli import main
from jobs.config import BuildConfig, OwnStep
from jobs.phases.own_steps import PLACES
from jobs.phases.recipe import Recipe
from pipeline.captions import CaptionRules
from pipeline.pairs import PairRules
from pipeline.video.settings import ClipRules, ClipSettings, VideoCaptionRules
from schemas.drops import StepError
from schemas.settings import SettingsError
from tests.jobs.phases import own_code
from tests.jobs.phases.own_code import (
    Redness,
    black,
    caption_lengths,
    colour_namer,
    even_pages,
    fails_always,
    fails_on_bridges,
    fails_on_three,
    leaves_on_three,
    no_bread,
    only_first_image,
    only_long,
    short_captions,
    shouts,
    turns_bad,
)
from tests.jobs.site import photo, prose, write_archive
from tests.jobs.test_build import INLINE, SMALL, drops, samples
from tests.pipeline.videos import make_video

ROOT = Path(__file__).parents[3]
OWN = own_code.__name__
PAIRS = msgspec.structs.replace(
    SMALL, kinds=("pairs",), pairs=PairRules(caption=CaptionRules(sources=("alt", "colour_namer")))
)


def built(folder: Path, archives: list[Path], recipe: Recipe, videos: tuple[str, ...] = ()):
    return build(str(folder), [str(path) for path in archives], recipe, INLINE, videos=videos)


def own(folder: Path) -> list[tuple[str, str, str]]:
    return sorted((row["kind"], row["reason"], row["detail"]) for row in drops(folder) if ":" in row["reason"])


def test_a_step_drops_pages_with_its_own_reason_counted_like_ours(tmp_path: Path, site: list[Path]) -> None:
    dataset = built(tmp_path / "out", site, Recipe(SMALL).after("text_rules", even_pages, parity=1))
    titles = {sample["document"]["title"] for sample in samples(tmp_path / "out")}
    assert titles == {f"Article {number}" for number in range(1, 24, 2)}
    assert dataset.drops["page"]["mine:odd_page"] == 12
    assert own(tmp_path / "out")[0] == ("page", "mine:odd_page", "0")
    assert main(["inspect", str(tmp_path / "out"), "--check"]) == 0


def test_what_a_step_returns_goes_on(tmp_path: Path, site: list[Path]) -> None:
    built(tmp_path / "out", site, Recipe(SMALL).before("language", shouts))
    assert {sample["document"]["title"].split()[0] for sample in samples(tmp_path / "out")} == {"ARTICLE"}


def test_a_step_in_place_of_ours_is_the_only_one_there(tmp_path: Path, site: list[Path]) -> None:
    strict = msgspec.structs.replace(SMALL, language=msgspec.structs.replace(SMALL.language, keep=("ja",)))
    assert built(tmp_path / "ours", site, Recipe(strict)).kinds["interleaved"].samples == 0
    assert built(tmp_path / "own", site, Recipe(strict).instead("language", shouts)).kinds["interleaved"].samples == 24


def test_a_step_sees_the_pixels_of_images_and_drops_them_alone(tmp_path: Path, site: list[Path]) -> None:
    built(tmp_path / "out", site, Recipe(SMALL).after("images", only_first_image))
    for sample in samples(tmp_path / "out"):
        assert [url[-6:] for url in sample["document"]["image_urls"]] == ["-a.jpg"]
    rows = [row for row in drops(tmp_path / "out") if row["reason"] == "mine:second_image"]
    assert len(rows) == 24
    assert all(row["kind"] == "image" and row["page_url"].endswith(".html") for row in rows)


def test_other_pixels_are_what_is_stored(tmp_path: Path, site: list[Path]) -> None:
    config = msgspec.structs.replace(SMALL, corpus=msgspec.structs.replace(SMALL.corpus, max_image_places=None))
    built(tmp_path / "out", site, Recipe(config).after("images", black))
    document = samples(tmp_path / "out")[0]["document"]
    assert document["image_sizes"] == [[120, 100]] * 2
    assert document["image_original_sizes"] == [[320, 240]] * 2
    assert main(["inspect", str(tmp_path / "out"), "--check"]) == 0


def test_a_step_takes_pairs(tmp_path: Path, site: list[Path]) -> None:
    dataset = built(tmp_path / "out", site, Recipe(PAIRS).after("pairs", short_captions, most=8))
    assert dataset.kinds["pairs"].samples == 0
    assert dataset.drops["pair"]["mine:long_caption"] > 20
    kept = built(tmp_path / "kept", site, Recipe(PAIRS).after("pairs", short_captions, most=9))
    assert kept.kinds["pairs"].samples == 48


def test_a_step_takes_the_rows_of_lists(tmp_path: Path) -> None:
    (tmp_path / "list.jsonl").write_text('{"url": "https://a.example/1.jpg", "caption": "far too long"}\n')
    (tmp_path / "own_list.py").write_text(
        "import weft\n"
        "def none(pair: weft.PairRef) -> weft.PairRef:\n    raise weft.Drop('mine:none', pair.caption)\n"
        "recipe = weft.Recipe('list').after('pairs', none)\n"
    )
    command = ["fetch-pairs", str(tmp_path / "list.jsonl"), "-o", str(tmp_path / "out"), "--engine", "inline"]
    assert main([*command, "--config", str(tmp_path / "own_list.py")]) == 1  # nothing is left
    assert own(tmp_path / "out") == [("pair", "mine:none", "far too long, row 0 of " + str(tmp_path / "list.jsonl"))]


def test_steps_take_videos_and_clips(tmp_path: Path) -> None:
    page = "<html><body>{}</body></html>".format(
        "".join(
            f"<figure><video src='/{name}.mp4'></video><figcaption>A film of {name} in the old kitchen</figcaption>"
            f"</figure><p>{prose(number)}</p>"
            for number, name in enumerate(("bread", "soup"))
        )
    )
    film = make_video(scenes=(75,))
    archive = write_archive(
        tmp_path / "a.warc.gz",
        [
            ("https://a.example/page", page.encode(), "text/html"),
            ("https://a.example/bread.mp4", film, "video/mp4"),
            ("https://a.example/soup.mp4", film, "video/mp4"),
        ],
    )
    clips = ClipSettings(rules=ClipRules(target_s=0), caption=VideoCaptionRules())
    config = msgspec.structs.replace(BuildConfig(), kinds=("clips",), clips=clips)
    dataset = built(tmp_path / "out", [archive], Recipe(config).after("videos", no_bread))
    assert dataset.drops["video"] == {"mine:bread": 1}
    assert dataset.kinds["clips"].samples == 1
    dataset = built(tmp_path / "none", [archive], Recipe(config).after("clips", only_long))
    assert dataset.drops["clip"] == {"mine:short_clip": 2}
    assert dataset.drops["video"] == {"no_clip_left": 2}


def test_consent_comes_before_every_step(tmp_path: Path) -> None:
    page = f"<html><head><meta name=robots content=noai></head><body><p>{prose(1)}</p></body></html>".encode()
    archive = write_archive(tmp_path / "a.warc.gz", [("https://a.example/page", page, "text/html")])
    dataset = built(tmp_path / "out", [archive], Recipe(SMALL).before("url", fails_always))
    assert dataset.drops["page"] == {"opt_out": 1}


def test_a_step_that_fails_costs_the_item(tmp_path: Path, site: list[Path]) -> None:
    dataset = built(tmp_path / "out", site, Recipe(SMALL).after("pii", fails_on_three))
    assert dataset.kinds["interleaved"].samples == 23
    (row,) = [row for row in drops(tmp_path / "out") if row["reason"] == "step_failed"]
    assert row["detail"] == f"{OWN}:fails_on_three: KeyError: 'three'"


def test_a_step_that_leaves_python_costs_the_item(tmp_path: Path, site: list[Path]) -> None:
    """Also at its trial, which would end the command without a word."""
    dataset = built(tmp_path / "out", site, Recipe(SMALL).after("pii", leaves_on_three))
    assert dataset.kinds["interleaved"].samples == 23
    (row,) = [row for row in drops(tmp_path / "out") if row["reason"] == "step_failed"]
    assert row["detail"] == f"{OWN}:leaves_on_three: SystemExit: no three"


def test_twenty_failures_in_a_row_stop_the_run_and_name_the_item(tmp_path: Path) -> None:
    pages = [(f"https://a.example/{n}", f"<p>{prose(n)}</p>".encode(), "text/html") for n in range(25)]
    archive = write_archive(tmp_path / "a.warc.gz", pages)
    with pytest.raises(StepError, match=r"20 failures in a row, last page https://a.example/19: .*fails_always"):
        built(tmp_path / "out", [archive], Recipe(SMALL).before("url", fails_always))


def test_another_result_than_is_asked_for_stops_the_run(tmp_path: Path, site: list[Path]) -> None:
    with pytest.raises(StepError, match=r"turns_bad: it must return a Draft or raise weft.Drop, not return NoneType"):
        built(tmp_path / "out", site, Recipe(SMALL).after("pii", turns_bad))


def test_scores_land_in_the_sample_and_can_be_ruled_on(tmp_path: Path, site: list[Path]) -> None:
    recipe = Recipe(SMALL).score("red", Redness).score("green", Redness, channel=1, at_most=0.5)
    dataset = built(tmp_path / "out", site, recipe)
    assert 0 < dataset.drops["image"][f"{OWN.rpartition('.')[2]}:green"] < 48
    for sample in samples(tmp_path / "out"):
        document = sample["document"]
        assert all(0.3 < scores["red"] < 0.7 and scores["green"] <= 0.5 for scores in document["image_scores"])
        assert set(document["scores"]) == {"red", "green"}


def test_scorers_of_pairs_see_the_caption_of_each_image(tmp_path: Path, site: list[Path]) -> None:
    recipe = Recipe(PAIRS, {"pairs.caption.sources": ["alt"]}).score("length", caption_lengths)
    built(tmp_path / "out", site, recipe)
    rows = pq.read_table(next((tmp_path / "out/pairs/shards").glob("*.parquet"))).to_pylist()
    assert {json.loads(row["scores"])["length"] for row in rows} == {float(len("picture 0"))}


def test_a_batch_that_fails_is_scored_one_by_one(tmp_path: Path) -> None:
    archive = pictures(tmp_path, "a bridge", "a dog", "")
    built(tmp_path / "out", [archive], Recipe(SMALL).score("fine", fails_on_bridges))
    (row,) = [row for row in drops(tmp_path / "out") if row["reason"] == "step_failed"]
    assert row["url"] == "https://a.example/0.jpg"
    assert "ValueError: a bridge" in row["detail"]


def pictures(folder: Path, *alts: str) -> Path:
    """The archive of one page with a picture for each alt."""
    tags = "".join(f"<p>{prose(n)}</p><img src='/{n}.jpg' alt='{alt}'>" for n, alt in enumerate(alts))
    records = [("https://a.example/page", f"<body><article>{tags}</article></body>".encode(), "text/html")]
    records += [(f"https://a.example/{n}.jpg", photo(n), "image/jpeg") for n in range(len(alts))]
    return write_archive(folder / "a.warc.gz", records)


def test_a_captioner_adds_a_candidate_with_its_source(tmp_path: Path, site: list[Path]) -> None:
    built(tmp_path / "out", site, Recipe(PAIRS).caption("colour_namer", colour_namer))
    first = _first_pair(tmp_path / "out")
    assert first["caption_source"] == "alt"
    assert first["captions"][-1] == {"text": "a picture of 320 by 240 in colours", "source": "colour_namer"}


def test_a_captioner_can_be_preferred(tmp_path: Path, site: list[Path]) -> None:
    rules = PairRules(caption=CaptionRules(sources=("colour_namer", "alt"), clean=False))
    config = msgspec.structs.replace(PAIRS, pairs=rules)
    built(tmp_path / "out", site, Recipe(config).caption("colour_namer", colour_namer))
    first = _first_pair(tmp_path / "out")
    assert (first["caption"], first["caption_source"]) == ("a picture of 320 by 240 in colours", "colour_namer")
    assert main(["inspect", str(tmp_path / "out"), "--check"]) == 0


def test_a_captioner_gives_pictures_without_any_text_their_caption(tmp_path: Path) -> None:
    html = f"<body><article><p>{prose(1)}</p><img src='/1.jpg'></article></body>".encode()
    records = [("https://a.example/page", html, "text/html"), ("https://a.example/1.jpg", photo(1), "image/jpeg")]
    archive = write_archive(tmp_path / "a.warc.gz", records)
    bare = Recipe(PAIRS, {"pairs.caption.sources": ["alt"]})
    assert built(tmp_path / "bare", [archive], bare).drops["pair"] == {"no_caption": 1}
    built(tmp_path / "out", [archive], Recipe(PAIRS).caption("colour_namer", colour_namer))
    assert _first_pair(tmp_path / "out")["caption_source"] == "colour_namer"


def _first_pair(folder: Path) -> dict:
    with weft.open(folder) as dataset:
        return msgspec.to_builtins(dataset[0].record)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"use": "no_such_module:step", "after": "pii"}, "cannot import no_such_module: ModuleNotFoundError"),
        ({"use": "json:no_such", "after": "pii"}, "json has no function no_such"),
        ({"use": "json", "after": "pii"}, "a step is named module:function"),
        ({"use": "json:loads", "after": "no_such"}, f"there is no step no_such; there are {', '.join(PLACES)}"),
        ({"use": "json:loads"}, "one of before, after and instead says where it stands"),
        ({"use": "json:loads", "after": "pii", "before": "url"}, "one of before, after and instead"),
        ({"use": "json:loads", "before": "consent"}, "consent comes before everything"),
        ({"use": "json:loads", "instead": "images"}, "it can stand after images, not instead it"),
        (
            {"use": f"{OWN}:even_pages", "after": "pii", "settings": {"odd": 1}},
            "no setting odd; it has parity",
        ),
        (
            {"use": f"{OWN}:even_pages", "after": "pii", "settings": {"parity": "x"}},
            "setting parity: Expected `int`",
        ),
        ({"use": f"{OWN}:short_captions", "after": "pairs"}, "the setting most is missing"),
        (
            {"use": f"{OWN}:even_pages", "after": "images"},
            "must return a DecodedImage or raise weft.Drop",
        ),
        ({"use": "copy:copy", "after": "pii", "settings": {}}, ""),
        ({"use": f"{OWN}:Redness", "after": "pii"}, "a step is a plain function, not a class"),
        ({"use": f"{OWN}:awaits", "after": "pii"}, "an async function cannot be one"),
        ({"use": f"{OWN}:awaits_too", "after": "pii"}, "an async function cannot be one"),
        ({"use": f"{OWN}:awaits_and_yields", "after": "pii"}, "an async function cannot be one"),
        ({"use": f"{OWN}:yields", "after": "pii"}, "it must return its item, not yield it"),
        ({"use": f"{OWN}:takes_nothing", "after": "pii"}, "it cannot be called as it would be: too many positional"),
        ({"use": f"{OWN}:takes_a_word", "after": "pii"}, "it cannot be called as it would be: too many positional"),
        ({"use": "builtins:repr", "after": "pii"}, "it must return a Draft or raise weft.Drop, not return str"),
    ],
)
def test_a_step_that_is_wrong_is_refused_at_the_door_with_one_line(step: dict, message: str) -> None:
    config = msgspec.structs.replace(SMALL, steps=(OwnStep(**step),))
    if not message:
        Recipe(config)
        return
    with pytest.raises(SettingsError) as caught:
        Recipe(config)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_functions_of_one_name_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"two functions are called .*<lambda>: give each a name of its own"):
        Recipe(SMALL).after("pii", lambda draft: draft).after("pii", lambda draft: draft)


def test_what_no_plan_can_hold_is_no_setting() -> None:
    with pytest.raises(SettingsError, match="even_pages: TypeError: Encoding objects of type"):
        Recipe(SMALL).after("pii", even_pages, parity=Path())


def test_functions_that_were_typed_into_a_session_are_steps_too(tmp_path: Path, site: list[Path]) -> None:
    """No child process could import them."""

    def local(draft: weft.Draft, wanted: str = "Article 3") -> weft.Draft:
        if draft.title != wanted:
            raise weft.Drop("mine:another")
        return draft

    dataset = built(tmp_path / "out", site, Recipe(SMALL).after("extract", local))
    assert dataset.drops["page"]["mine:another"] > 20
    assert dataset.kinds["interleaved"].samples == 1


def test_a_file_is_read_anew_for_each_build_of_a_process(tmp_path: Path, site: list[Path], monkeypatch) -> None:
    """Neither the process that children are forks of nor compiled code on disk has kept what it said before."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    file = tmp_path / "own_anew.py"
    for number in (3, 5):
        file.write_text(
            "import weft\n"
            "def one(draft: weft.Draft) -> weft.Draft:\n"
            f"    if draft.title != 'Article {number}':\n        raise weft.Drop('mine:other')\n    return draft\n"
            "recipe = weft.Recipe('default').after('extract', one)\n"
        )
        os.utime(file, (1_700_000_000, 1_700_000_000))  # edits of one second look the same to Python's compiled code
        built(tmp_path / str(number), site, Recipe.named(str(file), []))
        assert [sample["document"]["title"] for sample in samples(tmp_path / str(number))] == [f"Article {number}"]


def test_a_resume_with_a_changed_step_is_refused_and_says_what_changed(
    tmp_path: Path, site: list[Path], capsys
) -> None:
    step = tmp_path / "own_resumed.py"
    step.write_text("def same(draft, most: int = 1):\n    return draft\n")
    config = tmp_path / "config.yaml"
    config.write_text("steps: [{after: pii, use: 'own_resumed:same', settings: {most: 1}}]\npartitions: 2\n")
    command = ["build", str(config), "--output", str(tmp_path / "out"), "--engine", "inline", "--input", str(site[0])]

    def run(tree: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "jobs.cli", *command], cwd=tree, capture_output=True, text=True)

    assert run(tmp_path).returncode == 0
    plan = json.loads((tmp_path / "out/work/plan.json").read_bytes())
    assert [one["use"] for one in plan["own"]] == ["own_resumed:same"]
    (tmp_path / "out/dataset.json").unlink()
    step.write_text("def same(draft, most: int = 1):\n    return draft  # but for this\n")
    refused = run(tmp_path)
    assert refused.returncode == 2
    assert "the source of own_resumed:same: sha256" in refused.stderr
    config.write_text("steps: [{after: pii, use: 'own_resumed:same', settings: {most: 2}}]\npartitions: 2\n")
    assert "Changed: steps:" in run(tmp_path).stderr


def test_other_code_makes_another_config_hash(tmp_path: Path) -> None:
    plain, one = Recipe(SMALL), Recipe(SMALL).after("pii", shouts)
    assert plain.hash == Recipe(msgspec.structs.replace(SMALL, steps=())).hash
    assert plain.hash != one.hash
    assert one.hash != Recipe(SMALL).after("pii", fails_on_three).hash


def test_explain_shows_the_verdict_of_own_steps_beside_ours(tmp_path: Path, capsys) -> None:
    (tmp_path / "own_explained.py").write_text(
        "import weft\n"
        "def never(draft: weft.Draft) -> weft.Draft:\n    raise weft.Drop('mine:never', 'as I said')\n"
        "recipe = weft.Recipe({}).before('text_rules', never)\n".replace("{}", "")
    )
    page = tmp_path / "page.html"
    page.write_text(f"<html><body><article><p>{prose(3)}</p><img src=a.jpg></article></body></html>")
    assert main(["explain", str(page), "--config", str(tmp_path / "own_explained.py")]) == 0
    shown = capsys.readouterr().out
    assert "your step own_explained:never: dropped, mine:never: as I said" in shown
    assert main(["explain", str(page), "--config", str(tmp_path / "own_explained.py"), "--json"]) == 0
    steps = json.loads(capsys.readouterr().out)["steps"]
    assert [step["name"] for step in steps] == ["consent", "url", "extract", "language", "own_explained:never"]


def test_the_example_reads_as_its_recipe_and_runs(tmp_path: Path, example_archive: Path) -> None:
    source = (ROOT / "examples/own_step.py").read_text()
    assert len(source.splitlines()) <= 20
    out = tmp_path / "out"
    command = ["build", str(ROOT / "examples/own_step.py"), "--input", str(example_archive), "--output", str(out)]
    assert main([*command, "--engine", "inline"]) == 0
    with weft.open(out) as dataset:
        assert len(dataset) == 7
    assert {row["reason"] for row in drops(out)} >= {"cooking:few_lists", "duplicate_url"}
