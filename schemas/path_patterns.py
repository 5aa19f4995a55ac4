"""Patterns of paths as robots.txt, ai.txt and tdmrep.json write them (RFC 9309, section 2.2.3), matched in linear time.

A pattern is a beginning; `*` stands for anything, `$` at the end for the end. Matching searches one piece after the
other, each behind the one before, and never goes back: where the first place of a piece leads nowhere, no later would.
"""

import re

_UNCHANGED = re.compile(r"[A-Za-z0-9._~/-]*")
_ODD = re.compile(r"%[0-9a-fA-F]{2}|[^A-Za-z0-9._~/-]")
_SLASH = re.compile(r"%2[Ff]")
_ASCII_ESCAPE = re.compile("%[0-7]")
_STARS = re.compile(r"\*+")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def path_of(url: str) -> str:
    """Path and query of an absolute address in the form that patterns match: see `encoded`."""
    rest = url.partition("://")[2].partition("#")[0]
    start = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    path = rest[start:]
    path = path if path.startswith("/") else f"/{path}"
    before, mark, query = path.partition("?")
    return encoded(before) + (encoded(mark + query).replace("%2F", "/") if mark else "")


def encoded(text: str) -> str:
    """`text` with one percent-encoding throughout (RFC 9309, section 2.2.2): what is unreserved is decoded, all else
    but slashes encoded; so `ö` is `%C3%B6`, `%7e` is `~`, and a `*` or `$` that is meant as such is `%2A` or `%24`."""
    return text if _UNCHANGED.fullmatch(text) else _ODD.sub(_encoded_once, text)


def _encoded_once(found: re.Match[str]) -> str:
    text = found[0]
    if len(text) == 3:
        character = chr(int(text[1:], 16))
        return character if character in _UNRESERVED else text.upper()
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass"))


def _length(piece: str) -> int:
    return len(piece) - 2 * len(_ASCII_ESCAPE.findall(piece))


class PathPattern:
    """One pattern. `head` is what all that it matches begins with; `is_plain`: that alone is asked for.

    `length` is what decides between patterns: ASCII counts one however it is written, other letters as percent-encoded.
    """

    __slots__ = ("_anchored", "_pieces", "head", "length")

    def __init__(self, text: str) -> None:
        self._anchored = text.endswith("$")
        self.head, *self._pieces = (encoded(piece) for piece in _STARS.split(text.removesuffix("$")))
        self.length = sum(map(_length, [self.head, *self._pieces])) + len(self._pieces) + self._anchored

    @property
    def is_plain(self) -> bool:
        return not (self._pieces or self._anchored)

    def matches(self, path: str) -> bool:
        """Whether it matches what `path_of` gives."""
        if not path.startswith(self.head):
            return False
        at = len(self.head)
        *inner, last = self._pieces or [""]
        for piece in inner:
            at = path.find(piece, at)
            if at < 0:
                return False
            at += len(piece)
        if self._anchored:
            end = len(path) - len(last)
            return end == at if not self._pieces else end >= at and path.endswith(last)
        return path.find(last, at) >= 0


def read_patterns(text: str) -> tuple[PathPattern, ...]:
    """A pattern as written. Two where `%2F` may stand in a path, where it is no slash, or in a query, where it is."""
    before, mark, query = text.partition("?")
    slashes = _SLASH.sub("/", query)
    if "*" in before and not mark and (of_query := _SLASH.sub("/", text)) != text:
        return PathPattern(text), PathPattern(of_query)
    return (PathPattern(before + mark + slashes),)
