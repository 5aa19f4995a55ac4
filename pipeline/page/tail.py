"""What follows the end of the main content: lines that close a page, scraps, and pictures that lead to other pages."""

from collections import Counter
from collections.abc import Collection
from itertools import islice, takewhile

from pipeline.page.blocks import is_block_beside
from pipeline.page.closings import is_closing, leads_on
from pipeline.page.leaves import Container, Leaf, Media, Text, children, upward
from pipeline.page.prose import ENDS, home_of, is_statement, leads_away
from pipeline.page.verdicts import Verdict, Verdicts, Weighed
from pipeline.page.walk import Walk

_TAIL = 0.2  # of the characters kept: more are no scraps but items, of a list or a row of figures
_CLOSINGS = 4  # lines that close a page; more are of items
_LEVELS = 4  # up from the last prose that its row is looked for
_TO_ITEM = 6  # and the item of a list
_CAPTIONED = 4  # texts and pictures in an item that is a picture with its caption
_ROWS = 3  # so many alike siblings are rows


def leave_out_tail(walk: Walk, verdicts: Verdicts, kept: list[int], last_prose: int, weighed: Weighed) -> None:
    """Leaves out what does not belong to the text, of what is kept behind its last prose.

    That is the lines that close a page; scraps, unless they are more than the end of an article; and pictures that
    lead to another page, or stand elsewhere.
    """
    behind = [index for index in kept if index > last_prose]
    _leave_out_closings(walk, verdicts, behind)
    body = _rows_of(walk, walk.containers[home_of(walk, walk.leaves[last_prose])])
    tail = {index: verdict for index in behind if (verdict := _of_tail(walk.leaves[index], index < body.last))}
    if not tail:
        return
    of_items = of_places(weighed)
    are_items = weighed.changed or _are_much(walk, verdicts, tail)
    heads = _heads_of_sections(walk, behind, tail, of_items)
    last = _last_said(walk, behind, tail) if of_items else -1
    posts = set[int]() if of_items else _posts(walk, weighed.likely)
    item_ends = _end_of_item(walk, verdicts, last_prose)
    for index, verdict in tail.items():
        leaf = walk.leaves[index]
        if isinstance(leaf, Text):
            is_item = are_items
        else:
            is_item = index < item_ends or (
                not leads_away(leaf)
                and (
                    index < last
                    or _is_in_one(walk, leaf, posts)
                    or is_block_beside(walk, leaf, last_prose)
                    or _is_captioned(walk, verdicts, leaf)
                )
            )
        if not is_item and index not in heads and index not in weighed.likely:
            verdicts[index] = verdicts[index] or verdict


def _leave_out_closings(walk: Walk, verdicts: Verdicts, behind: list[int]) -> None:
    """The lines behind the last prose that close a page.

    Where others stand before, or many, or two that begin with the same word, they are of items.
    """
    links = Counter(index for index, _ in walk.links)
    last = {*takewhile(lambda index: leads_on(walk.leaves[index], links[index]), reversed(behind))}
    found = [index for index in behind if index in last or is_closing(walk.leaves[index])]
    if not 0 < len(found) <= _CLOSINGS or len({_first_word(walk.leaves[index]) for index in found}) < len(found):
        return
    before = zip(walk.leaves[: behind[0]], verdicts, strict=False)
    if not any(verdict is None and is_closing(leaf) for leaf, verdict in before):
        for index in found:
            verdicts[index] = Verdict("label")


def _first_word(leaf: Leaf) -> str:
    return leaf.text.split(maxsplit=1)[0] if isinstance(leaf, Text) else ""


def _is_captioned(walk: Walk, verdicts: Verdicts, leaf: Media) -> bool:
    """Whether a picture stands in an item of a list beside words that are kept, as in galleries of wikis."""
    around = islice(upward(walk.containers, leaf.container), _TO_ITEM)
    item = next((walk.containers[at] for at in around if walk.containers[at].tag == "li"), None)
    if item is None or item.last - item.first > _CAPTIONED:
        return False
    return any(verdicts[at] is None and isinstance(walk.leaves[at], Text) for at in range(item.first, item.last))


