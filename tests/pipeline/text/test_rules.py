from collections import Counter

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.text.rules import (
    GopherRules,
    ParagraphRules,
    RepetitionRules,
    TextRules,
    gopher_quality,
    gopher_repetition,
    judge,
    text_rules,
)
from pipeline.text.words import word_list
from schemas.documents import Draft, TextBlock
from schemas.drops import Drop, DropRow
from tests.pipeline.makers import URL, attempt, draft, dropped, image_ref, prose

OFF = GopherRules(**dict.fromkeys(GopherRules.__struct_fields__))
NO_REPETITION_RULES = RepetitionRules(None, None, None, None, {}, {})


def quality(text, language="en", words=None, **rules):
    """The reason and detail by which Gopher's quality rules refuse a text, None if they do not."""
    chosen = msgspec.structs.replace(OFF, **rules)
    try:
        gopher_quality(text, text.split() if words is None else words, language, chosen)
    except Drop as drop:
        return drop.reason, drop.detail
    return None


def judged(text, language="en", **rules):
    try:
        judge(text, ParagraphRules(**rules), language)
    except Drop as drop:
        return drop.reason, drop.detail
    return None


def repeated(blocks, **rules):
    chosen = msgspec.structs.replace(NO_REPETITION_RULES, **rules)
    try:
        gopher_repetition(blocks, " ".join(blocks).split(), chosen)
    except Drop as drop:
        return drop.reason, drop.detail
    return None


# --- Gopher's quality rules, each at its edge


def test_the_values_are_those_of_the_paper():
    assert GopherRules() == GopherRules(50, 100_000, 3.0, 10.0, 0.1, 0.9, 0.3, 0.8, 2)
    defaults = RepetitionRules()
    assert defaults.top_ngrams == {2: 0.20, 3: 0.18, 4: 0.16}
    assert defaults.duplicate_ngrams == {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}
    assert (defaults.duplicate_lines, defaults.duplicate_paragraphs) == (0.30, 0.30)
    assert (defaults.duplicate_line_characters, defaults.duplicate_paragraph_characters) == (0.20, 0.20)


def test_few_words():
    assert quality("word " * 50, min_words=50) is None
    assert quality("word " * 49, min_words=50) == ("few_words", "49 < 50")


def test_many_words():
    assert quality("word " * 100, max_words=100) is None
    assert quality("word " * 101, max_words=100) == ("many_words", "101 > 100")


def test_mean_word_length_below_its_range():
    assert quality("abc abc ab abcd", min_word_length=3.0) is None
    assert quality("abc abc ab abc", min_word_length=3.0) == ("word_length", "2.75 < 3")


def test_mean_word_length_above_its_range():
    assert quality("abcdefghij " * 4, max_word_length=10.0) is None
    assert quality("abcdefghij " * 3 + "abcdefghijk", max_word_length=10.0) == ("word_length", "10.25 > 10")


@pytest.mark.parametrize("language", ["zh", "ja", "th"])
def test_word_length_does_not_apply_to_scripts_without_spaces(language):
    assert quality("a b c", language, min_word_length=3.0) is None


@pytest.mark.parametrize("symbol", ["#", "...", "…"])
def test_hashes_and_ellipses_over_words(symbol):
    assert quality("word " * 9 + "word" + symbol, max_symbols=0.1) is None
    assert quality("word " * 9 + "wo" + symbol + "rd" + symbol, max_symbols=0.1) == ("symbols", "0.2 > 0.1")


def test_hashes_and_ellipses_are_measured_apart():
    assert quality("word " * 9 + "word#...", max_symbols=0.1) is None
    assert quality("word " * 9 + "word…...", max_symbols=0.1) == ("symbols", "0.2 > 0.1")


@pytest.mark.parametrize("bullet", ["•", "‣", "▪", "●", "◦", "–", "- ", "* ", "+ "])
def test_lines_that_start_with_a_bullet(bullet):
    lines = [f"  {bullet}item"] * 9 + ["line"]
    assert quality("\n".join(lines), max_bullet_lines=0.9) is None
    assert quality("\n\n".join([*lines[:9], lines[0]]), max_bullet_lines=0.9) == ("bullets", "1 > 0.9")


