from pathlib import Path

import pytest

from model.evaluation.metrics import cider
from model.evaluation.words import caption_words

#: Captions, and what PTBTokenizer of the official evaluation (its jar, its list of punctuation) makes of them.
OFFICIAL = Path(__file__).with_name("captions.tsv").read_text("utf-8").splitlines()


@pytest.mark.parametrize("line", OFFICIAL)
def test_captions_are_split_as_the_official_program_splits_them(line: str) -> None:
    caption, _, words = line.partition("\t")
    assert caption_words(caption) == words


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("犬が走っている。", "犬 が 走 っ て い る"),
        ("コーヒー", "コ ー ヒ ー"),
        ("一只猫,3只狗", "一 只 猫 3 只 狗"),
        ("สุนัขวิ่ง", "สุ นั ข วิ่ ง"),
        ("cafe\u0301", "café"),
        ("कुत्ता दौड़ रहा है।", "कुत्ता दौड़ रहा है"),
        ("می\u200cرود", "می\u200cرود"),
        ("L\u2019été", "l'été"),
        ("!?", "!?"),
        ("...", ""),
        ("", ""),
    ],
)
def test_captions_of_any_script_have_words(caption: str, words: str) -> None:
    assert caption_words(caption) == words


@pytest.mark.parametrize("caption", ["犬が走っている", "человек едет", "ένας σκύλος", "crème brûlée", "كلب يركض"])
def test_cider_of_a_reference_in_any_script_is_highest(caption: str) -> None:
    pytest.importorskip("pycocoevalcap")
    scores = cider([caption, "a cat", ""], [[caption], ["x y"], ["z w"]])
    assert scores[0] > 4.9
    assert scores[1:] == [0.0, 0.0]


def test_cider_without_a_word_is_zero() -> None:
    pytest.importorskip("pycocoevalcap")
    assert cider(["...", ""], [["..."], [""]]) == [0.0, 0.0]
