"""ARC, the format before WARC (Internet Archive, 1996, versions 1 and 2): its records told as those of a WARC.

A record is one line of fields parted by spaces (address, IP, date, ..., length), then as many bytes.
"""

import re

_LINE = (
    rb"([a-z][a-z0-9+.-]{0,15}:[^\r\n]{0,8192}?) ([0-9a-f.:]{1,45}|-) (\d{8,17}) ([^ \r\n]{0,200})"
    rb"((?: [^ \r\n]{0,4096}){0,5}) (\d{1,12})\r?\n"
)
LINE = re.compile(_LINE, re.IGNORECASE)
#: Pattern of where a record may begin in a plain archive: behind one that was cut off not at the beginning of a line.
#: An address of more than five words is none.
NEXT_LINE = (
    rb"(?:https?://|ftp://|dns:|(?<=\n)[a-z][a-z0-9+.-]{0,15}:)"
    rb"[^\r\n ]{0,512}+(?: [^\r\n ]{0,512}+){0,4}? [0-9a-f.:-]{1,45} \d{8,17} "
)
FIRST = b"filedesc:"
LONGEST_LINE = 32 << 10
_BEGINNING = re.compile(rb"[a-z][a-z0-9+.-]{0,15}:", re.IGNORECASE)


def may_begin(data: bytes) -> bool:
    """Whether these first bytes may be those of a record, before its line is whole."""
    return _BEGINNING.match(data) is not None


def record_length(data: bytes) -> int:
    """The bytes of the record that `data` begins with, without the line end behind it; 0 if it begins with none."""
    line = LINE.match(data)
    return line.end() + int(line[6]) if line else 0


def as_warc(data: bytes) -> bytes:
    """The records in `data`, which begins with one, as WARC; bytes behind them that are none are left out."""
    records, position = [], 0
    while line := LINE.match(data, position):
        end = line.end() + int(line[6])
        records.append(_record(line, data[line.end() : end]))
        position = end + len(data[end : end + 2]) - len(data[end : end + 2].lstrip(b"\r\n"))
    return b"".join(records)


def _record(line: re.Match[bytes], block: bytes) -> bytes:
    url, stated = line[1], int(line[6])
    is_http = url[:5].lower() in (b"http:", b"https")
    kind = b"warcinfo" if url.startswith(FIRST) else b"response"
    media_type = b"application/http; msgtype=response" if is_http else line[4] or b"application/octet-stream"
    head = (
        b"WARC/1.0\r\nWARC-Type: %s\r\nWARC-Target-URI: %s\r\nWARC-Date: %s\r\n"
        b"Content-Type: %s\r\nContent-Length: %d\r\n\r\n"
    )
    return head % (kind, url, _date(line[3]), media_type, stated) + block + b"\r\n\r\n" * (len(block) == stated)


def _date(digits: bytes) -> bytes:
    text = digits[:14].ljust(14, b"0").decode()
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}T{text[8:10]}:{text[10:12]}:{text[12:14]}Z".encode()
