"""Preferences about use by path, as robots.txt states them: `Content-Usage: /news/ train-ai=n`.

Of all paths that match the longest decides, by the matching of RFC 9309; several statements for one path all stand.
"""

from collections.abc import Iterable

from schemas.path_patterns import PathPattern, read_patterns


class UsageRules:
    """Statements of one kind. A line is a path and a statement, or a statement for all paths."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._plain: dict[str, list[str]] = {}  # by the beginning of the path
        self._plain_length: dict[str, int] = {}
        self._others: list[tuple[int, PathPattern, str]] = []
        for line in lines:
            path, statement = _split(line)
            for pattern in read_patterns(path):
                if pattern.is_plain:
                    self._plain.setdefault(pattern.head, []).append(statement)
                    self._plain_length[pattern.head] = pattern.length
                else:
                    self._others.append((pattern.length, pattern, statement))
        self._lengths = sorted({len(head) for head in self._plain}, reverse=True)
        self._others.sort(key=lambda rule: rule[0], reverse=True)

    def of(self, path: str) -> list[str]:
        """The statements for a path, as `path_of` gives it."""
        heads = (path[:length] for length in self._lengths if length <= len(path))
        head = next((head for head in heads if head in self._plain), None)
        longest = self._plain_length[head] if head is not None else -1
        found = list(self._plain[head]) if head is not None else []
        for length, pattern, statement in self._others:
            if length < longest:
                break
            if pattern.matches(path):
                if length > longest:
                    found, longest = [], length
                found.append(statement)
        return found


def _split(line: str) -> tuple[str, str]:
    """Path and statement. The path begins with `/` and ends before the first space; it was optional once."""
    if not line.startswith(("/", "*")):
        return "/", line
    path, *rest = line.split(maxsplit=1)
    return path, rest[0] if rest else ""
