"""Images and videos of a deny list by their hashes, whatever addresses they have."""

import hashlib
import re
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from schemas.drops import Drop
from schemas.hash_lists import pdq_hash, require_pdq
from schemas.images import STORED_FORMATS, open_image
from schemas.settings import SettingsError

#: So many of the 64 bits of a perceptual hash may differ, and of the 256 of a PDQ hash.
PHASH_DISTANCE, PDQ_DISTANCE = 6, 31
_DIGITS = {"sha256": 64, "phash": 16, "pdq": 64}
_ENTRY = re.compile(rf"({'|'.join(_DIGITS)}):[ \t]*(\w*)", re.IGNORECASE)
_BARE_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_HEX = re.compile(r"[0-9a-f]+")
_FIELD_END = re.compile(r"[,;]")


class DeniedHashes:
    """SHA-256 of whole files, as served or as stored; perceptual hashes of weft's own, and PDQ hashes of pictures."""

    def __init__(self) -> None:
        self._sha256: dict[str, str] = {}  # with the entry
        self._looks: dict[str, list[tuple[NDArray[np.uint64], str]]] = {"phash": [], "pdq": []}

    def written(self, line: str) -> str:
        """A line as the list keeps it: 64 hex digits alone are a SHA-256, and of CSV the first field counts."""
        field = _FIELD_END.split(line, maxsplit=1)[0].strip()
        if _BARE_SHA256.fullmatch(field):
            return f"sha256:{field.lower()}"
        found = _ENTRY.fullmatch(field)
        return f"{found[1]}:{found[2]}".lower() if found else line

    def read(self, entry: str) -> bool:
        """Take an entry, if it is one. Raises `SettingsError` for one with too many digits or too few, and for one that
        needs a package which is missing."""
        found = _ENTRY.fullmatch(entry)
        if found is None:
            return False
        name, digits = found.groups()
        if len(digits) != _DIGITS[name] or not _HEX.fullmatch(digits):
            raise SettingsError(f"a {name} of a deny list has {_DIGITS[name]} hex digits: {entry[:100]}")
        if name == "sha256":
            self._sha256[digits] = entry
            return True
        if name == "pdq":
            require_pdq()
        self._looks[name].append((_bits(digits), entry))
        return True

    def __bool__(self) -> bool:
        return bool(self._sha256 or self._looks["phash"] or self._looks["pdq"])

    @property
    def needs_pictures(self) -> bool:
        """Whether an image has to be decoded."""
        return bool(self._looks["pdq"])

    @property
    def sha256(self) -> Mapping[str, str]:
        """The entries of whole files, by their hash."""
        return self._sha256

    def entry(self, sha256: Iterable[str] = (), phashes: Iterable[str] = (), picture: bytes = b"") -> str:
        """The entry that names one of these; "" if none does. `picture` is a stored image, for PDQ."""
        if found := next(filter(None, map(self._sha256.get, sha256)), ""):
            return found
        if self._looks["phash"]:
            looks = (self._like("phash", _bits(phash), PHASH_DISTANCE) for phash in phashes if phash)
            if found := next(filter(None, looks), ""):
                return found
        return self._by_pdq(picture) if picture and self._looks["pdq"] else ""

    def of_bytes(self, data: bytes) -> str:
        """The same of a file as it was served."""
        return self._sha256.get(hashlib.sha256(data).hexdigest(), "") if self._sha256 else ""

    def _like(self, name: str, look: NDArray[np.uint64], most: int) -> str:
        for other, entry in self._looks[name]:
            if int(np.bitwise_count(other ^ look).sum(dtype=np.int64)) <= most:
                return entry
        return ""

    def _by_pdq(self, picture: bytes) -> str:
        try:
            with open_image(picture, STORED_FORMATS) as image:
                look = pdq_hash(np.asarray(image.convert("RGB")))
        except (Drop, OSError, ValueError):  # what cannot be decoded has no look
            return ""
        return "" if look is None else self._like("pdq", look, PDQ_DISTANCE)


def _bits(digits: str) -> NDArray[np.uint64]:
    return np.frombuffer(bytes.fromhex(digits), np.uint64)
