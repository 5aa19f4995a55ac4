"""Lines that close a page, told by their form: when it was changed, what it is filed under, whether it helped."""

import re

from pipeline.page.leaves import Leaf, Text
from pipeline.text.words import phrase_list

_LONGEST = 100  # characters
_ROLES = frozenset(("paragraph", "list"))
#: Before a day: Last updated on May 3, 2020. This page was last edited on 3 May 2020, at 12:01.
_CHANGED = re.compile(
    r"(?:this (?:page|article|document|entry|post|topic) (?:was|has been) |page |content |document )?last "
    r"(?:updated|modified|edited|changed|revised|reviewed)\b"
    r"|zuletzt (?:aktualisiert|geändert|bearbeitet)|letzte (?:aktualisierung|änderung|bearbeitung)"
    r"|dernière (?:mise à jour|modification)|última (?:actualización|modificación|atualização|alteração|modificação)"
    r"|ultim[oa] (?:aggiornamento|modifica)|laatst (?:bijgewerkt|gewijzigd)|senast (?:uppdaterad|ändrad)"
    r"|sist (?:oppdatert|endret)|sidst (?:opdateret|ændret)|ostatnia (?:aktualizacja|modyfikacja)"
    r"|последнее (?:обновление|изменение)|son güncellen?me|最終更新|最[后後](?:更新|修改)|마지막 업데이트"
)
_DAY = re.compile(r"(?:19|20)\d\d|\d[./]\d")
#: Was this page helpful? Yes No
_HELPED = re.compile(
    r"(?:was|is|did you find) this (?:\w+ )?(?:helpful|useful) ?\?[^.]{0,30}"
    r"|war diese[rs]? (?:seite|artikel|inhalt|beitrag) hilfreich ?\?[^.]{0,30}"
    r"|(?:cette page|cet article) vous a-t-(?:elle|il) (?:été utile|aidée?) ?\?[^.]{0,30}"
    r"|¿(?:te|le) (?:ha resultado|resultó|fue) útil (?:esta página|este artículo) ?\?[^.]{0,30}"
    r"|est[ae] (?:página|artigo) foi útil ?\?[^.]{0,30}|questa pagina (?:è stata|ti è stata) utile ?\?[^.]{0,30}"
    r"|was deze pagina nuttig ?\?[^.]{0,30}|была ли эта (?:страница|статья) полезн(?:ой|а) ?\?[^.]{0,30}"
    r"|この(?:ページ|記事)は(?:お?役に立ちましたか|参考になりましたか).{0,20}|(?:此|这|本)(?:页面|篇文章|文章)(?:对您)?(?:是否)?有(?:所)?帮助吗.{0,20}"
    r"|yes ?[/|·]? ?no|ja ?[/|·]? ?nein|oui ?[/|·]? ?non|s[íì] ?[/|·]? ?no|はい ?いいえ"
)
#: Share this on Facebook and Twitter
_SHARING = frozenset(
    "share teilen partager compartir compartilhar condividi delen dela del udostępnij поделиться".split()
)
_SHARED = frozenset(
    "share this post article page story on via with by to and & facebook twitter x linkedin pinterest whatsapp email "
    "e-mail mail reddit telegram tumblr print link copy pocket bluesky mastodon threads messenger vk line sms xing "
    "diesen beitrag artikel auf bei sur cet en este artículo su".split()
)
_STEP = re.compile(
    r"[«‹←<]|(?:next|prev(?:ious)?|back|weiter|zurück|nächste[rs]?|vorherige[rs]?|suivante?|précédente?|siguiente|anterior|"
    r"próxim[oa]|successiv[oa]|precedente|volgende|vorige|следующая|предыдущая)\b"
)
_WORDS = re.compile(r"[\w&-]+")
_FILED_WORDS = 3
_LINKED = 0.8  # of its characters


def is_closing(leaf: Leaf) -> bool:
    """Whether a text behind the last prose of a page is such a line, and nothing else."""
    if not isinstance(leaf, Text) or leaf.said > _LONGEST or leaf.role not in _ROLES or "\n" in leaf.text:
        return False
    said = leaf.text.lower()
    if _HELPED.fullmatch(said) or (_CHANGED.match(said) and _DAY.search(said)):
        return True
    words: list[str] = _WORDS.findall(said)
    if words and words[0] in _SHARING:
        return _SHARED.issuperset(words[1:])
    return _is_filed(said, words)


def leads_on(leaf: Leaf, links: int) -> bool:
    """Whether a line of so many links says where else one may go, and no more: << Page 2 Main page Page 4 >>.

    One link may as well lead to what the text speaks of: a report, a source.
    """
    if not isinstance(leaf, Text) or leaf.said > _LONGEST or leaf.role != "paragraph":
        return False
    is_step = links > 1 or _STEP.match(leaf.text.lower()) is not None
    return is_step and leaf.link_chars >= _LINKED * len(leaf.text)


def _is_filed(said: str, words: list[str]) -> bool:
    """Whether a line says what a page is filed under, be it in links or not: Filed under: Bridges, Tagged bridges."""
    if said.endswith((".", "!", "?")):
        return False
    before, colon, under = said.replace("：", ":").partition(":")
    if colon and under.strip() and before.strip() in phrase_list("tag_labels"):
        return True
    named = [" ".join(words[:count]) for count in range(2, min(len(words) - 1, _FILED_WORDS) + 1)]
    return any(some in phrase_list("tag_labels") for some in named) or (words[:1] == ["tagged"] and len(words) > 1)
