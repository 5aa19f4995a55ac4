"""Personal data in texts becomes typed placeholders: e-mail addresses, public IPs, phone, account and card numbers."""

import functools
import ipaddress
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable

import msgspec
import phonenumbers
from stdnum import iban, luhn

from schemas.documents import Block, Draft, ImageRef, TextBlock
from schemas.settings import Settings

# What git clones from (git@example.org:weft.git) is no one's, and neither is logo@2x.png.
_EMAIL = re.compile(r"(?<![\w.+-])(?!git@[\w.-]{1,250}:\S)[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])")
_IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".svg")
# Section numbers ("13.2.4.2. Light") and versions are taken whole first, so that they are no addresses.
_IPV4 = re.compile(
    r"(?m:^(?:\d{1,3}\.){4}(?=\s))|§ ?(?:\d{1,3}\.){3}\d{1,3}"
    r"|\b(?i:versions?|ver|v|releases?|build|sections?|chapters?|tables?|figures?|fig|appendix|kernel|firmware|driver|ios"
    r"|ipados|macos|android|python|java|php|firefox|thunderbird|chrome|chromium|safari)\.?[ /-]?(?:\d{1,3}\.){3}\d{1,3}"
    r"|(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)"
)
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{1,4}(?![\w:])")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
_CARD = re.compile(r"(?<![\w.,+-])\d(?:[ -]?\d){12,18}(?![\w-]|[.,]\d)")
#: Issuer prefixes and lengths: Visa, Mastercard, American Express, Discover, Diners Club, JCB, UnionPay, Maestro.
_ISSUERS = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|6(?:011|4[4-9]\d|5\d\d)\d{12}|3(?:0[0-5]|[689]\d)\d{11}"
    r"|35\d{14}|62\d{14,17}|(?:5018|5020|5038|6304|6759|676[1-3])\d{8,15}"
)
_URL = re.compile(r"((?:https?://|www\.)[!-~]+)", re.IGNORECASE)
_TEN_DIGITS = re.compile(r"\d{10}")
_PHONE_WORD = re.compile(
    "tel|phone|fon|call|fax|mob|cell|dial|contact|reach|text me|whatsapp|sms"
    "|☎|📞|тел|звон|τηλ|电话|電話|手机|전화|هاتف|फोन",
    re.IGNORECASE,
)
_NEAR = 24  # characters before a number, in which such a word stands
_MAY_BE_PHONE = re.compile(r"\d(?:[\s().\-/]{0,3}\d){6}")


class PiiRules(Settings, frozen=True):
    """Which personal data is replaced in texts, titles, alt texts and captions."""

    email: bool = True
    """By `<EMAIL>`."""
    ip: bool = True
    """By `<IP>`: v4 and v6 addresses that are routed in public; private and reserved ones stay, and so do four
    numbers behind words such as *section*, *version* or the name of a program."""
    phone: bool = True
    """By `<PHONE>`: numbers that are valid by the numbering plans of phonenumbers; ten digits in a row only where a
    word such as *phone* or *call* stands before."""
    phone_regions: tuple[str, ...] = ("US", "GB")
    """ISO 3166 codes of countries whose numbers are found without a country code; with one all are."""
    iban: bool = True
    """By `<IBAN>`: account numbers whose check digits and length are right."""
    card: bool = True
    """By `<CARD>`: card numbers of known issuers whose check digit is right."""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "phone_regions", tuple(code.upper() for code in self.phone_regions))
        for code in self.phone_regions:
            if code not in phonenumbers.SUPPORTED_REGIONS:
                wanted = "GB" if code == "UK" else "ISO 3166 codes such as US"
                raise ValueError(f"phone_regions has {code!r}; wanted is {wanted}")


