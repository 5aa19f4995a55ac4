"""Assertions about training in C2PA manifests, signed with a certificate that the test makes."""

import io
import itertools
import re
import time

import av
import numpy as np
import pytest
from PIL import Image

from pipeline import c2pa
from pipeline.c2pa import c2pa_signals
from tests.pipeline.signed import signed

LABEL = "cawg.training-mining"
JPEG, PNG, WEBP, MP4 = "image/jpeg", "image/png", "image/webp", "video/mp4"


def media(mime: str) -> bytes:
    out = io.BytesIO()
    if mime != MP4:
        Image.linear_gradient("L").convert("RGB").save(out, mime.partition("/")[2].upper())
        return out.getvalue()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode())
    return out.getvalue()


@pytest.mark.parametrize("mime", [JPEG, PNG, WEBP, MP4])
@pytest.mark.parametrize("label", ["c2pa.training-mining", "cawg.training-mining"])
@pytest.mark.parametrize("entry", ["ai_training", "ai_generative_training", "data_mining"])
def test_not_allowed_is_a_no(mime: str, label: str, entry: str) -> None:
    data = signed(
        media(mime), mime, label, {f"{label[:4]}.{entry}": "notAllowed", f"{label[:4]}.ai_inference": "allowed"}
    )
    (signal,) = c2pa_signals(data, "2026-01-01T00:00:00Z")
    assert (signal.signal, signal.verdict, signal.time) == (label, "no", "2026-01-01T00:00:00Z")
    assert f"{entry}=notAllowed" in signal.value


@pytest.mark.parametrize(
    ("entries", "verdict"),
    [
        ({"ai_training": "constrained"}, "conditional"), ({"ai_training": "allowed"}, "yes"),
        ({"ai_training": "allowed", "data_mining": "notAllowed"}, "no"), ({"ai_inference": "notAllowed"}, "unknown"),
        ({"ai_training": "allowed", "ai_generative_training": "constrained"}, "conditional"),
        ({"ai_training": "whatever"}, "unknown"),
    ],
)  # fmt: skip
def test_the_most_restrictive_entry_counts(entries: dict[str, str], verdict: str) -> None:
    named = {f"cawg.{entry}": use for entry, use in entries.items()}
    assert [one.verdict for one in c2pa_signals(signed(media(JPEG), JPEG, "cawg.training-mining", named))] == [verdict]


def test_constraints_are_told_and_entries_of_others_only_restrict() -> None:
    def read(entries: dict[str, dict[str, str]]) -> tuple[str, str]:
        assertion = {"label": LABEL, "data": {"entries": entries}}
        store = {"active_manifest": "a", "manifests": {"a": {"assertions": [assertion]}}}
        (signal,) = c2pa._signals(store, "", is_sound=True)
        return signal.verdict, signal.value

    asked = {"cawg.ai_training": {"use": "constrained", "constraint_info": "ask ann@a.example"}}
    assert read(asked) == ("conditional", "cawg.ai_training=constrained (ask ann@a.example)")
    assert read({"org.example.ai_training": {"use": "notAllowed"}})[0] == "no"
    assert read({"org.example.ai_training": {"use": "allowed"}})[0] == "unknown"


def test_entries_without_their_map_are_read() -> None:
    data = signed(media(JPEG), JPEG, "c2pa.training-mining", {"c2pa.ai_training": "notAllowed"}, is_bare=True)
    assert [one.verdict for one in c2pa_signals(data)] == ["no"]


def test_what_an_ingredient_refuses_is_refused_and_what_it_allows_is_not_ours() -> None:
    for use, verdict in (("notAllowed", "no"), ("allowed", "unknown")):
        part = signed(media(JPEG), JPEG, "c2pa.training-mining", {"c2pa.ai_training": use})
        (signal,) = c2pa_signals(signed(media(JPEG), JPEG, "", {}, ingredient=part))
        assert (signal.origin, signal.verdict) == ("C2PA manifest of an ingredient", verdict)


