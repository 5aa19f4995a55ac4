"""Texts that stand with an image become captions: cleaned, judged, and one of them chosen."""

import html
import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Literal

from pipeline.text.language import LanguageRules, identify
from pipeline.text.ngrams import normal_words
from pipeline.text.rules import words_of
from pipeline.text.words import phrase_list, word_list
from schemas.drops import Drop
from schemas.pairs import Caption
from schemas.settings import Settings

# Elements of HTML as they are written; other words in such brackets are text: placeholders, `List<String>`. Names of
# one letter want an attribute or nothing behind them: `a<b and c>d`.
_ELEMENTS = (
    "abbr|acronym|address|area|article|aside|audio|base|bdi|bdo|big|blockquote|body|br|button|canvas|caption|center|cite"
    "|code|col|colgroup|data|dd|del|details|dfn|dialog|dir|div|dl|dt|em|embed|fieldset|figcaption|figure|font|footer"
    "|form|frame|frameset|h[1-6]|head|header|hgroup|hr|html|iframe|img|input|ins|kbd|label|legend|li|link|main|map|mark"
    "|math|menu|meta|meter|nav|nobr|noscript|object|ol|optgroup|option|output|param|path|picture|pre|progress|rp|rt"
    "|ruby|samp|script|section|select|slot|small|source|span|strike|strong|style|sub|summary|sup|svg|table|tbody|td"
    "|template|textarea|tfoot|th|thead|time|title|tr|track|tt|ul|var|video|wbr"
)
_TAG = re.compile(
    rf"</?(?:{_ELEMENTS}|{_ELEMENTS.upper()}|[a-z]{{1,10}}\d?:[a-z]{{1,20}})(?![\w:-])[^<>]{{0,2000}}>"
    r"|</?[abipqsuABIPQSU](?:\s[\w:-]{1,40}=[^<>]{0,2000}|\s?/?)>|<!(?i:doctype)[^<>]{0,2000}>"
)
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\ufeff"))  # soft hyphen, zero-width space, byte order mark
#: Of blog software: [caption id="..."], [/caption], [embed], and any with an underscore in its name.
_SHORTCODE = re.compile(
    r"\[(?:/?(?:caption|gallery|embed|[a-z]{1,20}_[a-z_]{1,40})|/(?:video|audio|playlist))\]"
    r"|\[(?:caption|gallery|embed|video|audio|playlist|[a-z]{1,20}_[a-z_]{1,40})\s[^\[\]=]{0,100}=[^\[\]]{0,500}\]"
)
_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
# A word up to the last such ending; looked for from its first character alone.
_FILE = re.compile(r"(?<!\S)\S(?:\S*?\.(?:jpe?g|png|gif|webp|avif|bmp|tiff?|svg|heic)\b)++", re.IGNORECASE)
_FILE_WORD = re.compile(
    r"(?:img|dsc[nf]?|pict?|image|screenshot|photo|pxl|wp|untitled)?[-_\s]*\d[\d\W_]*", re.IGNORECASE
)
# Words joined by hyphens, or by an underscore, which is a character of words itself: two forms, so that there is one
# way alone to read a text.
_SLUG = re.compile(r"[\w%]++(?:[-+][\w%]++)++|[\w%](?:[^\W_]|%)*+_[\w%]++")
# Of a picture in pixels; sizes of things are in other units, and of three dimensions or one that is short.
_SIZE = re.compile(
    r"(?<![\d.,])(?<![x×X])(?<![x×X] )\b\d{3,4} ?[x×X] ?\d{3,4}\b(?: ?(?:px|pixels)\b)?+"
    r"(?![.,]\d| ?[x×X] ?\d| ?[\"″'′]| ?(?:[cmk]?m|in|inch(?:es)?|ft|feet|foot|yd|yards?|(?:centi|milli)?met(?:er|re)s?"
    r"|metros?|prints?|posters?|pieces?|dpi)\b)"
)
# A book may be called "The Picture of ...", and a thing of its own "Image of the Day".
_LEAD = re.compile(
    r"^(?:[Aa]n?\s+(?:stock\s+)?(?:image|picture|pic|photo|photograph|thumbnail|screenshot)"
    r"|[Tt]he\s+(?:stock\s+)?(?:photo|photograph|thumbnail|screenshot)"
    r"|(?i:(?:stock\s+)?(?:image|picture|pic|photo|photograph|thumbnail|screenshot)))\s+(?i:of|showing)"
    r"(?:\s*:)?\s+(?!the\s+(?i:day|week|month|year)\b)"
)
_LABEL = re.compile(r"^(?:image|photo|picture|alt|caption)\s*:\s+", re.IGNORECASE)
_EDGES = "-–—|•·:;,_*/\\"  # of a caption; those of words that are nothing else go with "#" and ">", too
_PAIRS = tuple(map(tuple, ("()", "[]", "{}", "“”", "‘’", "«»", "<>", '""')))
_PLACEHOLDER = re.compile("<(?:EMAIL|IP|PHONE|IBAN|CARD)>")
_OPENS = "\"“‘'(«„「『《¿¡"  # a sentence
_ENDS = (".", "!", "?", "…", "”", '"', ")", "’")
_MAX_LEADS = 20  # no author puts more before a caption


