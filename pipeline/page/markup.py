"""A page's markup as flat lists, each tag with its attributes and the text before it.

Lexbor parses and repairs the page as browsers do, then writes the repaired tree out again. That text is regular: every
element is closed, every attribute quoted, every `<` and `>` inside them escaped. One expression cuts it at its tags,
several times faster than asking for each node of the tree.
"""

import re
from collections.abc import Sequence
from itertools import chain

from selectolax.lexbor import LexborHTMLParser

from pipeline.page.kept_lines import SETTING, keep_lines, sets_lines
from pipeline.page.layout_tables import lay_out_tables
from pipeline.page.listings import has_lines, join_lines
from pipeline.page.roles import ROW, name_tables

_ATTRIBUTES = re.compile(r' (=?[^ \t\n\f\r>/=]*+)="([^"]*+)"')
# What has no end ends with the page: nothing is searched for twice.
_END = r"(?:>|\Z)"
_TAG = re.compile(
    rf"<(?:(/?[a-z][^ >]*+)([^>]*+){_END}|!--.*?(?:-->|\Z)|!doctype[^>]*+{_END}|\?[^>]*+{_END})",
    re.DOTALL | re.IGNORECASE,
)
#: A `<template>` that is shown, as the shadow tree of what it stands in; Lexbor strips nothing inside.
_SHADOW = ' shadowrootmode="'
_OF_SHADOWS = re.compile(r"<(style|script)\b(?:(?!</\1>).)*+(?:</\1>|\Z)", re.DOTALL)
#: Unicode's separators; the first parts cells in the text that is read. Pages have it from programs of typesetters.
_PARAGRAPH_END, _LINE_END = "\u2029", "\u2028"
_WRAPPER = re.compile(r"%\s*<!\[CDATA\[|%\s*\]\]>")  # by which XHTML takes a formula for text
_FEW = 4  # texts that are searched for one by one
#: Elements nobody reads that hold text as it is, tags and all: written out, it could not be told from markup.
_STRIPPED = ["script", "style", "noframes", "noembed", "plaintext"]


class Markup:
    """A page in UTF-8, parsed, as parallel lists.

    `texts[i]` stands before the tag `tags[i]`, such as "p" or "/p", which is written with `attributes[i]`; for a
    comment both are None. References such as `&amp;` are not undone: see `unescape`. `html` is all of it, repaired.
    """

    __slots__ = (
        *("_distinct", "_ends", "_found", "_kinds", "_named", "_places", "_sought", "_written"),
        *("attributes", "html", "json_ld", "rsl", "tags", "texts"),
    )

    def __init__(self, html: bytes) -> None:
        tree = LexborHTMLParser(html)
        scripts = [((node.attributes["type"] or "").lower(), node) for node in tree.css("script[type]")]
        self.json_ld = [node.text() for kind, node in scripts if kind.startswith("application/ld+json")]
        self.rsl = [node.text() for kind, node in scripts if kind.startswith("application/rsl+xml")]
        if any(kind.startswith("math/tex") for kind, _ in scripts):
            _show_formulas(tree)
        tree.strip_tags(_STRIPPED)
        self._write(tree)
        if self._holds_text_as_it_is() or has_lines(self.tags, self.html):
            _empty_frames(tree)
            _escape_examples(tree)
            join_lines(tree)
            self._write(tree)
        self._lay_out()

    def _write(self, tree: LexborHTMLParser) -> None:
        """The tree as text, and cut at its tags."""
        self.html = (tree.html or "").replace(_PARAGRAPH_END, _LINE_END)
        self._cut()
        if "template" in self._kinds and _SHADOW in self.html:
            self.html = _OF_SHADOWS.sub("", self.html)
            self._cut()
        self._ends: dict[int, int] | None = None
        self._places: dict[str, list[int]] = {}
        self._sought = 0
        self._distinct: list[str] = []
        self._written = ""
        self._named: dict[str, bool] = {}
        self._found: dict[str, list[str]] = {}

    def _cut(self) -> None:
        pieces = _TAG.split(self.html)
        self.texts: list[str] = pieces[0::3]
        self.tags: list[str | None] = pieces[1::3]
        self.attributes: list[str] = pieces[2::3]
        self._kinds = frozenset(self.tags)

    def _lay_out(self) -> None:
        """What roles and styles say of tables and lines is written as tags say it."""
        keeps = any(map(sets_lines, self.written_with(SETTING)))
        rows = self.bearing(ROW)
        ends = _ends(self.tags) if keeps or rows else {}
        if keeps:
            keep_lines(self.texts, self.tags, self.attributes, ends)
        if rows:
            name_tables(self.tags, self.attributes, ends)
        is_laid_out = "table" in self._kinds and lay_out_tables(self.tags, self.texts, self.attributes)
        if rows or is_laid_out:
            self._kinds, self._places, self._ends = frozenset(self.tags), {}, None

    def _holds_text_as_it_is(self) -> bool:
        """Whether any element may hold text that looks like markup, as it was written out: most frames are empty."""
        if "xmp" in self._kinds:
            return True
        return any(self.tags[at + 1] != "/iframe" or self.texts[at + 1] for at in self.places("iframe"))

    def places(self, tag: str) -> list[int]:
        """Where a tag stands."""
        if tag not in self._kinds:
            return []
        if tag not in self._places:
            self._places[tag] = _all_at(self.tags, tag)
        return self._places[tag]

    def written_with(self, sign: str) -> list[str]:
        """The attributes of tags that hold a text, those of each as they are written, the same ones once."""
        if sign not in self._found:
            self._found[sign] = self._search(sign)
        return self._found[sign]

    def _search(self, sign: str) -> list[str]:
        if not self._written:
            self._distinct = list(filter(None, set(self.attributes)))
            self._written = "".join(self._distinct)
        name, equals, _ = sign.partition('="')
        if equals and name not in self._named:  # a page without microdata is not searched for each of its values
            self._named[name] = name + equals in self._written
        if (equals and not self._named[name]) or sign not in self._written:  # few pages bear a sign at all
            return []
        return [written for written in self._distinct if sign in written]

    def bearing(self, *signs: str) -> list[int]:
        """Where tags stand whose attributes hold one of some texts as they are written, such as ` role="dialog"`."""
        found = set(chain.from_iterable(map(self.written_with, signs)))
        if not found:
            return []
        if len(found) <= _FEW:
            return sorted(at for written in found for at in _all_at(self.attributes, written))
        return [at for at, written in enumerate(self.attributes) if written in found]

    def end_of(self, at: int, most: int | None = None) -> int:
        """Where the element that opens at `at` ends: the index of its end tag, or `at` plus `most` if that is less."""
        tags, tag, end = self.tags, self.tags[at], f"/{self.tags[at]}"
        last = len(tags) if most is None else min(len(tags), at + most)
        if self._ends is not None:
            return min(self._ends.get(at, last), last)
        still_open, position = 1, at + 1
        try:
            while True:
                found = tags.index(end, position, last)
                still_open += tags[position:found].count(tag) - 1
                if not still_open:
                    return found
                position = found + 1
                self._sought += 1
                if self._sought > len(tags):  # each within the other: look once for all of them
                    self._ends = _ends(tags)
                    return min(self._ends.get(at, last), last)
        except ValueError:  # it stays open
            return last


