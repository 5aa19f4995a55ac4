"""Words by themselves that are on every page: labels of links and advertisements, calls to act, tags, breadcrumbs."""

import re
from functools import cache
from itertools import islice

from pipeline.image.refs import is_image_url
from pipeline.page.leaves import Container, Leaf, Text, upward
from pipeline.page.verdicts import Verdict, Verdicts
from pipeline.page.walk import Walk
from pipeline.text.words import phrase_list

_LABEL, _FACE = 50, 600  # characters
_READ = frozenset(("heading", "table"))  # what no face of a player or chart holds
_LONGEST_LABEL = 100  # characters, of the terms beside a price
_FIELDS, _FIELD = 16, 100  # texts and pictures of what is said of a page, and characters of each
_DISCLOSURE = 320  # characters of a text that says how a site earns; a longer one is about that
#: One of these stands in each: most texts need no closer look.
_EARNING = tuple(
    "fili ompensated dvertising paid through ommiss rovision omisi omiss rchases ssociate something rowizj "
    "ссылки アフィリ".split()
)
#: How readers tell an editor: Found a mistake? Select it and press Ctrl+Enter.
_KEYS = re.compile(r"ctrl ?\+ ?enter")
_MISTAKES = tuple(
    "mistake error typo misprint editor ошибк опечатк помилк памылк қате грешк kļūd klaid viga błąd redak".split()
)
_LABELS = 60  # texts and media of a chart
_BUTTONS = 100  # characters of buttons side by side
_RIGHTS = 160  # characters of a line that says whose all of the site is
#: It begins or ends so: © 2024 Keel & Sons, or All rights reserved.
_OWNED = re.compile(r"(?:copyright )?(?:©|\(c\)) ?(?:copyright )?(?:19|20)\d\d|copyright (?:19|20)\d\d")
_OWNING = ("©", "(", "C", "c")  # how such lines begin
_RESERVING = 40  # characters, at least, of how they end
_RESERVED = (
    *("all rights reserved", "alle rechte vorbehalten", "tous droits réservés", "todos los derechos reservados"),
    *("tutti i diritti riservati", "todos os direitos reservados", "alle rechten voorbehouden", "все права защищены"),
    *("wszelkie prawa zastrzeżone", "版权所有", "版權所有", "無断転載を禁じます"),
)
#: What such a line says wherever it begins and ends, where it is one of the last texts of a page: since when.
_SINCE = re.compile(r"(?:©|\(c\)|copyright)[^\d\n]{0,25}(?:19|20)\d\d|(?:19|20)\d\d ?(?:©|\(c\))", re.IGNORECASE)
_LAST, _LAST_LINE = 5, 200  # so many texts, and characters
_BETWEEN = re.compile("[.!»›→>|·•]")  # what stands between and behind them
_TAGS, _TAG_LINKS = 300, 0.3  # characters of a line of tags or of a way, and the share of links
_TAG_WORDS = 3  # of what such a line is called
_STORIES = 2  # lines of tags that a page may have; more are of the items of a list
_ADDRESSES = ("https://", "http://")
_OF_SCRIPTS = ("{{", '{"', "<iframe ")  # how data for scripts begin, and what is given to be copied
_DIGIT = re.compile(r"\d")
#: What stands before a cell of a notebook: In [3]:, Out[3]:; or [3]: in a part that is called a prompt.
_PROMPT = re.compile(r"(?:(In|Out) ?)?\[[\d *]{0,6}\]:")
_AROUND_PROMPT = 4  # parts
_SCHEME = re.compile(r"https?:(?://)?(?:www\.)?")
_STEPS = 2  # marks between the parts of a way through the site
#: How many items a list has, and which of them a page shows: 24 results, Showing 1–8 of 312 objects, Seite 2 von 9.
_COUNT = re.compile(
    r"[\d.,]{1,9}\+? (?:results?|items?|products?|articles|posts|jobs|listings|entries|ergebnisse|treffer|produkte|"
    r"artikel|résultats|produits|resultados|productos|artículos|produtos|artigos|risultati|prodotti|articoli|resultaten|"
    r"producten|artikelen|wyników|produktów|resultat|produkter|результатов|товаров)"
    r"|(?:\w+ ){0,2}\d+ ?[-–—] ?\d+ (?:of|von|de|sur|di|van|av|af|z|из|/) [\d.,]{1,9}\+?(?: \w+){0,3}"
    r"|(?:page|seite|página|pagina|sida|side|strona|страница) \d+ (?:of|von|de|sur|di|van|av|af|z|из|/) \d+"
)
_SECTION = re.compile(r"(\d{1,2})(?:\.\d{1,2})*+[.)]? \D")
#: How long a story takes to read: 5 min read, Lesezeit: 3 Minuten.
_READING = re.compile(
    r"(?:(?:estimated |average )?reading time|lesezeit|lesedauer|(?:temps de )?lecture|tiempo de lectura|"
    r"tempo di lettura|tempo de leitura|leestijd|czas czytania|lästid|læsetid|lesetid|okuma süresi|время чтения|"
    r"阅读时[间长]|閱讀時間)"
    r"\W{0,3}(?:(?:about|approx|aprox|around|ca|circa|env|environ|约|約)\.? ?)?"
    r"\d{1,3}(?: ?[-–] ?\d{1,3})? ?(?:m|мин|分|dk|dakika)[^\W\d]{0,7}"
    r"|\d{1,3}(?: ?[-–] ?\d{1,3})?[ -]?min(?:ute|uten|utes|utos|uti|uter|utter|uut)?s?\.? "
    r"(?:read|reading time|lesezeit|de lect(?:ure|ura)|di lettura|de leitura|leestijd|czytania|lästid|læsetid|lesetid)"
    r"|\d{1,3} мин(?:ут[аы]?)?\.? (?:на )?чтени[ея]|(?:この記事は)?約? ?\d{1,3} ?分で読めます"
)
#: How often a page was asked for: 314 views, Visto 314 veces, Просмотров: 314, 浏览量：314.
_VIEWS = re.compile(
    r"[\d., ]{1,11}[km万만]? ?(?:views?|reads?|hits|visitas|lecturas|vues|lectures|aufrufe|mal gelesen|"
    r"visualizzazioni|letture|visualizações|leituras|keer (?:bekeken|gelezen)|wyświetleń|odsłon|visningar|visninger|"
    r"просмотр(?:а|ов)?|переглядів|görüntülen?me|kez okundu|lượt xem|次(?:浏览|阅读|瀏覽|閱讀)|阅读|閱讀|瀏覽|浏览)"
    r"|(?:views?|hits|reads|visitas|lecturas|vues|lectures|aufrufe|gelesen|visualizzazioni|letture|visualizações|"
    r"leituras|bekeken|gelezen|wyświetleń|odsłon|visningar|visninger|просмотр(?:ов|ы)|прочитали|переглядів|okunma|"
    r"görüntülenme|lượt xem|(?:浏览|阅读|瀏覽|閱讀|点击|點擊)(?:量|数|數|次数|次數)?|閲覧数|조회 ?수?)"
    r" ?[:：]? ?[\d., ]{1,11}[km万만]?"
    r"|(?:viewed|read|visto|leído|lido|lu|vu|letto|zobrazeno) [\d., ]{1,11}(?:times|veces|vezes|fois|volte|krát)"
)
#: What stands behind the following where it says when they hold: free shipping on orders over $75.
_WHEN = (
    r"(?:,? (?:on|for|over|above|when|to|within|worldwide|with|and|&|from|ab|bei|für|innerhalb|nach|dès|à partir|pour|"
    r"en|a partir|desde|para|da|per|op|vanaf|bij|vid|över|ved|od|przy|от|при|по)\b.{0,60})?"
)
#: What shops write beside every price: what it includes, and what the way to the buyer costs.
_TERMS = re.compile(
    r"(?:tax(?:es)?|vat|gst|duties)(?: (?:and|&) \w+)? (?:included|excluded)(?:[.,] shipping .{0,40})?"
    r"|shipping (?:is |and taxes |& taxes )?calculated at checkout"
    r"|(?:inc|incl|ex|excl|including|excluding|inclusive of|exclusive of|plus)\.? (?:vat|gst|taxes|sales tax|shipping)"
    r"(?:,? .{0,40})?"
    r"|(?:inkl|exkl|zzgl|incl|excl)\.? (?:[\d,.]+ ?% )?(?:gesetzl\w*\.? )?"
    r"(?:mwst|ust|mehrwertsteuer|versand|versandkosten|btw|moms|frakt|fragt)\b.{0,60}"
    r"|(?:free (?:(?:\w+ )?\w+ )?(?:shipping|delivery|returns|postage)"
    r"|(?:kostenlose[rn]?|gratis|versandkostenfreie) (?:versand|lieferung|rückgabe|rücksendung)|versandkostenfrei"
    r"|(?:livraison|retours?|expédition) (?:gratuite?s?|offerte?s?)|taxes incluses"
    r"|envíos? gratis|devoluci(?:ón|ones) grat(?:is|uitas?)|(?:iva|impuestos) incluidos?"
    r"|(?:spedizione|reso|consegna) gratuit[ao]|iva (?:inclusa|compresa)|frete grátis|iva incluído"
    r"|gratis (?:verzending|bezorging|levering|retour\w*|fragt|frakt)|fria? (?:frakt|fragt|retur\w*)"
    rf"|darmow[ay] (?:dostawa|zwrot)|бесплатная доставка|ttc|tva (?:incluse|comprise)){_WHEN}"
    r"|送料(?:無料|別|込み?)|税(?:込み?|抜き?|別)|包邮|免运费?|免運費?|무료 ?배송"
)

