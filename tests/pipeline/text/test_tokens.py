import pytest

from pipeline.text.tokens import tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("relatedPosts share-bar_2", {"related", "posts", "share", "bar", "2"}),
        ("icon", {"icon"}),
        ("site-icon.png", {"site", "icon", "png"}),
        ("ICON_small", {"icon", "small"}),
        ("thumb64x64", {"thumb", "64", "x"}),
        ("h1title", {"h", "1", "title"}),
        ("", set()),
        ("--__..", set()),
    ],
)
def test_names_are_cut_at_punctuation_humps_and_digits(text, expected):
    assert tokens(text) == expected


@pytest.mark.parametrize(
    ("word", "inside"),
    [("silicon", "icon"), ("essex", "sex"), ("iconic", "icon"), ("administer", "ad"), ("download", "ad")],
)
def test_a_word_inside_another_word_is_no_token(word, inside):
    assert tokens(word) == {word}
    assert inside not in tokens(f"{word}-{word}_{word}")


def test_capitals_in_a_row_stay_together():
    assert tokens("HTML") == {"html"}
    assert tokens("myHTML") == {"my", "html"}


def test_letters_beyond_ascii_separate_tokens():
    assert "icon" in tokens("große·icon")
