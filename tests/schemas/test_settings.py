import re
from typing import Literal

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schemas.settings import Settings, SettingsError, differences, dump_settings, load_settings, settings_hash


class Text(Settings):
    min_words: int = 10
    ratio: float = 0.5
    languages: tuple[str, ...] = ("en",)


class Config(Settings):
    text: Text = Text()
    name: str = ""
    seed: int = 0
    weights: dict[int, float] = msgspec.field(default_factory=dict)
    cap: int | None = None


def test_nothing_given_gives_the_defaults() -> None:
    assert load_settings(Config) == load_settings(Config, "# all commented out\n") == Config()


def test_yaml_is_read_into_the_record() -> None:
    config = load_settings(Config, "seed: 3\ntext:\n  min_words: 20\n  languages: [de, fr]\nweights: {1: 2}\n")
    assert config == Config(text=Text(min_words=20, languages=("de", "fr")), seed=3, weights={1: 2.0})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("text: {min_word: 3}", "there is no setting text.min_word; the nearest is text.min_words"),
        ("sed: 3", "there is no setting sed; the nearest is seed"),
        ("text: {min_words: few}", "text.min_words: a whole number is wanted, not a text"),
        ("text: {languages: [en, 3]}", "text.languages[1]: a text is wanted, not a whole number"),
        (
            "text: {languages: [no]}",
            "text.languages[0]: a text is wanted, not true or false; YAML takes no, yes, on and off for these, "
            "in quotes they are texts",
        ),
        ("name: 3", "name: a text is wanted, not a whole number; in quotes it is a text"),
        ("1: 2", "the settings: its names are texts; others are in quotes"),
        ("text.min_words: 3", "text.min_words is a setting within a group: text: {min_words: ...}"),
        ("seed: 1:30", "seed: a whole number is wanted, not a text"),
        ("cap: 010", "cap: a whole number or null is wanted, not a text"),
        ("text: {ratio: 3:1}", "text.ratio: a number is wanted, not a text"),
        ("text: {ratio: 3:10.5}", "text.ratio: a number is wanted, not a text"),
        ("seed: 1\nname: a\nseed: 2", "line 3, column 1: seed stands twice in the same group, first in line 1"),
        ("text: {ratio: 1, ratio: 0}", "line 1, column 18: ratio stands twice in the same group, first in line 1"),
        ("seed: 1.5", "seed: a whole number is wanted, not a number"),
        ("text: 3", "text: a group of settings is wanted, not a whole number"),
        ("[]", "settings must be a mapping, not list"),
        ("text: {min_words: -5}", "text.min_words is -5, and cannot be below 0"),
        ("min_words: 5", "there is no setting min_words; the nearest is text.min_words"),
        ("cap: -1", "cap is -1, and cannot be below 0"),
        ("cap: few", "cap: a whole number or null is wanted, not a text"),
        ("weights: {a: 2}", "weights: a whole number is wanted, not a text"),
        ("- seed", "settings must be a mapping, not list"),
        ("just words", "settings must be a mapping, not str"),
    ],
)
def test_nonsense_is_refused_with_its_path(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        load_settings(Config, text)


class Limits(Settings, frozen=True):
    min_words: int = 0
    max_words: int = 0
    min_score: float = 0.5
    max_flags: float | None = None
    kind: Literal["a", "b"] = "a"
    kinds: tuple[Literal["a", "b"], ...] = ()


class Limited(Settings, frozen=True):
    limits: Limits = Limits()
    several: tuple[Limits, ...] = ()
    pair: tuple[float, float] = (0.0, 1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("limits: {min_score: .nan}", "limits.min_score is nan, which is no number"),
        ("pair: [0.5, .nan]", "pair[1] is nan, which is no number"),
        ("several: [{}, {max_flags: .nan}]", "several[1].max_flags is nan, which is no number"),
        ("several: [{max_words: -1}]", "several[0].max_words is -1, and cannot be below 0"),
        ("several: [{}, {kind: c}]", "several[1].kind cannot be 'c'; it is one of a, b"),
        ("several: [{kinds: [a, c]}]", "several[0].kinds[1] cannot be 'c'; it is one of a, b"),
    ],
)
def test_what_is_no_number_is_refused_and_groups_of_a_list_are_looked_at(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        load_settings(Limited, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{min_words: 5, max_words: 3}", "limits.min_words is 5, above limits.max_words, 3: nothing would pass"),
        ("{min_score: 65}", "limits.min_score is 65.0, and cannot be above 1"),
        ("{kind: c}", "limits.kind cannot be 'c'; it is one of a, b"),
        ("{kinds: [a, c]}", "limits.kinds[1] cannot be 'c'; it is one of a, b"),
        ("{max_flags: []}", "limits.max_flags: a number or null is wanted, not a list"),
    ],
)
def test_what_nothing_could_pass_and_what_is_no_choice_is_refused(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        load_settings(Limited, f"limits: {text}")
    load_settings(Limited, "limits: {min_words: 5, max_flags: 2}")  # without a limit above


def test_broken_yaml_is_refused_with_its_line() -> None:
    with pytest.raises(SettingsError, match=r"not valid YAML(.|\n)*line 2"):
        load_settings(Config, "seed: 1\ntext: [")


def test_yaml_cannot_make_objects() -> None:
    with pytest.raises(SettingsError, match="not valid YAML"):
        load_settings(Config, "name: !!python/object/apply:os.getcwd []")


def test_overrides_win_and_the_last_one_most() -> None:
    config = load_settings(
        Config, "text: {min_words: 20}", ["text.min_words=30", "text.min_words=40", "name=a=b", "cap=null"]
    )
    assert config == Config(text=Text(min_words=40), name="a=b")


def test_override_values_are_yaml() -> None:
    config = load_settings(Config, "", ["text.languages=[de, fr]", "weights={1: 2.5}", 'name="3"', "text.ratio=1"])
    assert config == Config(text=Text(ratio=1.0, languages=("de", "fr")), name="3", weights={1: 2.5})


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "--set takes PATH=VALUE, for example text.gopher.min_words=20, not 'seed'"),
        ("=3", "--set takes PATH=VALUE, for example text.gopher.min_words=20, not '=3'"),
        ("seed.x=3", "--set seed.x=3: seed is a value, not a group of settings"),
        ("seed=[", "--set seed=[: not a valid value"),
        ("text={ratio: 1, ratio: 0}", "ratio stands twice in the same group"),
        ("text.min_word=3", "there is no setting text.min_word; the nearest is text.min_words"),
        ("text.min_words=few", "text.min_words: a whole number is wanted, not a text"),
    ],
)
def test_a_wrong_override_is_refused_with_its_path(override: str, message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        load_settings(Config, "seed: 1", [override])


def test_dates_are_texts_and_numbers_stay_numbers() -> None:
    assert load_settings(Config, "name: 2024-01-01").name == "2024-01-01"
    assert load_settings(Config, "seed: 0x10\ntext: {ratio: 00.5}") == Config(seed=16, text=Text(ratio=0.5))
    assert load_settings(Config, "cap: 0\nseed: -1_000") == Config(cap=0, seed=-1000)


def test_what_is_merged_may_be_named_again() -> None:
    text = "text: &base {min_words: 3, ratio: 0.1}\nweights: {<<: {1: 2}, 1: 3}\n"
    assert load_settings(Config, text).weights == {1: 3.0}


def test_a_number_in_scientific_notation_is_a_number() -> None:
    """YAML 1.1 takes 1e-3 for a string; nobody who writes it does."""
    assert load_settings(Config, "text: {ratio: 1e-3}").text.ratio == 0.001
    assert load_settings(Config, "", ["text.ratio=1e-3"]).text.ratio == 0.001


def test_a_dump_writes_out_every_default() -> None:
    assert yaml.safe_load(dump_settings(Config())) == {
        "text": {"min_words": 10, "ratio": 0.5, "languages": ["en"]},
        "name": "",
        "seed": 0,
        "weights": {},
        "cap": None,
    }


def test_a_dump_is_for_people() -> None:
    assert "name: Grüße, 世界\n" in dump_settings(Config(name="Grüße, 世界"))
    assert dump_settings(Config()).startswith("text:\n  min_words: 10\n"), "in the order of the record"


_texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\t'\":#-"))
_configs = st.builds(
    Config,
    st.builds(Text, st.integers(0, 2**40), ratio=st.floats(0, allow_nan=False), languages=st.lists(_texts).map(tuple)),
    _texts | st.sampled_from(["no", "null", "1e3", "1", "2024-01-01", "12:30", "~", "=", ""]),
    st.integers(-(2**63), 2**63 - 1),
    st.dictionaries(st.integers(0, 9), st.floats(allow_nan=False, allow_infinity=False), max_size=3),
    st.none() | st.integers(0, 5),
)


@given(_configs)
def test_a_dump_is_loaded_back_as_it_was(config: Config) -> None:
    assert load_settings(Config, dump_settings(config)) == config


@given(_configs, _configs)
def test_hashes_differ_exactly_when_settings_do(left: Config, right: Config) -> None:
    same = load_settings(Config, dump_settings(left))
    assert settings_hash(same) == settings_hash(left)
    assert (settings_hash(left) == settings_hash(right)) == (repr(left) == repr(right))


def test_the_hash_is_the_same_in_every_process_and_release() -> None:
    assert settings_hash(Config()) == "83db212fba574911"
    assert re.fullmatch("[0-9a-f]{16}", settings_hash(Config()))


def test_the_hash_does_not_depend_on_the_order_of_writing() -> None:
    one = load_settings(Config, "weights: {1: 1, 2: 2}\nseed: 1")
    two = load_settings(Config, "seed: 1\nweights: {2: 2, 1: 1}")
    assert settings_hash(one) == settings_hash(two)


def test_differences_name_path_old_and_new() -> None:
    old = Config()
    new = Config(text=Text(min_words=3), name="x", weights={1: 2.0})
    assert differences(old, new) == [
        "name: '' -> 'x'",
        "text.min_words: 10 -> 3",
        "weights.1: None -> 2.0",
    ]
    assert differences(old, Config()) == []


@given(_configs, _configs)
def test_differing_settings_have_differences(left: Config, right: Config) -> None:
    assert bool(differences(left, right)) == (left != right)
