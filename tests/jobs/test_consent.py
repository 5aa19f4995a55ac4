"""Signals in whole builds: what refuses is dropped with its words, what passes stands in samples and index."""

import io
import json
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pyexiv2
import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from crawlers.captured import Media
from jobs.kinds.clips.source import subtitles_of
from jobs.phases.recipe import Recipe
from schemas.consent import ConsentSettings
from schemas.drops import Drop
from schemas.videos import VideoDraft
from tests.jobs.site import article, photo
from tests.jobs.test_build import SMALL, built, drops, samples
from tests.pipeline.signed import signed
from tests.pipeline.test_c2pa import media

PAGE = "https://site.example/page"
SITE = [{"signal": "content-signal", "origin": "/robots.txt", "value": "ai-train=yes", "verdict": "yes"}]


def with_xmp(seed: int, **properties: object) -> bytes:
    image = pyexiv2.ImageData(photo(seed))
    image.modify_xmp({f"Xmp.{name.replace('_', '.', 1)}": value for name, value in properties.items()})
    image.modify_exif({"Exif.GPSInfo.GPSLatitude": "48/1 8/1 0/1", "Exif.Image.Model": "Secret Camera"})
    data = bytes(image.get_bytes())
    image.close()
    return data


def archive(path: Path, *records: tuple[str, bytes, str, tuple[tuple[str, str], ...]], site: object = SITE) -> Path:
    """Records are address, body, content type and further HTTP headers."""
    with path.open("wb") as file:
        writer = WARCWriter(file)
        for url, body, kind, headers in records:
            http = StatusAndHeaders("200 OK", [("Content-Type", kind), *headers], protocol="HTTP/1.1")
            fields = {"WARC-Date": "2026-03-01T10:00:00Z", "WARC-Site-Signals": json.dumps(site)}
            made = writer.create_warc_record(
                url, "response", payload=io.BytesIO(body), http_headers=http, warc_headers_dict=fields
            )
            writer.write_record(made)
    return path


def test_images_are_dropped_by_what_stands_in_them_and_rights_are_kept(tmp_path: Path) -> None:
    images = {
        "plain": photo(1),
        "xmp-no": with_xmp(2, plus_DataMining="http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED"),
        "c2pa-no": signed(photo(3), "image/jpeg", "c2pa.training-mining", {"c2pa.ai_training": "notAllowed"}),
        "allowed": with_xmp(4, plus_DataMining="DMI-ALLOWED", dc_creator=["Ann"], photoshop_Credit="Agency"),
    }
    html = article(1, [f"/{name}.jpg" for name in images]).encode()
    records = [(f"https://site.example/{name}.jpg", data, "image/jpeg", ()) for name, data in images.items()]
    made = archive(tmp_path / "a.warc.gz", (PAGE, html, "text/html", (("Content-Usage", "train-ai=y"),)), *records)
    built(tmp_path / "out", [made])
    (sample,) = samples(tmp_path / "out")
    document = sample["document"]
    assert [url.rpartition("/")[2] for url in document["image_urls"]] == ["plain.jpg", "allowed.jpg"]
    refused = {
        row["url"].rpartition("/")[2]: row["detail"] for row in drops(tmp_path / "out") if row["reason"] == "opt_out"
    }
    assert sorted(refused) == ["c2pa-no.jpg", "xmp-no.jpg"]
    assert refused["c2pa-no.jpg"].startswith("c2pa.training-mining: c2pa.ai_training=notAllowed (C2PA manifest)")
    time = "2026-03-01T10:00:00Z"
    usage = {"signal": "content-usage", "origin": "header Content-Usage", "value": "train-ai=y", "verdict": "yes"}
    mining = {"signal": "plus:DataMining", "origin": "XMP", "value": "DMI-ALLOWED", "verdict": "yes", "time": time}
    assert document["consent"]["signals"] == [*SITE, {**usage, "time": time}]
    assert document["image_consent"] == [SITE, [*SITE, mining]]
    assert document["image_rights"] == [{}, {"creator": "Ann", "credit": "Agency", "data_mining": "DMI-ALLOWED"}]
    for name in ("1.jpg", "2.jpg", "3.jpg", "4.jpg"):
        if name in sample:
            assert b"Secret Camera" not in sample[name]
    (index,) = (tmp_path / "out/interleaved/shards").glob("*.parquet")
    (row,) = pq.read_table(index).to_pylist()
    assert row["consent_verdict"] == "yes"
    assert [(one["subject"], one["signal"]) for one in row["signals"]] == [
        ("page", "content-signal"), ("page", "content-usage"), ("0", "content-signal"), ("1", "content-signal"),
        ("1", "plus:DataMining"),
    ]  # fmt: skip


