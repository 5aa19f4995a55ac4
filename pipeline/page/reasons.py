"""Why a part of a page is not kept, in one line for people: what decided, and the number and limit that it went by."""

import math
import re
from collections.abc import Callable

from pipeline.page.chrome import most_chrome
from pipeline.page.content_settings import ContentSettings
from pipeline.page.names import AUTHOR_NAMES, CHROME_NAMES, COMMENT_NAMES, REVIEW_NAMES, WEAK_NAMES
from pipeline.page.verdicts import Verdict

_LEVEL = re.compile(r"(prose|links|texts|share) of part (\d+)")
_WINDOW = re.compile(r"(prose|links) within (\d+) texts")
_ROWS = re.compile(r"(?:outer|inner) rows: (.+)")
_AFTER = {"after the title": "the heading that is the page's title", "after the first h1": "the first main heading"}
_FAR = -50  # texts: as far before as the evidence sees, or there is none
_NAMED = {
    "in main": "a <main>",
    "in section": "a <section>",
    "named strong": "a part named like the furniture of sites",
    "named strong, outermost": "a part named like the furniture of sites",
    "named comments": "a part named as comments",
    "named is_hidden": "a part that is not shown",
}
_RULES = {
    "left out by a rule": "a rule leaves it out",
    "left out by hidden": "it is not shown",
    "left out by chrome": "it stands in a part that is the furniture of the site",
    "left out by outside": "it stands outside the part with most of the text",
    "left out by links": "it stands in a list of links",
}
#: Of what is so or not: what to say of each.
_EITHER = {
    "sentence": ("it ends as a sentence does", "it does not end as a sentence does"),
    "prose": ("it is prose", "it is too short for prose"),
    "list": ("it is the item of a list", "it is no item of a list"),
    "capitals": ("it is all in capitals", "it is not in capitals"),
    "heading level": ("it is a heading", "it is no heading"),
    "names against it": (
        "parts of such names are seldom content on other sites",
        "no name around it speaks against it",
    ),
    "names for it": ("parts of such names are often content on other sites", "no name around it speaks for it"),
    "in the region": (
        "it stands in the part with most of the text",
        "it stands outside the part with most of the text",
    ),
}
_SAID: dict[str, Callable[[float], str]] = {
    "length": lambda value: f"it has {_count(value)} characters",
    "links": lambda value: f"{share(value)} of it is in links",
    "seen before": lambda value: f"it stood on the page {_times(value)} before",
    "seen in all": lambda value: f"it stands on the page {_times(value)}",
    "after a heading": lambda value: f"the last heading is {value:.0f} texts before it",
    "links of its heading": lambda value: f"{share(value)} of the heading before it is in links",
    "place": lambda value: f"{share(value)} of the page's texts stand before it",
    "place in the prose": lambda value: f"{share(value)} of the page's prose stands before it",
    "length of the text before": lambda value: f"the text before it has {_count(value)} characters",
    "length of the text behind": lambda value: f"the text behind it has {_count(value)} characters",
    "nearest name": lambda value: f"parts named like the nearest around it are {_often(value)} content on other sites",
    "depth": lambda value: f"it stands {value:.0f} levels deep",
    "kept by the rules nearby": lambda value: f"the rules keep {share(value)} of the texts near it",
    "away from the region": lambda value: f"it stands {value:.0f} texts away from the part with most of the text",
}
_OF_ROWS: dict[str, Callable[[float], str]] = {
    "count": lambda value: f"it stands in a row of {value:.0f} alike parts",
    "prose of each": lambda value: f"the alike parts beside it hold {value:.0f} characters of prose each",
    "share": lambda value: f"the alike parts beside it hold {share(value)} of the page's prose",
    "links": lambda value: f"{share(value)} of the words in the alike parts beside it are in links",
    "texts of each": lambda value: f"the alike parts beside it hold {value:.1f} texts each",
    "linked headings of each": lambda value: f"the alike parts beside it have {value:.1f} linked headings each",
}