#: Where texts for images come from: pages, and lists.
SOURCES = ("figcaption", "schema_org", "alt", "title", "list")


class CaptionRules(Settings, frozen=True):
    """Which text becomes the caption of an image, and what it must be like. None turns a rule off."""

    sources: tuple[str, ...] = ("figcaption", "schema_org", "alt", "title")
    """Where captions are taken from, the best first: alt, title, figcaption, schema_org."""
    choose: Literal["first", "longest"] = "first"
    """Of the sources that have a text: the first, or the longest that is fluent, else the longest."""
    clean: bool = True
    """Take out file names, addresses, markup, dimensions, `image of` and what says nothing, such as `click to
    enlarge`."""
    min_words: int | None = None
    max_words: int | None = None
    min_characters: int | None = None
    fluent: bool = False
    """The caption must read like a sentence; see `is_fluent`."""
    language: LanguageRules = LanguageRules(keep=())
    """Of the caption itself."""


def clean_caption(text: str) -> str:
    """A caption without what describes nothing; "" if nothing is left."""
    text = (html.unescape(html.unescape(text)) if "&" in text else text).translate(_INVISIBLE)
    if "<" in text:
        text = _TAG.sub(" ", text)
    if "[" in text:
        text = _SHORTCODE.sub(" ", text)
    text = _SIZE.sub(" ", _FILE.sub(_unpaired, _URL.sub(_unpaired, text)))
    text = _trim(text)
    for _ in range(_MAX_LEADS):
        text, longer = _trim(_LABEL.sub("", _LEAD.sub("", text))), text
        if text == longer:
            break
    if _FILE_WORD.fullmatch(text) or text.lower().rstrip(".!") in phrase_list("captions"):
        return ""
    if _is_slug(text):  # the name of a file without its ending
        text = _trim(re.sub(r"[-_+]|%20", " ", text))
        return "" if _FILE_WORD.fullmatch(text) or any(map(str.isdigit, text)) else text
    return text if any(map(str.isalpha, _PLACEHOLDER.sub("", text))) else ""


def _is_slug(text: str) -> bool:
    """Names that are written with a hyphen have capitals and two parts: Coca-Cola, F-16."""
    if " " in text or not _SLUG.fullmatch(text):
        return False
    return "_" in text or text == text.lower() or sum(map(text.count, ("-", "+"))) > 1


def _unpaired(match: re.Match[str]) -> str:
    """Brackets and marks of which the other one stands outside of what is taken out."""
    text = match.group()
    left = ""
    for first, last in _PAIRS:
        more = text.count(first) % 2 if first == last else text.count(first) - text.count(last)
        left += first if more > 0 else last if more < 0 else ""
    return f" {left} "


