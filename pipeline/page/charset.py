"""From bytes to text: which encoding a page is in."""

import codecs

import cchardet
import webencodings
from bs4.dammit import EncodingDetector

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_UTF16_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

# Python's names for what browsers decode under these.
_CODECS = {"gbk": "gb18030", "shift_jis": "cp932", "euc-kr": "cp949"}

# Multi-byte UTF-8 sequences that make a chance match impossible in practice: two bytes of another encoding look like
# one about once in ten, so a few characters prove nothing ("模" in GBK is "ģ" in UTF-8) and many prove it.
_SURELY_UTF8 = 6


def utf8_html(html: bytes, header_charset: str = "") -> bytes:
    """A page in UTF-8, whatever it came in; see `decode_html`. Most came in it and are not written again."""
    if header_charset.lower() in ("", "utf-8", "utf8") and html[:2] not in _UTF16_BOMS and not _is_iso_2022(html):
        text = _decode(html, "utf-8")
        if text is not None and _is_surely_utf8(html, text):
            return html.removeprefix(codecs.BOM_UTF8)
    return decode_html(html, header_charset).encode("utf-8", "replace")


def decode_html(html: bytes, header_charset: str = "") -> str:
    """The text of a page.

    A byte order mark decides; then bytes that can only be UTF-8, whatever they are said to be; then the charset of the
    header, the charset of the markup, a guess from the bytes, and windows-1252 with replacement characters.
    """
    for mark, name in _BOMS:
        if html.startswith(mark):
            return html[len(mark) :].decode(name, "replace")
    declared = [header_charset] if header_charset else []
    if header_charset.lower().startswith("utf-16") and (text := _decode(html, header_charset)) is not None:
        return text
    if _is_iso_2022(html) and (text := _decode(html, "iso-2022-jp")) is not None:
        return text
    utf8 = _decode(html, "utf-8")
    if utf8 is not None and _is_surely_utf8(html, utf8):
        return utf8
    in_markup = EncodingDetector.find_declared_encoding(html[:8192], is_html=True)
    if in_markup:  # markup that could be read at all is not UTF-16, whatever it says
        declared.append("utf-8" if in_markup.lower().startswith("utf-16") else in_markup)
    for label in declared:
        text = _decode(html, label)
        if text is not None:
            return text
    if utf8 is not None:
        return utf8
    guess = cchardet.detect(html[:200_000]).get("encoding") or ""
    for label, errors in ((guess, "strict"), *((label, "replace") for label in declared)):
        text = _decode(html, label, errors)
        if text is not None:
            return text
    return html.decode("windows-1252", "replace")


def _is_iso_2022(html: bytes) -> bool:
    return b"\x1b" in html and b"\x1b$" in html  # otherwise ASCII, and so UTF-8; one byte is found much faster


def _is_surely_utf8(html: bytes, text: str) -> bool:
    return len(html) - len(text) >= _SURELY_UTF8 or len(html) == len(text)


def _decode(html: bytes, label: str, errors: str = "strict") -> str | None:
    label = label.strip("\"' ")
    encoding = webencodings.lookup(label)  # labels as browsers read them: gb2312 is gbk, latin-1 is 1252
    try:
        name = codecs.lookup(label).name if encoding is None else _CODECS.get(encoding.name, encoding.codec_info.name)
        return html.decode(name, errors)
    except (UnicodeDecodeError, LookupError, ValueError):
        return None
