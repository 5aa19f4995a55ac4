"""Letters, as archives of mailing lists show them: a page begins with the lines of a letter's header.

Only what stands before all prose is one: manuals show headers further down.
"""

from pipeline.page.leaves import Text
from pipeline.page.prose import is_prose
from pipeline.page.walk import Walk

#: The fields of RFC 5322 that archives show, and what they are called in other languages.
_FIELDS = frozenset(
    "from to cc subject date sent reply-to in-reply-to message-id references newsgroups organization list-id "
    "von an betreff datum gesendet de à objet para asunto fecha enviado oggetto от кому тема дата "
    "发件人 收件人 主题 日期 差出人 宛先 件名".split()
)
#: Those that nothing else has: journeys have a from, a to and a date.
_OF_LETTERS = frozenset(
    "subject reply-to in-reply-to message-id newsgroups list-id betreff objet asunto oggetto тема 主题 件名".split()
)
_FEWEST = 3  # different ones, one of them of letters alone
#: What archives write above lines that lead to other letters.
_HEADS = frozenset(("follow-ups", "references", "index(es)"))
_FIELD = 300  # characters of a line
_LINKS = 0.7  # of a line that leads to other letters: brackets and names stand around the links


def furniture_of(walk: Walk) -> set[int]:
    """The leaves of a letter's page that are no part of it: its header, and lines on and to other letters."""
    header = header_of(walk)
    leaves = enumerate(walk.leaves) if header else ()
    return header | {index for index, leaf in leaves if isinstance(leaf, Text) and _is_of_others(leaf)}


def _is_of_others(leaf: Text) -> bool:
    if leaf.link_chars >= _LINKS * len(leaf.text) and "://" not in leaf.text:
        return True
    return leaf.role == "list" and (leaf.text.lower().rstrip(" :") in _HEADS or bool(_field_of(leaf.text)))


def header_of(walk: Walk) -> set[int]:
    """The leaves that are lines of the header of the letter that a page is."""
    lines, fields = set[int](), set[str]()
    for index, leaf in enumerate(walk.leaves):
        if not isinstance(leaf, Text):
            continue
        if field := _field_of(leaf.text):
            lines.add(index)
            fields.add(field)
        elif _are_header(fields) or is_prose(leaf):
            break
        else:
            lines.clear()
            fields.clear()
    return lines if _are_header(fields) else set()


def _are_header(fields: set[str]) -> bool:
    return len(fields) >= _FEWEST and not fields.isdisjoint(_OF_LETTERS)


def cut_header(walk: Walk) -> bool:
    """Takes the header from the text that begins with it, of a letter that is one text. Whether there is one."""
    for leaf in walk.leaves:
        if isinstance(leaf, Text) and (is_prose(leaf) or "\n" in leaf.text):
            lines = leaf.text.split("\n")
            end, fields = 0, set[str]()
            while end < len(lines) and (field := _field_of(lines[end]) or (lines[end][:1].isspace() and end and " ")):
                fields.add(field)
                end += 1
            if not _are_header(fields - {" "}) or end == len(lines):
                return False
            leaf.rewrite("\n".join(lines[end:]).strip("\n"))
            return True
    return False


def _field_of(line: str) -> str:
    """The field that a line states; "" for any other."""
    if len(line) > _FIELD or "\n" in line:
        return ""
    field, _, said = line.replace("：", ":", 1).partition(":")
    field = field.strip("-*• ").lower()
    return field if said.strip() and field in _FIELDS else ""
