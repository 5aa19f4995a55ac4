"""Lists of hashes of files that nobody may keep: looked up before anything is stored, and never shown.

A match is dropped and counted. Of its bytes nothing goes anywhere: no archive, no shard, no detail of a drop, no log.
"""

import functools
import hashlib
import posixpath
from collections.abc import Iterable

import fsspec
import numpy as np
from numpy.typing import NDArray

from schemas.drops import Drop
from schemas.settings import Settings, SettingsError

_KINDS = {32: "md5", 40: "sha1", 64: "sha256"}  # by the number of hex digits
_LEAST_QUALITY = 50  # of PDQ, out of 100: below it, pictures that have nothing in common have the same hash


class HashListSettings(Settings, frozen=True):
    """Files of hashes, one a line in hex: a path or an address that fsspec opens."""

    files: tuple[str, ...] = ()
    """MD5, SHA-1 and SHA-256 of whole files, told apart by their length."""
    pdq: tuple[str, ...] = ()
    """PDQ hashes of pictures (needs the package pdqhash)."""
    pdq_distance: int = 31
    """So many of its 256 bits may differ. 31 is what PDQ's authors recommend."""

    def __bool__(self) -> bool:
        return bool(self.files or self.pdq)


class _Lists:
    """Lists as they are looked up."""

    def __init__(self, settings: HashListSettings) -> None:
        self._known: dict[str, dict[bytes, str]] = {}  # by kind of hash: digest and the name of its list
        for path in settings.files:
            for text in _hashes(path):
                if len(text) not in _KINDS:
                    raise SettingsError(f"{path}: neither MD5, SHA-1 nor SHA-256: {text[:80]}")
                self._known.setdefault(_KINDS[len(text)], {})[_digest(path, text)] = posixpath.basename(path)
        looks = [(_digest(path, text), posixpath.basename(path)) for path in settings.pdq for text in _hashes(path)]
        if any(len(look) != 32 for look, _ in looks):
            raise SettingsError("a PDQ hash has 64 hex digits")
        self._names, self._distance = [name for _, name in looks], settings.pdq_distance
        self._looks_N4: NDArray[np.uint64] = np.frombuffer(b"".join(look for look, _ in looks), np.uint64).reshape(
            -1, 4
        )

    def of_bytes(self, data: bytes) -> str:
        """How bytes are listed, "" if they are not."""
        for kind, known in self._known.items():
            if name := known.get(hashlib.new(kind, data, usedforsecurity=False).digest()):
                return f"{kind} in {name}"
        return ""

    def of_pixels(self, pixels_HW3: NDArray[np.uint8]) -> str:
        """How a picture is listed by its look."""
        if not self._names or (look_4 := pdq_hash(pixels_HW3)) is None:
            return ""
        distances_N = np.bitwise_count(self._looks_N4 ^ look_4).sum(axis=1, dtype=np.int64)
        nearest = int(distances_N.argmin())
        return f"pdq in {self._names[nearest]}" if distances_N[nearest] <= self._distance else ""


def check_hash_lists(settings: HashListSettings) -> None:
    """Raises `SettingsError`, in one line, for lists that cannot be read and for a package that is missing."""
    if settings.pdq:
        require_pdq()
    _Lists(settings)


def require_pdq() -> None:
    """Raises `SettingsError` where PDQ hashes cannot be made."""
    try:
        import pdqhash  # noqa: F401
    except ImportError:
        raise SettingsError(
            "lists of PDQ hashes need the package pdqhash: pip install -c constraints.txt -e '.[pdq]'"
        ) from None


def pdq_hash(pixels_HW3: NDArray[np.uint8]) -> NDArray[np.uint64] | None:
    """The PDQ hash of a picture, 4 words; None where it shows too little to have one."""
    import pdqhash

    bits, quality = pdqhash.compute(np.ascontiguousarray(pixels_HW3))
    return np.packbits(np.asarray(bits, np.uint8)).view(np.uint64) if quality >= _LEAST_QUALITY else None


def refuse_listed(data: bytes, settings: HashListSettings) -> None:
    """Raises `Drop("hash_listed")` for bytes that a list names."""
    if settings.files and (how := _lists(settings).of_bytes(data)):
        raise Drop("hash_listed", how)


def refuse_listed_look(pixels_HW3: NDArray[np.uint8], settings: HashListSettings) -> None:
    """The same for a picture, by its look. `pixels_HW3` are RGB."""
    if settings.pdq and (how := _lists(settings).of_pixels(pixels_HW3)):
        raise Drop("hash_listed", how)


def _lists(settings: HashListSettings) -> _Lists:
    return _read(settings, tuple(_state(path) for path in (*settings.files, *settings.pdq)))


@functools.lru_cache(maxsize=2)
def _read(settings: HashListSettings, _: tuple[object, ...]) -> _Lists:
    return _Lists(settings)


@functools.lru_cache(maxsize=64)
def _state(path: str) -> object:
    """What changes with a file; asked once a process."""
    fs, inside = fsspec.core.url_to_fs(path)
    info = fs.info(inside)
    return info.get("mtime"), info.get("size"), info.get("ETag")


def _hashes(path: str) -> Iterable[str]:
    """The first field of each line, in lower case, without `sha256:` before it."""
    try:
        with fsspec.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                text = line.partition("#")[0].replace(";", ",").partition(",")[0].split()
                if text:
                    yield text[0].strip("\"'").lower().rpartition(":")[2]
    except (OSError, ValueError) as error:
        raise SettingsError(f"cannot read the hash list {path}: {error}") from None


def _digest(path: str, text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise SettingsError(f"{path}: no hash in hex: {text[:80]}") from None
