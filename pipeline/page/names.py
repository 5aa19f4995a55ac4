"""What an element's class, id, role and the like say of it."""

import functools
import re
from collections.abc import Iterable, Iterator
from importlib.resources import files

import msgspec

from pipeline.text.tokens import names_of

#: Names of other stories or goods, which are often longer than what they stand below.
OTHERS_NAMES = frozenset(
    "outbrain recirculation recommend recommendations recommended related relatedarticles relatedcontent relatedlinks "
    "relatedposts relatedstories taboola trending".split()
)
#: Names of parts that are never content, however much text they hold (short of most of the page).
CHROME_NAMES = OTHERS_NAMES | frozenset(
    "breadcrumb breadcrumbs breadcrumbtrail colophon consent cookie cookiebanner cookiebar cookieconsent "
    "cookienotice cookiepolicy cookies copyright crumbs disclaimer footer footernav gdpr globalnav headernav "
    "leftnav login loginbox loginform mainmenu mainnav megamenu menu menubar mobilenav modal nav "
    "navbar navbox navfooter navheader navigation navlinks navmenu newsletter newsletters noprint popup postsignature "
    "prefooter printfooter promo promos rightnav sidebar sidebars sidemenu sidenav signature signup sponsor sponsored "
    "subfooter subnav subscribe topmenu topnav".split()
)
#: Names of what readers wrote below an article. It may be longer than the article, and in a forum it is the content.
COMMENT_NAMES = frozenset("comment comments discussion disqus replies respond usernotes".split())
#: The name of terms of delivery, which only their heading gives: as a name in markup it would be two words.
DELIVERY = "delivery terms"
#: That of what customers wrote where it is a chapter of a manual on other pages: only its title tells.
REVIEWED = "customer reviews"
#: That of goods under a heading that lists of goods have, too, such as Best sellers.
SHELF = "other goods"
#: That of what a shop says of a product, such as its specifications.
FACTS = "facts of goods"
#: Names of what customers wrote of a thing that is for sale, and of what a shop says of all its goods.
REVIEW_NAMES = frozenset(
    (DELIVERY, REVIEWED, SHELF, *"review reviews avis bewertung bewertungen opiniones recensioni".split())
)
#: Names that parts of the content bear too: such a part is chrome only while it holds little prose.
WEAK_NAMES = frozenset(
    "ad addthis addtoany ads adsbygoogle adsense advert advertisement author availability avatar badge "
    "badges banner bio byline cta dateline facet facets filter filters hatnote infolinks metadata pager "
    "pagination paywall pickup popular posted postmeta postprofile profile pubdate published qty quantity "
    "rating ratings rss search searchbox searchform share sharebar sharebuttons sharedaddy sharethis shariff "
    "sharing skip skiplink skiplinks social socialmedia socialshare submeta subscription tablist tag tags "
    "masthead teaser timestamp toc toolbar tools topbar userinfo usertitle widget widgets wishlist".split()
)
#: Those, and names of chrome, that a page gives to all of its own items: a page may consist of widgets or promos.
NAMES_OF_ITEMS = WEAK_NAMES | frozenset(("menu", "newsletter", "promo", "promos", "signature", "sponsor"))
#: What the box about who wrote a page is called: one of the first beside one of the second, or of the third alone.
_WRITERS = frozenset("author authors contributor contributors writer writers".split())
_BOXES_OF_WRITERS = frozenset("about block box card description details info profile section".split())
_LIVES = frozenset(("bio", "bios", "biography"))
#: What plugins of WordPress call it.
_PLUGINS_OF_WRITERS = frozenset("authorbox molongui saboxplugin starbox".split())
AUTHOR_NAMES = _WRITERS | _LIVES | _PLUGINS_OF_WRITERS
#: What a reader opens: of tabs one is shown at a time, of questions none of the answers.
PANELS = frozenset("accordion answer collapse collapsible faq spoiler tab tabpane tabpanel tabs".split())
#: What scripts draw: players of videos, whose words are on buttons, and charts, whose labels stand there twice.
_DRAWN = frozenset(
    "vjs videojs jw jwplayer mejs plyr flowplayer bmpui shaka highcharts echarts apexcharts amcharts "
    "recharts plotly".split()
)
#: What an `<aside>` within a text is called that belongs to it.
_BOXES = frozenset(
    "admonition alert callout caution example hint important info note notice remark tip warning".split()
)
#: Beside one of these such a name says something else: what a tab shows, pictures that grow, the plan that most people
#: take, what a stock costs, the line under a name, the text above a story, what a function is called with.
_SAYING_ELSE = {
    "discussion": frozenset("sec section".split()),  # of a paper, as HighWire writes them
    "footer": frozenset(("attachments",)),
    "nav": frozenset("pane panel tabcontent tabpane tabpanel".split()),
    "modal": frozenset("gallery image images photo photos zoom".split()),
    "popup": frozenset("gallery image images img photo photos thumbnail video vimeo youtube zoom".split()),
    "popular": frozenset("amenities facilities features package packages plan plans price pricing tier".split()),
    "share": frozenset("price prices".split()),
    "tag": frozenset("img line".split()),  # an <img> is a tag, too
    "teaser": frozenset("description text".split()),
    "signature": frozenset("api body class code function line member method tsd type".split()),
    "widget": frozenset("body callout factbox".split()),
}
_STREAMED = ' id="S:'  # React streams a part hidden, and a script moves it into place
_CAPTION_NAMES = frozenset(
    "caption figcaption credit legend cutline bildtext bildunterschrift billedtekst didascalia fotoonderschrift "
    "kuvateksti leyenda".split()
)
_TELLING = CHROME_NAMES | AUTHOR_NAMES | COMMENT_NAMES | REVIEW_NAMES | WEAK_NAMES | PANELS | _DRAWN | _CAPTION_NAMES
_NAMED = re.compile(r' (?:class|id|(?:data-)?role|itemprop|data-testid|data-component)="([^"]*+)"')
_HIDING = re.compile(
    r" hidden=(?!\"until-found\")|aria-hidden=\"true|display\s*:\s*none|visibility\s*:\s*hidden|=\"nodisplay\""
)
_HIDING_CLASSES = re.compile(
    r"[\" ](?:(?:slick-|bx-|tns-slide-|[a-z]{3,10}__slide--)?cloned?|swiper-slide-duplicate|"  # copies in carousels
    r"(?:u-|wt-|is-)?text-?hidden|mw-editsection|mw-jump(?:-link)?|speechify-ignore|pagenum|"
    r"w-form-done|w-form-fail|material-(?:icons|symbols)(?:-[a-z]+)*)[\" ]"  # a font draws the latter's words as icons
)
#: Classes of what scripts let appear when a reader comes to it.
_APPEARING = re.compile(r"[\" ](?:wow|aos-init|animated|animate__animated|fade-?in[\w-]*)[\" ]")
#: For screen readers only. A site may write its own name before; but `not-sr-only` shows again, and Drupal's
#: `field--label-visually-hidden` hides a label alone.
_FOR_READERS = re.compile(
    r"(?:[\" ]|(?<!not)(?<!label)[-_])(?:sr-?(?:only|text)|screen-?reader-?(?:only|text)|"
    r"visually-?hidden(?:-focusable)?|hidden-visually|accessibl[ey]-hidden|hidden-accessible|accesshide|"
    r"off-?screen|assistive-text|show-for-sr|element-invisible|elementor-screen-only)(?:__[\w-]+)?[\" ]"
)
_CLASS = re.compile(r' class="([^"]*+)"')
#: Of Bootstrap, Tailwind, Bulma, Materialize, UIkit and the like.
_PUT_AWAY = frozenset("hidden hide d-none is-hidden uk-hidden u-hidden".split())
#: Beside one of these an element is shown all the same: at some width, as `hidden md:block`, or in a state.
_AT_SOME_WIDTH = re.compile(
    r"(?:^|[\s-])(?:xs|sm|md|lg|xl|xxl|2xl|print|desktop|mobile|tablet)(?:[:-]|$)"
    r"|:(?:block|flex|grid|inline|table|contents|flow)|(?:^|[\s_-])(?:visible|open|active|shown?)(?:[\s_-]|$)"
)


