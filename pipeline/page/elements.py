"""HTML's elements by what they mean for reading a page."""

#: Elements that are not content wherever they stand; `<header>` is not outside articles.
CHROME_TAGS = frozenset(("nav", "aside", "footer", "form", "menu", "header"))
CONTENT_TAGS = frozenset(("article", "main"))
#: Parts of a text, never all of it.
NARROW = frozenset("p ul ol li dl dd blockquote pre td tr tbody figure table".split())
NEVER_CHROME = frozenset(("article", "main", "body", "html"))
#: Elements whose inside nobody reads, or that say what a plug-in would show.
SKIPPED = frozenset(
    "head title template svg annotation annotation-xml select option textarea object applet canvas datalist dialog map "
    "progress meter audio iframe rt rp rtc amp-ad amp-embed".split()
)
DRAWINGS = frozenset(("svg", "canvas"))
VOID = frozenset(
    "area base basefont bgsound br col embed frame hr img input keygen link meta param source track wbr".split()
)
HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
#: What tables that only lay out a page become, see `pipeline.page.layout_tables`: names that no page uses.
LAID_OUT = {"tr": "layout-row", "td": "layout-cell"}
BLOCKS = (
    frozenset(
        "address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer form "
        "header hgroup html legend li main menu nav ol p pre search section summary table tbody td tfoot th thead "
        "tr ul caption colgroup".split()
    )
    | HEADINGS
    | frozenset(LAID_OUT.values())
)
CELLS = frozenset(("td", "th"))
#: What tells the names of a table's columns, or of the whole, apart from data.
TABLE_HEADS = frozenset(("th", "thead", "caption"))
#: What no table of data holds.
NO_DATA = HEADINGS | {"table", "article", "section", "form", "figure", "iframe", "video", "nav"}
MEDIA = frozenset(("img", "amp-img", "picture", "video", "noscript"))
#: Elements of scripts that become frames, most of them of a video.
PLAYERS = frozenset(("amp-youtube", "amp-iframe", "lite-youtube", "youtube-video"))
SECTIONS = frozenset(("article", "main", "section", "body"))
#: What the texts inside are; others are what their parents are.
ROLES = {
    **dict.fromkeys(HEADINGS, "heading"),
    **dict.fromkeys(("li", "dd", "dt"), "list"),
    **dict.fromkeys((*SECTIONS, "td"), "paragraph"),
    "tr": "table",
    "pre": "code",
    "blockquote": "quote",
}
