"""XML from strangers: a bounded walk over its elements, without a document type, hence without entities of its own."""

from collections.abc import Callable
from xml.parsers import expat

_MAX_ELEMENTS, _MAX_DEPTH = 100_000, 200
_MAX_TEXT = 1 << 20  # characters of all texts together

#: Name as `namespace name`, attributes by such names.
Start = Callable[[str, dict[str, str]], None]


class BadXml(Exception):
    """It is not well-formed, declares a document type, or goes beyond what anybody writes."""


def walk(data: bytes, start: Start, text: Callable[[str], None], end: Callable[[str], None]) -> None:
    """Call back for each element. Names of a namespace are `namespace name`, with one space. Raises `BadXml`."""
    _Walk(start, text, end).run(data)


class _Walk:
    def __init__(self, start: Start, text: Callable[[str], None], end: Callable[[str], None]) -> None:
        self._start, self._text, self._end = start, text, end
        self._elements = self._depth = self._letters = 0

    def run(self, data: bytes) -> None:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._started
        parser.EndElementHandler = self._ended
        parser.CharacterDataHandler = self._read
        parser.StartDoctypeDeclHandler = _refuse_doctype
        try:
            parser.Parse(data, True)
        except (expat.ExpatError, ValueError, LookupError) as error:  # of markup, NULs and unknown encodings
            raise BadXml(str(error)) from None

    def _started(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        self._depth += 1
        if self._elements > _MAX_ELEMENTS or self._depth > _MAX_DEPTH:
            raise BadXml("too many elements")
        self._start(name, attributes)

    def _ended(self, name: str) -> None:
        self._depth -= 1
        self._end(name)

    def _read(self, text: str) -> None:
        self._letters += len(text)
        if self._letters > _MAX_TEXT:
            raise BadXml("too much text")
        self._text(text)


def _refuse_doctype(*_: object) -> None:
    raise BadXml("a document type")
