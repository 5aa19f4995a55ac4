import pytest

from pipeline.text.words import word_list


@pytest.mark.parametrize("name", ["stop_en", "flagged_en", "spam_en", "url_blocked"])
def test_the_lists_that_ship_hold_lower_case_words(name):
    words = word_list(name)
    assert len(words) > 20
    assert all(word == word.lower() for word in words)


def test_the_stop_words_hold_those_of_gopher():
    assert {"the", "be", "to", "of", "and", "that", "have", "with"} <= word_list("stop_en")


def test_a_list_of_ones_own_is_read_from_its_path(tmp_path):
    (tmp_path / "w.txt").write_text("Ä b\n  C\t", "utf-8")
    assert word_list(str(tmp_path / "w.txt")) == {"ä", "b", "c"}


def test_a_list_that_is_nowhere_is_named():
    with pytest.raises(FileNotFoundError, match="no_such_list"):
        word_list("no_such_list")