#: How such lines begin: most texts need no closer look.
_BEGINNINGS = tuple("ta va gs du sh in ex pl fr zz ko gr ve li re en de iv im sp co da бе tt tv 送 税 包 免 무".split())


def leave_out_labels(walk: Walk, verdicts: Verdicts) -> None:
    """A few words that are on every page, Advertisement or Read also, and those on the face of a player or chart."""
    for at in walk.drawn:
        container = walk.containers[at]
        inside = range(container.first, container.last)
        texts = [leaf for leaf in walk.leaves[container.first : container.last] if isinstance(leaf, Text)]
        if sum(len(text.text) for text in texts) > _FACE or any(text.role in _READ for text in texts):
            continue  # a page in a player, data that are to be read, or a card: job boards call theirs vjs, too
        for index in inside:
            if isinstance(walk.leaves[index], Text):
                verdicts[index] = verdicts[index] or Verdict("label", 0, container)
    for at in sorted(walk.graphics | {walk.containers[at].parent for at in walk.graphics} - {-1}):
        for index in _second_labels(walk, walk.containers[at]):
            verdicts[index] = verdicts[index] or Verdict("label", 0, walk.containers[at])
    for index in walk.notices:
        verdicts[index] = Verdict("notice")  # whatever else speaks against it
    links = {place for place, _ in walk.links}
    tags = [index for index in links if index < len(walk.leaves) and _are_tags(walk.leaves[index])]
    told = _colophons(walk) | _imprints(walk)
    told.update(tags if len(tags) <= _STORIES else ())  # items of a list keep their tags
    sections: set[int] | None = None  # sought where a heading may be a label
    last, above = 0, Text("", "", "", 0, 0, -1)  # the text before
    for index, leaf in enumerate(walk.leaves):
        if not isinstance(leaf, Text):
            continue
        if verdicts[index] is None and (index in told or _is_label(leaf, index in links)):
            if leaf.role == "heading" and sections is None:
                sections = _numbered_headings(walk)
            if not sections or index not in sections:
                verdicts[index] = Verdict("label", len(leaf.text))
        elif verdicts[index] is None and (_is_data(leaf) or _is_prompt(walk, leaf)):
            verdicts[index] = Verdict("label", len(leaf.text))
            if above.role == "list" and above.text.endswith(":"):  # what a shop's field for it is called
                verdicts[last] = verdicts[last] or Verdict("label", len(above.text))
        elif leaf.role == "code" and leaf.mark == f"```{above.text.lower()}\n":
            verdicts[last] = verdicts[last] or Verdict("label", len(above.text))  # the fence says the language
        last, above = index, leaf


