"""C2PA manifests of images and videos: what their assertions say of training and mining, by c2pa-python.

`c2pa.training-mining` is of C2PA 1.x (section 18.21 of 1.4), `cawg.training-mining` of the Creator Assertions Working
Group (1.1, 6 May 2025). Nothing is fetched: a manifest that lies elsewhere is none. Runs in a child process with limits
of time and memory, as decoding does: the library is native code, and its input hostile.
"""

import functools
import io
from collections.abc import Iterator
from typing import Any

import msgspec

from pipeline.image.strip_jpeg import head_segments
from pipeline.image.strip_png import SIGNATURE, chunks_of
from schemas.signals import Signal, Verdict, most_restrictive, said

#: What stands in the label of each manifest store, whatever the container; other files are not looked at.
_SIGN = b"c2pa"
#: What stands in those of assertions about training, and the box that may hold them packed.
_LABEL, _PACKED = b"training-mining", b"brob"
_APP11 = 0xEB
_GIF, _BOM = b"GIF8", b"\xef\xbb\xbf"
_ASSERTIONS = ("c2pa.training-mining", "cawg.training-mining")
#: Entries that training a model is, or needs.
_ENTRIES = ("ai_training", "ai_generative_training", "data_mining")
_OWNERS = ("c2pa", "cawg")
_USES: dict[str, Verdict] = {"notallowed": "no", "constrained": "conditional", "allowed": "yes"}
_REFUSING = (b"notAllowed", b"constrained")
_MAX_MANIFESTS = 1_000
_SETTINGS = {
    "verify_trust": False,  # who signed does not matter: who says no is believed
    "remote_manifest_fetch": False,
    "ocsp_fetch": False,
}


def c2pa_signals(data: bytes, time: str = "") -> tuple[Signal, ...]:
    """What all manifests of a file say. A yes counts of the active manifest alone, if its hashes and signature hold."""
    manifests = _manifests(data)
    if manifests is not None and _LABEL not in manifests and _PACKED not in manifests:
        return ()
    # Hashes and signatures take most of the time, and only a yes needs them.
    may_refuse = manifests is not None and any(word in manifests for word in _REFUSING)
    found = _signals(_read(data, is_verified=False), time, True) if may_refuse else None
    if found is None or any(signal.verdict == "yes" for signal in found):
        store = _read(data, is_verified=True)
        found = _signals(store, time, store.get("validation_state") in ("Valid", "Trusted"))
    return found


def _signals(store: dict[str, Any], time: str, is_sound: bool) -> tuple[Signal, ...]:
    """Of all manifests; `is_sound`: a yes of the active one counts."""
    active = store.get("active_manifest", "")
    found = []
    for label, manifest in list(_mapping(store.get("manifests")).items())[:_MAX_MANIFESTS]:
        for name, stated in _assertions(manifest):
            verdict = _verdict(stated)
            if verdict == "yes" and not (is_sound and label == active):
                verdict = "unknown"
            where = "C2PA manifest" if label == active else "C2PA manifest of an ingredient"
            words = ", ".join(f"{entry}={use}" for entry, use in stated.items())
            found.append(said(name, where, words, verdict, time))
    return tuple(found)


def _manifests(data: bytes) -> bytes | None:
    """The bytes in which manifests stand, names as they are; b"" where there are none, None where they are cut up or
    written otherwise."""
    if data.startswith(b"\xff\xd8\xff"):
        return _of_jpeg(data)
    if data.startswith(SIGNATURE):
        return b"".join(chunks_of(data, b"caBX"))
    if data.startswith(_GIF) or data.removeprefix(_BOM).lstrip()[:1] == b"<":
        return None if _SIGN in data else b""
    return data if _SIGN in data else b""


def _of_jpeg(data: bytes) -> bytes:
    """The boxes of APP11, put together of their segments: ISO/IEC 19566-5, annex D."""
    boxes: dict[bytes, list[bytes]] = {}
    for marker, segment in head_segments(data):
        if marker == _APP11 and segment.startswith(
            b"JP", 4
        ):  # number of the box, of the segment; length and type of it
            parts = boxes.setdefault(segment[6:8], [])
            head = 24 if segment[12:16] == b"\0\0\0\1" else 20
            parts.append(segment[head:] if parts else segment[12:])
    return b"\0".join(b"".join(parts) for parts in boxes.values())


def _read(data: bytes, is_verified: bool) -> dict[str, Any]:
    """The manifest store as JSON; empty where there is none that can be read."""
    import c2pa  # 40 MB of native code, for files that have a manifest

    try:
        with c2pa.Reader("", io.BytesIO(data), context=_context(is_verified)) as reader:
            found = msgspec.json.decode(reader.json())
    except (c2pa.C2paError, msgspec.DecodeError):
        return {}
    return _mapping(found)


@functools.cache
def _context(is_verified: bool) -> Any:
    import c2pa

    return c2pa.Context(c2pa.Settings.from_dict({"verify": {**_SETTINGS, "verify_after_reading": is_verified}}))


def _assertions(manifest: Any) -> Iterator[tuple[str, dict[str, str]]]:
    """Name and entries of each assertion about training; of an entry its use, and what is said of its constraints."""
    for assertion in _mapping(manifest).get("assertions") or ():
        label = str(_mapping(assertion).get("label", ""))
        name = next((known for known in _ASSERTIONS if label == known or label.startswith(f"{known}__")), "")
        data = _mapping(_mapping(assertion).get("data"))
        entries = _mapping(data.get("entries", data))  # the first schemas left the map of this name out
        if name:
            uses = {str(entry): _use(_mapping(value)) for entry, value in entries.items()}
            yield name, {entry: use for entry, use in uses.items() if use}


def _use(entry: dict[str, Any]) -> str:
    use, constraint = entry.get("use"), entry.get("constraint_info") or entry.get("constraints_info")
    return f"{use} ({constraint})" if isinstance(use, str) and constraint else use if isinstance(use, str) else ""


def _verdict(stated: dict[str, str]) -> Verdict:
    """Entries of others, such as `org.example.ai_training`, restrict and allow nothing."""
    found: list[Verdict] = []
    for entry, use in stated.items():
        owner, _, meaning = entry.rpartition(".")
        if meaning in _ENTRIES:
            verdict = _USES.get(use.partition(" (")[0].strip().lower(), "unknown")
            found.append("unknown" if verdict == "yes" and owner not in _OWNERS else verdict)
    return most_restrictive(found)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