@pytest.mark.parametrize("start", ["-5 degrees", "*emphasis* there", "+49 30 1234"])
def test_a_sign_that_begins_a_word_is_no_bullet(start):
    assert quality(start, max_bullet_lines=0.0) is None


@pytest.mark.parametrize("ending", ["...", "…", "… "])
def test_lines_that_end_in_an_ellipsis(ending):
    assert quality("\n".join([f"more{ending}"] * 3 + ["line"] * 7), max_ellipsis_lines=0.3) is None
    assert quality("\n".join([f"more{ending}"] * 4 + ["line"] * 6), max_ellipsis_lines=0.3) == ("ellipses", "0.4 > 0.3")


def test_words_that_hold_a_letter():
    assert quality("a1 b-2 c é 5", min_alphabetic_words=0.8) is None
    assert quality("a1 b-2 c 4 5", min_alphabetic_words=0.8) == ("few_letters", "0.6 < 0.8")


def test_function_words_that_must_occur():
    assert quality("The cat and cats", min_stop_words=2) is None
    assert quality("the the the cat", min_stop_words=2) == ("stop_words", "1 < 2")
    assert quality("cats alone", min_stop_words=2) == ("stop_words", "0 < 2")


@pytest.mark.parametrize("language", ["de", "", "zh"])
def test_function_words_are_asked_of_english_alone(language):
    assert quality("keine Katze hier", language, min_stop_words=2) is None


def test_rules_that_are_off_refuse_nothing():
    assert quality("# ... • 5") is None
    assert quality("") is None


def test_a_text_of_no_words_has_too_few():
    with pytest.raises(Drop) as caught:
        gopher_quality("", [], "en", GopherRules())
    assert dropped(caught) == ("few_words", "0 < 50")


# --- Gopher's repetition rules


def test_duplicate_lines():
    blocks = ["a\nb\nc\nd\ne\nf\ng\na\nb\nc"]
    assert repeated(blocks, duplicate_lines=0.3) is None
    assert repeated(["a\nb\nc\nd\ne\nf\na\nb\nc\na"], duplicate_lines=0.3) == (
        "repetitive",
        "duplicate lines 0.4 > 0.3",
    )


def test_empty_lines_are_no_duplicates():
    assert repeated(["a\n\n\n\n \nb"], duplicate_lines=0.0) is None


def test_duplicate_paragraphs():
    blocks = list("abcdefg") + list("abc")
    assert repeated(blocks, duplicate_paragraphs=0.3) is None
    assert repeated([*blocks, "a"], duplicate_paragraphs=0.3) == ("repetitive", "duplicate paragraphs 0.3636 > 0.3")


def test_characters_in_duplicate_lines():
    assert repeated(["aa\nbbbbbb\naa"], duplicate_line_characters=0.2) is None
    assert repeated(["aaa\nbbbbbb\naaa"], duplicate_line_characters=0.2) == (
        "repetitive",
        "characters in duplicate lines 0.25 > 0.2",
    )


def test_characters_in_duplicate_paragraphs():
    assert repeated(["aa", "bbbbbb", "aa"], duplicate_paragraph_characters=0.2) is None
    assert repeated(["aaa", "bbbbbb", "aaa"], duplicate_paragraph_characters=0.2) == (
        "repetitive",
        "characters in duplicate paragraphs 0.25 > 0.2",
    )


def test_the_most_frequent_ngram():
    text = "aa bb cc aa BB dd"
    assert repeated([text], top_ngrams={2: 8 / 12}) is None
    assert repeated([text], top_ngrams={2: 0.66}) == ("repetitive", "top 2-gram 0.6667 > 0.66")


