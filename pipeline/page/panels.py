"""What a reader opens below a line each, such as the answers of an accordion, whatever it is called."""

from collections import defaultdict

from pipeline.page.leaves import Text
from pipeline.page.prose import says_sentence
from pipeline.page.verdicts import Verdict, Verdicts
from pipeline.page.walk import Walk

_ALIKE = 3  # so many parts, hidden alike, are no accident
_SENTENCE, _LINE = 30, 150  # characters: of a sentence at least, of the line above it at most
_LINKS = 0.3  # the share of a part in links, at most: those of menus open, too


def show_panels(walk: Walk, verdicts: Verdicts) -> None:
    """Three hidden parts or more that say a sentence each below a line each are no longer hidden, and go with that.

    They stand side by side, or each in an item with its line. What else is hidden may be for a script, or copies.
    """
    containers = walk.containers
    rows: dict[tuple[int, str, str], list[int]] = defaultdict(list)
    for at in walk.flagged:
        if _is_panel(walk, verdicts, at):
            item = containers[containers[at].parent]
            rows[item.parent, item.tag, containers[at].tag].append(at)
    for at in (at for alike in rows.values() if len(alike) >= _ALIKE for at in alike):
        part = containers[at]
        part.names = part.names.shown()
        verdict = Verdict("outside") if verdicts[part.first - 1] else None
        verdicts[part.first : part.last] = [verdict] * (part.last - part.first)


def _is_panel(walk: Walk, verdicts: Verdicts, at: int) -> bool:
    """Whether a part is hidden by itself, says a sentence outside links, and stands behind a line that is shown."""
    part = walk.containers[at]
    if not part.names.is_hidden or part.names.strong or part.first == part.last:
        return False
    line, above = walk.leaves[part.first - 1], verdicts[part.first - 1]
    if not part.first or not isinstance(line, Text) or line.said > _LINE or (above and above.rule == "hidden"):
        return False
    inside = walk.leaves[part.first : part.last]
    if not any(says_sentence(leaf, _SENTENCE) for leaf in inside):
        return False
    said = [leaf for leaf in inside if isinstance(leaf, Text)]
    return sum(text.link_chars for text in said) <= _LINKS * sum(len(text.text) for text in said)
