"""Files that extend others, and what `weft config` prints of them."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from crawlers.crawl_config import CrawlConfig
from jobs.cli import main
from jobs.config import BuildConfig, load_config
from jobs.settings_files import load_file, presets, training_presets
from model.training.config import TrainConfig
from schemas.setting_docs import commented, json_schema, meanings
from schemas.settings import SettingsError, load_settings


def test_a_file_changes_what_it_extends_setting_by_setting(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("extends: obelics\ntext: {max_images: 10}\nlanguage: {keep: [de]}\n")
    (tmp_path / "more.yaml").write_text("extends: mine.yaml\nseed: 7\n")
    config, base = load_config(str(tmp_path / "more.yaml"), ["text.min_images=2"]), load_config("obelics", [])
    assert (config.seed, config.text.max_images, config.text.min_images) == (7, 10, 2)
    assert config.text.paragraph == base.text.paragraph
    assert config.language.keep == ("de",)
    assert config.language.min_score == base.language.min_score != BuildConfig().language.min_score


def test_a_file_beside_it_comes_before_a_preset_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "obelics").write_text("seed: 3\n")
    (tmp_path / "mine.yaml").write_text("extends: obelics\n")
    assert load_config(str(tmp_path / "mine.yaml"), []).seed == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("extends: mine.yaml", "mine.yaml: extends itself, by way of mine.yaml"),
        ("extends: obelix", "^mine.yaml: no such config file or preset: obelix"),
        ("extends: [obelics]", r"mine.yaml: extends takes one name, not \['obelics'\]"),
        ("extends: obelics\nsed: 3", "mine.yaml: .*no setting sed; the nearest is seed"),
        ("a: [1\nb: {", "mine.yaml: not valid YAML: line 2, column 2: expected ',' or ']', but got ':'$"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_in_a_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(SettingsError, match=said) as told:
        load_config(str(tmp_path / "mine.yaml"), ["seed=1"])
    assert "\n" not in str(told.value)


def test_what_is_wrong_with_the_call_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("seed: 1\n")
    with pytest.raises(SettingsError, match=r"^there is no setting sed"):
        load_config(str(tmp_path / "mine.yaml"), ["sed=1"])


def test_files_of_crawls_extend_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("pace: {delay_s: 5}\n")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\nimages: false\n")
    config = load_file(CrawlConfig, str(tmp_path / "b.yaml"), [], {})
    assert (config.pace.delay_s, config.images) == (5.0, False)


@pytest.mark.parametrize("name", sorted(presets()))
def test_what_config_prints_is_a_file_of_the_same_settings(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", name, "--set", "seed=5"]) == 0
    printed = tmp_path / "printed.yaml"
    printed.write_text(capsys.readouterr().out)
    assert load_config(str(printed), []) == load_config(name, ["seed=5"])


def test_config_knows_the_settings_of_other_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--of", "crawl"]) == 0
    assert load_settings(CrawlConfig, capsys.readouterr().out) == CrawlConfig()
    assert main(["config", "tiny"]) == 0
    printed = load_settings(TrainConfig, capsys.readouterr().out)
    assert printed == load_file(TrainConfig, "tiny", [], training_presets())
    assert main(["config", "--of", "evaluate"]) == 0
    assert main(["config", "obelix"]) == 2


def test_every_setting_has_its_meaning_above_it() -> None:
    lines = commented(BuildConfig()).splitlines()
    at = lines.index("near_duplicates: true")
    assert lines[at - 1] == f"# {meanings(BuildConfig)['near_duplicates']}"


@pytest.mark.parametrize("name", sorted(presets()))
def test_the_schema_takes_the_presets_and_finds_a_misspelling(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    tree = yaml.safe_load(presets()[name].read_text()) or {}
    jsonschema.validate({"extends": "default", **tree}, schema)
    for wrong in ({"sed": 1}, {"text": {"min_image": 1}}, {"seed": "x"}, {"kinds": ["pages"]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**tree, **wrong}, schema)


def test_the_schema_says_what_settings_mean() -> None:
    schema = json_schema(CrawlConfig)
    assert schema["$defs"]["CrawlConfig"]["properties"]["images"]["description"] == "Fetch the images of pages."
    assert "description" in schema["$defs"]["PaceSettings"]["properties"]["delay_s"]