def why(verdict: Verdict, settings: ContentSettings) -> str:
    """Why a rule leaves something out: its name, what it looked at, and the limit, by its setting if it has one."""
    number, held = verdict.number, _element(verdict)
    most, setting = most_chrome(verdict.container.names, settings) if verdict.container else (0.0, "")
    if not most:  # known by its element
        most, setting = settings.chrome_share, "chrome_share"
    if verdict.rule == "chrome" and number > most:  # beside what the page calls its article
        most, setting = settings.comment_share, "comment_share"
    said = {
        "hidden": f"{held} is not shown to readers",
        "chrome": f"{held} is the furniture of the site, with {share(number)} of the page's words outside links;"
        f" content would have more than {share(most)} ({setting})",
        "little_prose": f"{held} holds {number:.0f} characters of prose;"
        f" content would have more than {settings.weak_chrome_characters:g} (weak_chrome_characters)",
        "teasers": f"{held} has {number:.0f} linked headings, or videos, with little text: they invite to other pages"
        f" (teaser_share {share(settings.teaser_share)})",
        "outside": "it stands outside the part with most of the text",
        "links": f"{share(number)} of {held} is in links; of content at most"
        f" {share(settings.max_link_share)} would be (max_link_share)",
        "repeated_text": f"the same {number:.0f} characters stand on the page before, in another part",
        "title": f"it says what the page's title says, in {share(number)} of its letters",
        "byline": f"it is a line of {number:.0f} characters before the text, with a date or the author",
        "label": f"words on the face of {held}"
        if held
        else "words by themselves: the label of a link or an advertisement, a call to act, tags, the way to the page or"
        " its address, how the site earns, what closes the page, or what is for scripts",
        "notice": "it asks readers to agree to cookies, or is a part of what does",
        "beside": "it stands outside the part that holds the story, and is not clearly of it",
        "story": "it stands in an <article> of its own, and another bears the page's title",
        "furniture": "it stands around the posts of a thread, or alike in several of them",
        "author": "its words are the author's name",
        "head": "a picture before the text, in another part, that leads to another page",
        "tail": "it stands behind the text, and is a scrap or leads to another page",
        "end": "it stands behind the part that holds the article",
        "empty_section": "nothing of its section is kept",
        "evidence": "none of the texts around it is content",
    }
    return f"{verdict.rule}: {said[verdict.rule]}"


def _element(verdict: Verdict) -> str:
    if verdict.container is None:
        return ""
    telling = (
        WEAK_NAMES if verdict.rule == "little_prose" else CHROME_NAMES | COMMENT_NAMES | AUTHOR_NAMES | REVIEW_NAMES
    )
    names = sorted(verdict.container.names.words & telling)
    return f"<{verdict.container.tag}>" + (f" named {' '.join(names)}" if names else "")


def of_evidence(chance: float, least: float, column: str, value: float) -> str:
    """Why the evidence leaves a text out: how likely it is content, what is kept, what speaks most against it."""
    return (
        f"evidence: {share(chance)} likely to be content, this page keeps what is {share(least)} and more;"
        f" most against it: {said_of(column, value)}"
    )


def said_of(column: str, value: float) -> str:
    """A number of the evidence in words; the name of its column where there are none."""
    if match := _LEVEL.fullmatch(column):
        return _of_part(match[1], int(match[2]), value)
    if match := _WINDOW.fullmatch(column):
        around = f"the {match[2]} texts before and behind it"
        if match[1] == "links":
            return f"{share(value)} of {around} is in links"
        return f"{around} hold {_count(value)} characters of prose each"
    if match := _ROWS.fullmatch(column):
        said = _OF_ROWS.get(match[1])
        return "it stands in no row of alike parts" if value < 0 else said(value) if said else f"{column}, {value:.2f}"
    if column in _AFTER:
        if value <= _FAR:
            return f"{_AFTER[column]} does not stand before it, or far behind it"
        return f"it stands {abs(value):.0f} texts {'before' if value < 0 else 'behind'} {_AFTER[column]}"
    if column in _NAMED:
        inside = f"it stands in {_NAMED[column]}, with {share(value)} of the page's prose"
        return f"it does not stand in {_NAMED[column]}" if value < 0 else inside
    if column in _RULES:
        return _RULES[column] if value else f"not so: {_RULES[column]}"
    if column in _EITHER:
        return _EITHER[column][not value]
    return _SAID[column](value) if column in _SAID else f"{column}, {value:.2f}"


def _of_part(what: str, level: int, value: float) -> str:
    part = "the part around it" if not level else f"the part {level} level{'s' * (level > 1)} above it"
    match what:
        case "prose":
            return f"{part} holds {_count(value)} characters of prose"
        case "texts":
            return f"{part} holds {_count(value)} texts"
        case "links":
            return f"{share(value)} of {part} is in links"
    return f"{part} holds {share(value)} of the page's prose"


def share(value: float) -> str:
    """A share of 1 as people write it."""
    return "less than 1 %" if 0 < value < 0.01 else f"{100 * max(0.0, min(1.0, value)):.0f} %"


def _often(hint: float) -> str:
    return "often" if hint > 0 else "seldom" if hint < 0 else "neither often nor seldom"


def _times(value: float) -> str:
    return "once" if value == 1 else f"{value:.0f} times"


def _count(logarithm: float) -> str:
    """How many, by the logarithm that the evidence has; there is nothing to count where it is below 0."""
    return f"{math.expm1(max(0.0, logarithm)):.0f}"
