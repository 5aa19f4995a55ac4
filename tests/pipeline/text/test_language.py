import fasttext
import msgspec
import pytest

from pipeline.text.language import LanguageRules, _model, identify, keep_language
from schemas.documents import TextBlock
from schemas.drops import Drop
from tests.pipeline.makers import draft, image_ref

TEXTS = {
    "en": "The committee published its report on Tuesday, and the council discussed the findings for two hours.",
    "fr": "Le comité a publié son rapport mardi, et les membres du conseil en ont discuté avant de voter.",
    "de": "Der Ausschuss veröffentlichte am Dienstag seinen Bericht, und der Rat beriet ihn zwei Stunden lang.",
    "es": "El comité publicó su informe el martes y los miembros del consejo los discutieron antes de votar.",
    "ja": "委員会は火曜日に報告書を発表し、議員たちは投票の前に二時間にわたってその結果について話し合いました。",
    "zh": "委员会星期二发表了报告，议会成员在投票前用两个小时讨论了调查结果，并决定明年再次召开会议。",
    "ar": "نشرت اللجنة تقريرها يوم الثلاثاء وناقش أعضاء المجلس النتائج لمدة ساعتين قبل التصويت على القرار.",
    "ru": "Комитет опубликовал свой доклад во вторник, и члены совета обсуждали его выводы в течение двух часов.",
}


@pytest.mark.parametrize("language", TEXTS)
def test_a_paragraph_is_enough_to_tell_the_language(language):
    found, score = identify(TEXTS[language])
    assert found == language
    assert 0.8 < score <= 1.0


@pytest.mark.parametrize("language", TEXTS)
def test_only_the_wanted_language_passes_and_is_written_down(language):
    given = draft(TEXTS[language], image_ref("a.jpg"))
    kept = keep_language(given, LanguageRules(keep=(language,)))
    assert kept.language == language
    assert kept.language_score == round(identify(TEXTS[language])[1], 4)
    assert msgspec.structs.replace(kept, language="", language_score=0.0) == given
    if language != "en":
        with pytest.raises(Drop) as caught:
            keep_language(given)
        assert caught.value.reason == "language"
        assert caught.value.detail == f"{language} {identify(TEXTS[language])[1]:.2f}"


def test_a_score_below_the_threshold_drops_also_the_wanted_language():
    given = draft(TEXTS["en"])
    score = identify(TEXTS["en"])[1]
    assert keep_language(given, LanguageRules(min_score=score)).language == "en"
    with pytest.raises(Drop) as caught:
        keep_language(given, LanguageRules(min_score=score + 1e-6))
    assert (caught.value.reason, caught.value.detail) == ("language", f"en {score:.2f}")


def test_an_empty_list_keeps_every_language_however_unsure():
    for text in (*TEXTS.values(), "12 34", ""):
        assert keep_language(draft(text), LanguageRules(keep=(), min_score=1.1)).language


def test_several_languages_may_be_kept():
    rules = LanguageRules(keep=("fr", "de"))
    assert [keep_language(draft(TEXTS[name]), rules).language for name in ("fr", "de")] == ["fr", "de"]
    with pytest.raises(Drop):
        keep_language(draft(TEXTS["en"]), rules)


def test_all_texts_of_a_draft_speak_for_its_language():
    blocks = [TextBlock("Home", "heading"), image_ref("a.jpg"), *(TextBlock(TEXTS["fr"]) for _ in range(3))]
    assert keep_language(draft(*blocks), LanguageRules(keep=())).language == "fr"


@pytest.mark.parametrize("text", ["", " ", "12 + 30", "\n\n", "\x00", "🙂🙂", "."])
def test_a_text_without_words_is_in_no_language_for_sure(text):
    assert identify(text)[1] < 0.65


def test_what_comes_after_2000_characters_does_not_count():
    assert identify("a b. " + TEXTS["en"] * 30) == identify(("a b. " + TEXTS["en"] * 30)[:2000])


def test_line_ends_do_not_change_the_answer():
    assert identify(TEXTS["en"].replace(" ", "\n")) == identify(TEXTS["en"])


def test_another_package_in_the_place_of_the_one_that_reads_the_model_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fasttext, "train_supervised", None, raising=False)
    with pytest.raises(RuntimeError, match="pip uninstall fasttext"):
        _model.__wrapped__()


def test_capitals_are_read_as_small_letters() -> None:
    assert identify(TEXTS["en"].upper()) == identify(TEXTS["en"].lower())
