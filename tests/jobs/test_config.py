import re

import msgspec
import pytest

from jobs.config import BuildConfig, load_config, presets
from jobs.phases.recipe import Recipe
from pipeline.text.language import _model
from pipeline.text.language_codes import CODES
from schemas.settings import SettingsError, differences, dump_settings, load_settings, settings_hash


def test_every_preset_loads() -> None:
    pages, pairs = {"default", "flamingo", "obelics"}, {"align", "datacomp", "laion", "list", "ltip"}
    assert set(presets()) == pages | pairs
    for name in presets():
        assert isinstance(load_config(name, []), BuildConfig)


def test_the_default_preset_is_the_default_of_the_code() -> None:
    assert load_config("default", []) == BuildConfig()


def test_presets_have_the_numbers_of_their_papers() -> None:
    flamingo, obelics = load_config("flamingo", []), load_config("obelics", [])
    assert (flamingo.image.min_side_px, flamingo.image.max_aspect_ratio) == (64, 3.0)
    assert (flamingo.text.gopher.min_words, flamingo.text.gopher.max_words) == (50, 100_000)
    assert flamingo.text.repetition.top_ngrams == {2: 0.20, 3: 0.18, 4: 0.16}
    assert (obelics.image.min_side_px, obelics.image.max_side_px, obelics.image.max_aspect_ratio) == (150, 20_000, 2.0)
    assert (obelics.text.paragraph.min_words, obelics.text.paragraph.max_words) == (4, 1000)
    assert (obelics.text.document.min_words, obelics.text.document.max_words) == (10, 2000)
    assert obelics.language.min_score == 0.8
    assert obelics.text.max_images == 30


def test_resolved_settings_read_back_to_the_same() -> None:
    config = load_config("obelics", ["text.repetition.top_ngrams.2=0.5", "language.keep=[en, de]"])
    assert load_settings(BuildConfig, dump_settings(config)) == config
    assert config.text.repetition.top_ngrams[2] == 0.5
    assert config.language.keep == ("en", "de")


def test_differences_name_their_paths() -> None:
    changed = load_config("default", ["image.min_side_px=100", "seed=3"])
    assert differences(BuildConfig(), changed) == ["image.min_side_px: 64 -> 100", "seed: 0 -> 3"]


def test_nonsense_is_refused_with_its_path() -> None:
    with pytest.raises(SettingsError, match=r"^image\.min_side_px: a whole number is wanted, not a text$"):
        load_config("default", ["image.min_side_px=wide"])


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("language.keep=[english]", "language: keep has 'english'; codes of ISO 639-1 are wanted, such as en"),
        ("kinds=[pairs, foo]", "kinds[1] cannot be 'foo'; it is one of interleaved, pairs, clips"),
        ("language.keep=[xx]", "language: keep has 'xx', which no text is found to be in; codes are such as en"),
        ("url.blocked_domains=[a.example/b]", "url: blocked_domains has 'a.example/b'; hosts are wanted"),
        (
            "url.blocked_domains=['http://a.example/b']",
            "url: blocked_domains has 'http://a.example/b'",
        ),
        ("pairs.domains=[a.example/b]", "pairs: domains has 'a.example/b'; hosts are wanted"),
        ("encoding.quality=0", "encoding.quality is 0, and cannot be below 1"),
        ("encoding.quality=101", "encoding.quality is 101, and cannot be above 100"),
        ("encoding.size_px=0", "encoding.size_px is 0, and cannot be below 1"),
        ("pairs.encoding.quality=101", "pairs.encoding.quality is 101, and cannot be above 100"),
        ("decontamination.max_image_distance=65", "decontamination.max_image_distance is 65, and cannot be above 64"),
        ("decontamination.ngram=0", "decontamination.ngram is 0, and cannot be below 1"),
        ("image.max_aspect_ratio=0.5", "image.max_aspect_ratio is 0.5, and cannot be below 1"),
        ("image.svg_px=20000", "image.svg_px is 20000, and cannot be above 16,384"),
        ("isolation.timeout_s=0", "isolation.timeout_s is 0.0, and cannot be below 0.001"),
        ("minhash.ngram=0", "minhash.ngram is 0, and cannot be below 1"),
        ("minhash.bands=0", "minhash.bands is 0, and cannot be below 1"),
        ("minhash.rows=0", "minhash.rows is 0, and cannot be below 1"),
        ("shards.max_bytes=0", "shards.max_bytes is 0, and cannot be below 1"),
        ("kinds=[]", "kinds is empty: name interleaved, pairs or clips"),
        (
            "score_with=[{name: a, use: 'm:f', at_least: 2, at_most: 1}]",
            "score_with[0]: at_least is 2, above at_most, 1: nothing would pass",
        ),
        ("partitions=1000000", "partitions is 1000000, and cannot be above 100,000"),
        ("buckets=1000000", "buckets is 1000000, and cannot be above 100,000"),
        ("media.partitions=1000000", "media.partitions is 1000000, and cannot be above 100,000"),
    ],
)
def test_what_no_build_can_be_made_of_is_refused(override: str, said: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(said)):
        load_config("default", [override])


def test_a_plan_read_back_has_the_hash_of_the_settings_it_was_made_of() -> None:
    """A default of 200 for a float would come back as 200.0, and the same settings would look like others."""
    for name in presets():
        config = load_config(name, [])
        read_back = msgspec.json.decode(msgspec.json.encode(config), type=BuildConfig)
        assert settings_hash(read_back) == settings_hash(config)


def test_languages_and_hosts_may_be_written_otherwise() -> None:
    config = load_config("default", ["language.keep=[EN]", "url.blocked_domains=['http://A.example/', b.example]"])
    pairs = load_config("default", ["pairs.domains=['https://A.example', b.example]"]).pairs
    assert config.language.keep == ("en",)
    assert config.url.blocked_domains == pairs.domains == ("a.example", "b.example")


def test_sources_that_no_caption_comes_from_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"^pairs\.caption\.sources cannot have 'figcation'; known are alt"):
        Recipe.named("default", ["pairs.caption.sources=[figcation]"])
    with pytest.raises(SettingsError, match=r"^clips\.caption\.sources cannot have 'alt'; known are description"):
        Recipe.named("default", ["clips.caption.sources=[figcaption, alt]"])
    for kind in ("pairs", "clips"):
        named = {f"{kind}.caption.sources": ["size"]}
        own = Recipe("default", named).caption("size", lambda images, texts: texts)
        assert Recipe.of(own) is own


def test_codes_of_languages_are_those_of_the_model() -> None:
    labels, _ = _model().predict("a text", k=1000, threshold=-1.0)
    assert {label.removeprefix("__label__") for label in labels} == CODES
