"""The slides of a carousel that are not shown yet: a reader pages through them."""

from collections import defaultdict
from itertools import islice

from pipeline.image.assets import asset_of
from pipeline.page.leaves import Container, Media, Text, children, upward
from pipeline.page.prose import leads_away
from pipeline.page.verdicts import Verdicts
from pipeline.page.walk import Walk

#: Names of carousels and their slides, and of the copies by which they go round.
_CAROUSELS = frozenset(
    "carousel flexslider flickity gallery glide owl slick slide slider slides slideshow splide swiper".split()
)
_COPIES = frozenset("clone cloned duplicate".split())
_NAMED = 3  # a slide and parts around it that may bear the carousel's name
_SAID = 300  # characters of a slide that are still a caption


def show_slides(walk: Walk, verdicts: Verdicts) -> None:
    """Hidden slides of pictures are kept where one beside them is shown and kept, each picture once."""
    hidden: dict[int, list[int]] = defaultdict(list)
    for at in walk.flagged:
        if _is_hidden_slide(walk, verdicts, at):
            hidden[walk.containers[at].parent].append(at)
    for around, slides in hidden.items():
        beside = map(walk.containers.__getitem__, children(walk.containers, around))
        shown = [slide for slide in beside if _keeps_picture(walk, verdicts, slide)]
        known = {asset for slide in shown for asset in _assets(walk, slide)}
        names = {(slide.tag, word) for slide in shown for word in slide.names.plain or ("",)}
        for slide in map(walk.containers.__getitem__, slides):
            is_alike = any((slide.tag, word) in names for word in slide.names.plain or ("",))
            if is_alike and not (assets := _assets(walk, slide)) <= known:
                known |= assets
                slide.names = slide.names.shown()
                verdicts[slide.first : slide.last] = [None] * (slide.last - slide.first)


def _is_hidden_slide(walk: Walk, verdicts: Verdicts, at: int) -> bool:
    """Whether a part is hidden by itself, is no copy, and holds pictures that lead nowhere and a caption at most."""
    part = walk.containers[at]
    if not part.names.is_hidden or part.names.strong or not part.names.words.isdisjoint(_COPIES):
        return False
    around = islice(upward(walk.containers, at), _NAMED)
    if all(walk.containers[other].names.words.isdisjoint(_CAROUSELS) for other in around):
        return False
    verdict = verdicts[part.first] if part.first < part.last else None
    if verdict is None or verdict.container is not part:
        return False
    inside = walk.leaves[part.first : part.last]
    texts = [leaf for leaf in inside if isinstance(leaf, Text)]
    if sum(len(text.text) for text in texts) > _SAID or any(text.link_chars for text in texts):
        return False
    return not any(isinstance(leaf, Media) and leads_away(leaf) for leaf in inside)


def _keeps_picture(walk: Walk, verdicts: Verdicts, slide: Container) -> bool:
    inside = range(slide.first, slide.last)
    return any(verdicts[at] is None and isinstance(walk.leaves[at], Media) for at in inside)


def _assets(walk: Walk, slide: Container) -> set[str]:
    """What the pictures of a slide show, those that are decoration left out."""
    inside = (leaf for leaf in walk.leaves[slide.first : slide.last] if isinstance(leaf, Media))
    return {asset_of(leaf.candidates[0]) for leaf in inside if leaf.candidates and not leaf.decoration}
