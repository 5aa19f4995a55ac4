"""Scores of generated text: exact match, VQA accuracy, CIDEr. Each takes what was said and the answers of each item."""

import re
from collections.abc import Sequence

from model.evaluation.words import caption_words
from schemas.settings import SettingsError

#: Replaced by nothing beside a space, or where the text has a number with commas, else by a space.
_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_COMMA_IN_NUMBER = re.compile(r"\d,\d")
_PERIOD = re.compile(r"\.(?!\d)")
_ARTICLES = {"a", "an", "the"}
_DIGITS = {
    word: str(number) for number, word in enumerate("zero one two three four five six seven eight nine ten".split())
} | {"none": "0"}
#: The contractions that the official evaluation restores where the apostrophe is missing.
_CONTRACTIONS = {
    whole.replace("'", ""): whole
    for whole in (
        "ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd how'll "
        "how's isn't it'd it'll i'm i've let's ma'am might've mightn't must've mustn't needn't not've o'clock "
        "oughtn't shan't she'd've should've shouldn't somebody'd somebody'll somebody's someone'd someone'll "
        "someone's something'd something'll something's that's there'd there're there's they'd they'll they're "
        "they've 'twas wasn't we've weren't what'll what're what's what've when's where'd where's where've who'd "
        "who'll who's who've why'll why're why's won't would've wouldn't y'all you'd you'll you're you've"
    ).split()
}


def exact(said: Sequence[str], answers: Sequence[Sequence[str]]) -> list[float]:
    """1 where what was said is one of the answers, spaces around it aside."""
    return [
        float(text.strip() in {answer.strip() for answer in good}) for text, good in zip(said, answers, strict=True)
    ]


def vqa(said: Sequence[str], answers: Sequence[Sequence[str]]) -> list[float]:
    """VQA accuracy (Antol et al., arXiv 1505.00468): a third for each annotator who gave that answer, 1 at most.

    Averaged over all ways of leaving one annotator out, as the official evaluation does; with one answer it is a match.
    """
    scores = []
    for text, good in zip(said, answers, strict=True):
        normal, known = normal_answer(text), [normal_answer(answer) for answer in good]
        if len(known) == 1:
            scores.append(float(normal == known[0]))
            continue
        matches = [answer == normal for answer in known]
        left_out = [min(1.0, (sum(matches) - match) / min(3, len(known) - 1)) for match in matches]
        scores.append(sum(left_out) / len(left_out))
    return scores


def normal_answer(text: str) -> str:
    """An answer as the official VQA evaluation compares it: no punctuation or articles, numbers as digits."""
    text = " ".join(text.split()).lower()
    with_number = _COMMA_IN_NUMBER.search(text) is not None
    cleaned = text
    for mark in _PUNCTUATION:
        beside_space = mark + " " in text or " " + mark in text
        cleaned = cleaned.replace(mark, "" if beside_space or with_number else " ")
    words = (_DIGITS.get(word, word) for word in _PERIOD.sub("", cleaned).split())
    return " ".join(_CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)


def cider(said: Sequence[str], answers: Sequence[Sequence[str]]) -> list[float]:
    """CIDEr (Vedantam et al., arXiv 1411.5726) of each caption, by the COCO caption evaluation; 10 is the most.

    Its document frequencies come from the references given here, so it needs many items. Words are split by
    `caption_words` instead of the Java program of that evaluation. 0 where no reference has a word. Raises
    `SettingsError` without the package.
    """
    try:
        from pycocoevalcap.cider.cider import Cider
    except ImportError:
        raise SettingsError("CIDEr needs the package pycocoevalcap: pip install -e '.[train]'") from None
    references = {number: [caption_words(answer) for answer in good] for number, good in enumerate(answers)}
    captions = {number: [caption_words(text)] for number, text in enumerate(said)}
    if not any(map(any, references.values())):
        return [0.0] * len(said)  # the package stumbles where there is nothing to count
    return [float(score) for score in Cider().compute_score(references, captions)[1]]


METRICS = {"exact": exact, "vqa": vqa, "cider": cider}
