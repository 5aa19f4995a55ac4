"""Addresses that hold a key: whoever has one may read what was given to somebody else, until it expires."""

import re

_NAMES = re.compile(r"[?&](?:x-(?:amz|goog|oss|obs|bce)-signature|signature|q-signature)=", re.IGNORECASE)
_SHARED = (re.compile(r"[?&]sv=", re.IGNORECASE), re.compile(r"[?&]sig=", re.IGNORECASE))  # shared access of Azure


def is_presigned(url: str) -> bool:
    """Whether the query of an address holds a signature of S3, CloudFront, Google, Azure or stores like them."""
    query = url.partition("#")[0]
    at = query.find("?")
    if at < 0:
        return False
    query = query[at:].replace("%2D", "-").replace("%2d", "-")
    return bool(_NAMES.search(query)) or all(pattern.search(query) for pattern in _SHARED)


def without_key(url: str) -> str:
    """The address as it may be written down."""
    return url.partition("?")[0] if is_presigned(url) else url