def _all_at(items: Sequence[str | None], item: str) -> list[int]:
    """Where an item stands, by searches that run faster than a loop over all."""
    found, at = list[int](), -1
    try:
        while True:
            at = items.index(item, at + 1)
            found.append(at)
    except ValueError:
        return found  # none is left


def _ends(tags: list[str | None]) -> dict[int, int]:
    """Where each element ends that does."""
    still_open: dict[str, list[int]] = {}
    ends: dict[int, int] = {}
    for at, tag in enumerate(tags):
        if tag is None:
            continue
        if tag[0] != "/":
            still_open.setdefault(tag, []).append(at)
        elif opened := still_open.get(tag[1:]):
            ends[opened.pop()] = at
    return ends


def read_attributes(written: str) -> dict[str, str]:
    """The attributes of a tag by name."""
    found: dict[str, str] = dict(_ATTRIBUTES.findall(written))
    return {name: unescape(value) for name, value in found.items()} if "&" in written else found


def escape(value: str) -> str:
    """A value as it is written between quotes."""
    return value.replace("&", "&amp;").replace('"', "&quot;")


def unescape(text: str) -> str:
    """Undoes the few references that written-out markup uses."""
    if "&" in text:
        text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&nbsp;", "\u00a0")
        return text.replace("&amp;", "&")
    return text


def _show_formulas(tree: LexborHTMLParser) -> None:
    """A `<script>` that holds a formula for MathJax becomes a `<math>`; what was drawn of it for browsers goes."""
    for drawn in tree.css(
        "span.MathJax_Preview, div.MathJax_Display, span.MathJax, span.MathJax_SVG, span.MathJax_CHTML"
    ):
        if drawn.css_first("script") is None:
            drawn.decompose()
    for script in tree.css('script[type^="math/tex"]'):
        math = tree.create_node("math")
        math.attrs["alttext"] = _WRAPPER.sub("", script.text())
        script.replace_with(math)


def _empty_frames(tree: LexborHTMLParser) -> None:
    """What an `<iframe>` holds is text, tags and all, for browsers that show none; its address is wanted."""
    for frame in tree.css("iframe"):
        for inside in list(frame.iter(include_text=True)):
            inside.decompose()


def _escape_examples(tree: LexborHTMLParser) -> None:
    """An `<xmp>` becomes a `<pre>`, whose text is written out as any other."""
    for example in tree.css("xmp"):
        pre = tree.create_node("pre")
        pre.insert_child(example.text())
        for name, value in example.attributes.items():
            pre.attrs[name] = value or ""
        example.replace_with(pre)
