"""Code in a page: the language that its markup names, and the line numbers that are no part of it."""

import re
from collections.abc import Iterator

from pipeline.page.markup import Markup

_LANGUAGE = re.compile(
    r'[ "](?:language-|lang-|highlight-source-|highlight-text-|highlight-|brush:[ ]?|lang:|src-|sourceCode[ ]|'
    r'highlight[ ]|hljs[ ])([A-Za-z][\w+#]{0,19})(?=[ ";])|'
    r'[ ]data-(?:enlighter-)?(?:lang|language)="([A-Za-z][\w+#]{0,19})"'
)
#: What stands in the place of a language and is none.
NO_LANGUAGES = frozenset(
    "none plain plaintext text txt nohighlight no default auto notranslate source code wrapper container box block "
    "table line lines numbers copy button raw output unknown undefined null".split()
)
_AROUND = 3  # tags before and behind that may name the language
_LABELS = frozenset(("/span", "/button"))  # a word above the code, or a button that copies it
_OF_TABLES = frozenset(("td", "tr", "tbody", "table"))
_MOST_NUMBERS = 3_000  # tags before that may be of the numbers of lines
#: What the cells of tables are called that part code from the numbers of its lines.
GUTTERS = frozenset("gutter lineno linenos linenumbers lnt numbers".split())
OF_LISTINGS = GUTTERS | {"code", "lntd"}
#: What closes code in a line, and what parts that hold code outside `<pre>` are called.
CODE_ENDS = frozenset("/code /tt /samp /kbd".split())
CODE_NAMES = frozenset("code codeblock sourcecode monospace".split())
_INDENT = re.compile("[ \t\r\n]*+((?:\xa0[ \xa0]*+)?)(.*)", re.DOTALL)
_LINE = re.compile(
    r' class="(?:[^"]* )?(?:(?:code|token|highlight|grvsc|source|view)-)?line(?: [^"]*)?"|[ ]data-line="', re.IGNORECASE
)
_NUMBERED = re.compile(r'class="[^"]*(?:line-?_?n|lineno|linenum|gutter|\blnt?\b|\bhljs-ln)', re.IGNORECASE)


def language_of(markup: Markup, at: int) -> str:
    """In lower case, by the `<pre>` that opens at `at` and what opens right in or around it; "" if they name none."""
    for place in _beside(markup, at):
        for match in _LANGUAGE.finditer(markup.attributes[place]):
            if (language := (match[1] or match[2]).lower()) not in NO_LANGUAGES:
                return language
    return ""


def _beside(markup: Markup, at: int) -> Iterator[int]:
    yield at
    for place in range(at + 1, at + _AROUND + 1):
        if not _opens(markup, place) or markup.texts[place].strip():
            break
        yield place
    place, left = at - 1, _AROUND
    while left and place > 0:
        if markup.tags[place] == "/td":
            place = _before_numbers(markup, place)
        elif markup.tags[place] in _LABELS and f"/{markup.tags[place - 1]}" == markup.tags[place]:
            place, left = place - 2, left - 1
            continue
        if not _opens(markup, place) or markup.texts[place + 1].strip():
            break
        if markup.tags[place] not in _OF_TABLES:
            yield place
            left -= 1
        place -= 1


def _opens(markup: Markup, place: int) -> bool:
    tag = markup.tags[place] if 0 < place < len(markup.tags) else None
    return tag is not None and tag[0] != "/"


def _before_numbers(markup: Markup, end: int) -> int:
    """The tag before the cell that ends at `end` if that has the numbers of lines, else `end`."""
    for place in range(end - 1, max(0, end - _MOST_NUMBERS), -1):
        if markup.tags[place] == "td":
            said = "".join(markup.texts[place + 1 : end + 1]).split()
            return place - 1 if said and all(map(str.isdecimal, said)) else end
    return end


def is_line_number(written: str, text: str) -> bool:
    """Whether an element of code holds the number of its line."""
    return text.strip().isdecimal() and _NUMBERED.search(written) is not None


def is_line(written: str) -> bool:
    """Whether an element of code is one line of it."""
    return ("line" in written or "Line" in written) and _LINE.search(written) is not None


def indented_line(line: str) -> str:
    """A line of code outside `<pre>`, which is indented by no-break spaces, with as many spaces."""
    match = _INDENT.match(line)
    assert match is not None
    code = " ".join(match[2].split())
    return " " * len(match[1]) + code if code else ""


def is_gutter(text: str) -> bool:
    """Whether a text has nothing but the numbers of some lines, one below the other, or all in one line."""
    numbers = text.split()
    if len(numbers) < 2 or not all(map(str.isdecimal, numbers)):
        return False
    lines = sum(not line.isspace() for line in text.split("\n") if line)
    first = int(numbers[0])
    return lines in (1, len(numbers)) and [int(number) for number in numbers] == list(
        range(first, first + len(numbers))
    )
