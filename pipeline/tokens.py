"""Class names, ids and file names cut into tokens, so that word lists match whole words: `icon`, never `silicon`."""

import functools
import re

_CUTS = re.compile(r"[^0-9A-Za-z]+|(?<=[a-z])(?=[A-Z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])")


#: Prefixes of classes that say what a container has or lacks, not what it is: `has-sidebar`, `no-comments`.
_STATES = frozenset("has no with without not is hide show contains".split())


@functools.lru_cache(maxsize=65536)
def tokens(text: str) -> frozenset[str]:
    """`relatedPosts share-bar_2` -> related, posts, share, bar, 2."""
    return frozenset(token.lower() for token in _CUTS.split(text) if token)


@functools.lru_cache(maxsize=65536)
def names_of(classes: str) -> frozenset[str]:
    """The tokens of a class attribute, without classes that only state what their element has or lacks."""
    named = [name for name in classes.split() if _CUTS.split(name, maxsplit=1)[0].lower() not in _STATES]
    return tokens(" ".join(named))
