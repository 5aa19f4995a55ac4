"""Keys by which texts count as the same."""

import hashlib
import unicodedata


def text_key(text: str) -> bytes:
    """16 bytes that are equal for texts that differ at most in case, spacing and Unicode form."""
    normal = unicodedata.normalize("NFKC", " ".join(text.split())).casefold()
    return hashlib.blake2b(normal.encode("utf-8", "replace"), digest_size=16).digest()
