"""Which drafts read like prose worth learning from: quality and repetition rules, each with its number and source."""

import re
import string
from collections import Counter
from collections.abc import Callable, Mapping

import msgspec

from pipeline.text.repetition import Ngrams, duplicate_shares
from pipeline.text.words import word_list
from schemas.documents import Block, Draft, TextBlock
from schemas.drops import Drop, DropRow
from schemas.settings import Settings

# Words by spaces; a character of a script written without spaces counts as a word of its own.
_SPACELESS_RANGES = "\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(f"[{_SPACELESS_RANGES}]|[^\\s{_SPACELESS_RANGES}]+")
_SPACELESS = frozenset(("zh", "ja", "th", "lo", "my", "km"))
_BULLETS = ("•", "‣", "▪", "●", "◦", "–", "- ", "* ", "+ ")
_PUNCTUATION = frozenset(string.punctuation + "“”‘’…—–、。，！？：；（）「」『』《》¿¡«»")
_GOPHER_STOP_WORDS = frozenset("the be to of and that have with".split())


class ParagraphRules(Settings, frozen=True):
    """Rules for one text block, or for the whole text. A value of None turns a rule off.

    The measures are those of OBELICS (Laurençon et al. 2023, appendix A.2.3). Captions and headings are exempt when
    the rules are applied to blocks.
    """

    min_words: int | None = None
    max_words: int | None = None
    max_character_repetition: float | None = None
    """Share of the most frequent character 10-grams, as many as the square root of the number of different ones."""
    max_word_repetition: float | None = None
    """Share of word 5-grams that occur more than once."""
    max_special_characters: float | None = None
    """Share of characters that are neither letters nor spaces; digits, punctuation and emoji count."""
    min_stop_words: float | None = None
    """Share of words that are function words. English only."""
    max_flagged_words: float | None = None
    """Share of explicit words. English only."""
    max_spam_words: float | None = None
    """Share of words of interfaces and shops. English only."""
    min_punctuation: float | None = None
    """Punctuation marks over words."""
    min_words_for_punctuation: int = 12


_NO_RULES = ParagraphRules()
_LONGEST_NGRAM = 100  # words: longer ones take as many steps for each text


class GopherRules(Settings, frozen=True):
    """Quality rules of Gopher (Rae et al. 2021, section A.1.1), with the values datatrove and DCLM use."""

    min_words: int | None = 50
    max_words: int | None = 100_000
    min_word_length: float | None = 3.0
    """Mean characters a word, as the next. Not applied to scripts without spaces."""
    max_word_length: float | None = 10.0
    max_symbols: float | None = 0.1
    """'#' over words, and ellipses over words."""
    max_bullet_lines: float | None = 0.9
    max_ellipsis_lines: float | None = 0.3
    min_alphabetic_words: float | None = 0.8
    """Share of words that hold a letter."""
    min_stop_words: int | None = 2
    """How many of the, be, to, of, and, that, have, with must occur. English only."""


class RepetitionRules(Settings, frozen=True):
    """Repetition rules of Gopher (Rae et al. 2021, table A1): the largest shares allowed. None turns a rule off."""

    duplicate_lines: float | None = 0.30
    duplicate_paragraphs: float | None = 0.30
    duplicate_line_characters: float | None = 0.20
    duplicate_paragraph_characters: float | None = 0.20
    top_ngrams: Mapping[int, float] = msgspec.field(default_factory=lambda: {2: 0.20, 3: 0.18, 4: 0.16})
    """Characters in the most frequent n-gram, by n."""
    duplicate_ngrams: Mapping[int, float] = msgspec.field(
        default_factory=lambda: {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}
    )
    """Characters of words in n-grams that occurred before, by n."""

    def __post_init__(self) -> None:
        for n in (*self.top_ngrams, *self.duplicate_ngrams):
            if not 1 <= n <= _LONGEST_NGRAM:
                raise ValueError(f"n-grams are of 1 to {_LONGEST_NGRAM} words, not of {n}")


