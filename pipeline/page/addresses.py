"""What kind of page an address names."""

import re

#: What the software of forums calls the hosts, folders, files and queries of threads.
_OF_THREAD = re.compile(
    r"https?://(?:[^/?#]*\.)?(?:forums?|bbs)\."
    r"|https?://(?:www\.)?[a-z\d-]*forums?\.[a-z.]{2,12}/(?:[^?#]*/)?\d{4,}-[a-z]"
    r"|https?:[^?#]*/(?:(?:forums?|threads?|viewtopic|showthread|showtopic|viewthread|ubbthreads)(?:[/.?]|-[a-z]?\d)"
    r"|topic/\d|discussions?/(?:\d+/)?\d|td-p/\d|m-p/\d|r/[^/?#]+/comments/|t/(?:[^/?#]+/)?\d"
    r"|index\.php/topic,\d|d/\d+-[a-z]|posts/list/\d|phorum[^/]*/read\.php\?\d"
    r"|(?:ticket|\+bug|bugs)/\d|community/posts/\d|read\.cgi/|show_bug\.cgi|(?:pipermail|hyperkitty)/"
    r"|board/(?:view|read)[/?]|board\.php\?(?:[^#]*&)?wr_id=\d|bbs/[^/?#]+/M\.\d|f/[^/?#]+/p/\d|sujet_\d|talk/[^/?#]+/\d+-[a-z])"
    r"|https?://[^/?#]+/(?:[^?#]*/)?[^/?#]+/[^/?#]+/issues/\d{1,7}(?:[?#]|$)"
    r"|https?:[^?#]*/index\.php\?(?:topic=|showtopic=|/?topic/|/?threads?/)"
    r"|https?://[^/?#]+/g/[^/?#]+/c/",
    re.IGNORECASE,
)
_OF_QUESTION = re.compile(r"https?://[^?#]*/questions?/\d", re.IGNORECASE)
#: And the files and folders that list the threads of a board.
_OF_BOARD = re.compile(
    r"/(?:viewforum|forumdisplay)(?:[.?/]|$)|[?;&]board=\d|/forums?/(?:[^/?#]+\.\d+/?)?(?:index\.php)?(?:[?#]|$)",
    re.IGNORECASE,
)
_ASKS_FOR_THREAD = re.compile(r"(?:topic|thread|discussion)[=/]|\bt(?:id)?=\d")
#: Folders in which shops keep what they sell, one thing an address.
_GOODS = frozenset(
    "product products produkt produkte produit produits producto productos produto produtos prodotto prodotti goods "
    "itm item listing dp ip pd".split()
)
_PAGE_OF_GOODS = re.compile(r"(?:product|goods|item)[a-z_]*\.(?:php|html?|aspx?|jsp)")
_ASKS_FOR_GOODS = re.compile(r"(?:^|[&;])(?:route=product/product|main_page=product_info)(?:[&;]|$)")
#: Folders of what sites publish, in the languages of many, and of lists of it.
_STORIES = frozenset(
    "actualite actualites aktuelles article articles articolo articulo articulos artigo artigos artikel artikkel "
    "berita blog blogs haber nachrichten news nieuws noticia noticias notizie novosti nyheter post posts stories "
    "story".split()
)
_LISTS = frozenset(
    "archive archives author authors categories category page search section tag tags topic topics".split()
)
_DAY = re.compile(r"/(?:19|20)\d\d[/-]?(?:0?[1-9]|1[0-2])(?:[/-]?[0-3]?\d)?/")
_DIGITS, _HYPHENS = 3, 3  # so many in the last part of an address make it a number, or a title
_LONG_TITLE = 5  # hyphens of one that says by itself that it is no section
_NAME = 4  # characters of the last part behind a day, at least


def is_of_thread(url: str) -> bool:
    """Whether an address is that of a thread in a forum, a tracker or an archive of mail."""
    return _OF_THREAD.match(url) is not None


def is_of_question(url: str) -> bool:
    """Whether it is that of a question with its answers."""
    return _OF_QUESTION.match(url) is not None


def is_of_board(url: str) -> bool:
    """Whether it is that of a list of threads."""
    return _OF_BOARD.search(url) is not None and _ASKS_FOR_THREAD.search(url.lower().partition("?")[2]) is None


def is_of_goods(url: str) -> bool:
    """Whether it is that of one thing that a shop sells."""
    path, _, query = url.partition("#")[0].lower().partition("?")
    parts = [part for part in path.split("/")[3:] if part]
    if not parts:
        return False
    *folders, last = parts
    is_named = "-" in last or _digits(last) > 0
    if not _GOODS.isdisjoint(folders) and (is_named or folders[-1] in ("product", "products")):
        return True
    if query and (_PAGE_OF_GOODS.fullmatch(last) or _ASKS_FOR_GOODS.search(query)):
        return True
    _, sign, number = last.rpartition("-p-")
    return bool(sign) and number.endswith(".html") and number.removesuffix(".html").isdigit()


def is_of_story(url: str) -> bool:
    """Whether it is that of one story: behind a day, or a word such as `news`, its path has a number or a title."""
    path, _, query = url.partition("#")[0].lower().partition("?")
    parts = [part for part in path.split("/")[3:] if part and not part.startswith("index.")]
    if not parts or not _LISTS.isdisjoint(parts):
        return False
    *folders, last = parts
    name, _, ending = last.partition(".")
    if ending and name in _STORIES:
        return _digits(query) >= _DIGITS
    if not _STORIES.isdisjoint(folders) and (_digits(last) >= _DIGITS or last.count("-") >= _HYPHENS):
        return True
    is_dated = _DAY.search(f"/{'/'.join(folders)}/") is not None
    return is_dated and len(last) >= _NAME


def ends_in_title(url: str) -> bool:
    """Whether its last part is a title of several words: of a page that says so, an article."""
    path = url.partition("#")[0].partition("?")[0]
    return path.rstrip("/").rpartition("/")[2].count("-") >= _LONG_TITLE


def _digits(text: str) -> int:
    return sum(map(str.isdigit, text))