def test_ngrams_that_occurred_before():
    text = "one two three four five six ONE two three four five"
    assert repeated([text], duplicate_ngrams={5: 0.5}) is None
    assert repeated([text], duplicate_ngrams={5: 0.4}) == ("repetitive", "duplicate 5-grams 0.4634 > 0.4")
    assert repeated([text], duplicate_ngrams={6: 0.0}) is None


def test_ngrams_run_over_the_ends_of_blocks():
    assert repeated(["one two", "three", "one", "two three"], duplicate_ngrams={3: 0.4}) == (
        "repetitive",
        "duplicate 3-grams 0.5 > 0.4",
    )


def test_plain_prose_repeats_itself_less_than_the_limits():
    gopher_repetition([TEXT], TEXT.split(), RepetitionRules())


# --- the measures of OBELICS


def test_words_of_a_block():
    assert judged("a b c d", min_words=4, max_words=4) is None
    assert judged("a b c", min_words=4) == ("few_words", "3 < 4")
    assert judged("a b c d e", max_words=4) == ("many_words", "5 > 4")


def naive_character_repetition(text, n=10):
    grams = [text[at : at + n] for at in range(len(text) - n + 1)]
    if not grams:
        return 0.0
    counts = sorted(Counter(grams).values(), reverse=True)
    repeated_counts = [count for count in counts if count > 1]
    top = repeated_counts[: int(len(counts) ** 0.5)]
    return sum(top) / len(grams)


@given(st.builds(str.__mul__, st.text(alphabet="abcdefgh ", max_size=30), st.integers(1, 3)))
@example("abcdefghijklmnopqrstuvwxyz" * 2)
def test_character_repetition_is_the_share_of_the_most_frequent_10_grams(text):
    share = naive_character_repetition(text)
    assert judged(text, max_character_repetition=share) is None
    if share > 0:
        reason, detail = judged(text, max_character_repetition=share - 1e-6)
        assert reason == "repetitive"
        assert detail.startswith(f"character 10-grams {share:.4g} > ")


def test_word_repetition_is_the_share_of_5_grams_that_occur_twice():
    text = "a b c d e A B C D E"  # six 5-grams, the first and the last equal
    assert judged(text, max_word_repetition=2 / 6) is None
    assert judged(text, max_word_repetition=0.3) == ("repetitive", "word 5-grams 0.3333 > 0.3")
    assert judged("a b c d", max_word_repetition=0.0) is None


def test_special_characters_are_those_that_are_neither_letters_nor_spaces():
    assert judged("abcdefg 1!", max_special_characters=0.2) is None
    assert judged("abcdef 1!🙂", max_special_characters=0.2) == ("special_characters", "0.3 > 0.2")
    assert judged("éß中あ\u00a0", max_special_characters=0.0) is None


def test_stop_words():
    text = "The cat, and the dog. Cats!"
    assert judged(text, min_stop_words=0.5) is None
    assert judged(text, min_stop_words=0.51) == ("stop_words", "0.5 < 0.51")


def test_flagged_words():
    flagged = min(word_list("flagged_en"))
    text = f"({flagged.upper()}) one two three"
    assert judged(text, max_flagged_words=0.25) is None
    assert judged(text, max_flagged_words=0.2) == ("flagged_words", "0.25 > 0.2")


def test_spam_words():
    spam = min(word_list("spam_en"))
    text = f"“{spam}” one two three"
    assert judged(text, max_spam_words=0.25) is None
    assert judged(text, max_spam_words=0.2) == ("spam_words", "0.25 > 0.2")


@pytest.mark.parametrize("rules", [{"min_stop_words": 1.0}, {"max_flagged_words": -1.0}, {"max_spam_words": -1.0}])
def test_word_lists_judge_english_alone(rules):
    assert judged("kein Wort", "de", **rules) is None
    assert judged("no word", "en", **rules) is not None


def test_punctuation_is_asked_of_blocks_of_some_length_alone():
    assert judged("a " * 11, min_punctuation=0.1) is None
    assert judged("a " * 12, min_punctuation=0.1) == ("punctuation", "0 < 0.1")
    assert judged("a " * 11 + "b.!", min_punctuation=2 / 12) is None
    assert judged("a b", min_punctuation=0.1, min_words_for_punctuation=2) == ("punctuation", "0 < 0.1")