class TextRules(Settings, frozen=True):
    """All rules on the text of a page. The order is the cheapest first."""

    paragraph: ParagraphRules = ParagraphRules()
    gopher: GopherRules = GopherRules()
    repetition: RepetitionRules = RepetitionRules()
    document: ParagraphRules = ParagraphRules()
    min_images: int = 1
    max_images: int | None = None


def text_rules(draft: Draft, rules: TextRules = TextRules()) -> Draft:
    """Drop blocks that fail the paragraph rules, then judge what is left. Raises `Drop` naming rule and number."""
    if len(draft.images) < rules.min_images:
        raise Drop("no_image", f"{len(draft.images)} < {rules.min_images}")
    if rules.paragraph != _NO_RULES:
        draft = _without_bad_paragraphs(draft, rules.paragraph)
    if rules.max_images is not None and len(draft.images) > rules.max_images:
        raise Drop("many_images", f"{len(draft.images)} > {rules.max_images}")
    blocks = [block.text for block in draft.texts]
    text = "\n\n".join(blocks)
    words = _words(text, draft.language)
    gopher_quality(text, words, draft.language, rules.gopher)
    gopher_repetition(blocks, words, rules.repetition)
    if rules.document != _NO_RULES:
        judge(text, rules.document, draft.language)
    return draft


def gopher_quality(text: str, words: list[str], language: str, rules: GopherRules) -> None:
    """Raises `Drop`: few_words, many_words, word_length, symbols, bullets, ellipses, few_letters, stop_words."""
    count = len(words)
    _at_least("few_words", count, rules.min_words)
    _at_most("many_words", count, rules.max_words)
    if language not in _SPACELESS:
        mean_length = sum(map(len, words)) / max(1, count)
        _at_least("word_length", mean_length, rules.min_word_length)
        _at_most("word_length", mean_length, rules.max_word_length)
    _at_most("symbols", text.count("#") / max(1, count), rules.max_symbols)
    _at_most("symbols", (text.count("...") + text.count("…")) / max(1, count), rules.max_symbols)
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    _at_most("bullets", sum(line.startswith(_BULLETS) for line in lines) / max(1, len(lines)), rules.max_bullet_lines)
    ending = sum(line.endswith(("...", "…")) for line in lines)
    _at_most("ellipses", ending / max(1, len(lines)), rules.max_ellipsis_lines)
    lettered = sum(word.isalpha() or any(map(str.isalpha, word)) for word in words)
    _at_least("few_letters", lettered / max(1, count), rules.min_alphabetic_words)
    if language == "en" and rules.min_stop_words is not None:
        found = _GOPHER_STOP_WORDS.intersection(word.lower() for word in words)
        _at_least("stop_words", len(found), rules.min_stop_words)


def gopher_repetition(blocks: list[str], words: list[str], rules: RepetitionRules) -> None:
    """Raises `Drop("repetitive")` with the measure in its detail."""
    lines = [line for block in blocks for line in block.split("\n") if line.strip()]
    line_share, line_characters = duplicate_shares(lines)
    block_share, block_characters = duplicate_shares(blocks)
    for name, share, most in (
        ("duplicate lines", line_share, rules.duplicate_lines),
        ("duplicate paragraphs", block_share, rules.duplicate_paragraphs),
        ("characters in duplicate lines", line_characters, rules.duplicate_line_characters),
        ("characters in duplicate paragraphs", block_characters, rules.duplicate_paragraph_characters),
    ):
        _at_most("repetitive", share, most, name)
    ngrams = Ngrams([word.lower() for word in words])
    for n, most in rules.top_ngrams.items():
        _at_most("repetitive", ngrams.top_share(n), most, f"top {n}-gram")
    for n, most in rules.duplicate_ngrams.items():
        _at_most("repetitive", ngrams.duplicate_share(n), most, f"duplicate {n}-grams")


