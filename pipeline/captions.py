"""Texts that stand with an image become captions: cleaned, judged, and one of them chosen."""

import html
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Literal

from pipeline.text.language import LanguageRules, identify
from pipeline.text.ngrams import normal_words
from pipeline.text.rules import words_of
from pipeline.text.words import phrase_list, word_list
from schemas.drops import Drop
from schemas.pairs import Caption
from schemas.settings import Settings

_TAG = re.compile(r"<[/!]?[A-Za-z][^<>]{0,2000}>")
_SHORTCODE = re.compile(r"\[/?[a-z_-]+(?:\s[^\[\]]{0,500})?\]")  # [caption id="..."] of blog software
_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
# A word up to the last such ending; looked for from its first character alone.
_FILE = re.compile(r"(?<!\S)\S(?:\S*?\.(?:jpe?g|png|gif|webp|avif|bmp|tiff?|svg|heic)\b)++", re.IGNORECASE)
_FILE_WORD = re.compile(
    r"(?:img|dsc[nf]?|pict?|image|screenshot|photo|pxl|wp|untitled)?[-_\s]*\d[\d\W_]*", re.IGNORECASE
)
# Words joined by hyphens, or by an underscore, which is a character of words itself: two forms, so that there is one
# way alone to read a text.
_SLUG = re.compile(r"[\w%]++(?:[-+][\w%]++)++|[\w%](?:[^\W_]|%)*+_[\w%]++")
_SIZE = re.compile(r"[(\[]?\b\d{2,5}\s*[x×X]\s*\d{2,5}\b\s*(?:px|pixels)?[)\]]?")
_LEAD = re.compile(
    r"^(?:an?\s+|the\s+)?(?:stock\s+)?(?:image|photo|photograph|picture|pic|thumbnail|screenshot)\s+(?:of|for|showing)\s*:?\s+",
    re.IGNORECASE,
)
_LABEL = re.compile(r"^(?:image|photo|picture|alt|caption)\s*:\s+", re.IGNORECASE)
_EDGES = " \t-–—|•·:;,>»«_*#/\\"
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
    text = html.unescape(html.unescape(text)) if "&" in text else text
    if "<" in text:
        text = _TAG.sub(" ", text)
    if "[" in text:
        text = _SHORTCODE.sub(" ", text)
    text = _SIZE.sub(" ", _FILE.sub(" ", _URL.sub(" ", text)))
    text = _trim(text)
    for _ in range(_MAX_LEADS):
        text, longer = _trim(_LABEL.sub("", _LEAD.sub("", text))), text
        if text == longer:
            break
    if _FILE_WORD.fullmatch(text) or text.lower().rstrip(".!") in phrase_list("captions"):
        return ""
    if " " not in text and _SLUG.fullmatch(text):  # the name of a file without its ending
        text = _trim(re.sub(r"[-_+]|%20", " ", text))
        return "" if _FILE_WORD.fullmatch(text) or any(map(str.isdigit, text)) else text
    return text if any(map(str.isalpha, text)) else ""


def _trim(text: str) -> str:
    text = re.sub(r"\(\s*\)|\[\s*\]", " ", text)
    return " ".join(text.split()).strip(_EDGES)


def is_fluent(text: str) -> bool:
    """Whether a caption reads like a sentence: begins like one, holds function words and few marks, and does not shout.

    Of the share of function words only English ones are known: elsewhere the rest decides.
    """
    words = text.split()
    letters = sum(map(str.isalpha, text))
    if (
        len(words) < 3
        or letters < 0.7 * len(text.replace(" ", ""))
        or not (words[0][0].isalnum() or words[0][0] in "\"“‘'(")
    ):
        return False
    if sum(map(str.isupper, text)) > 0.5 * letters or len(re.findall(r"[|;/#_>•]", text)) > 2:
        return False
    repeats = len(words) - len({word.casefold() for word in words})
    if repeats > 0.4 * len(words) or text.count(",") > 0.3 * len(words):
        return False
    bare = [word.strip(".,;:!?()\"'“”‘’").lower() for word in words]
    return not text.isascii() or sum(word in word_list("stop_en") for word in bare) >= max(1, len(words) // 10)


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
