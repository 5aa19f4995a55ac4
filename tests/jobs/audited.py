"""A dataset of all three kinds in which every verdict and many signals occur, kept and refused."""

import io
import json
from pathlib import Path

import msgspec
import pyexiv2
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from jobs.build import build
from jobs.config import BuildConfig
from jobs.engine.engine import EngineSettings
from pipeline.video.settings import ClipRules, ClipSettings
from schemas.consent import ConsentSettings
from schemas.signals import SIGNALS
from tests.jobs.site import article, photo, prose
from tests.pipeline.videos import make_video

HTML = "text/html; charset=utf-8"
CC_BY = "https://creativecommons.org/licenses/by/4.0/"
#: What refuses but `content-signal`, whose no is noted and passes; so do conditions.
CONFIG = msgspec.structs.replace(
    BuildConfig(),
    kinds=("interleaved", "pairs", "clips"),
    partitions=2,
    buckets=2,
    clips=ClipSettings(rules=ClipRules(target_s=0)),
    consent=ConsentSettings(
        honour=tuple(name for name in SIGNALS if name not in ("content-signal", "robots", "tdm-reservation")),
        conditional="pass",
    ),
)


def said(signal: str, verdict: str, value: str = "as told", origin: str = "/robots.txt") -> dict[str, str]:
    return {"signal": signal, "origin": origin, "value": value, "verdict": verdict, "time": "2026-02-28T09:00:00Z"}


def page(number: int, images: list[str], head: str = "") -> bytes:
    return article(number, images).replace("</head>", f"{head}</head>").encode()


def with_mining(seed: int, value: str, size: tuple[int, int] = (320, 240)) -> bytes:
    image = pyexiv2.ImageData(photo(seed, *size))
    image.modify_xmp({"Xmp.plus.DataMining": value, "Xmp.dc.creator": ["Ann"]})
    data = bytes(image.get_bytes())
    image.close()
    return data


def build_audited(folder: Path) -> Path:
    """Nine pages of five domains are kept, five refused; so are images by their metadata and their headers."""
    usage, noai = {"Content-Usage": "train-ai=y"}, '<meta name="robots" content="noai">'
    yes, no, rsl = said("content-signal", "yes"), said("content-signal", "no"), said("rsl", "conditional")
    licence = f'<link rel="license" href="{CC_BY}">'
    film = (
        "<html><head><title>Bread</title></head><body><figure><video src='/v.mp4'></video><figcaption>A baker folds "
        f"the dough by hand and leaves it to rest {prose(5)}</figcaption></figure></body></html>"
    ).encode()
    records: list[tuple[str, bytes, str, dict[str, str], list[dict[str, str]], str]] = [
        ("https://www.big.example/1", page(1, ["/a.jpg", "/b.jpg"], licence), HTML, {}, [yes], "2026-01-05"),
        ("https://www.big.example/2", page(2, ["/c.jpg"], licence), HTML, usage, [yes], "2026-01-06"),
        ("https://klein.de/1", page(3, ["/d.jpg"]), HTML, {}, [no], "2026-02-01"),
        ("https://klein.de/2", page(4, ["/e.jpg"]), HTML, {"Content-Usage": "train-ai"}, [no, yes], "2026-02-02"),
        ("https://paid.co.uk/1", page(5, ["/f.jpg"]), HTML, {}, [rsl], "2026-02-03"),
        ("https://silent.fr/1", page(6, ["/g.jpg"]), HTML, {}, [], "2026-03-01"),
        ("https://silent.fr/2", page(7, ["/h.jpg", "/i.jpg"]), HTML, {}, [], "2026-03-02"),
        ("https://xn--e1afmkfd.xn--p1ai/1", page(8, ["/j.jpg"]), HTML, {}, [], "2026-03-03"),
        ("https://film.example/1", film, HTML, {}, [yes], "2026-03-04"),
        ("https://no.example/1", page(11, ["/k.jpg"]), HTML, {"Content-Usage": "train-ai=n"}, [], "2026-03-05"),
        ("https://no.example/2", page(12, ["/k.jpg"]), HTML, {"X-Robots-Tag": "noai"}, [], "2026-03-05"),
        ("https://no.example/3", page(13, ["/k.jpg"]), HTML, {"tdm-reservation": "1"}, [], "2026-03-05"),
        ("https://no.example/4", page(14, ["/k.jpg"], noai), HTML, {}, [], "2026-03-05"),
        ("https://no.example/5", page(15, ["/k.jpg"]), HTML, {}, [said("rsl", "no")], "2026-03-05"),
    ]  # fmt: skip
    images: dict[str, tuple[bytes, dict[str, str]]] = {
        "www.big.example/a.jpg": (photo(1, 900, 700), {}),
        "www.big.example/b.jpg": (with_mining(2, "DMI-ALLOWED"), {}),
        "www.big.example/c.jpg": (photo(3), {"Content-Usage": "train-ai=y"}),
        "klein.de/d.jpg": (photo(4), {}),
        "klein.de/e.jpg": (with_mining(5, "DMI-UNSPECIFIED"), {}),
        "paid.co.uk/f.jpg": (photo(6), {}),
        "silent.fr/g.jpg": (photo(7), {}),
        "silent.fr/h.jpg": (photo(8), {}),
        "silent.fr/i.jpg": (with_mining(9, "DMI-PROHIBITED"), {}),
        "xn--e1afmkfd.xn--p1ai/j.jpg": (photo(10), {}),
    }
    for name, (body, headers) in images.items():
        records.append((f"https://{name}", body, "image/jpeg", headers, [], "2026-01-04"))
    video = make_video(scenes=(60,), size=(320, 240))
    records.append(("https://film.example/v.mp4", video, "video/mp4", {}, [yes], "2026-03-04"))
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / "audited.warc.gz"
    with archive.open("wb") as file:
        writer = WARCWriter(file, gzip=True)
        for url, body, kind, headers, site, day in records:
            http = StatusAndHeaders("200 OK", [("Content-Type", kind), *headers.items()], protocol="HTTP/1.1")
            fields = {"WARC-Date": f"{day}T10:00:00Z", "WARC-Site-Signals": json.dumps(site)}
            made = writer.create_warc_record(
                url, "response", payload=io.BytesIO(body), http_headers=http, warc_headers_dict=fields
            )
            writer.write_record(made)
    build(str(folder / "out"), [str(archive)], CONFIG, EngineSettings(engine="inline"))
    return folder / "out"
