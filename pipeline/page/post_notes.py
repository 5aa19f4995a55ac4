"""What software adds to posts as a text of its own or a line below them: who edited them, and how they are signed."""

import re
from functools import cache

from pipeline.page.leaves import Text
from pipeline.page.walk import Walk
from pipeline.text.words import phrase_list

_NOTE, _SIGNATURE, _FILE, _COUNT, _VOTES = 200, 400, 120, 40, 10  # characters, at most
#: As phpBB has it, and how often it was read; as Discuz! has it, in brackets.
_ATTACHED = re.compile(
    r"\([\d.,]{1,9} (?:[KMG]i?B|bytes)\).*|[^\n()]{1,80}\.\w{2,5} \([\d.,]{1,9} (?:[KMG]i?B|bytes)[^\n()]*\)",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"#\d{1,6}(?: ?[·•|,-] ?.{0,30}(?:19|20)\d\d)?")  # #3 · Jun 4, 2024
_NO_WORDS = re.compile(r"[\W\d_]+")
#: What Invision begins such a note with, a day and who did it behind it.
_EDITED = tuple(
    "edited|bearbeitet|geändert am|modifié|editado|modificato|bewerkt|edytowane|redigerad|изменено".split("|")
)
#: What some begin the line with that says when a post was written.
_POSTED = tuple(
    "posted|geschrieben|posté|publicado|inviato|geplaatst|napisano|skrivet|опубликовано|投稿|发表于|發表於|发布于|發布於".split(
        "|"
    )
)
_BY = frozenset("ago by von par por da door przez av пользователем".split())
_DAY = 5  # the first words, which say when
_DATED = 90  # characters of such a one
_SIGNS = "«»[]()*- \n"
#: The line above a signature: of underscores in forums of old, of two hyphens and a space in letters.
_RULE = re.compile(r"^(?:_{5,}|-- ?)$", re.MULTILINE)
_RULE_OF_LETTERS = re.compile(r"^-- $", re.MULTILINE)  # RFC 3676; what has line ends of its own may be code as well


def is_note(leaf: Text) -> bool:
    """Whether a text is nothing but a signature below its line, or says who edited a post, how guests may
    reply, what letter is next or how many answers there are."""
    if len(leaf.text) > _SIGNATURE:
        return False
    if "\n" in leaf.text:
        return _is_count(leaf) or not _cut(leaf)
    rule = _RULE_OF_LETTERS if leaf.role == "code" else _RULE
    return _is_count(leaf) or _says_who_edited(leaf.text) or rule.fullmatch(leaf.text) is not None


def _is_count(leaf: Text) -> bool:
    """Whether a text says how many answers, views or votes there are, how large a file is or which post it is."""
    if leaf.role == "code":
        return False
    may_be_file = len(leaf.text) <= _FILE and (leaf.text.startswith("(") or leaf.text.endswith(")"))
    if may_be_file and _ATTACHED.fullmatch(leaf.text):
        return True
    if len(leaf.text) > _COUNT:
        return False
    if leaf.role == "paragraph" and len(leaf.text) <= _VOTES and not any(map(str.isalpha, leaf.text)):
        return True
    if leaf.text.startswith("#") and _NUMBERED.fullmatch(leaf.text):
        return True
    return _NO_WORDS.sub(" ", leaf.text).strip().lower() in phrase_list("post_counts")


def cut_signatures(walk: Walk) -> list[int]:
    """Takes notes from the first and last lines of a thread's texts, and what stands below the line of a signature.

    Gives the pictures that stand there.
    """
    pictures = list[int]()
    for index, leaf in enumerate(walk.leaves):
        if not isinstance(leaf, Text):
            continue
        if _RULE.search(leaf.text):
            pictures += range(index + 1, _end_of_line(walk, index))
        if "\n" in leaf.text:
            leaf.rewrite(_cut(leaf) or leaf.text)
    return pictures


def _end_of_line(walk: Walk, index: int) -> int:
    """The next text behind one, or the end of the part that it stands in."""
    last = walk.containers[walk.leaves[index].container].last
    return next((at for at in range(index + 1, last) if isinstance(walk.leaves[at], Text)), last)


def _cut(leaf: Text) -> str:
    text = leaf.text
    for rule in (_RULE_OF_LETTERS if leaf.role == "code" else _RULE).finditer(text):
        if len(text) - rule.end() <= _SIGNATURE:
            text = text[: rule.start()].rstrip()
            break
    lines = text.split("\n")
    while lines and _says_who_edited(lines[-1]):
        lines.pop()
    if lines and _says_who_edited(lines[0]):
        del lines[0]
    return "\n".join(lines).rstrip()


@cache
def _notes() -> tuple[str, ...]:
    return tuple(phrase_list("post_notes"))


def _says_who_edited(line: str) -> bool:
    if len(line) > _NOTE:
        return False
    said = line.lstrip(_SIGNS).lower()
    if len(line) <= _DATED and said.startswith(_EDITED + _POSTED):
        words = said.split()
        is_dated = any(map(str.isdigit, "".join(words[:_DAY])))
        if is_dated and (len(words) <= _DAY if said.startswith(_POSTED) else not _BY.isdisjoint(words)):
            return True
    return said.startswith(_notes())
