"""From bytes to text: which encoding a page is in."""

import codecs
import contextlib
import re

import cchardet
import webencodings

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_UTF16_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

# Python's names for what browsers decode under these.
_CODECS = {"gbk": "gb18030", "shift_jis": "cp932", "euc-kr": "cp949", "big5": "big5hkscs"}

# One bad byte turns the guess to a set that no page is in, and that has the same small letters.
_RARE = {"maccyrillic": "windows-1251"}

# Multi-byte UTF-8 sequences that make a chance match impossible in practice: two bytes of another encoding look like
# one about once in ten, so a few characters prove nothing ("模" in GBK is "ģ" in UTF-8) and many prove it.
_SURELY_UTF8 = 6

_PIECE = 1 << 14  # bytes

#: Codecs that no browser knows, and that are nothing but tables of characters. Python has others, such as `punycode`,
#: which take the square of a text's length, and such as `unicode_escape`, which make markup of what is none.
_TABLES = re.compile(r"(?:cp|iso8859|mac|koi8|euc|big5|gb|shift|kz|ptcp|tis|johab|hp|hz)[\w-]*")
_HEAD = 8192  # bytes in which a page says its charset
_TAG = rb"(?:[^>\"']|\"[^\"]*+\"|'[^']*+')*+"
#: What may hold the word without saying it: comments, and elements whose text is no markup. Then `<meta>`.
_STATING = re.compile(
    rb"<!--(?:(?!-->).)*+(?:-->|\Z)|<(script|style|title|textarea)\b" + _TAG + rb">(?:(?!</\1).)*+"
    rb"|<meta(?=[\s/])(" + _TAG + rb")|<[a-z/]" + _TAG,
    re.DOTALL | re.IGNORECASE,
)
_OF_TYPE = re.compile(rb"content\s*+=\s*+[\"']?\s*+(?:text/|application/xhtml)")
_ZEROS, _ASIDE = 16, 4  # one byte of so many is 0, so many times as often at one place of each pair: UTF-16

_BAD = "\ufffd"
_FEW = 3  # bad places that prove nothing against what was declared: a slip of the keyboard, a text pasted in


def utf8_html(html: bytes, header_charset: str = "") -> bytes:
    """A page in UTF-8, whatever it came in; see `decode_html`. Most came in it and are not written again."""
    if header_charset.lower() in ("", "utf-8", "utf8") and html[:2] not in _UTF16_BOMS and not _is_iso_2022(html):
        if html.isascii() and not _utf16_of(html):
            return html
        characters = _characters(html)
        if characters and len(html) - characters >= _SURELY_UTF8:
            return html.removeprefix(codecs.BOM_UTF8)
    return decode_html(html, header_charset).encode("utf-8", "replace")


def _characters(html: bytes) -> int:
    """How many characters the bytes are in UTF-8, 0 for those that are not, by pieces that fit into a cache."""
    decode = codecs.getincrementaldecoder("utf-8")().decode
    with contextlib.suppress(UnicodeDecodeError):
        whole = sum([len(decode(html[at : at + _PIECE])) for at in range(0, len(html), _PIECE)])
        return whole + len(decode(b"", final=True))
    return 0


def query_codec(html: bytes, header_charset: str = "") -> str:
    """The codec in which browsers write what is not ASCII in the queries of a page's addresses: that of the charset
    that its header or markup declares; "" for UTF-8, and where the page is not in what it declares."""
    if html.startswith(codecs.BOM_UTF8) or (
        not html.isascii() and _is_surely_utf8(html, html.decode("utf-8", "replace"))
    ):
        return ""
    label = next((label for label in _declared(html, header_charset) if _credible(html, label) is not None), "")
    encoding = webencodings.lookup(label.strip("\"' "))
    if encoding is None or encoding.name.startswith(("utf-", "x-user")):
        return ""
    return str(encoding.codec_info.name)


