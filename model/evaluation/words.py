"""Captions in words, as the caption evaluation of COCO splits them before it counts, without its Java program.

English comes out as that program (the Penn Treebank tokenizer of Stanford CoreNLP 3.4.1) gives it, its brackets and
currency signs included. Where words have no spaces between them (Chinese, Japanese, Thai, Lao, Khmer, Burmese), which
the program leaves in one piece, each letter is a word, as is usual where captions in these languages are scored.
"""

import unicodedata

import regex

#: Said otherwise by the official program.
_NAMES = dict(zip("()[]{}£€¢", "-lrb- -rrb- -lsb- -rsb- -lcb- -rcb- # $ cents".split(), strict=True))
_ABBREVIATIONS = (
    "mr|mrs|ms|dr|drs|prof|sr|jr|st|ste|mt|ft|vs|etc|gen|sgt|lt|col|capt|cpl|maj|rev|hon|gov|sen|rep|pres|adm|cmdr|"
    "ca|inc|co|corp|ltd|bros|dept|univ|assn|ave|blvd|rd|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|mon|tue|wed|thu|"
    r"fri|sat|ph\.d|e\.g|i\.e"
)
_ALONE = r"[\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}--[\p{M}\p{P}]]"
#: A letter or digit of any script, with the marks and joiners that belong to it.
_LETTER = r"[\p{L}\p{N}\p{M}_\u200c\u200d--[\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]]"
_TAILS = r"'(?:s|re|ve|d|ll|m)(?![\p{L}\p{N}])|n't(?![\p{L}\p{N}])"
_TOKEN = regex.compile(
    rf"""
      https?://[^\s"<>|()]+[^\s"<>|()\[\]{{}}.!?,;:'-] | www\.[^\s"<>|()]+[^\s"<>|()\[\]{{}}.!?,;:'-]
    | [A-Za-z0-9][\w.+-]*@[A-Za-z0-9-]++(?:\.[A-Za-z0-9-]++)+
    | </?[A-Za-z][^<>]*+>
    | [\#@][A-Za-z_]\w*+
    | (?:(?<![\p{{L}}\p{{N}}])(?:{_ABBREVIATIONS})\.(?!\p{{L}}))
    | (?:(?<![\p{{L}}\p{{N}}])(?:no|fig|pp?)\.(?=\s*\d))
    | (?:(?<![\p{{L}}\p{{N}}'.])\p{{Latin}}(?:(?:\.\p{{Latin}})+\.?|\.)(?![\p{{L}}\p{{N}}]|\.\.))
    | {_TAILS} | 'n'(?!\p{{L}}) | '(?:em|t|n|\d\ds?)(?![\p{{L}}\p{{N}}]) | ol'(?!\p{{L}}) | y'(?=\s)
    | \d{{1,2}}:\d\d(?=[ap]m(?!\p{{L}}))
    | \d++(?:[.,:/]\d++)+(?:-[a-z]++)*(?!\p{{L}})
    | [A-Za-z0-9]+(?:-[A-Za-z]+){{0,2}}(?:/[A-Za-z0-9]+(?:-[A-Za-z]+){{0,2}}){{1,2}}(?![\p{{L}}\p{{N}}])
    | [a-z]\+\+ | [a-z]+(?:&[a-z]+)+
    | {_LETTER}+?(?=n't(?![\p{{L}}\p{{N}}]))
    | {_LETTER}++(?:(?:[.-]|(?<!\d)'(?!(?:s|re|ve|d|ll|m)(?![\p{{L}}\p{{N}}]))){_LETTER}++)*
    | {_ALONE}\p{{M}}*
    | [!?]{{2,}} | [()\[\]{{}}$£€¢\#%&*+=/~^|\\@<>]
    """,
    regex.VERBOSE | regex.VERSION1,
)
_JOINED = (
    (regex.compile(r"\b(can)(not)\b"), r"\1 \2"),
    (regex.compile(r"\b(gon|got|wan)(na|ta)\b"), r"\1 \2"),
    (regex.compile(r"\b(lem|gim)(me)\b"), r"\1 \2"),
    (regex.compile(r"(?<!\w)('t)(is|was)\b"), r"\1 \2"),
    (regex.compile(r"\b(y')(?=all\b|know\b)"), r"\1 "),
    (regex.compile(r"\b(more)('n)\b"), r"\1 \2"),
)


def caption_words(text: str) -> str:
    """Words in lower case with spaces between them, punctuation left out. Empty where there is nothing else."""
    text = unicodedata.normalize("NFC", text).lower().replace("\u2019", "'").replace("\u2018", "'")
    for joined, apart in _JOINED:
        text = joined.sub(apart, text)
    return " ".join(_NAMES.get(word, word) for word in _TOKEN.findall(text))
