"""Regular expressions of the settings, in an engine that takes linear time: addresses are written by whoever wants the
crawl to stop."""

import functools
from collections.abc import Iterable
from typing import Any

import re2

_QUIET = re2.Options()
_QUIET.log_errors = False


def check_patterns(patterns: Iterable[str]) -> None:
    """Raises `ValueError` for what is no pattern of RE2."""
    for pattern in patterns:
        try:
            _compiled(pattern)
        except (re2.error, ValueError) as error:
            reason = error.args[0].decode("utf-8", "replace") if isinstance(error, re2.error) else str(error)
            raise ValueError(
                f"`{pattern}` is no pattern of RE2, which has no look-around and no back-references: {reason}"
            ) from None


def matches(pattern: str, url: str) -> bool:
    """Whether a pattern matches an address somewhere."""
    text = url if url.isascii() else url.encode("utf-8", "replace").decode()  # a lone surrogate is no text to RE2
    return _compiled(pattern).search(text) is not None


@functools.lru_cache(maxsize=4096)
def _compiled(pattern: str) -> Any:
    return re2.compile(pattern, _QUIET)
