"""C2PA manifests of images and videos: what their assertions say of training and mining, by c2pa-python.

`c2pa.training-mining` is of C2PA 1.x (section 18.21 of 1.4), `cawg.training-mining` of the Creator Assertions Working
Group (1.1). Nothing is fetched: a manifest that lies elsewhere is none. Runs in a child process with limits of time and
memory, as decoding does: the library is native code, and its input hostile.
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
_APP11 = 0xEB
_ASSERTIONS = ("c2pa.training-mining", "cawg.training-mining")
#: Entries that training a model is, or needs.
_ENTRIES = ("ai_training", "ai_generative_training", "data_mining")
_USES: dict[str, Verdict] = {"notallowed": "no", "constrained": "conditional", "allowed": "yes"}
_MAX_MANIFESTS = 1_000
_SETTINGS = {
    "verify": {
        "verify_after_reading": True,
        "verify_trust": False,  # who signed does not matter: who says no is believed
        "remote_manifest_fetch": False,
        "ocsp_fetch": False,
    }
}


def c2pa_signals(data: bytes, time: str = "") -> tuple[Signal, ...]:
    """What all manifests of a file say. A yes counts of the active manifest alone, if its hashes and signature hold."""
    if not _may_hold(data):
        return ()
    store = _read(data)
    active = store.get("active_manifest", "")
    is_sound = store.get("validation_state") in ("Valid", "Trusted")
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


def _may_hold(data: bytes) -> bool:
    """A quick look, where a container says where manifests lie; elsewhere for a word that each of them has."""
    if data.startswith(b"\xff\xd8\xff"):
        return any(marker == _APP11 and _SIGN in segment for marker, segment in head_segments(data))
    if data.startswith(SIGNATURE):
        return any(chunks_of(data, b"caBX"))
    return _SIGN in data


def _read(data: bytes) -> dict[str, Any]:
    """The manifest store as JSON; empty where there is none that can be read."""
    import c2pa  # 40 MB of native code, for files that have a manifest

    try:
        with c2pa.Reader("", io.BytesIO(data), context=_context()) as reader:
            found = msgspec.json.decode(reader.json())
    except (c2pa.C2paError, msgspec.DecodeError):
        return {}
    return _mapping(found)


@functools.cache
def _context() -> Any:
    import c2pa

    return c2pa.Context(c2pa.Settings.from_dict(_SETTINGS))


def _assertions(manifest: Any) -> Iterator[tuple[str, dict[str, str]]]:
    """Name and entries, by their last words, of each assertion about training."""
    for assertion in _mapping(manifest).get("assertions") or ():
        label = str(_mapping(assertion).get("label", ""))
        name = next((known for known in _ASSERTIONS if label == known or label.startswith(f"{known}__")), "")
        entries = _mapping(_mapping(_mapping(assertion).get("data")).get("entries"))
        if name:
            uses = {str(entry).rpartition(".")[2]: _mapping(value).get("use") for entry, value in entries.items()}
            yield name, {entry: use for entry, use in uses.items() if isinstance(use, str)}


def _verdict(stated: dict[str, str]) -> Verdict:
    return most_restrictive(_USES.get(stated.get(entry, "").strip().lower(), "unknown") for entry in _ENTRIES)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
