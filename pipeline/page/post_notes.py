"""What software adds to posts as a text of its own or a line below them: who edited them, and how they are signed."""

import re

from pipeline.page.leaves import Text
from pipeline.page.walk import Walk
from pipeline.text.words import phrase_list

_NOTE, _SIGNATURE = 160, 400  # characters, at most
_SIGNS = "«»[]()*- \n"
#: The line above a signature: of underscores in forums of old, of two hyphens and a space in letters.
_RULE = re.compile(r"^(?:_{5,}|-- ?)$", re.MULTILINE)


def is_note(text: str) -> bool:
    """Whether a text is nothing but a signature below its line, or says who edited a post, or what letter is next."""
    return len(text) <= _SIGNATURE and not _cut(text)


def cut_signatures(walk: Walk) -> None:
    """Takes notes from the first and last lines of a thread's texts, and what stands below the line of a signature."""
    for leaf in walk.leaves:
        if isinstance(leaf, Text) and "\n" in leaf.text:
            text = _cut(leaf.text)
            if text:
                leaf.text = text


def _cut(text: str) -> str:
    for rule in _RULE.finditer(text):
        if len(text) - rule.end() <= _SIGNATURE:
            text = text[: rule.start()].rstrip()
            break
    lines = text.split("\n")
    while lines and _says_who_edited(lines[-1]):
        lines.pop()
    if lines and _says_who_edited(lines[0]):
        del lines[0]
    return "\n".join(lines).rstrip()


def _says_who_edited(line: str) -> bool:
    return len(line) <= _NOTE and line.lstrip(_SIGNS).lower().startswith(tuple(phrase_list("post_notes")))