@pytest.mark.parametrize("mark", ["。", "，", "！", "？", "“", "—", "»"])
def test_punctuation_of_other_scripts_is_punctuation(mark):
    assert judged("a" + mark, min_punctuation=0.1, min_words_for_punctuation=1) is None


def test_an_empty_text_is_judged_without_error():
    judge("", ParagraphRules(None, 10, 0.5, 0.5, 0.5, 0.0, 0.5, 0.5, 0.1), "en")


# --- words by script


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("two words", 2),
        ("don't split-hyphens 3.14", 3),
        ("今天天气", 4),
        ("今天 天气", 4),
        ("ひらがなカタカナ", 8),
        ("東京tower見た", 5),
        ("한국어 문장", 2),
        ("ภาษา", 4),
        ("", 0),
    ],
)
def test_a_character_of_a_script_without_spaces_counts_as_a_word(text, words):
    assert judged(text, "", min_words=words, max_words=words) is None


def test_punctuation_alone_is_no_word_in_chinese():
    assert judged("今天，天气。", "zh", max_words=4) is None


CHINESE = (
    "委员会星期二发表了报告，议会成员在投票前用两个小时讨论了调查结果，"
    "并决定明年春天再次在首都召开会议。很多市民也来到了现场。"
)
JAPANESE = (
    "委員会は火曜日に報告書を発表し、議員たちは投票の前に二時間にわたって"
    "その結果について話し合いました。市民も大勢集まりました。"
)
THAI = "คณะกรรมการเผยแพร่รายงานเมื่อวันอังคาร และสมาชิกสภาได้อภิปรายผลการศึกษาเป็นเวลาสองชั่วโมงก่อนลงคะแนน"


@pytest.mark.parametrize(("language", "text"), [("zh", CHINESE), ("ja", JAPANESE), ("th", THAI)])
def test_a_paragraph_of_a_script_without_spaces_passes_gophers_quality_rules(language, text):
    kept = text_rules(draft(text, image_ref("a.jpg"), language=language))
    assert len(kept.texts) == 1


# --- a whole draft

TEXT = (
    "The committee published its long report on Tuesday. Members of the council had asked for it two years ago, and "
    "many people in town were waiting to read what it says about the old bridge. It turns out that repairs have begun "
    "to cost more than a new bridge would, but nobody wants to lose the view from its eastern tower. Engineers will "
    "return in spring with three plans; each of them keeps the tower and opens a path for cyclists."
)


def test_a_draft_of_prose_with_an_image_passes_unchanged():
    given = draft(TEXT, image_ref("a.jpg"), language="en")
    assert text_rules(given) == given


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ([TEXT], ("no_image", "0 < 1")),
        ([image_ref("a.jpg"), "Too short."], ("few_words", "2 < 50")),
        ([image_ref("a.jpg"), "the and " * 100], ("repetitive", None)),
        ([image_ref("a.jpg"), TEXT, TEXT], ("repetitive", "duplicate lines 0.5 > 0.3")),
        ([image_ref("a.jpg"), "1234 -- 5678 == " * 20 + "the and"], ("few_letters", None)),
    ],
)
def test_a_draft_is_dropped_for_the_rule_it_breaks(blocks, expected):
    with pytest.raises(Drop) as caught:
        text_rules(draft(*blocks, language="en"))
    reason, detail = expected
    assert caught.value.reason == reason
    assert detail is None or caught.value.detail == detail


def test_the_number_of_images_has_two_ends():
    rules = TextRules(min_images=2, max_images=3)
    names = [image_ref(f"{number}.jpg") for number in range(4)]
    for count, expected in ((1, ("no_image", "1 < 2")), (4, ("many_images", "4 > 3"))):
        with pytest.raises(Drop) as caught:
            text_rules(draft(TEXT, *names[:count], language="en"), rules)
        assert dropped(caught) == expected
    for count in (2, 3):
        assert len(text_rules(draft(TEXT, *names[:count], language="en"), rules).images) == count