@functools.cache
def name_hints() -> dict[str, float]:
    """For words of names how much more likely than not what bears them is content: the logarithm of the odds."""
    return msgspec.json.decode((files("pipeline.page") / "name_hints.json").read_bytes(), type=dict[str, float])


class Names:
    """The words of an element's names, and what follows from them."""

    __slots__ = (
        "comments",
        "hint",
        "is_bio",
        "is_caption",
        "is_drawn",
        "is_flagged",
        "is_hidden",
        "is_review",
        "others",
        "plain",
        "strong",
        "weak",
        "words",
    )

    plain: frozenset[str]
    """The words, without the numbers that tell an element from others of its kind."""

    def __init__(self, words: frozenset[str], is_hidden: bool) -> None:
        self.words = words
        known = name_hints()
        hints = [known[word] for word in words if word in known]
        #: how much its words speak for content, or against it: the strongest each way
        self.hint = max(0.0, *hints) + min(0.0, *hints) if hints else 0.0
        if not is_hidden and _TELLING.isdisjoint(words):
            self.is_hidden = self.comments = self.strong = self.weak = self.others = False
            self.is_flagged = self.is_drawn = self.is_caption = self.is_bio = self.is_review = False
            return
        self.is_hidden = is_hidden and PANELS.isdisjoint(words)
        telling = words - set(_misleading(words))
        self.comments = not COMMENT_NAMES.isdisjoint(telling)
        self.strong = not CHROME_NAMES.isdisjoint(telling)
        self.others = not OTHERS_NAMES.isdisjoint(telling)
        self.weak = not WEAK_NAMES.isdisjoint(telling)
        self.is_bio = _is_bio(words)
        self.is_review = "description" not in words and not REVIEW_NAMES.isdisjoint(words)
        self.is_flagged = self.is_hidden or self.strong or self.weak or self.comments or self.is_bio or self.is_review
        self.is_drawn = not _DRAWN.isdisjoint(words)
        self.is_caption = not _CAPTION_NAMES.isdisjoint(words)

    def shown(self) -> "Names":
        """The same of an element that is not hidden."""
        return Names(self.words, False)

    def __getattr__(self, name: str) -> frozenset[str]:  # of a slot that is not filled yet: many never are
        if name != "plain":
            raise AttributeError(name)
        self.plain = frozenset(filter(str.isalpha, self.words))
        return self.plain


