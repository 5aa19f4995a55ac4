"""One request and what came back."""

from datetime import datetime

import msgspec

from crawlers.http import decode_body


class Exchange(msgspec.Struct, frozen=True):
    """A request and its response. `body` is as sent, chunk framing undone, content encoding not."""

    url: str
    status: int
    request_head: bytes  # request line and headers, as sent
    response_head: bytes  # status line and headers, as received
    headers: dict[str, str]  # as `join_headers` makes them
    body: bytes
    address: str  # IP address of the server
    started: datetime  # UTC
    sent_at: float = 0.0  # when the request was sent, by `clock.now`
    truncated: str = ""  # why only the beginning of a body was read, as WARC says it: length, time or disconnect

    def decoded(self, max_bytes: int) -> bytes:
        """Raises `Drop`: too_large, truncated_body, bad_encoding."""
        return decode_body(self.body, "", self.headers.get("content-encoding", ""), max_bytes)

    def __repr__(self) -> str:
        return f"Exchange({self.url}, {self.status}, {len(self.body)} bytes)"
