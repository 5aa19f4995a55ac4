"""Other stories below the one that a page is about: sites put the next ones there for readers who scroll on."""

from pipeline.page.leaves import Text
from pipeline.page.prose import TITLE_SHARE, is_prose, shared
from pipeline.page.verdicts import Verdict, Verdicts
from pipeline.page.walk import Walk

_OF_TITLE = 0.5  # of the page's title stands in the heading: the rest may be the name of the site
_PROSE = 300  # characters: what says less is no story but the head of one


def leave_out_other_stories(walk: Walk, title: str, verdicts: Verdicts) -> None:
    """Leaves out each `<article>` that begins with a heading like that of the one which bears the page's title."""
    headed = _headed_articles(walk)
    own = [(at, heading) for at, heading in headed if _is_title(heading.text, title)]
    if len(own) != 1 or len(headed) < 2:
        return
    story, heading = own[0]
    inside = walk.leaves[walk.containers[story].first : walk.containers[story].last]
    if sum(leaf.said for leaf in inside if isinstance(leaf, Text) and is_prose(leaf)) < _PROSE:
        return
    for at, other in headed:
        if at != story and other.mark == heading.mark:
            container = walk.containers[at]
            for index in range(container.first, container.last):
                verdicts[index] = verdicts[index] or Verdict("story", 0.0, container)


def _headed_articles(walk: Walk) -> list[tuple[int, Text]]:
    """The outermost `<article>`s that have a heading, each with its highest."""
    found: list[tuple[int, Text]] = []
    end = 0
    for at, container in enumerate(walk.containers):
        if container.tag == "article" and at >= end:
            end = container.end
            inside = walk.leaves[container.first : container.last]
            headings = [leaf for leaf in inside if isinstance(leaf, Text) and leaf.role == "heading"]
            if headings:
                found.append((at, min(headings, key=lambda heading: len(heading.mark))))  # the author's may be first
    return found


def _is_title(heading: str, title: str) -> bool:
    return shared(heading, title) >= TITLE_SHARE and shared(title, heading) >= _OF_TITLE