def redact(draft: Draft, rules: PiiRules = PiiRules()) -> Draft:
    """The draft with placeholders; `redacted` counts them by kind."""
    counts: Counter[str] = Counter()
    known: dict[str, tuple[str, Counter[str]]] = {}
    clean = functools.partial(redact_text, rules=rules, counts=counts)

    def clean_caption(text: str) -> str:  # thousands of images may share one
        if text not in known:
            found: Counter[str] = Counter()
            known[text] = redact_text(text, rules, found), found
        counts.update(known[text][1])
        return known[text][0]

    def clean_block(block: Block) -> Block:
        match block:
            case TextBlock():
                return msgspec.structs.replace(block, text=clean(block.text))
            case ImageRef():
                caption = clean_caption(block.caption) if block.caption else ""
                return msgspec.structs.replace(block, alt=clean(block.alt), title=clean(block.title), caption=caption)
        return block

    blocks = tuple(clean_block(block) for block in draft.blocks)
    title, author = clean(draft.title), clean(draft.author)
    if not counts:
        return draft
    redacted = dict(sorted(counts.items()))
    return msgspec.structs.replace(draft, blocks=blocks, title=title, author=author, redacted=redacted)


def redact_text(text: str, rules: PiiRules, counts: Counter[str]) -> str:
    """`text` with placeholders, counted in `counts`. Long numbers come first: a card may hold a phone."""
    if rules.email and "@" in text:
        text = _replace(text, _EMAIL, "EMAIL", _is_email, counts)
    if not any(map(str.isdigit, text)):
        return text
    pieces = _URL.split(text)  # every second one is an address
    pieces[::2] = [_without_numbers(piece, rules, counts) for piece in pieces[::2]]
    return "".join(pieces)


def _without_numbers(text: str, rules: PiiRules, counts: Counter[str]) -> str:
    if rules.iban:
        text = _replace(text, _IBAN, "IBAN", iban.is_valid, counts)
    if rules.card:
        text = _replace(text, _CARD, "CARD", _is_card, counts)
    if rules.ip:
        text = _replace(text, _IPV4, "IP", _is_public, counts)
        text = _replace(text, _IPV6, "IP", _is_public_v6, counts) if text.count(":") > 1 else text
    if rules.phone and _MAY_BE_PHONE.search(text):
        text = _without_phones(text, rules.phone_regions, counts)
    return text


def _replace(
    text: str, pattern: re.Pattern[str], kind: str, is_real: Callable[[str], bool], counts: Counter[str]
) -> str:
    def placeholder(match: re.Match[str]) -> str:
        if not is_real(match.group()):
            return match.group()
        counts[kind.lower()] += 1
        return f"<{kind}>"

    return pattern.sub(placeholder, text)


def _is_card(number: str) -> bool:
    digits = re.sub("[ -]", "", number)
    return bool(_ISSUERS.fullmatch(digits)) and bool(luhn.is_valid(digits))


def _is_public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


def _is_public_v6(address: str) -> bool:
    """Of those that are given out (2000::/3), as they are written in full: `2024::1` may be anything."""
    groups = [group for group in address.split(":") if group]
    if len(groups[0]) != 4 or groups[0][0] not in "23":
        return False
    is_long = len(groups) >= 4 or sum(len(group) == 4 for group in groups) >= 2
    return is_long and _is_public(address)


def _is_email(address: str) -> bool:
    return not address.lower().endswith(_IMAGES)


def _without_phones(text: str, regions: tuple[str, ...], counts: Counter[str]) -> str:
    pieces, at = [], 0
    for start, end in _phones(text, regions):
        pieces += [text[at:start], "<PHONE>"]
        at = end
        counts["phone"] += 1
    return "".join([*pieces, text[at:]])


def _phones(text: str, regions: tuple[str, ...]) -> list[tuple[int, int]]:
    """Spans of valid numbers in order, no two of which overlap: what an earlier region has found stays."""
    taken: list[tuple[int, int]] = []
    for region in regions or (None,):
        for match in phonenumbers.PhoneNumberMatcher(text, region):
            number = match.raw_string
            start = match.start + (number.startswith("(") and ")" not in number)  # (203-456-7890)
            if _is_other_number(text, start, match.end):
                continue
            place = bisect_left(taken, (start, match.end))
            is_behind = place == 0 or taken[place - 1][1] <= start
            if is_behind and (place == len(taken) or match.end <= taken[place][0]):
                taken.insert(place, (start, match.end))
    return taken


def _is_other_number(text: str, start: int, end: int) -> bool:
    """Whether digits are the rest of a fraction, or ten in a row that nothing before calls a phone."""
    if start > 1 and text[start - 1] == "." and text[start - 2].isdigit() and text[start:end].isdigit():
        return True
    return bool(_TEN_DIGITS.fullmatch(text, start, end)) and not _PHONE_WORD.search(text, max(0, start - _NEAR), start)
