"""Class names, ids and file names cut into tokens, so that word lists match whole words: `icon`, never `silicon`."""

import functools
import re

_CUTS = re.compile(r"[^0-9A-Za-z]+|(?<=[a-z])(?=[A-Z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])")


@functools.lru_cache(maxsize=65536)
def tokens(text: str) -> frozenset[str]:
    """`relatedPosts share-bar_2` -> related, posts, share, bar, 2."""
    return frozenset(token.lower() for token in _CUTS.split(text) if token)
