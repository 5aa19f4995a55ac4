"""A page as it is handed on, wherever its response was got: from an archive, from one record of it, or from the web."""

import re
from collections.abc import Mapping

from schemas.documents import Page
from schemas.response_signals import header_signals
from schemas.signals import Signal, said

_XHTML = "application/xhtml+xml"
#: In XML an element may be closed where it opens; read as HTML these would take all that follows for their text.
_CLOSED_AT_ONCE = re.compile(
    rb"<(script|style|title|textarea|iframe|noscript|noembed|noframes|xmp)((?:\s[^<>]*)?)/>", re.IGNORECASE
)


def page_of(
    url: str,
    headers: Mapping[str, str],
    html: bytes,
    *,
    uid: int = 0,
    charset: str | None = None,
    fetch_time: str = "",
    tdm: tuple[str, str] = ("", ""),
    site: tuple[Signal, ...] = (),
    whole: bool = False,
    warc_file: str = "",
    warc_offset: int = -1,
    warc_length: int = -1,
) -> Page:
    """The page of a response: its headers (names in lower case), and its body with the encodings undone.

    `charset` is given where a reader of archives has found it already. `tdm` is reservation and policy by
    the site's tdmrep.json, as weft's crawler notes them beside the response; `site` is all that the site's files say,
    which archives of an older weft lack.
    """
    if tdm[0] in ("0", "1") and not any(signal.signal == "tdm-reservation" for signal in site):
        site += (
            said("tdm-reservation", "tdmrep.json", ", ".join(filter(None, tdm)), "no" if tdm[0] == "1" else "yes"),
        )
    if headers.get("content-type", "").strip().lower().startswith(_XHTML):
        html = _CLOSED_AT_ONCE.sub(rb"<\1\2></\1>", html)
    return Page(
        uid=uid,
        url=url,
        html=html,
        charset=charset_of(headers.get("content-type", "")) if charset is None else charset,
        fetch_time=fetch_time,
        robots_header=tuple(headers["x-robots-tag"].split("\n")) if "x-robots-tag" in headers else (),
        tdm_header=", ".join(filter(None, (headers.get("tdm-reservation", ""), tdm[0]))),
        tdm_policy_header=headers.get("tdm-policy", "") or tdm[1],
        signals=site + header_signals(headers, url, fetch_time),
        whole=whole,
        warc_file=warc_file,
        warc_offset=warc_offset,
        warc_length=warc_length,
    )


def charset_of(content_type: str) -> str:
    """The charset that a Content-Type names; "" if it names none."""
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip(" \"'")
    return ""