def judge(text: str, rules: ParagraphRules, language: str) -> None:
    """Apply OBELICS' measures to a text. Raises `Drop`."""
    words = _words(text, language)
    _at_least("few_words", len(words), rules.min_words)
    _at_most("many_words", len(words), rules.max_words)
    _measure("repetitive", lambda: _character_repetition(text), rules.max_character_repetition, "character 10-grams")
    _measure("repetitive", lambda: _word_repetition(words), rules.max_word_repetition, "word 5-grams")
    _measure("special_characters", lambda: _special_share(text), rules.max_special_characters)
    if rules.min_punctuation is not None and len(words) >= rules.min_words_for_punctuation:
        marks = sum(character in _PUNCTUATION for character in text)
        _at_least("punctuation", marks / len(words), rules.min_punctuation)
    if language == "en" and words:
        bare = [word.strip(string.punctuation + "“”‘’").lower() for word in words]
        if rules.min_stop_words is not None:
            _at_least("stop_words", _share_in(bare, "stop_en"), rules.min_stop_words)
        _measure("flagged_words", lambda: _share_in(bare, "flagged_en"), rules.max_flagged_words)
        _measure("spam_words", lambda: _share_in(bare, "spam_en"), rules.max_spam_words)


def words_of(text: str) -> list[str]:
    """Words as they stand; each character of a script without spaces is one. Marks that stand alone are none."""
    return [word for word in _WORD.findall(text) if any(map(str.isalnum, word))]


def _words(text: str, language: str) -> list[str]:
    words = [word for word in _WORD.findall(text) if word != "|"]  # stands between the cells of tables
    if language in _SPACELESS:  # elsewhere punctuation clings to its word
        words = [word for word in words if any(map(str.isalnum, word))]
    return words


def paragraph_fault(block: TextBlock, rules: ParagraphRules, language: str) -> Drop | None:
    """The rule that a block fails, if any. Captions and headings are exempt."""
    if rules == _NO_RULES or block.role in ("caption", "heading"):
        return None
    try:
        judge(block.text, rules, language)
    except Drop as drop:
        return drop
    return None


def _without_bad_paragraphs(draft: Draft, rules: ParagraphRules) -> Draft:
    kept: list[Block] = []
    dropped: list[DropRow] = []
    for block in draft.blocks:
        if isinstance(block, TextBlock) and (drop := paragraph_fault(block, rules, draft.language)):
            dropped.append(DropRow(draft.url, "paragraph", drop.reason, f"{drop.detail}: {block.text[:80]}"))
        else:
            kept.append(block)
    if not dropped:
        return draft
    return msgspec.structs.replace(draft, blocks=tuple(kept), dropped=draft.dropped + tuple(dropped))


def _character_repetition(text: str, n: int = 10) -> float:
    counts = sorted(Counter(text[i : i + n] for i in range(len(text) - n + 1)).values(), reverse=True)
    if not counts:
        return 0.0
    once = counts.count(1)
    top = min(int(len(counts) ** 0.5), len(counts) - once)
    return sum(counts[:top]) / sum(counts)


def _word_repetition(words: list[str], n: int = 5) -> float:
    lowered = [word.lower() for word in words]
    counts = Counter(tuple(lowered[i : i + n]) for i in range(len(lowered) - n + 1))
    return sum(count for count in counts.values() if count > 1) / max(1, sum(counts.values()))


def _special_share(text: str) -> float:
    return sum(not (character.isalpha() or character.isspace()) for character in text) / max(1, len(text))


def _share_in(words: list[str], list_name: str) -> float:
    listed = word_list(list_name)
    return sum(word in listed for word in words) / len(words)


def _measure(reason: str, share: Callable[[], float], most: float | None, name: str = "") -> None:
    if most is not None:
        _at_most(reason, share(), most, name)


def _at_least(reason: str, value: float, least: float | None) -> None:
    if least is not None and value < least:
        raise Drop(reason, f"{value:.4g} < {least:g}")


def _at_most(reason: str, value: float, most: float | None, name: str = "") -> None:
    if most is not None and value > most:
        raise Drop(reason, f"{name} {value:.4g} > {most:g}".strip())