def test_an_altered_file_keeps_its_no_and_loses_its_yes() -> None:
    for use, verdict in (("notAllowed", "no"), ("allowed", "unknown")):
        data = bytearray(signed(media(JPEG), JPEG, "c2pa.training-mining", {"c2pa.ai_training": use}))
        data[-50] ^= 1
        assert [one.verdict for one in c2pa_signals(bytes(data))] == [verdict]


def test_a_file_without_a_manifest_says_nothing() -> None:
    assert c2pa_signals(media(JPEG)) == c2pa_signals(media(JPEG) + b"c2pa") == c2pa_signals(b"c2pa") == ()


def never(*_: object, **__: object) -> dict[str, object]:
    raise AssertionError("the manifest was opened")


@pytest.mark.parametrize("mime", [JPEG, PNG, WEBP, MP4])
def test_a_manifest_that_says_nothing_of_training_is_not_opened(mime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = signed(media(mime), mime, "", {})
    monkeypatch.setattr(c2pa, "_read", never)
    assert c2pa_signals(data) == ()


def test_a_no_is_read_without_hashing_and_a_yes_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    read, verified = c2pa._read, list[bool]()

    def noted(data: bytes, is_verified: bool) -> dict[str, object]:
        verified.append(is_verified)
        return read(data, is_verified)

    monkeypatch.setattr(c2pa, "_read", noted)
    for entries, verdict, how in (
        ({"c2pa.ai_training": "notAllowed"}, "no", [False]),
        ({"c2pa.ai_training": "allowed"}, "yes", [True]),
        ({"c2pa.ai_training": "allowed", "c2pa.ai_inference": "notAllowed"}, "yes", [False, True]),
    ):
        verified.clear()
        data = signed(media(JPEG), JPEG, "c2pa.training-mining", entries)
        assert ([one.verdict for one in c2pa_signals(data)], verified) == ([verdict], how)


def test_a_name_that_two_segments_share_is_found() -> None:
    data = signed(media(JPEG), JPEG, "c2pa.training-mining", {"c2pa.ai_training": "notAllowed"})
    start = data.index(b"\xff\xeb")
    size = 2 + int.from_bytes(data[start + 2 : start + 4], "big")
    head, box = data[start + 4 : start + 8], data[start + 12 : start + size]  # JP and number of the box, then the box
    cuts = [8, *(found.start() + 5 for found in re.finditer(b"training-mining", box)), len(box)]
    # Each segment begins with length and type of the box.
    parts = [box[:8] + box[begin:end] for begin, end in itertools.pairwise(cuts)]
    segments = [
        b"\xff\xeb" + (len(part) + 10).to_bytes(2, "big") + head + number.to_bytes(4, "big") + part
        for number, part in enumerate(parts, 1)
    ]
    split = data[:start] + b"".join(segments) + data[start + size :]
    assert b"training-mining" not in split
    assert [one.verdict for one in c2pa_signals(split)] == ["no"]


def test_what_is_packed_or_cut_up_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(c2pa, "_read", never)
    for data in (b"GIF89a" + b"c2pa", b"<svg><c2pa:manifest>", b"RIFF....WEBPC2PA....c2pa..brob"):
        with pytest.raises(AssertionError, match="opened"):
            c2pa_signals(data)


def test_damaged_manifests_raise_nothing_and_end() -> None:
    data = signed(media(PNG), PNG, "c2pa.training-mining", {"c2pa.ai_training": "notAllowed"})
    at = data.index(b"c2pa")
    began = time.process_time()
    for place in range(at - 40, at + 2000, 37):
        broken = data[:place] + b"\xff\xff\xff\xff" + data[place + 4 :]
        for one in (broken, data[:place]):
            assert {signal.verdict for signal in c2pa_signals(one)} <= {"no", "unknown"}
    assert time.process_time() - began < 20


def test_a_manifest_that_lies_elsewhere_is_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:d="http://purl.org/dc/terms/" d:provenance="http://127.0.0.1:9/m.c2pa"/>'
        b"</rdf:RDF></x:xmpmeta>"
    )
    out = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(out, "JPEG", xmp=xmp)
    assert c2pa_signals(out.getvalue()) == ()