def test_what_the_archive_notes_of_the_site_refuses_in_a_build(tmp_path: Path) -> None:
    html = article(1, ["/a.jpg"]).encode()
    no = [{"signal": "rsl", "origin": "https://site.example/rsl.xml", "value": "training: no", "verdict": "no"}]
    made = archive(tmp_path / "a.warc.gz", (PAGE, html, "text/html", ()), site=no)
    built(tmp_path / "out", [made])
    assert [(row["reason"], row["detail"]) for row in drops(tmp_path / "out") if row["kind"] == "page"] == [
        ("opt_out", "rsl: training: no (https://site.example/rsl.xml)")
    ]


def test_a_yes_can_be_asked_for(tmp_path: Path) -> None:
    html = article(1, ["/a.jpg"]).encode()
    image = ("https://site.example/a.jpg", photo(1), "image/jpeg", ())
    config = msgspec.structs.replace(SMALL, consent=ConsentSettings(require_yes=True))
    silent = archive(tmp_path / "silent.warc.gz", (PAGE, html, "text/html", ()), image, site=[])
    built(tmp_path / "none", [silent], config)
    assert {row["reason"] for row in drops(tmp_path / "none") if row["kind"] == "page"} == {"no_opt_in"}
    said = archive(tmp_path / "said.warc.gz", (PAGE, html, "text/html", ()), image)
    assert built(tmp_path / "some", [said], config).kinds["interleaved"].samples == 1


def test_pairs_have_the_signals_of_page_and_image(tmp_path: Path) -> None:
    html = article(1, ["/a.jpg"]).encode()
    made = archive(
        tmp_path / "a.warc.gz",
        (PAGE, html, "text/html", ()),
        ("https://site.example/a.jpg", with_xmp(5, dc_rights={'lang="x-default"': "(c) Ann"}), "image/jpeg", ()),
    )
    built(tmp_path / "out", [made], msgspec.structs.replace(SMALL, kinds=("pairs",)))
    (index,) = (tmp_path / "out/pairs/shards").glob("*.parquet")
    (row,) = pq.read_table(index).to_pylist()
    assert [one["subject"] for one in row["signals"]] == ["page", "0"]


class Tracks:
    """Gives one subtitle track with some headers."""

    def __init__(self, headers: dict[str, str]) -> None:
        self._headers = headers

    def get(self, url: str) -> Media:
        return Media(url, self._headers, b"WEBVTT\n\n00:01.000 --> 00:02.000\nHello")


@pytest.mark.parametrize(
    ("headers", "cues"), [({}, 1), ({"content-usage": "train-ai=n"}, 0), ({"x-robots-tag": "noai"}, 0)]
)
def test_subtitles_that_ask_to_be_left_alone_are(headers: dict[str, str], cues: int) -> None:
    video = VideoDraft(1, ("https://a.example/v.mp4",), (), tracks=("https://a.example/v.vtt",))
    assert len(subtitles_of(Tracks(headers), video)) == cues  # type: ignore[arg-type]


def test_a_video_is_dropped_by_its_manifest() -> None:
    data = signed(media("video/mp4"), "video/mp4", "cawg.training-mining", {"cawg.data_mining": "notAllowed"})
    with pytest.raises(Drop) as caught:
        Recipe(SMALL).cut(with_frames=False)(Media("https://a.example/v.mp4", {}, data))
    assert (caught.value.reason, caught.value.detail) == (
        "opt_out", "cawg.training-mining: cawg.data_mining=notAllowed (C2PA manifest)",
    )  # fmt: skip