def _misleading(words: frozenset[str]) -> Iterator[str]:
    """Those of an element's names that mean something else beside the others."""
    for word, others in _SAYING_ELSE.items():
        if word in words and not others.isdisjoint(words):
            yield word
    if "nav" in words and "content" in words and not words.isdisjoint(("tab", "tabs")):
        yield "nav"  # as Bootstrap's manual has it: `nav-tabContent`


def _is_bio(words: frozenset[str]) -> bool:
    if not words.isdisjoint(_PLUGINS_OF_WRITERS):
        return True
    if words.isdisjoint(_WRITERS):
        return not words.isdisjoint(_LIVES) and words <= _LIVES | _BOXES_OF_WRITERS
    return not words.isdisjoint(_LIVES | _BOXES_OF_WRITERS)


UNNAMED = Names(frozenset(), False)


@functools.lru_cache(maxsize=16384)
def read_names(written: str) -> Names:
    """The names among the attributes of a tag, as it is written."""
    named = _NAMED.findall(written)
    hidden = is_hidden(written)
    return Names(names_of(" ".join(named)), hidden) if named or hidden else UNNAMED


@functools.lru_cache(maxsize=16384)
def is_hidden(written: str) -> bool:
    """Whether attributes say that an element is not shown, or shown to screen readers only."""
    if not _may_hide(written) or _STREAMED in written:
        return False
    found = _HIDING.search(lowered := written.lower())
    if found and found[0][0] == "v" and _APPEARING.search(lowered):
        return False
    if found is not None or _is_for_readers(written) or is_put_away(written):
        return True
    named = _CLASS.search(written)
    return named is not None and _HIDING_CLASSES.search(named[0].lower()) is not None


@functools.lru_cache(maxsize=16384)
def is_for_readers(written: str) -> bool:
    """Whether a class says that an element is for screen readers only."""
    return _may_hide(written) and _is_for_readers(written)


def _is_for_readers(written: str) -> bool:
    named = _CLASS.search(written)
    return named is not None and _FOR_READERS.search(named[0].lower()) is not None


def _may_hide(written: str) -> bool:
    """Whether anything is said by which elements are hidden: of ten nine say none of it, and need no closer look."""
    return (
        "hid" in written
        or "Hidden" in written
        or "none" in written
        or "NONE" in written
        or "nodisplay" in written
        or "nly" in written  # `srOnly`
        or "sr-" in written
        or "creen" in written  # `screen-reader-text`, `offscreen`
        or "for-sr" in written
        or "assistive" in written
        or "invisible" in written
        or "mw-" in written
        or "pagenum" in written
        or "speechify" in written
        or "w-form-" in written
        or "material-" in written
        or "clone" in written
        or "slide-duplicate" in written
    )


def is_put_away(written: str) -> bool:
    """Whether a class of a framework's hides an element at every width of the window, until a script takes it off."""
    named = _CLASS.search(written)
    return named is not None and not _PUT_AWAY.isdisjoint(named[1].split()) and not _AT_SOME_WIDTH.search(named[1])


def is_box(written: str) -> bool:
    """Whether attributes name an element as a box of the text: a note, a tip, a warning."""
    return not _BOXES.isdisjoint(read_names(written).words)


def is_titled(written: Iterable[str]) -> bool:
    """Whether the first named of some tags is a title: a box of the text, as DocBook writes them, and no column."""
    first = next((names.words for names in map(read_names, written) if names.words), frozenset[str]())
    return "title" in first or "titlepage" in first