def decode_html(html: bytes, header_charset: str = "") -> str:
    """The text of a page. Bytes that mean nothing in its encoding become U+FFFD, as the WHATWG's standard has it.

    A byte order mark decides; then bytes that can only be UTF-8, whatever they are said to be; then the charset of the
    header and the charset of the markup, unless the bytes plainly belie them; then UTF-8 if most of what is not ASCII
    is sound in it, a guess from the bytes, and windows-1252.
    """
    for mark, name in _BOMS:
        if html.startswith(mark):
            return html[len(mark) :].decode(name, "replace")
    if name := _utf16_of(html):
        return html.decode(name, "replace")
    if header_charset.lower().startswith("utf-16") and (text := _decode(html, header_charset)) is not None:
        return text
    if _is_iso_2022(html) and (text := _decode(html, "iso-2022-jp")) is not None:
        return text
    utf8 = html.decode("utf-8", "replace")
    if _is_surely_utf8(html, utf8):
        return utf8
    for label in _declared(html, header_charset):
        if (text := _credible(html, label)) is not None:
            return text
    if (bad := _bad_places(html, utf8)) <= _not_ascii(utf8) - bad:
        return utf8
    guess = cchardet.detect(html[:200_000]).get("encoding") or ""
    text = _credible(html, _RARE.get(guess.lower(), guess))
    return html.decode("windows-1252", "replace") if text is None else text


def _declared(html: bytes, header_charset: str) -> list[str]:
    in_markup = _in_markup(html[:_HEAD])
    if in_markup.lower().startswith("utf-16"):  # markup that could be read at all is not UTF-16, whatever it says
        in_markup = "utf-8"
    return [label for label in (header_charset, in_markup) if label]


def _in_markup(head: bytes) -> str:
    """What the markup declares: by the first `<meta>` that does, else the XML declaration; see the WHATWG's prescan."""
    from bs4.dammit import EncodingDetector  # brings three parsers; see jobs/engine/fork_server.py

    metas = _STATING.finditer(head) if b"charset" in head.lower() else ()
    stating = (meta[0] + b">" for meta in metas if meta[2] is not None and _may_state(meta[2]))
    if charset := next(
        filter(None, (EncodingDetector.find_declared_encoding(meta, is_html=True) for meta in stating)), ""
    ):
        return charset
    declaration = head[: head.find(b">") + 1]
    return EncodingDetector.find_declared_encoding(declaration, is_html=False) or ""


def _may_state(attributes: bytes) -> bool:
    """Whether what a `<meta>` has as its content is a type; a description may speak of a charset, too."""
    said = attributes.lower()
    return b"content" not in said or b"http-equiv" in said or _OF_TYPE.search(said) is not None


def _utf16_of(html: bytes) -> str:
    """The UTF-16 that a page without a byte order mark is in, by the zeros in its markup; "" for others."""
    head = html[:_HEAD]
    if b"<\0" not in head and b"\0<" not in head:
        return ""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if max(even, odd) * _ZEROS < len(head) or min(even, odd) * _ASIDE >= max(even, odd):
        return ""
    return "utf-16-le" if odd > even else "utf-16-be"


def _is_iso_2022(html: bytes) -> bool:
    return b"\x1b" in html and b"\x1b$" in html  # otherwise ASCII, and so UTF-8; one byte is found much faster


def _is_surely_utf8(html: bytes, text: str) -> bool:
    """Whether bytes can be nothing else: there are enough sound sequences, and not half as many bad ones."""
    if bad := _bad_places(html, text):
        return _not_ascii(text) - bad >= max(_SURELY_UTF8, 2 * bad)
    return len(html) - len(text) >= _SURELY_UTF8 or len(html) == len(text)


def _is_credible(html: bytes, text: str, label: str) -> bool:
    """Whether `text` may be what `html` says: very little is bad in it, or little beside what is sound and not ASCII.

    Of bytes that are not UTF-8 a tenth passes for it; most pairs of bytes are some character of the large sets.
    """
    bad = _bad_places(html, text)
    share = 2 if label.strip("\"' ").lower() in ("utf-8", "utf8") else 0.1
    return bad <= _FEW or bad <= share * (_not_ascii(text) - bad)


def _not_ascii(text: str) -> int:
    return len(text) - len(text.encode("ascii", "ignore"))


def _bad_places(html: bytes, text: str) -> int:
    """Replacement characters that are not in the page itself."""
    return max(0, text.count(_BAD) - html.count(b"\xef\xbf\xbd")) if _BAD in text else 0


def _credible(html: bytes, label: str) -> str | None:
    text = _decode(html, label, "replace")
    return text if text is not None and _is_credible(html, text, label) else None


def _decode(html: bytes, label: str, errors: str = "strict") -> str | None:
    label = label.strip("\"' ")
    encoding = webencodings.lookup(label)  # labels as browsers read them: gb2312 is gbk, latin-1 is 1252
    try:
        name = codecs.lookup(label).name if encoding is None else _CODECS.get(encoding.name, encoding.codec_info.name)
        if encoding is None and not _TABLES.fullmatch(name):
            return None
        return html.decode(name, errors)
    except (UnicodeDecodeError, LookupError, ValueError):
        return None
