"""Code in a page: the language that its markup names, and the line numbers that are no part of it."""

import re
from collections.abc import Iterator

from pipeline.page.markup import Markup

_LANGUAGE = re.compile(
    r'[ "](?:language-|lang-|highlight-source-|highlight-text-|highlight-|brush:[ ]?|sourceCode[ ]|highlight[ ])'
    r'([A-Za-z][\w+#]{0,19})(?=[ ";])|[ ]data-(?:lang|language)="([A-Za-z][\w+#]{0,19})"'
)
#: What stands in the place of a language and is none.
_NO_LANGUAGES = frozenset(
    "none plain plaintext text txt nohighlight no default auto notranslate source code wrapper container box block "
    "table line lines numbers copy button raw output unknown undefined null".split()
)
_AROUND = 3  # tags before and behind that may name the language
_NUMBERED = re.compile(r'class="[^"]*(?:line-?_?n|lineno|linenum|gutter|\bln\b|\bhljs-ln)', re.IGNORECASE)


def language_of(markup: Markup, at: int) -> str:
    """In lower case, by the `<pre>` that opens at `at` and what opens right in or around it; "" if they name none."""
    for place in _beside(markup, at):
        for match in _LANGUAGE.finditer(markup.attributes[place]):
            if (language := (match[1] or match[2]).lower()) not in _NO_LANGUAGES:
                return language
    return ""


def _beside(markup: Markup, at: int) -> Iterator[int]:
    yield at
    for step in (1, -1):
        for place in range(at + step, at + step * (_AROUND + 1), step):
            between = place if step > 0 else place + 1
            tag = markup.tags[place] if 0 < place < len(markup.tags) else None
            if tag is None or tag[0] == "/" or markup.texts[between].strip():
                break
            yield place


def is_line_number(written: str, text: str) -> bool:
    """Whether an element of code holds the number of its line."""
    return text.strip().isdecimal() and _NUMBERED.search(written) is not None


def is_gutter(text: str) -> bool:
    """Whether a text has nothing but the numbers of some lines, one below the other."""
    lines = text.split()
    if len(lines) < 2 or not all(map(str.isdecimal, lines)):
        return False
    first = int(lines[0])
    return [int(line) for line in lines] == list(range(first, first + len(lines)))
