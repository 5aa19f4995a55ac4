"""Heads of responses as servers send them, made into what a strict parser takes where browsers agree on what is meant.

The parser of aiohttp refuses a response for one odd line of its head. Mended are: blanks before a colon, lines that are
no header, the same Content-Length twice or one without a number, `Transfer-Encoding: identity`, and a Content-Length
beside chunks, which count (RFC 9112, section 6.3). Two lengths that differ are left to be refused: nobody knows where
such a body ends. What a server sends beyond the length that it states is left out, and its connection not used again.
"""

import re
from typing import Any

from aiohttp import ClientPayloadError
from aiohttp.client_proto import ResponseHandler

_END = re.compile(rb"\n\r?\n")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]++)[ \t]*+:(.*)", re.DOTALL)
_MOST = 1 << 20  # bytes that are waited for
_STATED = re.compile(rb"\ncontent-length:[ \t]*+([0-9]{1,18})[ \t]*+\r", re.IGNORECASE)
_CODED = re.compile(rb"\ntransfer-encoding:", re.IGNORECASE)
_WITHOUT_BODY = (b"204", b"304")
_LENGTH, _CODING = b"content-length", b"transfer-encoding"


class LenientHandler(ResponseHandler):
    """Hands the parser each head whole and mended; bodies pass through untouched, as long as they say they are."""

    def __init__(self, loop: Any) -> None:
        super().__init__(loop)
        self._head: bytearray | None = None  # what has come of it; None while a body comes
        self._left: int | None = None  # bytes of the body to come; None: nobody knows

    def set_response_params(self, **params: Any) -> None:
        self._head = bytearray()
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        if self._head is None or not data:
            self._body_received(data)
            return
        searched = max(0, len(self._head) - 2)
        self._head += data
        while end := _END.search(self._head, searched):
            head, rest = bytes(self._head[: end.end()]), self._head[end.end() :]
            if not head.strip():  # blank lines before the head
                self._head, searched = rest, 0
                continue
            self._head = rest if _is_interim(head) else None
            head = mended(head)
            super().data_received(head)
            if self._head is None:
                self._left = stated_length(head)
                if rest:
                    self._body_received(bytes(rest))
                return
            searched = 0
        if len(self._head) > _MOST:
            unread, self._head, self._left = bytes(self._head), None, None
            super().data_received(unread)
        else:
            self._reschedule_timeout()

    def _body_received(self, data: bytes) -> None:
        if self._left is not None and data:
            if len(data) > self._left:
                self.force_close()
                data = data[: self._left]
            self._left -= len(data)
            if not data:
                return
        super().data_received(data)
        self._end_broken_body()

    def _end_broken_body(self) -> None:
        """Whoever reads a body whose chunks are none would be told nothing, and wait for its deadline."""
        failure, body = self.exception(), self._payload
        if failure is not None and body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(ClientPayloadError(f"Response payload is broken: {failure!r}"))


def mended(head: bytes) -> bytes:
    """A head, its blank line included, without what a strict parser would refuse it for."""
    first, *lines = head.lstrip(b"\r\n").split(b"\n")
    kept: list[tuple[bytes, bytes]] = []  # name in lower case, line
    is_dropped = True
    for line in lines:
        text = line.rstrip(b"\r")
        if text[:1] in (b" ", b"\t"):  # goes on with the line before
            if kept and not is_dropped:
                kept[-1] = kept[-1][0], kept[-1][1] + b"\r\n" + text
            continue
        found = _HEADER.fullmatch(text)
        is_dropped = found is None
        if found:
            kept.append((found[1].lower(), found[1] + b":" + found[2]))
    kept = _one_length([pair for pair in kept if not _says_nothing(*pair)])
    return b"\r\n".join([first.rstrip(b"\r"), *(line for _, line in kept), b"", b""])


def stated_length(head: bytes) -> int | None:
    """Of the body that follows a mended head, in bytes; None where it is not said by Content-Length."""
    if _status(head) in _WITHOUT_BODY:
        return 0
    lengths = _STATED.findall(head)
    return int(lengths[0]) if len(lengths) == 1 and not _CODED.search(head) else None


def _says_nothing(name: bytes, line: bytes) -> bool:
    """An empty Content-Length, and the coding `identity`, which HTTP had before 2014."""
    value = line.partition(b":")[2].strip().lower()
    return (name == _LENGTH and not value) or (name == _CODING and value in (b"", b"identity"))


def _one_length(lines: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    codings = [line for name, line in lines if name == _CODING]
    lengths = [line.partition(b":")[2] for name, line in lines if name == _LENGTH]
    stated = {value.strip() for length in lengths for value in length.split(b",")}
    others = [pair for pair in lines if pair[0] != _LENGTH]
    if codings and codings[-1].strip().lower().endswith(b"chunked"):
        return others
    return [*others, (_LENGTH, b"Content-Length: " + stated.pop())] if len(stated) == 1 else lines


def _is_interim(head: bytes) -> bool:
    """A status such as 103 Early Hints, behind which another head comes; 101 is none of those."""
    status = _status(head.lstrip(b"\r\n"))
    return status[:1] == b"1" and status != b"101"


def _status(head: bytes) -> bytes:
    return b"".join(head.split(b" ", 2)[1:2])[:3]