def test_no_image_may_be_asked_for():
    assert text_rules(draft(TEXT, language="en"), TextRules(min_images=0)).images == []


def test_bad_paragraphs_go_with_a_row_each_and_the_rest_stays_in_order():
    bad = "Buy now " * 20
    earlier = DropRow("https://site.example/i.png", "image", "icon", "why")
    given = draft("Click.", TEXT, image_ref("a.jpg"), bad, TEXT[::-1], language="en", dropped=(earlier,))
    kept = text_rules(given, TextRules(ParagraphRules(min_words=4, max_word_repetition=0.5)))
    assert kept.blocks == (given.blocks[1], given.blocks[2], given.blocks[4])
    assert kept.dropped == (
        earlier,
        DropRow(URL, "paragraph", "few_words", "1 < 4: Click."),
        DropRow(URL, "paragraph", "repetitive", f"word 5-grams 1 > 0.5: {bad[:80]}"),
    )


@pytest.mark.parametrize("role", ["caption", "heading"])
def test_captions_and_headings_are_exempt_from_paragraph_rules(role):
    given = draft(TextBlock("Short.", role), TEXT, image_ref("a.jpg"), language="en")
    kept = text_rules(given, TextRules(ParagraphRules(min_words=4)))
    assert kept.blocks == given.blocks
    assert kept.dropped == ()


@pytest.mark.parametrize("role", ["paragraph", "list", "table", "code", "quote"])
def test_every_other_block_is_judged(role):
    given = draft(TextBlock("Short.", role), TEXT, image_ref("a.jpg"), language="en")
    (row,) = text_rules(given, TextRules(ParagraphRules(min_words=4))).dropped
    assert (row.kind, row.reason) == ("paragraph", "few_words")


def test_what_paragraph_rules_removed_does_not_count_for_the_page():
    given = draft(TEXT, "x " * 60, image_ref("a.jpg"), language="en")
    with pytest.raises(Drop) as caught:
        text_rules(given, TextRules(ParagraphRules(max_words=20)))
    assert dropped(caught) == ("few_words", "0 < 50")


def test_the_rules_for_the_whole_text_judge_it_as_one():
    given = draft(prose(1), prose(2), image_ref("a.jpg"), language="en")
    count = len((prose(1) + " " + prose(2)).split())
    lenient = TextRules(gopher=OFF, repetition=NO_REPETITION_RULES, document=ParagraphRules(max_words=count))
    assert text_rules(given, lenient) == given
    with pytest.raises(Drop) as caught:
        text_rules(given, msgspec.structs.replace(lenient, document=ParagraphRules(max_words=count - 1)))
    assert dropped(caught) == ("many_words", f"{count} > {count - 1}")


@given(st.lists(st.text(max_size=60), max_size=6), st.sampled_from(["en", "zh", "de", ""]))
def test_any_text_is_kept_or_dropped_for_a_reason(blocks, language):
    strict = ParagraphRules(4, 1000, 0.1, 0.1, 0.3, 0.3, 0.01, 0.12, 0.001)
    given = draft(*blocks, image_ref("a.jpg"), language=language)
    result = attempt(text_rules, given, TextRules(strict, document=strict))
    if isinstance(result, Drop):
        assert result.detail
    else:
        assert len(result.blocks) + len(result.dropped) == len(blocks) + 1


def test_what_parts_the_cells_of_a_table_is_no_word() -> None:
    assert judged("apple | pear | plum", max_words=3) is None
    assert judged("a||b or a| b", max_words=3) == ("many_words", "4 > 3")
    table = TextBlock("\n".join(f"{fruit} | {fruit}s | {fruit}y" for fruit in ("apple", "pear", "plum", "quince")))
    rules = TextRules(gopher=msgspec.structs.replace(OFF, min_alphabetic_words=0.8), min_images=0)
    text_rules(Draft(1, "https://a.com/", (table,)), rules)