def _trim(text: str) -> str:
    """Without empty brackets, and without marks at the ends that belong to no word there."""
    text = re.sub(r"\(\s*\)|\[\s*\]|“\s*”|«\s*»|(?<!\S)\"\s*\"(?!\S)", " ", text)
    quotes = "" if "«" in text and "»" in text else "«»"
    words = text.split()
    is_said = [bool(word.strip(f"{_EDGES}#>{quotes}")) for word in words]
    if not any(is_said):
        return ""
    text = " ".join(words[is_said.index(True) : len(words) - is_said[::-1].index(True)])
    text = text.replace("( ", "(").replace(" )", ")").replace("[ ", "[").replace(" ]", "]")
    edges = _EDGES + quotes + ("" if "<" in text else ">")
    stripped = text.lstrip(edges)
    if stripped[:1].isdigit() and text[: -len(stripped)].endswith("-"):
        stripped = f"-{stripped}"  # below zero
    return stripped.rstrip(edges).strip()


def is_fluent(text: str) -> bool:
    """Whether a caption reads like a sentence: begins like one, holds function words and few marks, and does not shout.

    Function words are asked for in English alone, of which they are known. In scripts without spaces each character is
    a word, and may be said again.
    """
    words = words_of(text)
    letters = sum(map(_is_letter, text))
    if len(words) < 3 or letters < 0.7 * len(text.replace(" ", "")):
        return False
    if not (text.lstrip()[0].isalnum() or text.lstrip()[0] in _OPENS):
        return False
    if sum(map(str.isupper, text)) > 0.5 * letters or len(re.findall(r"[|;/#_>•]", text)) > 2:
        return False
    spaced = [word.casefold() for word in text.split()]
    repeats = len(spaced) - len(set(spaced))
    if repeats > 0.4 * len(spaced) or sum(map(text.count, ",،，、")) > 0.3 * len(words):
        return False
    bare = [word.strip(".,;:!?()\"'“”‘’") for word in spaced]
    if sum(word in word_list("stop_en") for word in bare) >= max(1, len(spaced) // 10):
        return True
    latin = sum(character.isascii() and character.isalpha() for character in text)
    return latin < 0.5 * letters or identify(text)[0] != "en"


def _is_letter(character: str) -> bool:
    """Vowels of Hindi, Thai and others are marks on the letter before."""
    return character.isalpha() or unicodedata.category(character)[0] == "M"


def choose_caption(captions: Sequence[Caption], rules: CaptionRules) -> Caption:
    """The caption of an image, cleaned. Raises `Drop("no_caption")`."""
    cleaned = []
    for source in rules.sources:
        for caption in captions:
            text = clean_caption(caption.text) if rules.clean else " ".join(caption.text.split())
            if caption.source == source and text:
                cleaned.append(Caption(text, source))
    if not cleaned:
        raise Drop("no_caption", captions[0].text[:80] if captions else "")
    if rules.choose == "first":
        return cleaned[0]
    fluent = [caption for caption in cleaned if is_fluent(caption.text)]
    return max(fluent or cleaned, key=lambda caption: len(caption.text))


def judge_caption(text: str, rules: CaptionRules) -> tuple[str, float]:
    """Language and its probability, ("", 0.0) where it is not asked for.

    Raises `Drop`: few_words, many_words, few_characters, not_fluent, language.
    """
    count = len(words_of(text))
    if rules.min_words is not None and count < rules.min_words:
        raise Drop("few_words", f"{count} < {rules.min_words}: {text[:80]}")
    if rules.max_words is not None and count > rules.max_words:
        raise Drop("many_words", f"{count} > {rules.max_words}: {text[:80]}")
    if rules.min_characters is not None and len(text) < rules.min_characters:
        raise Drop("few_characters", f"{len(text)} < {rules.min_characters}: {text[:80]}")
    if rules.fluent and not is_fluent(text):
        raise Drop("not_fluent", text[:80])
    if not rules.language.keep:
        return "", 0.0
    language, score = identify(text)
    if language not in rules.language.keep or score < rules.language.min_score:
        raise Drop("language", f"{language} {score:.2f}: {text[:80]}")
    return language, round(score, 4)


def caption_tokens(text: str) -> Iterator[str]:
    """The unigrams and bigrams of a caption, by which ALIGN tells rare ones."""
    words = normal_words(text)
    yield from words
    yield from (f"{first} {second}" for first, second in itertools.pairwise(words))
