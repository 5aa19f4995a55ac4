"""What an element's class, id, role and the like say of it."""

import functools
import re

from pipeline.tokens import names_of

#: Names of parts that are never content, however much text they hold (short of most of the page).
CHROME_NAMES = frozenset(
    "breadcrumb breadcrumbs comment comments consent cookie cookies copyright disclaimer discussion disqus "
    "footer gdpr login masthead menu mobilenav modal nav navbar navbox navigation newsletter noprint outbrain "
    "paywall popup promo promos recirculation recommend recommendations recommended related relatedarticles "
    "relatedcontent relatedlinks relatedposts relatedstories replies respond sidebar signup sponsor sponsored "
    "subscribe subscription taboola trending".split()
)
#: Names that parts of the content bear too: such a part is chrome only while it holds little prose.
WEAK_NAMES = frozenset(
    "ad ads adsense advert advertisement author avatar banner bio byline dateline hatnote infolinks metadata "
    "pager pagination popular posted postmeta pubdate published rss search share sharedaddy sharing signature skip "
    "social submeta tag tags teaser timestamp toc toolbar topbar tools widget widgets".split()
)
_CAPTION_NAMES = frozenset(("caption", "figcaption", "credit", "legend", "cutline"))
_NAMED = re.compile(r' (?:class|id|role|itemprop|data-testid|data-component)="([^"]*+)"')
_HIDING = re.compile(
    r" hidden=|aria-hidden=\"true|display\s*:\s*none|visibility\s*:\s*hidden|"
    r"[\" ](?:sr-only|screen-reader(?:-only|-text)|(?:visually|text)-?hidden)[\" ]",
    re.IGNORECASE,
)


class Names:
    """The words of an element's names, and what follows from them."""

    __slots__ = ("is_caption", "is_flagged", "is_hidden", "strong", "weak", "words")

    def __init__(self, words: frozenset[str], is_hidden: bool) -> None:
        self.words, self.is_hidden = words, is_hidden
        self.strong = not CHROME_NAMES.isdisjoint(words)
        self.weak = not WEAK_NAMES.isdisjoint(words)
        self.is_flagged = is_hidden or self.strong or self.weak
        self.is_flagged = is_hidden or self.strong or self.weak
        self.is_caption = not _CAPTION_NAMES.isdisjoint(words)


UNNAMED = Names(frozenset(), False)


@functools.lru_cache(maxsize=16384)
def read_names(written: str) -> Names:
    """The names among the attributes of a tag, as it is written."""
    named = _NAMED.findall(written)
    hidden = is_hidden(written)
    return Names(names_of(" ".join(named)), hidden) if named or hidden else UNNAMED


def is_hidden(written: str) -> bool:
    """Whether attributes say that an element is not shown, or shown to screen readers only."""
    maybe = "hidden" in written or "none" in written or "NONE" in written or "sr-only" in written
    return (maybe or "screen-reader" in written) and bool(_HIDING.search(written))