def _is_label(leaf: Text, is_link: bool) -> bool:
    if is_label(leaf.text):
        return True
    if leaf.role == "heading":
        return False
    if leaf.role != "caption" and len(leaf.text) <= _RIGHTS:
        ends = leaf.text[-_RESERVING:].lower().rstrip(" .!")
        if ends.endswith(_RESERVED) or (leaf.text.startswith(_OWNING) and _OWNED.match(leaf.text.lower())):
            return True
    if "trl" in leaf.text and _asks_for_mistakes(leaf.text):
        return True
    return _discloses(leaf.text) or (is_link and (_are_calls(leaf.text) or _is_trail(leaf)))


def _numbered_headings(walk: Walk) -> set[int]:
    """The headings whose number follows on that of another, 1 Methods and 2 Results: sections of a paper."""
    headings = ((index, leaf.text) for index, leaf in enumerate(walk.leaves) if getattr(leaf, "role", "") == "heading")
    numbers = {index: int(found[1]) for index, text in headings if (found := _SECTION.match(text))}
    known = set(numbers.values())
    return {index for index, number in numbers.items() if not known.isdisjoint((number - 1, number + 1))}


def _second_labels(walk: Walk, container: Container) -> list[int]:
    """The second copies of words beside a drawing all of which stand there twice, one by one or as a whole."""
    if not 2 <= container.last - container.first <= _LABELS:
        return []
    places = [at for at in range(container.first, container.last) if isinstance(walk.leaves[at], Text)]
    texts = [leaf.text for leaf in walk.leaves[container.first : container.last] if isinstance(leaf, Text)]
    half, odd = divmod(len(texts), 2)
    if odd or not half or sum(map(len, texts)) > _FACE:
        return []
    if texts[:half] == texts[half:]:
        return places[half:]
    return places[1::2] if texts[::2] == texts[1::2] else []


