"""WUPS of open-ended NExT-QA (arXiv 2105.08276): how near the words of two answers lie to each other in WordNet.

It needs nltk and four of its data sets, none of which weft brings:

    pip install nltk && python -m nltk.downloader wordnet punkt_tab averaged_perceptron_tagger_eng
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from schemas.settings import SettingsError

#: Left out by the official evaluation: English function words, but for those of place, time and negation.
_STOP_WORDS = frozenset(
    "i me my myself we our ours ourselves you you're you've you'll you'd your yours yourself yourselves he him his "
    "himself she she's her hers herself it it's its itself they them their theirs themselves what which who whom "
    "this that that'll these those am is are was were be been being have has had having do does did doing a an the "
    "and but if or because as until while to from of at for with about into through during again further then here "
    "there when where why how all any each most other some such only own so than too very s t can will just don "
    "don't should should've now d ll m o re ve y ain aren aren't couldn couldn't didn didn't doesn doesn't hadn "
    "hadn't hasn hasn't haven haven't isn isn't ma mightn mightn't mustn mustn't needn needn't shan shan't shouldn "
    "shouldn't wasn wasn't weren weren't won won't wouldn wouldn't".split()
)
#: Types of questions whose answer is right or wrong: how many, and yes or no.
_EXACT = ("DC", "DB")


class WordNet(Protocol):
    """What is asked of it."""

    def lemmas(self, text: str) -> list[str]: ...
    def similarity(self, word: str, other: str) -> float: ...


def wups(
    said: Sequence[str], answers: Sequence[Sequence[str]], types: Sequence[str], words: WordNet | None = None
) -> list[float]:
    """WUPS at threshold 0 of each answer, 0 to 1: the best over the answers that are right.

    Raises `SettingsError` where WordNet is not to be had.
    """
    known = words or _of_nltk()
    return [_best(text, good, kind, known) for text, good, kind in zip(said, answers, types, strict=True)]


def _best(text: str, answers: Sequence[str], kind: str, words: WordNet) -> float:
    mine = content_words(text, words)
    theirs = [content_words(answer, words) for answer in answers]
    if kind in _EXACT:
        return float(mine in theirs)
    return max(min(_covered(mine, one, words), _covered(one, mine, words)) for one in theirs)


def content_words(text: str, words: WordNet) -> list[str]:
    return [lemma for lemma in words.lemmas(text) if lemma not in _STOP_WORDS]


def _covered(mine: Sequence[str], others: Sequence[str], words: WordNet) -> float:
    """The product over my words of how near the nearest other is; words that are near none are passed over."""
    found = [max((words.similarity(word, other) for other in others), default=0.0) for word in mine]
    near = [value for value in found if value > 0]
    return functools.reduce(lambda product, value: product * value, near, 1.0) if near else 0.0


class _Nltk:
    def __init__(self, nltk: Any) -> None:
        from nltk.corpus import wordnet
        from nltk.stem import PorterStemmer, WordNetLemmatizer

        self._nltk, self._wordnet = nltk, wordnet
        self._lemmatize: Callable[[str, str], str] = WordNetLemmatizer().lemmatize
        self._stem: Callable[[str], str] = PorterStemmer().stem

    def lemmas(self, text: str) -> list[str]:
        """As pywsd's: the lemma by its part of speech where WordNet has it, else the stem, else the word."""
        tagged = self._nltk.pos_tag(self._nltk.word_tokenize(text))
        return [self._lemma(word.lower(), _PARTS.get(tag[:2], "")) for word, tag in tagged]

    def _lemma(self, word: str, part: str) -> str:
        part = part or _PARTS.get(self._nltk.pos_tag([word])[0][1][:2], "n")
        for form in (self._lemmatize(word, part), self._stem(word)):
            if self._wordnet.synsets(form):
                return form
        return word

    @functools.lru_cache(maxsize=1 << 16)  # noqa: B019 - there is one
    def similarity(self, word: str, other: str) -> float:
        """Wu and Palmer's, of the first meanings."""
        if word == other:
            return 1.0
        mine, its = self._wordnet.synsets(word), self._wordnet.synsets(other)
        return float(mine[0].wup_similarity(its[0]) or 0.0) if mine and its else 0.0


_PARTS = {"NN": "n", "JJ": "a", "VB": "v", "RB": "r"}


@functools.cache
def _of_nltk() -> WordNet:
    needed = "wordnet punkt_tab averaged_perceptron_tagger_eng"
    try:
        import nltk

        words = _Nltk(nltk)
        words.lemmas("a dog runs")
    except ImportError:
        raise SettingsError(f"wups needs the package nltk and its data: python -m nltk.downloader {needed}") from None
    except LookupError as error:
        missing = next((name for name in needed.split() if name in str(error)), "some")
        raise SettingsError(
            f"wups needs nltk's data, {missing} is missing: python -m nltk.downloader {needed}"
        ) from None
    return words
