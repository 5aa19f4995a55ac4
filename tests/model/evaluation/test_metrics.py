import pytest

from model.evaluation.metrics import cider, exact, normal_answer, vqa


@pytest.mark.parametrize(
    ("answer", "normal"),
    [
        ("The Cat.", "cat"),
        ("two  dogs", "2 dogs"),
        ("dont know", "don't know"),
        ("1,000", "1000"),
        ("2.5", "2.5"),
        ("red/blue", "red blue"),
        ("yes, it is!", "yes it is"),
        ("none", "0"),
        ("an apple\n", "apple"),
        ("it's", "it's"),
    ],
)
def test_answers_are_compared_as_the_official_evaluation_does(answer: str, normal: str) -> None:
    assert normal_answer(answer) == normal


def test_vqa_accuracy_averages_over_nine_of_ten_annotators() -> None:
    ten = ["red"] * 3 + ["blue"] * 7
    assert vqa(["Red.", "blue", "green"], [ten, ten, ten]) == pytest.approx([0.9, 1.0, 0.0])
    assert vqa(["two"], [["2"] + ["3"] * 9]) == pytest.approx([0.3])
    assert vqa(["a cat"], [["cat"]]) == [1.0]


def test_exact_takes_any_of_the_answers() -> None:
    assert exact([" red", "Red"], [["blue", "red"], ["red"]]) == [1.0, 0.0]


def test_cider_is_highest_for_the_reference_itself() -> None:
    pytest.importorskip("pycocoevalcap")
    references = [["a red circle at the top"], ["two blue squares on the left"], ["three green triangles"]]
    said = ["a red circle at the top", "two blue squares on the right", "a dog"]
    scores = cider(said, references)
    assert scores[0] == pytest.approx(10.0)
    assert 10 > scores[1] > scores[2] == 0.0