def _is_data(leaf: Text) -> bool:
    text = leaf.text
    if _is_address_of_picture(text) or _is_of_script(leaf):
        return True
    return leaf.role != "code" and text[:2] == "1\n" and _are_numbers_of_lines(text)


def _is_prompt(walk: Walk, leaf: Text) -> bool:
    """Whether a text is what Jupyter writes before the code of a cell and before what that gives."""
    if not leaf.text.endswith("]:") or not (found := _PROMPT.fullmatch(leaf.text)):
        return False
    around = islice(upward(walk.containers, leaf.container), _AROUND_PROMPT)
    return bool(found[1]) or any("prompt" in walk.containers[at].names.words for at in around)


def _are_numbers_of_lines(text: str) -> bool:
    """Whether a text is nothing but the numbers from 1 on, a line each: what highlighters write beside code."""
    lines = text.split("\n")
    return len(lines) > 2 and lines == list(map(str, range(1, 1 + len(lines))))


def _is_of_script(leaf: Text) -> bool:
    """Whether a text is what a script has not filled in yet, {{ title }}, reads, {"id": 1}, or gives to be copied."""
    if leaf.role == "code" or not leaf.text.startswith(_OF_SCRIPTS):
        return False
    return leaf.text.endswith(("}}", '"}', "]}", '">', "</iframe>"))


def _is_address_of_picture(text: str) -> bool:
    """Whether a text is nothing else: data for a script, which no reader sees."""
    return text.startswith(_ADDRESSES) and len(text) <= _FACE and " " not in text and is_image_url(text)


def _colophons(walk: Walk) -> set[int]:
    """Lines that end with the page's own address, and those of title, author and licence in a part with one.

    Blogs in Chinese write them below each post.
    """
    address = _SCHEME.sub("", walk.base).partition("#")[0].rstrip("/")
    found = set[int]()
    for index, leaf in enumerate(walk.leaves) if "/" in address else ():
        if not isinstance(leaf, Text) or not len(address) <= len(leaf.text) <= len(walk.base) + _LABEL:
            continue
        if leaf.role == "code" or not leaf.text.rstrip("/").endswith(address):
            continue
        found.add(index)
        part = walk.containers[leaf.container]
        while part.parent > 0 and part.last - part.first <= _FIELDS:
            inside = range(part.first, part.last)
            if any(len(getattr(walk.leaves[at], "text", "")) > _FIELD for at in inside if at != index):
                break
            found.update(inside)
            part = walk.containers[part.parent]
    return found


