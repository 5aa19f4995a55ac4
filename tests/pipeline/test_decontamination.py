import numpy as np
import pytest

from pipeline.decontamination import DecontaminationRules, ImageIndex, TextIndex, decontaminate_text, item_ngrams
from schemas.documents import Draft, ImageRef, StoredImage, TextBlock
from schemas.drops import Drop

RULES = DecontaminationRules()
QUESTION = (
    "Which of the three brothers carried the heavy golden lantern across the frozen river "
    "before the first light of day?"
)
OTHER = "Nothing of the sort is asked here or anywhere else in this whole long list of questions."


def index_of(*items: str, rules: DecontaminationRules = RULES) -> TextIndex:
    grams: dict[int, list[tuple[int, int]]] = {}
    for place, item in enumerate(items):
        n, hashes = item_ngrams(item, rules)
        grams.setdefault(n, []).extend((value, place) for value in hashes.tolist())
    grams.pop(0, None)
    arrays = {}
    for n, rows in grams.items():
        rows.sort()
        arrays[n] = (np.array([row[0] for row in rows], np.uint64), np.array([row[1] for row in rows], np.int64))
    return TextIndex(arrays, [f"set.jsonl:{place + 1}" for place in range(len(items))])


def page(*texts: str, alt: str = "") -> Draft:
    blocks = tuple(TextBlock(text) for text in texts)
    return Draft(1, "https://a.com/", (*blocks, ImageRef(("https://a.com/i.jpg",), alt=alt)))


def test_a_page_that_repeats_thirteen_words_goes_and_the_item_is_named() -> None:
    index = index_of(
        "Nothing of the sort is asked here or anywhere else in this whole long list of questions.", QUESTION
    )
    stretch = QUESTION.upper().replace("LANTERN", "LANTERN,")
    with pytest.raises(Drop, match="evaluation_text") as dropped:
        decontaminate_text(page("A puzzle of old.", f"It goes: {stretch} Nobody knows."), index, RULES)
    assert dropped.value.detail == "8 n-grams of set.jsonl:2"


def test_twelve_words_in_a_row_are_no_repetition() -> None:
    words = QUESTION.split()
    draft = page(f"He asked {' '.join(words[:12])} and then {' '.join(words[13:])}")
    assert decontaminate_text(draft, index_of(QUESTION), RULES) is draft


def test_a_short_item_counts_when_it_is_repeated_whole() -> None:
    caption = "A man riding a wave on top of a surfboard."
    index = index_of(caption)
    with pytest.raises(Drop, match="evaluation_text"):
        decontaminate_text(page("At the sea.", alt="a man riding a wave on top of a surfboard"), index, RULES)
    kept = page("A man riding a wave on top of his surfboard.")
    assert decontaminate_text(kept, index, RULES) is kept


def test_an_item_of_a_few_words_cannot_be_told() -> None:
    assert item_ngrams("Yes, the red one.", RULES) == (0, pytest.approx(np.zeros(0)))


def test_several_ngrams_may_be_asked_for() -> None:
    rules = DecontaminationRules(min_shared=3)
    words = QUESTION.split()
    assert decontaminate_text(page(" ".join(words[:14])), index_of(QUESTION), rules)
    with pytest.raises(Drop, match="evaluation_text"):
        decontaminate_text(page(" ".join(words[:15])), index_of(QUESTION), rules)


def image(phash: int) -> StoredImage:
    return StoredImage(b"", "jpg", 1, 1, "jpeg", 1, 1, "", "", f"{phash:016x}")


def test_images_near_an_evaluation_image_go_by_name_and_others_stay() -> None:
    index = ImageIndex(np.array([0xFFFF, 0xABCDEF0123456789], np.uint64), ["coco/1.jpg", "coco/2.jpg"], RULES)
    assert index.check(image(0x0)) == image(0x0)
    with pytest.raises(Drop, match="evaluation_image") as dropped:
        index.check(image(0xABCDEF0123456789 ^ 0b111011))
    assert dropped.value.detail == "coco/2.jpg, 5 bits away"