def _end_of_item(walk: Walk, verdicts: Verdicts, text: int) -> int:
    """Where the item of a list ends that holds a text, if the items before it end in pictures that are kept; else 0.

    The photo of the last step belongs to it as those of the others do, wherever they lead.
    """
    containers = walk.containers
    around = islice(upward(containers, walk.leaves[text].container), _TO_ITEM)
    item = next((containers[at] for at in around if containers[at].tag == "li"), None)
    if item is None:
        return 0
    before = (containers[at] for at in children(containers, item.parent) if containers[at].last <= item.first)
    ends = [some.last - 1 for some in before if some.first < some.last]
    pictured = sum(verdicts[at] is None and isinstance(walk.leaves[at], Media) for at in ends)
    return item.last if 2 * pictured > len(ends) else 0


def _rows_of(walk: Walk, body: Container) -> Container:
    """What holds some rows, one of them around the last prose: the others belong to it. The container of that for none.

    Of what can be opened below a text some say a sentence, and some a word.
    """
    part = body
    for _ in range(_LEVELS):
        if part.parent <= 0:
            break
        around = walk.containers[part.parent]
        if part.names.words:
            siblings = map(walk.containers.__getitem__, children(walk.containers, part.parent))
            alike = sum(other.tag == part.tag and other.names.words == part.names.words for other in siblings)
            if alike >= _ROWS:
                return around
        part = around
    return body


def _posts(walk: Walk, said: Collection[int]) -> set[int]:
    """What holds the words of each post, and the part around that which holds those of no other."""
    homes = {home_of(walk, walk.leaves[index]) for index in said}
    around = Counter(walk.containers[home].parent for home in homes)
    return homes.union(at for at, count in around.items() if count == 1)


def _is_in_one(walk: Walk, leaf: Leaf, posts: Collection[int]) -> bool:
    """Whether a picture stands where a post does, or in a box in that: its attachments."""
    at = leaf.container
    for _ in range(_LEVELS):
        if at in posts:
            return True
        at = max(0, walk.containers[at].parent)
    return False


def _are_much(walk: Walk, verdicts: Verdicts, tail: Collection[int]) -> bool:
    return sum(_characters(walk.leaves[index]) for index in tail) > _TAIL * kept_characters(walk, verdicts)


def kept_characters(walk: Walk, verdicts: Verdicts) -> float:
    """How many characters the text that is kept would have in an alphabet."""
    return sum(_characters(leaf) for leaf, verdict in zip(walk.leaves, verdicts, strict=True) if verdict is None)


def _last_said(walk: Walk, behind: list[int], tail: Collection[int]) -> int:
    """The last of what is kept behind the prose that is no scrap: pictures before it are not behind the text."""
    return max((index for index in behind if index not in tail and isinstance(walk.leaves[index], Text)), default=-1)


def _heads_of_sections(walk: Walk, behind: list[int], tail: Collection[int], of_items: Collection[int]) -> set[int]:
    """The headings, of what is kept behind the prose, of a list, a table, code or a sentence that stays.

    And what stands in rows before a sentence of theirs that stays: of each in a team who it is, besides what they do.
    """
    heads: set[int] = set()
    stays, below = False, 0  # the level of the heading that was kept last
    for index in reversed(behind):
        leaf = walk.leaves[index]
        is_item = index in of_items
        if index not in tail:
            is_block = isinstance(leaf, Text) and (leaf.role in ("list", "table", "code") or is_statement(leaf))
            stays = stays or is_block or is_item
        elif isinstance(leaf, Text) and leaf.role == "heading":
            level = leaf.mark.count("#")
            if stays or below > level:
                heads.add(index)
                below = level
            stays = False
        elif is_item and stays:
            heads.add(index)
    return heads


def _characters(leaf: Leaf) -> float:
    return leaf.said if isinstance(leaf, Text) else 0


def _of_tail(leaf: Leaf, is_inside: bool) -> Verdict | None:
    """After the last prose: pictures that invite to another page, and scraps and pictures outside its container."""
    if isinstance(leaf, Media):
        is_left_out = leaf.kind == "image" and (leads_away(leaf) or not (is_inside or leaf.figure >= 0))
        return Verdict("tail") if is_left_out else None
    is_scrap = leaf.said < 80 and leaf.text[-1:] not in ENDS
    return Verdict("tail") if is_scrap and not is_inside and leaf.role in ("heading", "paragraph") else None


def of_places(weighed: Weighed) -> frozenset[int]:
    """What stands at the places of a page's rows."""
    return frozenset(index for place in weighed.places for index in place)