def _imprints(walk: Walk) -> set[int]:
    """The lines that end a page with whose the site is and since when: Powered by Keel © 2010-2015."""
    texts = [(index, leaf) for index, leaf in enumerate(walk.leaves) if isinstance(leaf, Text)]
    lines = ((index, leaf.text) for index, leaf in texts[-_LAST:] if leaf.role not in ("caption", "code"))
    return {index for index, text in lines if len(text) <= _LAST_LINE and _SINCE.search(text)}


def _discloses(text: str) -> bool:
    """Whether a text says that the site earns by its links."""
    if not _shortest("disclosures") <= len(text) <= _DISCLOSURE or not any(map(text.__contains__, _EARNING)):
        return False
    return any(map(text.lower().__contains__, phrase_list("disclosures")))


def _asks_for_mistakes(text: str) -> bool:
    """Whether a text says how to tell the editors of a mistake: by keys that sites of many countries share."""
    lowered = text.lower() if len(text) <= _DISCLOSURE else ""
    return _KEYS.search(lowered) is not None and any(map(lowered.__contains__, _MISTAKES))


@cache
def _shortest(name: str) -> int:
    return min(map(len, phrase_list(name)))


def is_label(text: str) -> bool:
    may_be_terms = len(text) <= _LONGEST_LABEL and text[:2].lower().startswith(_BEGINNINGS)
    if len(text) > _LABEL and not may_be_terms:
        return False
    said = text.strip(" .:：…!»›→*+").lower()
    if may_be_terms and _TERMS.fullmatch(said):
        return True
    if said in _labels():
        return True
    return bool(_DIGIT.search(said) and (_COUNT.fullmatch(said) or _READING.fullmatch(said) or _VIEWS.fullmatch(said)))


@cache
def _labels() -> frozenset[str]:
    return phrase_list("labels") | phrase_list("actions")


def _are_calls(text: str) -> bool:
    """Whether a text consists of calls to act, such as Book now, and labels: buttons side by side are one text."""
    words = _BETWEEN.sub(" ", text).lower().split() if len(text) <= _BUTTONS else []
    if not words or words[0] not in _first_words("calls", "labels"):
        return False
    calls, labels = phrase_list("calls"), phrase_list("labels")
    ends = {0}  # of what consists of them, in words
    for end in range(1, len(words) + 1):
        said = (" ".join(words[start:end]) for start in ends)
        if any(some in calls or some in labels for some in said):
            ends.add(end)
    return len(words) in ends


def _are_tags(leaf: Leaf) -> bool:
    """Whether a line says what a story is filed under: Tags: bridges, towns."""
    if not isinstance(leaf, Text) or leaf.role == "heading" or not _is_line_of_links(leaf):
        return False
    before, colon, _ = leaf.text.replace("：", ":").lower().partition(":")
    words = before.split(maxsplit=_TAG_WORDS)
    if not words or words[0] not in _first_words("tag_labels"):
        return False
    named = [" ".join(words[:count]) for count in range(2, min(len(words), _TAG_WORDS) + 1)]
    return any(some in phrase_list("tag_labels") for some in (*named, *([before.strip()] if colon else [])))


@cache
def _first_words(*lists: str) -> frozenset[str]:
    return frozenset(phrase.split()[0] for name in lists for phrase in phrase_list(name) if phrase.strip())


def _is_trail(leaf: Text) -> bool:
    """Whether a line is the way to the page through its site: Home › Towns › Bridges.

    Types in manuals have arrows and angle brackets: `Int -> [a] -> [a]`, `List<Map<Key, Value>>`.
    """
    return _is_line_of_links(leaf) and max(map(leaf.text.count, ("›", "»", " > "))) >= _STEPS


def _is_line_of_links(leaf: Text) -> bool:
    return "\n" not in leaf.text and len(leaf.text) <= _TAGS and leaf.link_chars >= _TAG_LINKS * len(leaf.text)
