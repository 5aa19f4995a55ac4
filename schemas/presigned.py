"""Addresses that hold a key or a password: whoever has one may read what was given to somebody else."""

import re

_NAMES = re.compile(r"[?&](?:x-(?:amz|goog|oss|obs|bce)-signature|signature|q-signature)=", re.IGNORECASE)
_SHARED = (re.compile(r"[?&]sv=", re.IGNORECASE), re.compile(r"[?&]sig=", re.IGNORECASE))  # shared access of Azure
_AFTER_HOST = re.compile(r"[/?#\\]")


def is_presigned(url: str) -> bool:
    """Whether an address holds a user or password before its host, or its query a signature of S3, CloudFront, Google,
    Azure or stores like them."""
    if "@" in url and _user(url):
        return True
    if "?" not in url or "sig" not in url.lower():  # which stands in all names below
        return False
    query = "?" + url.partition("#")[0].partition("?")[2].replace("%2D", "-").replace("%2d", "-")
    return bool(_NAMES.search(query)) or all(pattern.search(query) for pattern in _SHARED)


def without_key(url: str) -> str:
    """The address as it may be written down."""
    if not is_presigned(url):
        return url
    bare = url.partition("?")[0]
    return bare.replace(f"://{_user(bare)}", "://", 1) if "@" in bare else bare


def _user(url: str) -> str:
    """`user:password@` of an address; "" where there is none."""
    begin = url.find("://") + 3
    authority = _AFTER_HOST.split(url[begin:], maxsplit=1)[0] if begin > 2 else ""
    return authority.rpartition("@")[0] + "@" if "@" in authority else ""
