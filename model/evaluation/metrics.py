"""Scores of generated text: exact match, VQA accuracy, iVQA accuracy, CIDEr; what was said, and each item's answers."""

import re
from collections import Counter
from collections.abc import Sequence

from model.evaluation.words import caption_words
from schemas.settings import SettingsError

#: Replaced by nothing beside a space, or where the text has a number with commas, else by a space.
_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_COMMA_IN_NUMBER = re.compile(r"\d,\d")
_PERIOD = re.compile(r"\.(?!\d)")
_PERIODS_REMOVED = 32  # at most: the official evaluation hands a flag where a count is taken
_ARTICLES = {"a", "an", "the"}
_DIGITS = {
    word: str(number) for number, word in enumerate("zero one two three four five six seven eight nine ten".split())
} | {"none": "0"}
#: The contractions that the official evaluation mends: a bar stands for an apostrophe that is missing.
_MENDED = (
    "ain|t aren|t can|t could|ve couldn|t couldn't|ve couldn|t've didn|t doesn|t don|t hadn|t hadn|t've hadn't|ve "
    "hasn|t haven|t he|d he|d've he'd|ve he|s how|d how|ll how|s isn|t it|d it|d've it'd|ve it|ll ma|am mightn|t "
    "mightn|t've mightn't|ve might|ve mustn|t must|ve needn|t not|ve o|clock oughtn|t |ow's'at 'ow|s'at 'ow's|at "
    "shan|t she|d've she'd|ve should|ve shouldn|t shouldn|t've shouldn't|ve somebody|d've somebody'd|ve somebody|ll "
    "somebody|s someone|d someone|d've someone'd|ve someone|ll someone|s something|d something|d've something'd|ve "
    "something|ll that|s there|d there|d've there'd|ve there|re there|s they|d they|d've they'd|ve they|ll they|re "
    "they|ve |twas wasn|t we|d've we'd|ve we|ve weren|t what|ll what|re what|s what|ve when|s where|d where|s "
    "where|ve who|d who|d've who'd|ve who|ll who|s who|ve why|ll why|re why|s won|t would|ve wouldn|t wouldn|t've "
    "wouldn't|ve y|all y|all'll y'all|ll y|all'd've y'all|d've y'all'd|ve you|d you|d've you'd|ve you|ll you|re "
    "you|ve"
).split()
_CONTRACTIONS = {form.replace("|", ""): form.replace("|", "'") for form in _MENDED} | {"somebody'd": "somebodyd"}


def exact(said: Sequence[str], answers: Sequence[Sequence[str]]) -> list[float]:
    """1 where what was said is one of the answers, spaces around it aside."""
    return [
        float(text.strip() in {answer.strip() for answer in good}) for text, good in zip(said, answers, strict=True)
    ]


def vqa(said: Sequence[str], answers: Sequence[Sequence[str]]) -> list[float]:
    """VQA accuracy (Antol et al., arXiv 1505.00468): a third for each annotator who gave that answer, 1 at most.

    Averaged over all ways of leaving one annotator out, as the official evaluation does. Of fewer than four annotators
    all others must agree; with one answer it is a match.
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


def ivqa(said: Sequence[str], answers: Sequence[Sequence[str]]) -> list[float]:
    """iVQA accuracy (Yang et al., arXiv 2012.00451): a half for each annotator who gave that answer, 1 at most."""
    return [min(1.0, Counter(good)[text.strip()] / 2) for text, good in zip(said, answers, strict=True)]


def normal_answer(text: str) -> str:
    """An answer as the official VQA evaluation compares it: no punctuation or articles, numbers as digits."""
    text = text.replace("\n", " ").replace("\t", " ").strip()
    with_number = _COMMA_IN_NUMBER.search(text) is not None
    cleaned = text
    for mark in _PUNCTUATION:
        beside_space = mark + " " in text or " " + mark in text
        cleaned = cleaned.replace(mark, "" if beside_space or with_number else " ")
    words = (_DIGITS.get(word, word) for word in _PERIOD.sub("", cleaned, count=_PERIODS_REMOVED).lower().split())
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


METRICS = {"exact": exact, "vqa": vqa, "ivqa": ivqa, "cider": cider}
