"""From bytes to text: which encoding a page is in."""

import codecs

import cchardet
import webencodings
from bs4.dammit import EncodingDetector

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))

# Multi-byte UTF-8 sequences that make a chance match impossible in practice: two bytes of another encoding look like
# one about once in ten, so a few characters prove nothing ("联通" in GBK is valid UTF-8) and many prove it.
_SURELY_UTF8 = 6


def decode_html(html: bytes, header_charset: str = "") -> str:
    """The text of a page.

    A byte order mark decides; then bytes that can only be UTF-8, whatever they are said to be; then the charset of the
    header, the charset of the markup, a guess from the bytes, and windows-1252 with replacement characters.
    """
    for mark, name in _BOMS:
        if html.startswith(mark):
            return html[len(mark) :].decode(name, "replace")
    utf8 = _decode(html, "utf-8")
    declared = [header_charset] if header_charset else []
    is_sure = utf8 is not None and (len(html) - len(utf8) >= _SURELY_UTF8 or len(html) == len(utf8))
    if utf8 is not None and is_sure and b"\x1b$" not in html:  # ISO-2022-JP is ASCII to a UTF-8 decoder
        return utf8
    in_markup = EncodingDetector.find_declared_encoding(html[:8192], is_html=True)
    declared += [in_markup] if in_markup else []
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


def _decode(html: bytes, label: str, errors: str = "strict") -> str | None:
    encoding = webencodings.lookup(label.strip("\"' "))  # labels as browsers read them: gb2312 is gbk, latin-1 is 1252
    if encoding is None:
        return None
    name = {"gbk": "gb18030", "shift_jis": "cp932", "euc-kr": "cp949"}.get(encoding.name, encoding.codec_info.name)
    try:
        return html.decode(name, errors)
    except (UnicodeDecodeError, LookupError):
        return None
